"""Where parts came from: against the simulators' truth, live and in a history, and worked by hand."""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.missing import missing_of
from analytics.trace import Passage, Record, detail, serial_signals, visits
from chejian.history_parquet import columns_of
from simulators.cnc import Cnc
from simulators.genealogy import live_genealogy, past_genealogy
from simulators.history import history
from simulators.settings import Equipment as Simulated
from simulators.settings import load_settings
from tests.unit.analytics.plant import START_US, block, machine, reading, rows, workshop
from workshop.block import Block, block_of, concat
from workshop.errors import ConfigError, Rejected
from workshop.identifier import split_identifier
from workshop.reading import Quality, Reading
from workshop.register import Workshop
from workshop.register_file import check_register
from workshop.signal import Signal, SignalKind
from workshop.window import SECOND_US

STEP_US = 50_000
TOLD = (
    Signal("part_serial", "part_serial", SignalKind.TEXT), Signal("order", "order", SignalKind.TEXT),
    Signal("material_lot", "material_lot", SignalKind.TEXT), Signal("program", "program", SignalKind.TEXT),
    Signal("operation_number", "operation_number", SignalKind.STATE), Signal("tool_number", "tool_number", SignalKind.STATE),
    Signal("spindle_load", "spindle_load", SignalKind.GAUGE, "%"), Signal("energy_import", "energy_import", SignalKind.COUNTER, "W.h", max_age_s=120),
)
LOOKED = (
    Signal("serial", "serial", SignalKind.EVENT), Signal("defect_code", "defect_code", SignalKind.TEXT),
    Signal("diameter", "diameter", SignalKind.GAUGE, "mm"),
)
REGISTER = workshop(machine(signals=TOLD), machine("eye-01", signals=LOOKED))


def traced(register: Workshop, told: Block, serial: str) -> list[Passage | Record]:
    found = [detail(register, visit, told) for visit in visits(register, told, serial)]
    return [item for item in found if item is not None]


def test_a_live_machines_parts_are_traced_to_the_scan() -> None:
    cnc = Cnc(Simulated(id="cnc-01", kind="machining_centre", rated_power_w=19000, ideal_cycle_ms=2500), 7)
    told, events, known = list[Reading](), list[dict[str, object]](), {signal.name for signal in TOLD}
    for now_us in range(START_US, START_US + 240 * SECOND_US, STEP_US):
        for name, value in {**cnc.scan(now_us), **cnc.detail()}.items():
            if name in known:
                told.append(Reading(f"cnc-01/{name}", now_us, now_us, value, Quality.GOOD))
        events += [{"event": event.name, "t": event.time_us, "e": "cnc-01", **event.details} for event in cnc.take_events()]
    everything, orders = block_of(told), set()
    parts = [event for event in events if event["event"] == "part"]
    assert len(parts) > 50
    for event in parts:
        truth, (found,) = live_genealogy(events, str(event["serial"])), traced(REGISTER, everything, str(event["serial"]))
        assert isinstance(found, Passage)
        assert (found.order, found.lot, found.program) == (truth.order, truth.lot, truth.program)
        assert [(one.number, one.tool) for one in found.operations] == [(n, step.tool) for n, step in enumerate(truth.steps, start=1)]
        for one, step in zip(found.operations, truth.steps, strict=True):
            assert 0 <= one.from_us - step.start_us <= STEP_US and 0 <= one.to_us - step.end_us <= STEP_US
        assert found.to_us is not None and 0 <= found.to_us - truth.end_us <= STEP_US
        assert found.energy_mwh is not None and found.parameters[0].readings == (found.to_us - found.from_us) // STEP_US
        orders.add(found.order)
    assert len(orders) > 3


def test_every_part_of_a_history_is_traced_exactly(tmp_path: Path) -> None:
    settings = load_settings(Path(__file__).parents[3] / "config" / "demo" / "simulators.toml")
    settings = msgspec.structs.replace(settings, server=[msgspec.structs.replace(settings.server[0], equipment=settings.server[0].equipment[:1])],
                                       broker=[])
    folder = tmp_path / "history"
    history(settings, days=2, out=folder, end_us=1_767_571_200_000_000, gauge_s=60, cycle_factor=600, workers=1, detail=True)
    files = sorted((folder / "readings").glob("*/cnc-01.parquet"))
    told = concat([columns.block for file in files for columns in columns_of(file, {}) or ()])
    parts = [row for file in sorted((folder / "truth" / "parts").glob("*/cnc-01.parquet")) for row in pq.read_table(file).to_pylist()]
    end_us = int(told.source_time_us.max())
    assert len(parts) > 50
    for part in parts:
        truth, found = past_genealogy(folder, f"cnc-01-{part['part']:06d}"), traced(REGISTER, told, f"cnc-01-{part['part']:06d}")
        assert len(found) == 1 and isinstance(found[0], Passage)
        (item,) = found
        assert (item.from_us, item.order, item.lot, item.program) == (truth.start_us, truth.order, truth.lot, truth.program)
        if truth.end_us <= end_us:
            assert item.to_us == truth.end_us
            assert [one.tool for one in item.operations] == [step.tool for step in truth.steps]
            for one, step in zip(item.operations, truth.steps, strict=True):
                assert abs(one.from_us - step.start_us) <= 1 and abs(one.to_us - step.end_us) <= 1


