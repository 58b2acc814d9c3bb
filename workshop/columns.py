"""Columns of many parts at once: the one decoder of parts. A part of a hundred rows costs little more than its rows when a thousand come together.

Every check of docs/evidence-format.md is made for every part; one part that fails refuses all of them, and the caller asks for fewer.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from workshop.batch import MAX_ROWS
from workshop.canonical import canonical_json
from workshop.errors import Rejected
from workshop.reading import Quality, ValueKind
from workshop.varint import unpack_deltas_pieces, unpack_runs_pieces, unpack_unsigned_pieces

MAGIC = b"CJP1"
MAX_BODY = 64 * 2**20
COLUMNS = ("count", "time", "delay", "kind", "quality", "status", "i64", "scale", "scaled", "float", "text")
NOT_SCALED = 255
EXPONENTS = range(10)
POWERS = np.array([10.0**exponent for exponent in EXPONENTS])  # exact doubles: a power computed by a library need not be
SCALED_LIMIT = 2**53
HEAD = struct.Struct(f"<{2 + len(COLUMNS)}I")
"""Start of the body: length of the description, rows, length of each column."""
GROUP_BYTES = 64 * 2**20
"""Bodies of so many bytes are decoded together."""
_KEPT = 4096
_KEPT_BYTES = 2**14


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The dictionaries of a part, each sorted and without repetition; they seldom change from one part of a machine to the next."""

    signals: list[str]
    """Names without the equipment."""
    statuses: list[str]
    texts: list[str]


class Columns(NamedTuple):
    """The rows of p parts, one part after the other; n rows, s pairs of part and signal."""

    descriptions: list[Description]
    rows: NDArray[np.int64]
    """i64[p]: rows of each part."""
    counts: NDArray[np.int64]
    """i64[s]: rows of each signal of each part, in the order of the dictionaries."""
    source_time_us: NDArray[np.int64]
    received_time_us: NDArray[np.int64]
    kind: NDArray[np.uint8]
    value_f64: NDArray[np.float64]
    value_i64: NDArray[np.int64]
    text: NDArray[np.int64]
    """Of the rows of kind text alone: index in their part's `texts`."""
    quality: NDArray[np.uint8]
    status: NDArray[np.int32]
    """Index in the part's `statuses`."""


def body_bytes(data: bytes) -> int:
    """How long a part says its body is.

    Raises:
        Rejected: no part, or beyond the limit.
    """
    if len(data) < 8 or data[:4] != MAGIC:
        raise Rejected("part: does not start with CJP1")
    size = int.from_bytes(data[4:8], "little")
    if size > MAX_BODY:
        raise Rejected(f"part: a body of {size} bytes, at most {MAX_BODY}")
    return size


