"""Steps 5 and 6 of verification: the range of the data log against its root, and every batch in it against its edge. Streams."""

from collections.abc import Iterator, Sequence

import msgspec

from evidence.bag import PROOFS, BagReader
from evidence.proofs import Proofs, decode_proofs, raw
from evidence.ranges import Frontier
from evidence.segment import read_segment
from evidence.statement import Predicate
from evidence.survey import Survey
from evidence.trust import TrustFile
from evidence.verify_control import Control
from store.log import EMPTY_ROOT, Checkpoint, leaf_hash, split_leaf, verify_consistency
from store.signing import verify
from workshop.batch import NO_DIGEST, Header, SealedBatch, decode_header
from workshop.canonical import sha256_hex
from workshop.errors import Rejected


class Range(msgspec.Struct, frozen=True):
    """The stretch of the data log in the bundle."""

    first: int
    end: int
    size: int
    first_accepted_us: int
    checked: int
    """Checkpoints of the control log that the data log was held against."""
    unproven: int
    """Checkpoints of the control log outside the range without a proof in the bundle."""


def leaves(bag: BagReader, *, parts: bool) -> Iterator[tuple[int, bytes, list[bytes | None]]]:
    """(index, leaf, parts) of the whole range, segment file by segment file, which must join without holes.

    Raises:
        Rejected: see `read_segment`; or a file whose name does not say what is in it.
    """
    expected: int | None = None
    for name, first, end in bag.segments:
        if expected not in (None, first):
            raise Rejected(f"'{name}' begins at {first}, the segment before ends at {expected}")
        index = first
        with bag.open(name) as file:
            for leaf, found in read_segment(file, first, parts=parts):
                yield index, leaf, found
                index += 1
        if index != end:
            raise Rejected(f"'{name}' holds batches up to {index}, its name says {end}: batches were removed or added")
        expected = end


def check_range(bag: BagReader, predicate: Predicate, checkpoint: Checkpoint, control: Control, pinned: Sequence[Checkpoint]) -> Range:
    """(5) The leaves of the range, with the hashes beside it, give the checkpoint's root; earlier checkpoints lie on the same history."""
    proofs = decode_proofs(bag.read(PROOFS))
    stated = (predicate.data.first, predicate.data.end, predicate.data.size)
    if (proofs.first, proofs.end, proofs.size) != stated or proofs.size != checkpoint.size:
        raise Rejected(f"range [{proofs.first}, {proofs.end}) of {proofs.size}, the statement says {stated}, the checkpoint {checkpoint.size}")
    if cut := [item.size for item in pinned if item.size > checkpoint.size] or [size for size in control.sealed if size > checkpoint.size]:
        raise Rejected(f"the log has {checkpoint.size} batches, an earlier checkpoint {max(cut)}: it was cut at its end")
    tree = Frontier(proofs.first, raw(proofs.left))
    roots = {proofs.first: tree.root()}
    wanted = {*control.sealed, *(item.size for item in pinned)}
    first_us = last_us = -1
    for index, leaf, _ in leaves(bag, parts=False):
        if index != tree.size:
            raise Rejected(f"batch {index} where {tree.size} is expected")
        accepted_us = split_leaf(leaf)[0]
        if accepted_us < last_us:
            raise Rejected(f"batch {index}: accepted at {accepted_us}, before the batch in front of it, {last_us}")
        first_us, last_us = accepted_us if first_us < 0 else first_us, accepted_us
        tree.append(leaf_hash(leaf))
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    if tree.size != proofs.end:
        raise Rejected(f"the bundle holds batches up to {tree.size}, expected {proofs.end}")
    if not verify_consistency(proofs.end, proofs.size, tree.root(), checkpoint.root, raw(proofs.to_size)):
        raise Rejected(f"the batches do not give the root {checkpoint.root.hex()} of the signed checkpoint: batches were changed, removed or added")
    roots[proofs.size] = checkpoint.root
    roots[0] = EMPTY_ROOT
    return _check_history(proofs, checkpoint, control, pinned, roots, first_us)


