"""Twenty-eight days of the demo's workshop: what the indicators say, through batches with outages and gaps, against what the simulators did.

The truth is taken from the simulators' own files by plain loops, with none of the code that measures.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from analytics.indicator import Result, load_indicators
from chejian.demo.past import CYCLE_FACTOR, GAUGE_S, past_register
from chejian.history_parquet import columns_of
from evidence.parts import Parts, parts_of
from evidence.processes import measure_window
from simulators.history import history
from simulators.settings import load_settings
from workshop.batch import NO_DIGEST, Gap, Header, Provenance, SealedBatch, encode_header
from workshop.block import Block, block_of, concat
from workshop.part import encode_part
from workshop.reading import Reading
from workshop.register import Workshop
from workshop.register_file import parse_register
from workshop.signal import signal_id
from workshop.window import HOUR_US, SECOND_US, Window

pytestmark = pytest.mark.long
DEMO = Path(__file__).parents[2] / "config" / "demo"
END_US, DAYS, STEP_US = 1_767_571_200_000_000, 28, GAUGE_S * SECOND_US
DOWN = {"cnc-05": 0.2, "robot-01": 0.02, "robot-02": 0.08, "robot-03": 0.12}
"""Share of the time for which a link is down; the others stand."""
WITHOUT = {"press-01"}
ASKED = ("networking_rate_all", "networking_rate_digital", "defect_rate", "availability", "oee", "energy_total", "energy_per_good_part", "setup_rate",
         "alarm_rate", "alarm_top_ten_share", "limit_exceedances", "limit_exceedance_share")
LIMITS = {"spindle_temperature": "40", "motor_temperature": "38", "oil_temperature": "76"}
"""Lower than the register's, so that they are exceeded now and then."""
SENSORS = ("sensor_drift", "sensor_stuck", "value_out_of_range", "counter_reset")
ELEMENTS = {(3, 3): "apt", (3, 2): "aust", **{(1, mode): "adet" for mode in range(4)}, **{(2, mode): "adot" for mode in range(4)}}


class Month(NamedTuple):
    folder: Path
    register: Workshop
    window: Window
    outages: dict[str, list[tuple[int, int]]]
    results: dict[str, Result]

    def column(self, equipment: str, name: str) -> list[tuple[int, Any]]:
        """(time, value) of one signal of one machine, as the machine said it, heard or not."""
        found = []
        for file in sorted((self.folder / "readings").glob(f"*/{equipment}.parquet")):
            table = pq.read_table(file, filters=[("name", "=", name)])
            for time, i64, f64 in zip(*(table[key].to_pylist() for key in ("source_time_us", "value_i64", "value_f64")), strict=True):
                found.append((time, f64 if i64 is None else i64))
        return found

    def parts(self, equipment: str) -> list[dict[str, Any]]:
        return [row for file in sorted((self.folder / "truth" / "parts").glob(f"*/{equipment}.parquet")) for row in pq.read_table(file).to_pylist()]


def outages_of(window: Window, share: float, seed: int) -> list[tuple[int, int]]:
    """Outages of a quarter of an hour to forty minutes, in whole seconds, none in the first and the last hour."""
    dice, found, at = np.random.default_rng(seed), list[tuple[int, int]](), window.start_us + HOUR_US
    while share:
        length = int(dice.integers(900, 2400)) * SECOND_US
        at += int(length * (1 - share) / share * dice.uniform(0.7, 1.3)) // SECOND_US * SECOND_US
        if at + length > window.end_us - HOUR_US:
            break
        found.append((at, at + length))
        at += length
    return found


def heard(folder: Path, window: Window, register: Workshop, outages: dict[str, list[tuple[int, int]]]) -> Parts:
    """One part a machine and day, without what was said in an outage, which is a declared gap; and the edge's own link state."""
    def batches() -> Iterator[SealedBatch]:
        for number, file in enumerate(sorted((folder / "readings").glob("*/*.parquet"))):
            item = register.find(file.stem)
            assert item is not None
            day = number // len(list(file.parent.iterdir()))
            start_us, down = window.start_us + day * 24 * HOUR_US, outages[item.id]
            rows = concat([columns.block for columns in columns_of(file, {}) or ()])
            entry, part = encode_part(item.id, concat([without(rows, down), link(item.id, start_us, down)]))
            names = tuple(signal_id(item.id, signal.name) for signal in item.signals if signal.role != "link_state")
            gaps = tuple(Gap(names, first, end, "connection lost") for first, end in down if start_us <= first < start_us + 24 * HOUR_US)
            header = Header("edge-1", 1, number + 1, NO_DIGEST, Provenance.SIMULATED, start_us, parts=(entry,), gaps=gaps)
            yield SealedBatch(encode_header(header), b"", (part,))

    return parts_of(batches(), window)


