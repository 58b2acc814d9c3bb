"""Fragments: blocks as bytes on the edge's disk until they are sealed, and the spans that say what a damaged one held.

fragment  zstd(MessagePack of the block's columns as raw little-endian bytes); private to the journal, never leaves the edge
span      8 bytes of SHA-256 ‖ delta varints of (signal numbers, first source times, lengths): small, and beside the fragment, so that the loss of
          a fragment can be declared signal by signal
"""

import hashlib

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from workshop.block import I64_MAX, I64_MIN, Block, check_block
from workshop.errors import Rejected
from workshop.varint import pack_deltas, unpack_deltas

MAX_FRAGMENT = 2**31
_CHECK_BYTES = 8


class _Columns(msgspec.Struct, array_like=True):
    signals: list[str]
    statuses: list[str]
    signal: bytes
    source_time_us: bytes
    received_time_us: bytes
    kind: bytes
    value_f64: bytes
    value_i64: bytes
    value_text: list[str]
    quality: bytes
    status: bytes


def encode_fragment(block: Block) -> bytes:
    """The block as bytes.

    Raises:
        Rejected: text that is not valid Unicode.
    """
    columns = _Columns(
        block.signals, block.statuses, block.signal.astype("<i4").tobytes(), block.source_time_us.astype("<i8").tobytes(),
        block.received_time_us.astype("<i8").tobytes(), block.kind.tobytes(), block.value_f64.astype("<f8").tobytes(),
        block.value_i64.astype("<i8").tobytes(), block.value_text, block.quality.tobytes(), block.status.astype("<i4").tobytes(),
    )
    try:
        body = msgspec.msgpack.encode(columns)
    except UnicodeEncodeError as error:
        raise Rejected("block: text is not valid Unicode") from error
    return zstandard.ZstdCompressor(level=1).compress(body)


def decode_fragment(data: bytes) -> Block:
    """The block of a fragment.

    Raises:
        Rejected: not a fragment of this program.
    """
    try:
        columns = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_FRAGMENT), type=_Columns)
        block = Block(
            columns.signals, columns.statuses, np.frombuffer(columns.signal, "<i4").astype(np.int32),
            np.frombuffer(columns.source_time_us, "<i8").astype(np.int64), np.frombuffer(columns.received_time_us, "<i8").astype(np.int64),
            np.frombuffer(columns.kind, np.uint8), np.frombuffer(columns.value_f64, "<f8").astype(np.float64),
            np.frombuffer(columns.value_i64, "<i8").astype(np.int64), columns.value_text, np.frombuffer(columns.quality, np.uint8),
            np.frombuffer(columns.status, "<i4").astype(np.int32),
        )
    except (zstandard.ZstdError, msgspec.DecodeError, ValueError) as error:
        raise Rejected(f"fragment: {error}") from error
    check_block(block)
    return block


def spans_of(block: Block) -> dict[str, tuple[int, int]]:
    """First and last source time, µs, of every signal that has rows in the block."""
    names = len(block.signals)
    first, last = np.full(names, I64_MAX, np.int64), np.full(names, I64_MIN, np.int64)
    np.minimum.at(first, block.signal, block.source_time_us)
    np.maximum.at(last, block.signal, block.source_time_us)
    spans: dict[str, tuple[int, int]] = {}
    for name, start, end in zip(block.signals, first.tolist(), last.tolist(), strict=True):
        if start <= end:
            before = spans.get(name, (start, end))
            spans[name] = (min(start, before[0]), max(end, before[1]))
    return spans


def encode_spans(spans: dict[str, tuple[int, int]], numbers: dict[str, int]) -> bytes:
    """The spans as bytes, signals by their number in the journal."""
    columns = np.array([[numbers[name] for name in spans], [start for start, _ in spans.values()], [end for _, end in spans.values()]], np.int64)
    return encode_span_columns(*columns.reshape(3, -1))


def encode_span_columns(numbers: NDArray[np.int64], first_us: NDArray[np.int64], last_us: NDArray[np.int64]) -> bytes:
    """The same from columns."""
    data = pack_deltas(np.concatenate((numbers, first_us, last_us - first_us)))
    return hashlib.sha256(data).digest()[:_CHECK_BYTES] + data


def decode_spans(data: bytes, numbers: dict[str, int]) -> dict[str, tuple[int, int]]:
    """The inverse of `encode_spans`.

    Raises:
        Rejected: damaged, or a number that the journal does not know.
    """
    names = {number: name for name, number in numbers.items()}
    columns = decode_span_columns(data)
    signals, starts, ends = (column.tolist() for column in columns)
    if any(number not in names for number in signals):
        raise Rejected("span: a signal that the journal does not know")
    return {names[number]: (start, end) for number, start, end in zip(signals, starts, ends, strict=True)}


def decode_span_columns(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Numbers, first and last source times.

    Raises:
        Rejected: damaged.
    """
    check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if hashlib.sha256(body).digest()[:_CHECK_BYTES] != check:
        raise Rejected("span: damaged")
    values: NDArray[np.int64] = unpack_deltas(body, int((np.frombuffer(body, np.uint8) < 0x80).sum()))
    numbers, first_us, lengths = values.reshape(3, -1)
    return numbers, first_us, first_us + lengths
