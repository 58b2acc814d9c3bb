"""Whether a batch may enter the data log: one rule after the other, each with its answer. Pure."""

from collections.abc import Callable

import msgspec

from store.archive_records import Chain, EdgeRecord, Refused
from store.signing import verify
from workshop.batch import NO_DIGEST, SIGNATURE_BYTES, Header, SealedBatch, decode_header
from workshop.canonical import sha256_hex
from workshop.errors import Rejected
from workshop.register import EQUIPMENT_ID


class Admitted(msgspec.Struct, frozen=True):
    """The batch is authentic and the next of its edge."""

    header: Header
    new_epoch: str | None
    """None, or how an epoch begins: "first"; "chained" to the last digest of the old one; "lost", with 64 zeros, the edge lost its journal."""


class Replayed(msgspec.Struct, frozen=True):
    """The very same batch is in the log already."""

    header: Header


def admit(
    batch: SealedBatch, edge_of: Callable[[str], EdgeRecord | None], key_of: Callable[[EdgeRecord, Header], str],
    chain_of: Callable[[str], Chain | None], stored: Callable[[str, int, int], bytes | None], now_us: int, silence_us: int,
    header: Header | None = None,
) -> Admitted | Replayed | Refused:
    """Judges one batch.

    (1) canonical header (2) enrolled edge (3) signature (4) provenance (5) replay (6) epoch (7) sequence (8) chain (9) parts

    Args:
        key_of: the public key with which this edge signs this batch.
        header: what `decode_header` gave for the batch, if it is known.
        stored: the header's bytes kept under (edge, epoch, seq), or None.
        silence_us: how long an edge must have been silent before a new epoch of it is believed.
    """
    try:
        header = decode_header(batch.header) if header is None else header  # (1)
    except Rejected as error:
        return Refused("invalid", str(error))
    edge = edge_of(header.edge)
    if edge is None or edge.revoked_us is not None:  # (2)
        return Refused("unknown-edge", f"edge '{header.edge[:100]}' is {'not enrolled' if edge is None else 'revoked'}; enrol it again")
    if len(batch.signature) != SIGNATURE_BYTES or not verify(key_of(edge, header), "batch", batch.header, batch.signature):  # (3)
        return Refused("bad-signature", f"batch {header.seq} of {header.edge}: not signed with the key that the edge was enrolled with")
    where = f"batch {header.seq} of {header.edge}, epoch {header.epoch}"
    if header.provenance is not edge.provenance:  # (4)
        return Refused("wrong-provenance", f"{where}: says {header.provenance.value}, the edge is enrolled as {edge.provenance.value}")
    chain = chain_of(header.edge)
    known = stored(header.edge, header.epoch, header.seq)
    if known is not None:  # (5)
        if known == batch.header:
            return Replayed(header)
        watermark, epoch = (chain.seq, chain.epoch) if chain else (None, None)
        return Refused("conflict", f"{where}: another body is in the log under this identity", watermark, epoch)
    start = _judge_epoch(header, chain, now_us, silence_us)
    if isinstance(start, Refused):
        return start
    return _judge_parts(header, batch, where) or Admitted(header, start)


def _judge_epoch(header: Header, chain: Chain | None, now_us: int, silence_us: int) -> str | Refused | None:
    where = f"batch {header.seq} of {header.edge}, epoch {header.epoch}"
    if chain is not None and header.epoch == chain.epoch:
        if header.seq != chain.seq + 1:  # (7)
            return Refused("sequence-gap", f"{where}: expected {chain.seq + 1}", chain.seq, chain.epoch)
        if header.prev != chain.digest:  # (8)
            return Refused("conflict", f"{where}: its prev is not the digest of batch {chain.seq} in the log", chain.seq, chain.epoch)
        return None
    if chain is not None and header.epoch < chain.epoch:  # (6)
        return Refused("fenced", f"{where}: the edge is in epoch {chain.epoch} since then; two journals are in use", chain.seq, chain.epoch)
    if chain is not None and now_us - chain.accepted_us < silence_us:
        wait_s = (silence_us - (now_us - chain.accepted_us)) / 1_000_000
        said = f"{where}: epoch {chain.epoch} was heard from just now; a new one is taken after {wait_s:.0f} s more of silence"
        return Refused("fenced", said, chain.seq, chain.epoch)
    if header.seq != 1:
        return Refused("sequence-gap", f"{where}: a new epoch begins with 1", 0, header.epoch)
    if chain is None:
        if header.prev != NO_DIGEST:
            return Refused("conflict", f"{where}: the log holds nothing of this edge, its prev must be 64 zeros", 0, header.epoch)
        return "first"
    if header.prev not in (chain.digest, NO_DIGEST):
        return Refused("conflict", f"{where}: its prev is neither the last digest of epoch {chain.epoch} nor 64 zeros", chain.seq, chain.epoch)
    return "chained" if header.prev == chain.digest else "lost"


def _judge_parts(header: Header, batch: SealedBatch, where: str) -> Refused | None:
    """(9) A part that is missing was damaged at the edge; one that is there is what its entry says."""
    if len(batch.parts) != len(header.parts):
        return Refused("invalid", f"{where}: {len(batch.parts)} parts for {len(header.parts)} entries")
    for entry, part in zip(header.parts, batch.parts, strict=True):
        if not EQUIPMENT_ID.fullmatch(entry.equipment):
            return Refused("invalid", f"{where}: '{ascii(entry.equipment)[:80]}' is no equipment id")
        if part is not None and (len(part) != entry.bytes or sha256_hex(part) != entry.sha256):
            return Refused("invalid", f"{where}: the part of {entry.equipment} does not match its entry; send it again")
    return None
