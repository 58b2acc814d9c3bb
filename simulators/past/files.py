"""Where the history is kept: Parquet for readings and parts, CSV for orders. The only file of the simulators that imports pyarrow.

    readings/<local day>/<equipment>.parquet   equipment, name, source_time_us, value_f64, value_i64, value_text, quality; by name, then time
    truth/parts/<local day>/<equipment>.parquet   part (number), start_us, end_us, good, reason, wear, order, program, lot
    orders/<local day>/<equipment>.csv         as a MES exports them, see `simulators.orders`
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from simulators.errors import SimulatorError
from simulators.orders import COLUMNS
from simulators.past.cnc import Parts
from simulators.past.columns import Columns
from simulators.physics import scrap
from simulators.programs import PROGRAMS
from simulators.settings import Equipment

_WORDS = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema([
    ("equipment", _WORDS), ("name", _WORDS), ("source_time_us", pa.int64()), ("value_f64", pa.float64()), ("value_i64", pa.int64()),
    ("value_text", pa.string()), ("quality", pa.uint8()),
])
GOOD = 0
"""The quality of every reading: 0 good, 1 uncertain, 2 bad; a simulated history has only good ones, also where a sensor lies."""


def write_readings(folder: Path, date: str, equipment: str, columns: Columns) -> int:
    """Write one machine's day; returns the number of readings."""
    names = sorted(columns)
    lengths = [len(columns[name].times) for name in names]
    total = sum(lengths)
    parts: dict[str, list[pa.Array]] = {"value_f64": [], "value_i64": [], "value_text": []}
    for name, length in zip(names, lengths, strict=True):
        column = columns[name]
        used = "value_text" if column.words is not None else "value_f64" if column.values.dtype == np.float64 else "value_i64"
        for key, type_ in (("value_f64", pa.float64()), ("value_i64", pa.int64()), ("value_text", pa.string())):
            if key != used:
                parts[key].append(pa.nulls(length, type_))
            elif column.words is not None:
                parts[key].append(pa.array(column.words, pa.string()).take(pa.array(column.values)))
            else:
                parts[key].append(pa.array(column.values))
    table = pa.table({
        "equipment": pa.DictionaryArray.from_arrays(np.zeros(total, np.int32), [equipment]),
        "name": pa.DictionaryArray.from_arrays(np.repeat(np.arange(len(names), dtype=np.int32), lengths), names),
        "source_time_us": np.concatenate([columns[name].times for name in names]) if names else np.zeros(0, np.int64),
        **{key: pa.chunked_array(chunks, type=_SCHEMA.field(key).type) for key, chunks in parts.items()},
        "quality": np.full(total, GOOD, np.uint8),
    }, schema=_SCHEMA)
    # Times within a name ascend: their differences are small. Words repeat: a dictionary. Counters and gauges are left to zstd.
    _write(table, folder / "readings" / date / f"{equipment}.parquet", ["equipment", "name", "value_text", "quality"], {
        "source_time_us": "DELTA_BINARY_PACKED", "value_i64": "DELTA_BINARY_PACKED", "value_f64": "PLAIN",
    })
    return total


def write_parts(folder: Path, date: str, settings: Equipment, parts: Parts) -> None:
    """Write what became of one machine's parts, and its orders of that day."""
    programs = PROGRAMS[settings.kind]
    reasons = ["", *scrap.CODES]
    # One bar of material serves five orders, as in `simulators.orders`.
    pairs, lot_index = np.unique(np.stack([parts.order // 5, parts.program]), axis=1, return_inverse=True)
    lots = [f"LOT-{programs[program].material.name}-{lot:06d}" for lot, program in pairs.T.tolist()]
    table = pa.table({
        "part": parts.number, "start_us": parts.start_us, "end_us": parts.end_us, "good": parts.reason < 0,
        "reason": pa.DictionaryArray.from_arrays((parts.reason + 1).astype(np.int32), reasons),
        "wear": parts.wear.astype(np.float32), "order": parts.order,
        "program": pa.DictionaryArray.from_arrays(parts.program.astype(np.int32), [program.name for program in programs]),
        "lot": pa.DictionaryArray.from_arrays(lot_index.ravel().astype(np.int32), pa.array(lots, pa.string())),
    })
    _write(table, folder / "truth" / "parts" / date / f"{settings.id}.parquet", ["reason", "program", "lot", "good"], {
        "part": "DELTA_BINARY_PACKED", "start_us": "DELTA_BINARY_PACKED", "end_us": "DELTA_BINARY_PACKED", "order": "DELTA_BINARY_PACKED",
        "wear": "PLAIN",
    })
    if len(parts.number):
        _write_orders(folder / "orders" / date / f"{settings.id}.csv", settings, parts)


def _write_orders(path: Path, settings: Equipment, parts: Parts) -> None:
    """One line per order, see `simulators.orders`; times are local (UTC+8), to the second."""
    programs = PROGRAMS[settings.kind]
    first = np.flatnonzero(np.append(True, np.diff(parts.order) != 0))
    last = np.append(first[1:], len(parts.order)) - 1
    good = np.add.reduceat((parts.reason < 0).astype(np.int64), first)
    quantity = last - first + 1
    released, completed = parts.start_us[first], parts.end_us[last]
    hour_us = 3_600_000_000
    due = -(-(released + 2 * quantity * settings.ideal_cycle_ms * 1000) // hour_us) * hour_us
    program = parts.program[first].tolist()
    orders = parts.order[first].tolist()
    numbers = [f"WO-{settings.id}-{order:06d}" for order in orders]
    lots = [f"LOT-{programs[p].material.name}-{order // 5:06d}" for p, order in zip(program, orders, strict=True)]

    def local(times_us: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
        return pa.array((times_us // 1_000_000 + 8 * 3600).astype("datetime64[s]"))

    table = pa.table(dict(zip(COLUMNS, (
        numbers, [settings.id] * len(numbers), [programs[p].name for p in program], [programs[p].part for p in program],
        [programs[p].material.name for p in program], lots, quantity, local(released), local(due), local(completed), good, quantity - good,
    ), strict=True)))
    path.parent.mkdir(parents=True, exist_ok=True)
    pa_csv.write_csv(table, path)


def _write(table: pa.Table, path: Path, dictionaries: list[str], encodings: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            table, path, compression="zstd", compression_level=1, use_dictionary=dictionaries, column_encoding=encodings, write_statistics=True,
        )
    except OSError as error:
        raise SimulatorError(f"{path}: cannot be written ({error.strerror}); give another folder") from error


def find_part(folder: Path, equipment: str, number: int) -> dict[str, Any] | None:
    """The row of one part in `truth/parts`, or None."""
    for path in sorted((folder / "truth" / "parts").glob(f"*/{equipment}.parquet")):
        rows = pq.read_table(path, filters=[("part", "=", number)]).to_pylist()
        if rows:
            return dict(rows[0])
    return None