def without(rows: Block, spans: list[tuple[int, int]]) -> Block:
    edges = np.array([edge for span in spans for edge in span], np.int64)
    return rows.take(np.searchsorted(edges, rows.source_time_us, side="right") % 2 == 0)


def link(equipment: str, start_us: int, down: list[tuple[int, int]]) -> Block:
    """Link state each minute of the day and at every change."""
    times = {*range(start_us, start_us + 24 * HOUR_US, STEP_US), *(edge for span in down for edge in span if 0 <= edge - start_us < 24 * HOUR_US)}
    edges = [edge for span in down for edge in span]
    return block_of([Reading(f"{equipment}/link_state", time, time, 1 - bisect_right(edges, time) % 2) for time in sorted(times)])


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    folder = tmp_path_factory.mktemp("month") / "history"
    history(
        load_settings(DEMO / "simulators.toml"), days=DAYS, out=folder, end_us=END_US, gauge_s=GAUGE_S, repeat_s=GAUGE_S, cycle_factor=CYCLE_FACTOR,
    )
    about = msgspec.json.decode((folder / "history.json").read_bytes())
    window = Window(about["start_us"], about["end_us"])
    register = past_register(parse_register((DEMO / "workshop.toml").read_text(encoding="utf-8"), "workshop.toml"))
    register = msgspec.structs.replace(register, equipment=tuple(
        msgspec.structs.replace(item, signals=tuple(
            msgspec.structs.replace(signal, upper=LIMITS[signal.role]) if signal.role in LIMITS else signal for signal in item.signals))
        for item in register.equipment))
    outages = {item.id: outages_of(window, DOWN.get(item.id, 0), seed) for seed, item in enumerate(register.equipment)}
    known = load_indicators()
    asked = tuple(known[name] for name in ASKED)
    pieces = measure_window(heard(folder, window, register, outages), asked, (register,), window).components[0]
    results = [item.evaluate([piece for piece in pieces if piece.indicator == item.id], register, window) for item in asked]
    return Month(folder, register, window, outages, {result.indicator: result for result in results})


def test_networking_is_what_the_outages_leave(month: Month) -> None:
    length = month.window.length_us
    up_us = {name: length - sum(end - start for start, end in spans) for name, spans in month.outages.items()}
    networked = {name for name in up_us if name not in WITHOUT and up_us[name] * 10 >= length * 9}
    assert 0.85 < up_us["robot-03"] / length < 0.9 < up_us["robot-02"] / length and up_us["cnc-05"] / length < 0.82
    for name in ("networking_rate_all", "networking_rate_digital"):
        result = month.results[name]
        population = [item.id for item in month.register.equipment if item.digital or name.endswith("all")]
        assert (result.counts["networked"], result.counts["total"]) == (len(networked & set(population)), len(population))
        assert result.coverage == 1
        for machine in set(population) - WITHOUT:
            # Heard again with the next reading, which comes within one step.
            late_us = up_us[machine] - result.detail[machine]["connected_us"]
            assert 0 <= late_us <= len(month.outages[machine]) * STEP_US, machine
            assert result.detail[machine]["link_down_us"] == length - up_us[machine]


def test_defects_are_the_parts_that_were_scrapped(month: Month) -> None:
    result, seen = month.results["defect_rate"], 0
    for name, values in result.detail.items():
        parts = [part for part in month.parts(name) if part["end_us"] < month.window.end_us]
        if parts:
            assert (values["good"], values["scrap"]) == (sum(part["good"] for part in parts), sum(not part["good"] for part in parts)), name
            seen += len(parts)
    assert seen > 50_000
    assert result.least_coverage is not None and result.least_coverage > 0.99 and result.lost_us == 0


