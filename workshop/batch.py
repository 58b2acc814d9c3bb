"""Batches: the signed header, its parts' entries and the frame in which one batch travels."""

import struct
from enum import StrEnum

import msgspec

from workshop.canonical import LARGEST_INTEGER, sha256_hex
from workshop.errors import Rejected

MAX_ROWS = 65_536
MAX_BYTES = 8 * 2**20
MAX_HEADER_BYTES = 2**20
SIGNATURE_BYTES = 64
NO_DIGEST = "0" * 64


class Provenance(StrEnum):
    """Where data comes from: fixed when the edge is enrolled, never upgraded."""

    PLANT = "plant"
    SIMULATED = "simulated"
    IMPORTED = "imported"
    THIRD_PARTY = "third-party"
    DERIVED = "derived"
    DECLARED = "declared"


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A loss, written down: readings of these signals with source time in [from_us, to_us) are missing, and why."""

    signals: tuple[str, ...]
    from_us: int
    to_us: int
    reason: str


class PartEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the header says of one part."""

    equipment: str
    rows: int
    from_us: int
    """Smallest source time, µs."""
    to_us: int
    """Largest source time, µs (inclusive)."""
    sha256: str
    """Of the encoded part."""
    bytes: int


class ClockState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The edge's own clock when it sealed: offset against its time source, µs, and whether it is synchronised."""

    offset_us: int = 0
    synchronised: bool = False


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signed header of a batch; its RFC 8785 bytes are what is signed, kept and hashed, never re-encoded.

    `prev` is the SHA-256 of the previous header's bytes; the first header of an edge's first epoch has 64 zeros, the first of a later epoch the
    last digest of the old one.
    """

    edge: str
    epoch: int
    """Creation of the journal, µs UTC."""
    seq: int
    """1, 2, 3 … without holes."""
    prev: str
    provenance: Provenance
    sealed_us: int
    clock: ClockState = ClockState()
    parts: tuple[PartEntry, ...] = ()
    gaps: tuple[Gap, ...] = ()
    v: int = 1

    @property
    def rows(self) -> int:
        """Number of readings in all parts."""
        return sum(part.rows for part in self.parts)


class SealedBatch(msgspec.Struct, frozen=True):
    """A batch as bytes: the header, the edge's signature over it, and one encoded part per entry (None where it is withheld or damaged)."""

    header: bytes
    signature: bytes
    parts: tuple[bytes | None, ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the header's bytes: what the next header names as `prev`."""
        return sha256_hex(self.header)


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Header)


def encode_header(header: Header) -> bytes:
    """The canonical bytes that are signed: RFC 8785, which for a value without floating-point numbers is JSON with sorted keys.

    Raises:
        ValueError: an integer beyond 2^53 - 1, or text that is not Unicode.
    """
    numbers = [header.epoch, header.seq, header.sealed_us, header.clock.offset_us, header.v]
    for part in header.parts:
        numbers += (part.rows, part.from_us, part.to_us, part.bytes)
    for gap in header.gaps:
        numbers += (gap.from_us, gap.to_us)
    if max(numbers) > LARGEST_INTEGER or min(numbers) < -LARGEST_INTEGER:
        raise ValueError("an integer beyond 2^53 - 1 has no canonical form")
    return _ENCODER.encode(header)


def decode_header(data: bytes) -> Header:
    """The header from its bytes; only the canonical spelling is accepted.

    Raises:
        Rejected: not JSON of this shape, another version, another spelling of the same value, or sizes beyond the limits.
    """
    if len(data) > MAX_HEADER_BYTES:
        raise Rejected(f"header: {len(data)} bytes, at most {MAX_HEADER_BYTES}")
    try:
        header = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"header: {error}") from error
    if header.v != 1:
        raise Rejected(f"header: version {header.v}; this program reads version 1")
    try:
        canonical = encode_header(header)
    except ValueError as error:
        raise Rejected(f"header: {error}") from error
    if canonical != data:
        raise Rejected("header: not in canonical form (RFC 8785)")
    equipment = [part.equipment for part in header.parts]
    if len(set(equipment)) != len(equipment) or equipment != sorted(equipment):
        raise Rejected("header: parts must be sorted by equipment, one for each")
    if header.seq < 1 or header.epoch < 0 or any(part.rows < 1 or part.bytes < 1 or part.to_us < part.from_us for part in header.parts):
        raise Rejected("header: seq, epoch, rows, bytes and times must be in range")
    if any(gap.to_us <= gap.from_us or not gap.signals for gap in header.gaps):
        raise Rejected("header: a gap must name signals and have a length")
    if header.rows > MAX_ROWS or sum(part.bytes for part in header.parts) > MAX_BYTES:
        raise Rejected(f"header: more than {MAX_ROWS} rows or {MAX_BYTES} bytes")
    return header


def frame(batch: SealedBatch) -> bytes:
    """One batch as it travels: u32be length ‖ header ‖ 64-byte signature ‖ u16be parts ‖ { u32be length (0 = withheld) ‖ part }."""
    pieces = [struct.pack(">I", len(batch.header)), batch.header, batch.signature, struct.pack(">H", len(batch.parts))]
    for part in batch.parts:
        pieces += [struct.pack(">I", len(part or b"")), part or b""]
    return b"".join(pieces)


def unframe(data: bytes | memoryview, offset: int = 0) -> tuple[SealedBatch, int]:
    """The batch that starts at `offset`, and the offset after it. Nothing is verified here but lengths.

    Raises:
        Rejected: cut short, or a length beyond the limits.
    """
    view = memoryview(data)

    def read(length: int) -> bytes:
        nonlocal offset
        if length < 0 or offset + length > len(view):
            raise Rejected(f"batch: cut short at byte {offset}")
        piece = bytes(view[offset : offset + length])
        offset += length
        return piece

    header_bytes = struct.unpack(">I", read(4))[0]
    if header_bytes > MAX_HEADER_BYTES:
        raise Rejected(f"batch: header of {header_bytes} bytes, at most {MAX_HEADER_BYTES}")
    header, signature = read(header_bytes), read(SIGNATURE_BYTES)
    parts: list[bytes | None] = []
    for _ in range(struct.unpack(">H", read(2))[0]):
        length = struct.unpack(">I", read(4))[0]
        if length > MAX_BYTES:
            raise Rejected(f"batch: part of {length} bytes, at most {MAX_BYTES}")
        parts.append(read(length) or None)
    return SealedBatch(header, signature, tuple(parts)), offset
