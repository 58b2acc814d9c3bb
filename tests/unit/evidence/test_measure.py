"""Measuring by the hour, in groups and in several processes gives what measuring the whole window at once gives."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import evidence.measure
import evidence.processes
from analytics.compute import LOOKBACK_US, compute_all
from analytics.indicator import load_indicators
from evidence.measure import Task, measure, slabs_of
from evidence.parts import Files, Memory, PartIndex, Parts, Place, parts_of
from evidence.processes import measure_window
from tests.tamper.workbench import T0, Edge, readings_of, small_register
from workshop.batch import Header, Provenance, decode_header
from workshop.block import Block, concat
from workshop.part import decode_part
from workshop.window import HOUR_US, SECOND_US, Window

REGISTER = small_register()
WINDOW = Window(T0 + 600 * SECOND_US, T0 + 3 * HOUR_US + 77 * SECOND_US)
INDICATORS = tuple(load_indicators().values())


def batches() -> list[tuple[Header, tuple[bytes | None, ...]]]:
    """Four hours in which two machines speak now and then, in parts that do not care for hours, some of them late."""
    edge, found = Edge("edge-1"), []
    offsets = list(range(-3600, 4 * 3600, 333))
    for offset in [*offsets[1::2], *offsets[::2]]:
        rows = [row for machine in ("cnc-01", "robot-01") for row in readings_of(machine, T0 + offset * SECOND_US, 40 if offset % 2 else 400)]
        batch = edge.seal(rows, T0)
        found.append((decode_header(batch.header), batch.parts))
    return found


BATCHES = batches()


def in_memory() -> Parts:
    index, kept = PartIndex(WINDOW), []
    for header, parts in BATCHES:
        index.add(header, [(len(kept) + n, 0, 0) for n in range(len(parts))])
        kept += parts
    return Parts(index.table(), Memory(tuple(part for part in kept if part is not None)))


def in_files(folder: Path) -> Parts:
    """The same in one file."""
    index, data = PartIndex(WINDOW), b"head"
    for header, parts in BATCHES:
        places: list[Place | None] = []
        for part in parts:
            places.append((0, len(data), len(part or b"")))
            data += part or b""
        index.add(header, places)
    (folder / "parts").write_bytes(data)
    return Parts(index.table(), Files((str(folder / "parts"),)))


def whole() -> Block:
    blocks = [decode_part(entry.equipment, part) for header, parts in BATCHES for entry, part in zip(header.parts, parts, strict=True) if part]
    block = concat(blocks)
    times = block.source_time_us
    return block.take((times >= WINDOW.start_us - LOOKBACK_US) & (times < WINDOW.end_us))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence.measure, "GROUP_ROWS", 700)
    monkeypatch.setattr(evidence.processes, "LEAST_ROWS", 2_000)


@pytest.mark.parametrize("most_rows", [1, 5_000, 10**9])
def test_any_cut_gives_what_the_whole_gives(most_rows: int) -> None:
    parts = in_memory()
    slabs = slabs_of(parts.table, WINDOW, most_rows)
    assert slabs[0][0].start_us == WINDOW.start_us and slabs[-1][0].end_us == WINDOW.end_us
    assert all(before[0].end_us == after[0].start_us for before, after in pairwise(slabs))
    found = measure(*parts, Task(INDICATORS, (REGISTER,), WINDOW, tuple(slab for slab, _ in slabs)))
    results = [item.evaluate([piece for piece in found.components[0] if piece.indicator == item.id], REGISTER, WINDOW) for item in INDICATORS]
    assert results == compute_all(INDICATORS, REGISTER, whole(), WINDOW)
    assert next(result for result in results if result.indicator == "defect_rate").counts["inspected"] > 1000


def test_two_processes_say_what_one_says(tmp_path: Path) -> None:
    parts = in_files(tmp_path)
    alone = measure_window(parts, INDICATORS, (REGISTER,), WINDOW, 1)
    together = measure_window(parts, INDICATORS, (REGISTER,), WINDOW, 3)
    for name in (item.id for item in INDICATORS):
        indicator = load_indicators()[name]
        said = [indicator.evaluate([piece for piece in one.components[0] if piece.indicator == name], REGISTER, WINDOW) for one in (alone, together)]
        assert said[0] == said[1]
    assert bool((alone.sources == together.sources).all()) and alone.malformed == together.malformed == ()


def test_where_no_process_can_be_started_one_does_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*_: object) -> None:
        raise OSError("no semaphores here")

    parts = in_files(tmp_path)
    expected = measure_window(parts, INDICATORS, (REGISTER,), WINDOW, 2)
    monkeypatch.setattr(evidence.processes, "ProcessPoolExecutor", impossible)
    assert measure_window(parts, INDICATORS, (REGISTER,), WINDOW, 2).components == expected.components


def test_malformed_parts_are_found_in_any_group() -> None:
    parts = in_memory()
    spoilt = [3, 4, len(parts.table.rows) - 1]
    assert isinstance(parts.reader, Memory)
    data = list(parts.reader.parts)
    for number in spoilt:
        data[int(parts.table.place[number][0])] = b"CJP1nonsense"
    found = measure_window(Parts(parts.table, Memory(tuple(data))), INDICATORS, (REGISTER,), WINDOW)
    assert found.malformed == tuple(sorted(spoilt))


def test_derived_parts_are_passed_over() -> None:
    edge = Edge("analytics", Provenance.DERIVED)
    batch = edge.seal(readings_of("cnc-01", T0, 5), T0)
    assert len(parts_of([batch], WINDOW).table.rows) == 0


def test_a_window_without_parts_has_slabs_all_the_same() -> None:
    parts = parts_of([], WINDOW)
    assert [slab for slab, _ in slabs_of(parts.table, WINDOW)] == [WINDOW]
    found = measure_window(parts, INDICATORS, (REGISTER,), WINDOW)
    assert not np.any(found.sources) and found.components[0]