def test_time_elements_are_the_states_of_the_machines(month: Month) -> None:
    result = month.results["availability"]
    truth = {name: elements(month, name) for name in result.detail}
    assert len([name for name in truth if not month.outages[name]]) >= 6
    for name, values in result.detail.items():
        if not month.outages[name]:
            assert {element: values.get(f"{element}_us", 0) for element in truth[name]} == truth[name], name
            assert values["covered_us"] == sum(truth[name].values()) == month.window.length_us
    # With outages the truth lies within the interval.
    share = sum(found["apt"] for found in truth.values()) / (month.window.length_us * len(truth))
    assert result.low is not None and result.high is not None and result.low < result.high
    assert float(result.low) <= share <= float(result.high)


def elements(month: Month, equipment: str) -> dict[str, int]:
    events = sorted([(time, 0, value) for time, value in month.column(equipment, "item_state")]
                    + [(time, 1, value) for time, value in month.column(equipment, "operation_mode")])
    now, found = [-1, -1], dict.fromkeys(("apt", "aust", "adet", "adot", "other"), 0)
    for (time, which, value), (following, _, _) in pairwise([*events, (month.window.end_us, 0, 0)]):
        now[which] = value
        found[ELEMENTS.get((now[0], now[1]), "other")] += following - time
    return found


def test_energy_is_what_the_meters_grew_by_and_what_the_power_was(month: Month) -> None:
    result = month.results["energy_total"]
    for name, values in result.detail.items():
        counter = [round(value * 1000) for _, value in month.column(name, "energy_import")]
        assert values["energy_mwh"] == sum(max(0, after - before) for before, after in pairwise(counter)), name
        told, spent = reconciled(month, name)
        assert told > 0.5 * values["energy_mwh"] and abs(told - spent) < 0.01 * told, name
    assert result.counts["energy_mwh"] == sum(values["energy_mwh"] for values in result.detail.values()) > 10**9
    assert result.lost_us == 0


def reconciled(month: Month, equipment: str) -> tuple[float, float]:
    """What the meter counted and what the power amounts to, mWh, minute by minute where neither sensor is at fault."""
    lines = (month.folder / "truth" / "faults.jsonl").read_text(encoding="utf-8").splitlines()
    faults = [fault for fault in map(json.loads, lines) if fault["equipment"] == equipment and fault["kind"] in SENSORS]
    energy, told, spent = dict(month.column(equipment, "energy_import")), 0.0, 0.0
    for (time, power), (after, _) in pairwise(month.column(equipment, "power")):
        wrong = any(fault["start_us"] < after + STEP_US and fault["end_us"] > time - STEP_US for fault in faults)
        if not wrong and time in energy and after in energy:
            told += (energy[after] - energy[time]) * 1000
            spent += power * (after - time) / 3.6e6
    return told, spent


def test_alarms_are_those_that_the_machines_told(month: Month) -> None:
    result, top = month.results["alarm_rate"], month.results["alarm_top_ten_share"]
    every: dict[tuple[str, int], int] = {}
    for name, values in result.detail.items():
        if month.outages[name]:
            continue  # an alarm that stands on after an outage counts again
        said = [int(value) for _, value in month.column(name, "alarm")]
        new = [after for before, after in pairwise([0, *said]) if after and after != before]
        assert values["annunciations"] == len(new), name
        for code in new:
            every[name, code] = every.get((name, code), 0) + 1
    assert sum(every.values()) > 1000
    for (name, code), times in every.items():
        assert top.detail[name][f"alarm_{code}"] == times


def test_exceedances_are_the_times_at_which_a_signal_was_beyond_its_limit(month: Month) -> None:
    number, share = month.results["limit_exceedances"], month.results["limit_exceedance_share"]
    seen = 0
    for name in number.detail:
        item = month.register.find(name)
        assert item is not None
        (limited,) = [signal for signal in item.signals if isinstance(signal.upper, str)]
        over = [float(value) > float(limited.upper) for _, value in month.column(name, limited.name)]  # type: ignore[arg-type]
        if not month.outages[name]:
            assert number.detail[name]["exceedances"] == sum(after and not before for before, after in pairwise([False, *over])), name
            assert share.detail[name]["over_us"] == STEP_US * sum(over), name
            seen += sum(over)
    assert seen, "no fault made anything hot: choose limits that something exceeds"
