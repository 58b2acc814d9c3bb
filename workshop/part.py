"""Parts: the readings of one piece of equipment in a batch, as compact bytes that a stranger can decode (docs/evidence-format.md).

part    "CJP1" ‖ u32le length of the body ‖ zstd(body)
body    u32le n ‖ n bytes of JSON {"columns": [[name, bytes] …], "rows", "signals", "statuses", "texts"} ‖ the columns one after the other
rows    sorted by (signal in the dictionary's order, source time, arrival); a row's identity is (edge, epoch, seq, equipment, n)
"""

import struct

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from workshop.batch import MAX_ROWS, PartEntry
from workshop.block import Block, check_block
from workshop.canonical import canonical_json, sha256_hex
from workshop.errors import Rejected
from workshop.reading import ValueKind
from workshop.signal import signal_id, split_signal_id
from workshop.varint import pack_deltas, pack_runs, pack_unsigned, unpack_deltas, unpack_runs, unpack_unsigned

MAGIC = b"CJP1"
MAX_BODY = 64 * 2**20
COLUMNS = ("count", "time", "delay", "kind", "quality", "status", "i64", "scale", "scaled", "float", "text")
NOT_SCALED = 255
_EXPONENTS = range(10)
_POWERS = np.array([10.0**exponent for exponent in _EXPONENTS])  # exact doubles: a power computed by a library need not be
_SCALED_LIMIT = float(2**53)


class _Meta(msgspec.Struct, forbid_unknown_fields=True):
    columns: list[tuple[str, int]]
    rows: int
    signals: list[str]
    statuses: list[str]
    texts: list[str]


def split_block(block: Block) -> dict[str, Block]:
    """The rows of each piece of equipment, by its id in sorted order; arrival order is kept."""
    owner = np.array([split_signal_id(name)[0] for name in block.signals] or [""])
    names, index = np.unique(owner, return_inverse=True)
    of_row = index.reshape(-1)[block.signal] if len(block) else np.zeros(0, np.int64)
    return {str(name): block.take(of_row == i) for i, name in enumerate(names) if bool((of_row == i).any())}


def encode_part(equipment: str, block: Block) -> tuple[PartEntry, bytes]:
    """The header's entry and the bytes of the part that holds these readings, all of one piece of equipment.

    Raises:
        Rejected: a signal of other equipment, no rows, or more rows or text than a part may hold, text that is not valid Unicode.
    """
    if not 0 < len(block) <= MAX_ROWS:
        raise Rejected(f"part of {equipment}: {len(block)} rows, must be 1 to {MAX_ROWS}")
    used = sorted({block.signals[i] for i in np.unique(block.signal).tolist()})
    if strangers := [name for name in used if split_signal_id(name)[0] != equipment]:
        raise Rejected(f"part of {equipment}: '{strangers[0]}' belongs to other equipment")
    place = {name: i for i, name in enumerate(used)}
    signal = np.array([place.get(name, -1) for name in block.signals], np.int64)[block.signal]
    order = np.lexsort((block.source_time_us, signal))
    rows = block.take(order)
    signal = signal[order]
    used_statuses = sorted({rows.statuses[i] for i in np.unique(rows.status).tolist()})
    status = np.array([used_statuses.index(s) if s in used_statuses else -1 for s in rows.statuses], np.int64)[rows.status]
    texts, text = _text_column(rows)
    scale, scaled, floats = _scale_floats(rows.value_f64[rows.kind == ValueKind.F64], signal[rows.kind == ValueKind.F64], len(used))
    columns = {
        "count": pack_unsigned(np.bincount(signal, minlength=len(used)).astype(np.uint64)),
        "time": pack_deltas(rows.source_time_us),
        "delay": pack_deltas(rows.received_time_us - rows.source_time_us),
        "kind": pack_runs(rows.kind.astype(np.int64)),
        "quality": pack_runs(rows.quality.astype(np.int64)),
        "status": pack_runs(status),
        "i64": pack_deltas(rows.value_i64[rows.kind == ValueKind.I64]),
        "scale": scale.tobytes(),
        "scaled": pack_deltas(scaled),
        "float": floats.view(np.uint8).reshape(-1, 8).T.tobytes(),
        "text": pack_unsigned(text),
    }
    meta = _Meta([(name, len(columns[name])) for name in COLUMNS], len(rows), [split_signal_id(name)[1] for name in used], used_statuses, texts)
    try:
        head = canonical_json(meta)
    except ValueError as error:
        raise Rejected(f"part of {equipment}: {error}") from error
    body = b"".join((struct.pack("<I", len(head)), head, *columns.values()))
    if len(body) > MAX_BODY:
        raise Rejected(f"part of {equipment}: a body of {len(body)} bytes, at most {MAX_BODY}; put fewer rows into it")
    data = MAGIC + struct.pack("<I", len(body)) + zstandard.ZstdCompressor(level=3, write_content_size=True).compress(body)
    times = rows.source_time_us
    return PartEntry(equipment, len(rows), int(times.min()), int(times.max()), sha256_hex(data), len(data)), data


