"""Bytes a reading of a part, by its layout and number of readings: why a part is one zstd frame over its whole body.

    python benchmarks/part_size.py

Four layouts of the very same columns of one machine tool of the demo (15 signals, one scan a second):
  body       one frame over description and columns: what workshop/part.py writes
  named      the same, with the lengths of the columns as names and decimals within the description instead of 48 bytes before it
  columns    the description uncompressed, then one frame per column
  described  the description in a frame of its own, then one frame per column
"""

import json
import struct

import numpy as np
import zstandard

from workshop.block import Block, block_of
from workshop.canonical import canonical_json
from workshop.columns import HEAD
from workshop.part import COLUMNS, encode_part
from workshop.reading import Quality, Reading, Value

SIZES = (100, 200, 300, 1_000, 2_000, 20_000)
SEED = 7


def machine_block(readings: int) -> Block:
    """So many readings of one machine tool, with the values and pauses that a simulated one has; text and states are constant for long."""
    lots = np.random.default_rng(SEED)
    rows: list[Reading] = []
    start, scan, energy = 1_767_578_400_000_000, 0, 0.0
    load = 40.0
    while len(rows) < readings:
        at = start + scan * 1_000_000 + int(lots.integers(0, 900))
        load += float(lots.normal(0, 2))
        energy += 2.5 + load / 50
        values: dict[str, Value] = {
            "item_state": 3, "operation_mode": 3, "alarm": 0, "link_state": 1, "program": "O1001", "feed_override": 100.0,
            "spindle_load": round(load, 2), "spindle_speed": round(8000 + 10 * load, 1), "spindle_temperature": round(45 + scan / 600, 2),
            "spindle_vibration": round(1.2 + float(lots.normal(0, 0.05)), 4), "power": round(3000 + 60 * load, 1), "energy_import": round(energy),
            "part_count": scan // 3, "good_count": scan // 3 - scan // 150, "scrap_count": scan // 150,
        }
        received = at + int(lots.integers(2_000, 9_000))
        rows += [Reading(f"cnc-01/{name}", at, received, value, Quality.GOOD) for name, value in values.items()]
        scan += 1
    return block_of(rows[:readings])


def layouts(block: Block) -> dict[str, int]:
    """Size of the part in each layout, bytes, its eight bytes of head included."""
    _, part = encode_part("cnc-01", block)
    body = zstandard.ZstdDecompressor().decompress(part[8:])
    head_size, rows, *sizes = HEAD.unpack_from(body)
    head, rest = body[HEAD.size : HEAD.size + head_size], body[HEAD.size + head_size :]
    assert len(sizes) == len(COLUMNS) and sum(sizes) == len(rest)
    named = canonical_json({**json.loads(head), "rows": rows, "columns": list(zip(COLUMNS, sizes, strict=True))})
    frame = zstandard.ZstdCompressor(level=3).compress
    columns, offset = 0, 0
    for size in sizes:
        columns += len(frame(rest[offset : offset + size]))
        offset += size
    return {
        "body": len(part), "named": 8 + len(frame(struct.pack("<I", len(named)) + named + rest)),
        "columns": 8 + len(named) + columns, "described": 8 + len(frame(named)) + columns,
    }


def main() -> None:
    """Prints the table."""
    print("bytes a reading (zstd level 3)")
    print(f"{'readings':>9}  {'body':>7}  {'named':>7}  {'columns':>7}  {'described':>9}")
    for size in SIZES:
        found = layouts(machine_block(size))
        widths = (("body", 7), ("named", 7), ("columns", 7), ("described", 9))
        print(f"{size:>9}  " + "  ".join(f"{found[name] / size:>{width}.2f}" for name, width in widths))


if __name__ == "__main__":
    main()
