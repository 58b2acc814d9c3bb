"""The delivery oracle of the tests: the simulators' truth against rows read straight from the gateway's files. No code of the demo's own account."""

import json
import sqlite3
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from store.archive_header import unpacked
from workshop.part import decode_part


def _bits(value: Any) -> tuple[str, Any]:
    if isinstance(value, float):
        return "f", struct.pack("<d", value)
    return type(value).__name__, value


def truth_of(folder: Path) -> dict[tuple[str, int], tuple[str, Any]]:
    """(signal, source time) → the bits of the value, as the simulators wrote them."""
    rows: dict[tuple[str, int], tuple[str, Any]] = {}
    for path in sorted((folder / "truth").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            for name, value in entry.get("v", {}).items():
                key = (f"{entry['e']}/{name}", entry["t"])
                assert key not in rows, f"the truth itself holds {key} twice"
                rows[key] = _bits(value)
    return rows


def events_of(folder: Path) -> list[dict[str, Any]]:
    """The events in the truth."""
    lines = [line for path in sorted((folder / "truth").glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [entry for entry in map(json.loads, lines) if "event" in entry]


def stored_in(folder: Path, signals: set[str]) -> tuple[dict[tuple[str, int], tuple[str, Any]], list[tuple[str, int, int, str]]]:
    """What the gateway's journal holds of these signals, and all declared gaps as (signal, from, to, reason)."""
    rows: dict[tuple[str, int], tuple[str, Any]] = {}
    gaps: list[tuple[str, int, int, str]] = []
    connection = sqlite3.connect(f"file:{folder}/gateway/archive.sqlite?mode=ro", uri=True)
    headers = {index: msgspec.json.decode(unpacked(header)) for index, header in connection.execute("SELECT number, header FROM batches")}
    seen: Counter[tuple[str, int]] = Counter()
    for header in headers.values():
        gaps += [(signal, gap["from_us"], gap["to_us"], gap["reason"]) for gap in header["gaps"] for signal in gap["signals"]]
    for number, data in connection.execute("SELECT id, data FROM parts"):
        # id = batch number × 65,536 + place in the header; the imported past is no part of what was offered
        if headers[number >> 16]["provenance"] == "imported":
            continue
        block = decode_part(headers[number >> 16]["parts"][number & 0xFFFF]["equipment"], data)
        for reading in block.readings():
            if reading.signal in signals:
                seen[reading.signal, reading.source_time_us] += 1
                rows[reading.signal, reading.source_time_us] = _bits(reading.value)
    connection.close()
    doubled = [key for key, count in seen.items() if count > 1]
    assert not doubled, f"stored twice: {doubled[:5]}"
    return rows, gaps


def imported_in(folder: Path) -> list[dict[str, Any]]:
    """The entries of all imported parts, as the headers of their batches state them."""
    connection = sqlite3.connect(f"file:{folder}/gateway/archive.sqlite?mode=ro", uri=True)
    headers = [msgspec.json.decode(unpacked(header)) for (header,) in connection.execute("SELECT header FROM batches")]
    connection.close()
    return [part for header in headers if header["provenance"] == "imported" for part in header["parts"]]


def check_account(folder: Path) -> dict[str, int]:
    """A = B ∪ G, B ∩ G = ∅, bit-equal. Returns the counts."""
    truth = truth_of(folder)
    stored, gaps = stored_in(folder, {signal for signal, _ in truth})
    spans: dict[str, list[tuple[int, int]]] = {}
    for signal, start, end, _ in gaps:
        spans.setdefault(signal, []).append((start, end))

    def in_gap(key: tuple[str, int]) -> bool:
        return any(start <= key[1] < end for start, end in spans.get(key[0], ()))

    made_up = [key for key in stored if key not in truth]
    assert not made_up, f"{len(made_up)} stored readings were never emitted, the first {sorted(made_up, key=lambda key: key[1])[:3]}"
    altered = [key for key in stored if stored[key] != truth[key]]
    assert not altered, f"{len(altered)} altered: {[(key, truth[key], stored[key]) for key in altered[:3]]}"
    lost = sorted((key for key in truth if key not in stored and not in_gap(key)), key=lambda key: key[1])
    assert not lost, f"{len(lost)} neither stored nor in a gap, the first {lost[:3]}"
    both = [key for key in stored if in_gap(key)]
    assert not both, f"{len(both)} stored and in a gap: {both[:3]}"
    return {"emitted": len(truth), "stored": len(stored), "in_gaps": len(truth) - len(stored)}