def _text_column(rows: Block) -> tuple[list[str], NDArray[np.uint64]]:
    values = [rows.value_text[i] for i in np.flatnonzero(rows.kind == ValueKind.TEXT).tolist()]
    place = {value: i for i, value in enumerate(sorted(set(values)))}
    return list(place), np.array([place[value] for value in values], np.uint64)


def _scale_floats(
    values: NDArray[np.float64], signal: NDArray[np.int64], signals: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64]]:
    """Floats as integers ÷ 10^exponent, one exponent a signal, where that gives back the very same bits; the others as they are."""
    scale = np.full(signals, NOT_SCALED, np.uint8)
    present = np.bincount(signal, minlength=signals) > 0
    scaled = np.zeros(len(values), np.int64)
    for exponent in _EXPONENTS:
        open_signals = present & (scale == NOT_SCALED)
        if not open_signals.any():
            break
        with np.errstate(over="ignore", invalid="ignore"):
            whole = np.rint(values * _POWERS[exponent])
            fits = (np.abs(whole) < _SCALED_LIMIT) & ((whole / _POWERS[exponent]).view(np.int64) == values.view(np.int64))
            # Minus zero has no integer; its bits differ from those of 0 / 10^e.
            fits &= ~((whole == 0) & np.signbit(values))
        good = np.bincount(signal[~fits], minlength=signals) == 0
        chosen = open_signals & good
        scale[chosen] = exponent
        rows = chosen[signal]
        scaled[rows] = whole[rows].astype(np.int64)
    whole_rows = scale[signal] != NOT_SCALED if len(values) else np.zeros(0, np.bool_)
    return scale, scaled[whole_rows], values[~whole_rows]


