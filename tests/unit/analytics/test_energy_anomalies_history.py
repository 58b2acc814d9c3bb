"""Unusual days on the simulators' history: normal weeks keep the stated rate, and what really went wrong is found."""

import json
from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from analytics.energy.anomalies import Judged, judge_days
from simulators.history import history
from simulators.past.plan import Improvement
from simulators.settings import FaultPlan, load_settings

DEMO = Path(__file__).parents[3] / "config" / "demo" / "simulators.toml"
END_US, DAYS, BASELINE, STEP_S = 1_767_571_200_000_000, 84, 42, 900
MACHINES = ("cnc-01", "lathe-01", "robot-01", "inspection-01", "compressor-01")
LOCAL_S = 8 * 3600


def made(out: Path, seed: int, machines: tuple[str, ...], *faults: FaultPlan) -> dict[str, tuple[NDArray[np.float64], int]]:
    """kW per quarter hour by machine, from its energy counter, and the local time of the first."""
    demo = load_settings(DEMO)
    chosen = [item for block in demo.blocks() for item in block.equipment if item.id in machines]
    settings = msgspec.structs.replace(
        demo, server=[msgspec.structs.replace(demo.server[0], equipment=chosen)], broker=[], fault=list(faults))
    history(
        settings, days=DAYS, out=out, end_us=END_US, seed=seed, gauge_s=STEP_S, cycle_factor=60, faults_per_day=0.0,
        improvement=Improvement(after=0.0), workers=1)
    start_us = json.loads((out / "history.json").read_text())["start_us"]
    edges = start_us + np.arange(DAYS * 86_400 // STEP_S + 1) * STEP_S * 1_000_000
    found = {}
    for name in machines:
        tables = [pq.read_table(path, filters=[("name", "=", "energy_import")]) for path in sorted((out / "readings").glob(f"*/{name}.parquet"))]
        times, counter = (np.concatenate([table[key].to_numpy() for table in tables]) for key in ("source_time_us", "value_i64"))
        shown = counter[np.searchsorted(times, edges, side="right") - 1]
        found[name] = np.diff(shown)[:-1] / 1000 * 3600 / STEP_S, start_us // 1_000_000 + LOCAL_S  # the last quarter's reading is no longer there
    return found


def judged(load: NDArray[np.float64], start_s: int, rate: float, name: str) -> Judged:
    return judge_days(load, start_s, STEP_S, date(1970, 1, 1) + timedelta(days=start_s // 86_400 + BASELINE - 1), rate, name)


def test_held_out_normal_weeks_of_the_simulators_keep_the_stated_rate(tmp_path: Path) -> None:
    alarms = days = meters = 0
    stated = 0.0
    for seed in (1, 2, 3):
        for name, (load, start_s) in made(tmp_path / str(seed), seed, MACHINES).items():
            found = judged(load, start_s, 0.05, name)
            assert (found.baseline_days, found.days) == (BASELINE, DAYS - BASELINE)
            alarms, days, meters, stated = alarms + len(found.alarms), days + found.days, meters + 1, found.rate
    error = np.sqrt(stated * (1 - stated) * (1 / days + 1 / (BASELINE + 2) / meters))
    assert 0.3 * stated < alarms / days <= stated + 2 * error, f"{alarms} of {days}, stated {stated}"


@pytest.mark.parametrize(("name", "hours"), [("cnc-01", 6), ("lathe-01", 4)])
def test_a_machine_that_stands_for_hours_is_found_on_its_day_with_its_hours(name: str, hours: int, tmp_path: Path) -> None:
    stood = FaultPlan("tool_breakage", name, (60 * 24 + 13) * 3600, hours * 3600)
    load, start_s = made(tmp_path / "h", 4, (name,), stood)[name]
    found = {alarm.day: alarm for alarm in judged(load, start_s, 0.05, name).alarms}
    alarm = found[(date(1970, 1, 1) + timedelta(days=start_s // 86_400 + 60)).isoformat()]
    assert alarm.spans
    assert all(span.measured < span.expected for span in alarm.spans)
    assert min(int(span.start[:2]) for span in alarm.spans) in (12, 13)
    assert max(int(span.end[:2]) for span in alarm.spans) >= 13 + hours - 1
