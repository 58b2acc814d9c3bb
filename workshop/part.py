"""Parts: the readings of one piece of equipment in a batch, as compact bytes that a stranger can decode (docs/evidence-format.md).

part    "CJP1" ‖ u32le length of the body ‖ zstd(body)
body    u32le d ‖ u32le rows ‖ u32le length of each of the eleven columns ‖ d bytes of JSON {"signals", "statuses", "texts"} ‖ the columns
rows    sorted by (signal in the dictionary's order, source time, arrival); a row's identity is (edge, epoch, seq, equipment, n)
"""

import struct
from collections.abc import Sequence

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from workshop.batch import MAX_ROWS, PartEntry
from workshop.block import Block
from workshop.canonical import canonical_json, sha256_hex
from workshop.columns import COLUMNS, EXPONENTS, HEAD, MAGIC, MAX_BODY, NOT_SCALED, POWERS, SCALED_LIMIT, Columns, Decoder, Description
from workshop.errors import Rejected
from workshop.reading import ValueKind
from workshop.signal import signal_id, split_signal_id
from workshop.varint import pack_deltas, pack_runs, pack_unsigned

__all__ = ["COLUMNS", "MAX_BODY", "decode_part", "encode_part", "join_parts", "split_block"]


def split_block(block: Block) -> dict[str, Block]:
    """The rows of each piece of equipment, by its id in sorted order, with the signals that it has; arrival order is kept."""
    if not len(block):
        return {}
    owner = np.array([split_signal_id(name)[0] for name in block.signals])
    names, index = np.unique(owner, return_inverse=True)
    index = index.reshape(-1)
    by_owner = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[by_owner], np.arange(len(names) + 1))
    place = np.zeros(len(block.signals), np.int32)
    place[by_owner] = np.arange(len(by_owner)) - starts[index[by_owner]]
    of_row = index[block.signal]
    order = np.argsort(of_row, kind="stable")
    ends = np.searchsorted(of_row[order], np.arange(len(names) + 1))
    parts = {}
    for i, name in enumerate(names.tolist()):
        if ends[i] < ends[i + 1]:
            rows = block.take(order[ends[i] : ends[i + 1]])
            own = [block.signals[k] for k in by_owner[starts[i] : starts[i + 1]].tolist()]
            parts[str(name)] = msgspec.structs.replace(rows, signals=own, signal=place[rows.signal])
    return parts


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
    try:
        described = canonical_json(Description([split_signal_id(name)[1] for name in used], used_statuses, texts))
    except ValueError as error:
        raise Rejected(f"part of {equipment}: {error}") from error
    head = HEAD.pack(len(described), len(rows), *(len(columns[name]) for name in COLUMNS))
    body = b"".join((head, described, *columns.values()))
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
    for exponent in EXPONENTS:
        open_signals = present & (scale == NOT_SCALED)
        if not open_signals.any():
            break
        with np.errstate(over="ignore", invalid="ignore"):
            whole = np.rint(values * POWERS[exponent])
            fits = (np.abs(whole) < SCALED_LIMIT) & ((whole / POWERS[exponent]).view(np.int64) == values.view(np.int64))
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
    return join_parts([equipment], Decoder().decode([data]))


def join_parts(equipment: Sequence[str], columns: Columns) -> Block:
    """The rows of decoded parts as one block, part after part; `equipment` is that of each part. Dictionaries are merged."""
    signals: dict[str, int] = {}
    statuses: dict[str, int] = {}
    # Descriptions repeat from part to part: each is looked at once for a machine.
    seen: dict[tuple[str, int], tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
    maps = []
    for owner, description in zip(equipment, columns.descriptions, strict=True):
        found = seen.get((owner, id(description)))
        if found is None:
            numbers = [signals.setdefault(signal_id(owner, name), len(signals)) for name in description.signals]
            found = np.array(numbers, np.int32), np.array([statuses.setdefault(name, len(statuses)) for name in description.statuses], np.int32)
            seen[owner, id(description)] = found
        maps.append(found)
    signal = np.repeat(np.concatenate([numbers for numbers, _ in maps]), columns.counts)
    first = np.cumsum([0] + [len(numbers) for _, numbers in maps[:-1]])
    status = np.concatenate([numbers for _, numbers in maps])[np.repeat(first, columns.rows) + columns.status]
    text: list[str] = []
    if len(columns.text):
        text = [""] * len(columns.kind)
        rows = np.flatnonzero(columns.kind == ValueKind.TEXT)
        parts = np.searchsorted(np.cumsum(columns.rows), rows, side="right").tolist()
        for row, part, index in zip(rows.tolist(), parts, columns.text.tolist(), strict=True):
            text[row] = columns.descriptions[part].texts[index]
    return Block(
        list(signals), list(statuses), signal, columns.source_time_us, columns.received_time_us, columns.kind, columns.value_f64, columns.value_i64,
        text, columns.quality, status,
    )
