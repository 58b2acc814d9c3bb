"""What goes into and comes out of the gateway's archive."""

from typing import Any

import msgspec

from workshop.batch import Provenance, SealedBatch


class EdgeRecord(msgspec.Struct, frozen=True):
    """An enrolled edge. Provenance is fixed at the first enrolment."""

    edge: str
    public_key: str
    """Raw Ed25519 public key, base64."""
    provenance: Provenance
    token_sha256: str
    """Of its bearer token, which is not kept."""
    enrolled_us: int
    revoked_us: int | None = None


class Committed(msgspec.Struct, frozen=True):
    """The batch is on disk in the data log."""

    watermark: int
    """Largest seq of the batch's epoch such that it and all before it are committed."""
    index: int | None
    """Index in the data log; None for a batch that was there already."""


class Refused(msgspec.Struct, frozen=True):
    """The batch was not taken, and why."""

    type: str
    """sequence-gap, conflict, fenced, unknown-edge, bad-signature, wrong-provenance or invalid."""
    detail: str
    watermark: int | None = None
    """What to send from, less one; of this epoch."""
    epoch: int | None = None
    """The epoch that the gateway follows."""


class StoredBatch(msgspec.Struct, frozen=True):
    """A batch as the data log holds it."""

    index: int
    accepted_us: int
    batch: SealedBatch


class StoredHeader(msgspec.Struct, frozen=True):
    """A batch as the data log holds it, without its parts."""

    index: int
    accepted_us: int
    header: bytes
    sizes: tuple[int | None, ...]
    """Bytes of each part; None for those that are not there."""


class ControlEntry(msgspec.Struct, frozen=True):
    """One entry of the control log, decoded; `index` is its place and not part of the signed bytes."""

    index: int
    v: int
    kind: str
    time_us: int
    author: str
    body: dict[str, Any]


class TokenRecord(msgspec.Struct, frozen=True):
    """A bearer token, one-time link or session, by the SHA-256 of its secret."""

    sha256: str
    role: str
    subject: str
    expires_us: int | None
    once: bool


class QuarantinedRow(msgspec.Struct, frozen=True):
    """A row of an authentic batch that no engine could index; the batch itself is kept whole."""

    edge: str
    epoch: int
    seq: int
    equipment: str
    row: int
    reason: str


class GatewayKeyRecord(msgspec.Struct, frozen=True):
    """A key of the gateway and the time in which it signs: [from, to) in µs; no end for the present one."""

    key: str
    from_us: int
    to_us: int | None


class Alarm(msgspec.Struct, frozen=True):
    """Something about an edge that a person must look at, from an "audit" entry."""

    what: str
    """fenced: two journals of one edge are in use; conflict: two bodies under one identity."""
    epoch: int
    detail: str
    time_us: int


class Chain(msgspec.Struct, frozen=True):
    """How far the gateway follows an edge: its epoch, the last seq, that header's digest and when it was accepted."""

    epoch: int
    seq: int
    digest: str
    accepted_us: int