def test_a_part_over_two_stations_by_hand() -> None:
    told = block(
        rows("cnc-01/part_serial", [(0, "A-1"), (10, "A-1"), (20, "A-2"), (50, "A-1"), (60, "")]),
        rows("cnc-01/order", [(-100, "WO-1"), (20.5, "WO-2")]), rows("cnc-01/program", [(-100, "O1")]),
        rows("cnc-01/operation_number", [(1, 1), (5, 2), (9, 0), (52, 1), (58, 0)]), rows("cnc-01/tool_number", [(1, 7), (5, 3), (52, 7)]),
        rows("cnc-01/spindle_load", [(-5, 99.0), (2, 10.0), (6, 20.0), (20, 99.0)]),
        rows("cnc-01/energy_import", [(-1, 100), (10, 102), (19, 105), (40, 150), (60, 151)]),
        rows("eye-01/serial", [(70, "A-2"), (80, "A-1")]), rows("eye-01/diameter", [(70, 24.5), (80, 25.125)]),
        rows("eye-01/defect_code", [(70, "BURR"), (80, "")]),
    )
    first, again, looked = traced(REGISTER, told, "A-1")
    assert isinstance(first, Passage) and isinstance(again, Passage) and isinstance(looked, Record)
    assert (first.from_us, first.to_us, first.order, first.lot) == (START_US, START_US + 20 * SECOND_US, "WO-1", None)
    assert [(one.number, one.tool) for one in first.operations] == [(1, 7), (2, 3)]
    assert first.energy_mwh == 5000 and [(one.low, one.high, one.mean, one.readings) for one in first.parameters] == [(10.0, 20.0, 15.0, 2)]
    assert again.order == "WO-2" and again.energy_mwh == 1000
    assert looked.values == {"defect_code": "", "diameter": 25.125} and looked.at_us == START_US + 80 * SECOND_US
    assert traced(REGISTER, told, "A-9") == [] and serial_signals(REGISTER) == ["cnc-01/part_serial", "eye-01/serial"]


def test_what_is_not_there_is_said() -> None:
    told = block(rows("cnc-01/part_serial", [(0, "A-1")]), [reading("cnc-01/part_serial", 5, None)])
    (visit,) = visits(REGISTER, told, "A-1")
    found = detail(REGISTER, visit, told, missing_of([(("cnc-01/part_serial",), START_US + SECOND_US, START_US + 3 * SECOND_US)]))
    assert isinstance(found, Passage)
    assert (found.to_us, found.order, found.operations, found.energy_mwh, found.missing_us) == (None, None, (), None, 2 * SECOND_US)
    assert detail(workshop(machine("x")), visit, told) is None


@given(order=st.permutations(list(range(12))))
def test_the_order_of_arrival_of_readings_does_not_matter(order: list[int]) -> None:
    told = block(rows("cnc-01/part_serial", [(n, f"A-{n // 4}") for n in range(12)]))
    assert visits(REGISTER, told.take(np.array(order)), "A-1") == visits(REGISTER, told, "A-1")


@given(text=st.text(max_size=40))
def test_an_identifier_is_of_the_form_or_refused_in_words(text: str) -> None:
    for candidate in (text, f"88.118.1/{text}", f"88.{text}/x"):
        try:
            prefix, serial = split_identifier(candidate)
        except Rejected as error:
            assert "88." in str(error) or "serial" in str(error)
        else:
            assert f"{prefix}/{serial}" == candidate


def test_the_registers_prefix_has_the_form() -> None:
    check_register(msgspec.structs.replace(REGISTER, identifier_prefix="88.118.12345"))
    for wrong in ("88.118", "86.118.1", "88.118.1/", "88.1a.1", ""):
        with pytest.raises(ConfigError, match="identifier_prefix"):
            check_register(msgspec.structs.replace(REGISTER, identifier_prefix=wrong))
    assert b"identifier" not in msgspec.json.encode(REGISTER)