class Decoder:
    """Decodes parts; keeps the descriptions that it has seen, since they repeat. One thread at a time."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor()
        self._known: dict[bytes, Description] = {}

    def decode(self, parts: Sequence[bytes]) -> Columns:
        """The rows of these parts.

        Raises:
            Rejected: any of them is no part, cut, longer than stated, beyond the limits, unsorted, or its columns do not fit together.
        """
        descriptions: list[Description] = []
        heads: list[tuple[int, ...]] = []
        pieces: list[list[bytes]] = []
        for data in parts:
            body = self._body(data)
            head = HEAD.unpack_from(body) if len(body) >= HEAD.size else ()
            if not head or HEAD.size + head[0] + sum(head[2:]) != len(body) or not 0 < head[1] <= MAX_ROWS:
                raise Rejected("part: columns do not fill the body, or a number of rows out of range")
            offset = HEAD.size + head[0]
            descriptions.append(self._describe(body[HEAD.size : offset]))
            columns = []
            for length in head[2:]:
                columns.append(body[offset : offset + length])
                offset += length
            heads.append(head)
            pieces.append(columns)
        joined = {name: b"".join(column) for name, column in zip(COLUMNS, zip(*pieces, strict=True), strict=True)}
        table = np.array(heads, np.int64)
        lengths = dict(zip(COLUMNS, table.T[2:], strict=True))
        return _assemble(descriptions, table[:, 1], joined, lengths)

    def decode_groups(self, parts: Sequence[bytes], first: int = 0) -> Iterator[tuple[range, Columns | Rejected]]:
        """The rows of neighbouring parts together, as many as go into memory; a malformed part is found by halving and stands alone, with its error.

        Args:
            first: number of the first part.
        Returns:
            numbers of the parts, and their rows; in order.
        """
        if not parts:
            return
        numbers = range(first, first + len(parts))
        try:
            if len(parts) == 1 or sum(body_bytes(part) for part in parts) <= GROUP_BYTES:
                yield numbers, self.decode(parts)
                return
        except Rejected as error:
            if len(parts) == 1:
                yield numbers, error
                return
        half = len(parts) // 2
        yield from self.decode_groups(parts[:half], first)
        yield from self.decode_groups(parts[half:], first + half)

    def _body(self, data: bytes) -> bytes:
        size = body_bytes(data)
        try:
            frame = data[8:]
            if zstandard.get_frame_parameters(frame).content_size != size:
                raise Rejected("part: the compressed frame states another length")
            body = bytes(self._zstd.decompress(frame, max_output_size=size, read_across_frames=False, allow_extra_data=False))
        except zstandard.ZstdError as error:
            raise Rejected(f"part: {error}") from error
        if len(body) != size:
            raise Rejected("part: the compressed frame holds another length than stated")
        return body

    def _describe(self, data: bytes) -> Description:
        found = self._known.get(data)
        if found is None:
            found = read_description(data)
            if len(data) <= _KEPT_BYTES:
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[data] = found
        return found


def read_description(data: bytes) -> Description:
    """A part's dictionaries from their canonical JSON.

    Raises:
        Rejected: another spelling, a dictionary that is not sorted or repeats itself, no signal or no status.
    """
    try:
        found = msgspec.json.decode(data, type=Description)
        canonical = canonical_json(found)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise Rejected(f"part: {error}") from error
    if canonical != data:
        raise Rejected("part: its description is not in canonical form")
    for dictionary in (found.signals, found.statuses, found.texts):
        if any(left >= right for left, right in pairwise(dictionary)):
            raise Rejected("part: a dictionary is not sorted, or repeats itself")
    if not found.signals or not found.statuses:
        raise Rejected("part: no signals or no statuses")
    return found


def _assemble(
    descriptions: list[Description], rows: NDArray[np.int64], column: dict[str, bytes], lengths: dict[str, NDArray[np.int64]]
) -> Columns:
    starts = np.cumsum(rows) - rows
    signals = np.array([len(item.signals) for item in descriptions], np.int64)
    counts = _counts(column["count"], lengths["count"], signals, rows)
    time = unpack_deltas_pieces(column["time"], lengths["time"], rows)
    descends = np.diff(time) < 0
    descends[np.cumsum(counts)[:-1] - 1] = False  # from one signal or part to the next
    if bool(descends.any()):
        raise Rejected("part: rows are not sorted by signal and source time")
    delay = unpack_deltas_pieces(column["delay"], lengths["delay"], rows)
    kind = _runs(column["kind"], lengths["kind"], rows, ValueKind.TEXT).astype(np.uint8)
    quality = _runs(column["quality"], lengths["quality"], rows, Quality.BAD).astype(np.uint8)
    if bool(((kind == ValueKind.NONE) != (quality == Quality.BAD)).any()):
        raise Rejected("part: bad quality and a missing value belong together")
    statuses = np.array([len(item.statuses) for item in descriptions], np.int64)
    status = _runs(column["status"], lengths["status"], rows, statuses - 1).astype(np.int32)
    is_i64 = kind == ValueKind.I64
    i64 = np.zeros(len(time), np.int64)
    i64[is_i64] = unpack_deltas_pieces(column["i64"], lengths["i64"], _per_part(is_i64, starts))
    is_text = kind == ValueKind.TEXT
    texts = _per_part(is_text, starts)
    text = unpack_unsigned_pieces(column["text"], lengths["text"], texts)
    if bool((text >= np.repeat(np.array([len(item.texts) for item in descriptions], np.uint64), texts)).any()):
        raise Rejected("part: text index outside its dictionary")
    f64 = _floats(column, lengths, signals, counts, kind == ValueKind.F64, starts)
    return Columns(descriptions, rows, counts, time, time + delay, kind, f64, i64, text.astype(np.int64), quality, status)


def _counts(data: bytes, lengths: NDArray[np.int64], signals: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    counts = unpack_unsigned_pieces(data, lengths, signals)
    if bool((counts == 0).any()) or bool((counts > MAX_ROWS).any()):
        raise Rejected("part: a signal without rows, or with too many")
    whole = counts.astype(np.int64)
    if bool((np.add.reduceat(whole, np.cumsum(signals) - signals) != rows).any()):
        raise Rejected("part: rows per signal do not add up")
    return whole


def _runs(data: bytes, lengths: NDArray[np.int64], rows: NDArray[np.int64], most: int | NDArray[np.int64]) -> NDArray[np.int64]:
    values, run, numbers = unpack_runs_pieces(data, lengths, rows)
    if bool((values > (most if isinstance(most, int) else np.repeat(most, numbers))).any()):
        raise Rejected("part: kind, quality or status outside its range")
    return np.repeat(values, run)


def _per_part(rows: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many rows of each part the mask names; every part has rows."""
    return np.add.reduceat(rows.astype(np.int64), starts)


def _floats(
    column: dict[str, bytes], lengths: dict[str, NDArray[np.int64]], signals: NDArray[np.int64], counts: NDArray[np.int64],
    is_f64: NDArray[np.bool_], starts: NDArray[np.int64],
) -> NDArray[np.float64]:
    scale = np.frombuffer(column["scale"], np.uint8)
    if bool((lengths["scale"] != signals).any()) or bool(((scale > max(EXPONENTS)) & (scale != NOT_SCALED)).any()):
        raise Rejected("part: scales do not match the signals")
    exponents = np.repeat(scale, counts)
    is_scaled = is_f64 & (exponents != NOT_SCALED)
    values = np.zeros(len(is_f64), np.float64)
    whole = unpack_deltas_pieces(column["scaled"], lengths["scaled"], _per_part(is_scaled, starts))
    if bool((whole <= -SCALED_LIMIT).any()) or bool((whole >= SCALED_LIMIT).any()):
        raise Rejected("part: a scaled integer of 2^53 or more")
    values[is_scaled] = whole / POWERS[exponents[is_scaled]]
    is_plain = is_f64 & ~is_scaled
    plain = _per_part(is_plain, starts)
    if bool((lengths["float"] != 8 * plain).any()):
        raise Rejected("part: floats do not match the rows")
    if column["float"]:
        octets = np.frombuffer(column["float"], np.uint8)
        stops = np.cumsum(lengths["float"]).tolist()
        planes = [octets[stop - size : stop].reshape(8, -1).T for stop, size in zip(stops, lengths["float"].tolist(), strict=True) if size]
        floats = np.ascontiguousarray(np.concatenate(planes)).view("<f8").reshape(-1)
        if not bool(np.isfinite(floats).all()):
            raise Rejected("part: a float is NaN or infinite")
        values[is_plain] = floats
    return values