def _check_history(
    proofs: Proofs, checkpoint: Checkpoint, control: Control, pinned: Sequence[Checkpoint], roots: dict[int, bytes], first_us: int
) -> Range:
    paths = {proof.old: raw(proof.hashes) for proof in proofs.checkpoints}

    def agrees(size: int, root: bytes) -> bool | None:
        if size in roots:
            return roots[size] == root
        return verify_consistency(size, proofs.size, root, checkpoint.root, paths[size]) if size in paths else None

    for item in pinned:
        answer = agrees(item.size, item.root)
        if answer is None:
            raise Rejected(f"no proof in the bundle reaches the pinned checkpoint at {item.size}; ask for a bundle with a proof from there")
        if not answer:
            raise Rejected(f"the log of {checkpoint.size} batches does not extend the pinned checkpoint at {item.size}: this is another history")
    answers = [agrees(size, root) for size, root in control.sealed.items()]
    if False in answers:
        raise Rejected("a checkpoint in the control log is not on the history of the data log")
    return Range(proofs.first, proofs.end, proofs.size, first_us, answers.count(True), answers.count(None))


def read_batches(bag: BagReader) -> Iterator[tuple[int, int, SealedBatch]]:
    """(index, accepted time in µs, batch) of the whole range."""
    for index, leaf, parts in leaves(bag, parts=True):
        accepted_us, header, signature = split_leaf(leaf)
        yield index, accepted_us, SealedBatch(header, signature, tuple(parts))


class _Chain(msgspec.Struct, frozen=True):
    epoch: int
    seq: int
    digest: str


def check_batches(bag: BagReader, control: Control, trust: TrustFile | None, whole: bool, survey: Survey) -> dict[str, _Chain]:
    """(6) Every batch is signed by its edge, follows the one before without a hole, is of the enrolled provenance, and its parts are what it says.

    Args:
        whole: the range begins with the log, so that every edge must begin with its first batch.
        survey: filled on the way.
    Returns:
        How far each edge's chain reaches.
    """
    chains: dict[str, _Chain] = {}
    for index, accepted_us, batch in read_batches(bag):
        header = decode_header(batch.header)
        where = f"batch {index} ({header.edge}, epoch {header.epoch}, {header.seq})"
        enrolment = control.enrolment(header.edge, accepted_us)
        if enrolment is None:
            raise Rejected(f"{where}: the control log has no enrolment of this edge in force when it was accepted")
        if trust is not None and enrolment.key not in trust.edges.get(header.edge, ()):
            raise Rejected(f"{where}: key {enrolment.key} of the edge is not in the trust file; is the trust file older than its enrolment?")
        if not verify(enrolment.key, "batch", batch.header, batch.signature):
            raise Rejected(f"{where}: not signed with the edge's key {enrolment.key}")
        if header.provenance is not enrolment.provenance:
            raise Rejected(f"{where}: says {header.provenance}, the edge is enrolled as {enrolment.provenance}")
        _check_follows(header, chains.get(header.edge), control, whole, where)
        chains[header.edge] = _Chain(header.epoch, header.seq, batch.digest)
        if len(batch.parts) != len(header.parts):
            raise Rejected(f"{where}: {len(batch.parts)} parts for {len(header.parts)} entries")
        for entry, part in zip(header.parts, batch.parts, strict=True):
            if part is not None and (len(part) != entry.bytes or sha256_hex(part) != entry.sha256):
                raise Rejected(f"{where}: part of {entry.equipment} has digest {sha256_hex(part)}, its entry says {entry.sha256}")
        survey.add(header, tuple(part is not None for part in batch.parts))
    return chains


def _check_follows(header: Header, before: _Chain | None, control: Control, whole: bool, where: str) -> None:
    start = control.epochs.get((header.edge, header.epoch))
    if before is not None and header.epoch == before.epoch:
        if header.seq != before.seq + 1:
            raise Rejected(f"{where}: sequence number {header.seq}, expected {before.seq + 1}: a batch is missing")
        if header.prev != before.digest:
            raise Rejected(f"{where}: its prev is {header.prev}, the batch before has the digest {before.digest}")
    elif before is not None:
        if header.epoch < before.epoch or header.seq != 1 or start is None or (start.old_epoch, start.old_seq) != (before.epoch, before.seq):
            raise Rejected(f"{where}: a new epoch after ({before.epoch}, {before.seq}) that the control log does not announce so")
        if header.prev != (before.digest if start.prev == "chained" else NO_DIGEST):
            raise Rejected(f"{where}: its prev does not fit the announced start of the epoch ({start.prev})")
    elif whole and (header.seq != 1 or header.prev != NO_DIGEST or start is not None):
        raise Rejected(f"{where}: the log begins here, but the edge's chain does not: batches are missing")
