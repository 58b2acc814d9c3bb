"""data/proofs.json: the hashes beside the ranges of the data log that the bundle holds."""

import msgspec

from workshop.canonical import canonical_json
from workshop.errors import Rejected

MAX_PROOFS = 256
"""Checkpoints of the control log, the latest, that must be proven to lie on the data log's history."""


class Consistency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RFC 6962, 2.1.2: the log of size `new` begins with the log of size `old`. Hashes in hexadecimal."""

    old: int
    new: int
    hashes: tuple[str, ...]


class Proofs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the root of the whole data log is recomputed from, beside the leaves of the ranges."""

    size: int
    holes: tuple[tuple[str, ...], ...]
    """Before each range, and after the last one up to `size`: the hashes of the complete subtrees that cover what is not in the bundle."""
    checkpoints: tuple[Consistency, ...] = ()
    """From checkpoints of the control log, and from sizes that were asked for, outside the ranges: to `size`."""


def encode_proofs(proofs: Proofs) -> bytes:
    """RFC 8785 JSON."""
    return canonical_json(proofs)


def decode_proofs(data: bytes) -> Proofs:
    """The inverse of `encode_proofs`; only the canonical spelling is accepted.

    Raises:
        Rejected: another spelling, a hash that is not 64 lower-case hexadecimal digits, or sizes out of order.
    """
    try:
        proofs = msgspec.json.decode(data, type=Proofs)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"proofs: {error}") from error
    if canonical_json(proofs) != data:
        raise Rejected("proofs: not in canonical form (RFC 8785)")
    if proofs.size < 0 or not proofs.holes:
        raise Rejected("proofs: no size, or no holes")
    for item in (*(item for hole in proofs.holes for item in hole), *(item for proof in proofs.checkpoints for item in proof.hashes)):
        if len(item) != 64 or set(item) - set("0123456789abcdef"):
            raise Rejected("proofs: a hash is 64 lower-case hexadecimal digits")
    if any(proof.new != proofs.size or not 0 < proof.old <= proof.new for proof in proofs.checkpoints):
        raise Rejected("proofs: a consistency proof leads from a size above 0 to the size of the bundle's checkpoint")
    return proofs


def raw(hashes: tuple[str, ...]) -> list[bytes]:
    """The hashes as bytes."""
    return [bytes.fromhex(item) for item in hashes]