def decode_part(equipment: str, data: bytes) -> Block:
    """The readings of a part, rows in their canonical order, signals as full ids.

    Raises:
        Rejected: not a part, cut, longer than stated, beyond the limits, unsorted, or columns that do not fit together.
    """
    meta, columns = _open(data)
    n, signals = meta.rows, len(meta.signals)
    counts = unpack_unsigned(columns["count"], signals)
    if bool((counts == 0).any()) or bool((counts > n).any()) or int(counts.sum()) != n:
        raise Rejected("part: rows per signal do not add up")
    signal = np.repeat(np.arange(signals, dtype=np.int32), counts.astype(np.int64))
    times = unpack_deltas(columns["time"], n)
    if bool(((np.diff(times) < 0) & (np.diff(signal) == 0)).any()):
        raise Rejected("part: rows are not sorted by signal and source time")
    kind = unpack_runs(columns["kind"], n)
    if n and int(kind.max()) > ValueKind.TEXT:
        raise Rejected("part: unknown value kind")
    is_f64, is_i64, is_text = kind == ValueKind.F64, kind == ValueKind.I64, kind == ValueKind.TEXT
    i64 = np.zeros(n, np.int64)
    i64[is_i64] = unpack_deltas(columns["i64"], int(is_i64.sum()))
    f64 = np.zeros(n, np.float64)
    f64[is_f64] = _unscale(columns, signal[is_f64], signals)
    text: list[str] = []
    if bool(is_text.any()) or columns["text"]:
        index = unpack_unsigned(columns["text"], int(is_text.sum()))
        if len(index) and int(index.max()) >= len(meta.texts):
            raise Rejected("part: text index outside its dictionary")
        text = [""] * n
        for row, i in zip(np.flatnonzero(is_text).tolist(), index.tolist(), strict=True):
            text[row] = meta.texts[i]
    quality, status = unpack_runs(columns["quality"], n), unpack_runs(columns["status"], n)
    if n and (int(quality.max()) > 2 or int(status.max()) >= max(1, len(meta.statuses))):
        raise Rejected("part: quality or status outside its range")
    block = Block(
        [signal_id(equipment, name) for name in meta.signals], meta.statuses, signal, times, times + unpack_deltas(columns["delay"], n),
        kind.astype(np.uint8), f64, i64, text, quality.astype(np.uint8), status.astype(np.int32),
    )
    check_block(block)
    return block


def _open(data: bytes) -> tuple[_Meta, dict[str, bytes]]:
    if len(data) < 8 or data[:4] != MAGIC:
        raise Rejected("part: does not start with CJP1")
    size = struct.unpack("<I", data[4:8])[0]
    if size > MAX_BODY:
        raise Rejected(f"part: a body of {size} bytes, at most {MAX_BODY}")
    try:
        parameters = zstandard.get_frame_parameters(data[8:])
        if parameters.content_size != size:
            raise Rejected("part: the compressed frame states another length")
        body = zstandard.ZstdDecompressor().decompress(data[8:], max_output_size=size, read_across_frames=False, allow_extra_data=False)
        head_size = struct.unpack_from("<I", body)[0]
        head = body[4 : 4 + head_size]
        meta = msgspec.json.decode(head, type=_Meta)
        canonical = canonical_json(meta)
    except (zstandard.ZstdError, struct.error, msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise Rejected(f"part: {error}") from error
    if canonical != head or len(body) != size:
        raise Rejected("part: its description is not in canonical form")
    if tuple(name for name, _ in meta.columns) != COLUMNS or not 0 < meta.rows <= MAX_ROWS:
        raise Rejected("part: unknown columns or number of rows")
    columns: dict[str, bytes] = {}
    offset = 4 + head_size
    for name, length in meta.columns:
        if length < 0:
            raise Rejected("part: a column of negative length")
        columns[name] = body[offset : offset + length]
        offset += length
    if offset != len(body):
        raise Rejected("part: columns do not fill the body")
    return meta, columns


def _unscale(columns: dict[str, bytes], signal: NDArray[np.int32], signals: int) -> NDArray[np.float64]:
    scale = np.frombuffer(columns["scale"], np.uint8)
    if len(scale) != signals or bool(((scale > max(_EXPONENTS)) & (scale != NOT_SCALED)).any()):
        raise Rejected("part: scales do not match the signals")
    exponents = scale[signal]
    is_whole = exponents != NOT_SCALED
    values = np.zeros(len(signal), np.float64)
    values[is_whole] = unpack_deltas(columns["scaled"], int(is_whole.sum())) / _POWERS[exponents[is_whole]]
    raw = columns["float"]
    if len(raw) != 8 * int((~is_whole).sum()):
        raise Rejected("part: floats do not match the rows")
    values[~is_whole] = np.frombuffer(raw, np.uint8).reshape(8, -1).T.copy().view(np.float64).reshape(-1)
    return values
