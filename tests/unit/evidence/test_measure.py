"""Measuring by the hour, in groups and in several processes gives what measuring the whole window at once gives."""

from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import evidence.measure
import evidence.processes
from analytics.compute import LOOKBACK_US, components_of, compute_all
from analytics.definition import Definition, components, has
from analytics.indicator import Components, Indicator, Result, load_indicators, merge_all
from analytics.series import Inputs
from evidence.measure import Task, measure, slabs_of
from evidence.parts import Files, Memory, PartIndex, Parts, Place, parts_of
from evidence.processes import measure_window
from tests.tamper.workbench import T0, Edge, readings_of, small_register
from workshop.batch import Gap, Header, Provenance, decode_header
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


def in_memory(absent: Collection[int] = (), malformed: Collection[int] = ()) -> Parts:
    """The parts, numbered through; some are not there, some are nonsense. Every tenth header declares a gap."""
    index, kept, number = PartIndex(WINDOW), list[bytes](), 0
    for seq, (header, parts) in enumerate(BATCHES):
        places: list[Place | None] = []
        for part in parts:
            places.append(None if number in absent else (len(kept), 0, 0))
            kept.append(b"CJP1nonsense" if number in malformed else part or b"")
            number += 1
        start = header.parts[0].from_us + 7 * SECOND_US
        gap = Gap(("cnc-01/item_state", "robot-01/energy"), start, start + SECOND_US, "disk full")
        index.add(msgspec.structs.replace(header, gaps=(gap,)) if absent and seq % 10 == 0 else header, places)
    return Parts(index.table(), Memory(tuple(kept)))


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


def words_of(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """How often a machine says each program in the window, as an indicator that reads texts may count."""
    texts, number, good = inputs.said("program")
    inner = good & (inputs.series("program").time_us >= window.start_us)
    values = {texts[code]: int(((number == code) & inner).sum()) for code in np.unique(number[inner]).tolist()}
    return components(indicator, inputs, window, 0, values)


WORDS = msgspec.structs.replace(
    cast("Definition", load_indicators()["throughput_rate"]), id="words", roles=("program",), population=has("program"), measured=words_of,
)


@pytest.mark.parametrize("most_rows", [1, 5_000, 10**9])
def test_texts_come_through_to_an_indicator_that_names_their_role(most_rows: int) -> None:
    parts = in_memory()
    task = Task((*INDICATORS, WORDS), (REGISTER,), WINDOW, tuple(slab for slab, _ in slabs_of(parts.table, WINDOW, most_rows)))
    found = merge_all(piece for piece in measure(*parts, task).components[0] if piece.indicator == "words")
    expected = merge_all(components_of(WORDS, REGISTER, whole(), WINDOW))
    assert {piece.equipment: piece.values for piece in found} == {piece.equipment: piece.values for piece in expected}
    programs = {piece.equipment: piece.values for piece in found}
    assert set(programs["cnc-01"]) == {"O0", "O1", "O2"} and set(programs["robot-01"]) == {"PICK"} and programs["robot-01"]["PICK"] > 1000


def results_of(parts: Parts, most_rows: int) -> list[Result]:
    """As one stretch a slab, so that none knows what another has read."""
    slabs = [slab for slab, _ in slabs_of(parts.table, WINDOW, most_rows)]
    pieces = [piece for slab in slabs for piece in measure(*parts, Task(INDICATORS, (REGISTER,), WINDOW, (slab,))).components[0]]
    return [item.evaluate([piece for piece in pieces if piece.indicator == item.id], REGISTER, WINDOW) for item in INDICATORS]


@given(chosen=st.sets(st.integers(0, 2 * len(BATCHES) - 1), min_size=1, max_size=12), most_rows=st.sampled_from([1, 3_000]))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_missing_is_missing_in_any_cut_and_malformed_is_as_good_as_absent(chosen: set[int], most_rows: int) -> None:
    absent = results_of(in_memory(chosen, ()), 10**9)
    assert absent == results_of(in_memory(chosen, ()), most_rows)
    gaps_alone = {-1}
    assert absent == results_of(in_memory(gaps_alone, chosen), most_rows) == results_of(in_memory(gaps_alone, chosen), 10**9)
    whole = {item.indicator: item for item in results_of(in_memory(), 10**9)}
    assert all(item.coverage <= whole[item.indicator].coverage for item in absent)
    assert any(item.coverage < whole[item.indicator].coverage for item in absent)


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
