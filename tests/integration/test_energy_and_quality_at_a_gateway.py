"""`chejian energy …` and `chejian quality …` at a real gateway: weeks of the simulators' history imported once, every command asked for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from chejian.cli import app, register_commands
from chejian.demo.client import GatewayClient
from simulators.history import history
from simulators.past.plan import Improvement
from simulators.settings import Equipment, FaultPlan, Server, load_settings
from tests.unit.gateway.plant import admin_of, gateway_in_thread, until
from workshop.errors import ConfigError

DEMO = Path(__file__).parents[2] / "config" / "demo"
DAYS, GAUGE_S, END_US = 21, 300, 1_767_571_200_000_000
MACHINES = ("cnc-01", "robot-01", "inspection-01", "compressor-01")
STOOD_DAY, STOOD_S = 18, 8 * 3600
"""Of the history: a day after the baseline, and for how long cnc-01 then stood."""
LEAK = 1.5
"""Severity of the compressor's leak at the end of the history."""
RATE = "0.07"
PRODUCED = ["--baseline", "2025-12-15", "2025-12-25", "--window", "2025-12-25", "2026-01-04"]


class Works(NamedTuple):
    url: str
    token: Path
    folder: Path
    past: Path
    about: dict[str, Any]

    @property
    def window(self) -> tuple[str, str, str]:
        """All of the history."""
        return "--window", str(self.about["start_us"]), str(self.about["end_us"])

    def column(self, equipment: str, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Times and values of one signal as the machine said it."""
        tables = [pq.read_table(file, filters=[("name", "=", name)]) for file in sorted((self.past / "readings").glob(f"*/{equipment}.parquet"))]
        key = next(key for key in ("value_i64", "value_f64", "value_text") if tables[0][key].null_count < len(tables[0]))
        times, values = (np.concatenate([table[which].to_numpy(zero_copy_only=False) for table in tables]) for which in ("source_time_us", key))
        return times, values

    def grown(self, equipment: str, name: str) -> int:
        """Sum of the increases of a counter."""
        return int(np.maximum(np.diff(self.column(equipment, name)[1]), 0).sum())


def register_text() -> str:
    """These machines of the demo's register, with a main meter, and values that stay known between two readings of the history."""
    head, *machines = (DEMO / "workshop.toml").read_text(encoding="utf-8").split("[[equipment]]\n")
    own = {machine.split('"')[1]: machine for machine in machines}
    main = own["compressor-01"].replace("compressor-01", "meter-01").replace('equipment_class = "compressor"', 'equipment_class = "main_meter"')
    own["meter-01"] = main.replace("AC-2017-0001", "MM-2017-0001")
    for seconds in (3, 5, 10, 30):
        head = head.replace(f"max_age_s = {seconds}, ", f"max_age_s = {3 * GAUGE_S}, ")
    return "[[equipment]]\n".join([head, *(own[name] for name in (*MACHINES, "meter-01", "press-01"))])


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    folder = tmp_path_factory.mktemp("works")
    demo, past = load_settings(DEMO / "simulators.toml"), folder / "history"
    chosen = [item for block in demo.blocks() for item in block.equipment if item.id in MACHINES]
    chosen.append(Equipment(id="meter-01", kind="main_meter", rated_power_w=250_000))
    server = Server("grid", "opc.tcp://127.0.0.1:4899/", "None", chosen)
    leak = FaultPlan("air_leak", "compressor-01", 0, DAYS * 86_400, LEAK)
    stood = FaultPlan("tool_breakage", "cnc-01", STOOD_DAY * 86_400 + 8 * 3600, STOOD_S)
    history(
        msgspec.structs.replace(demo, server=[server], broker=[], fault=[stood, leak]), days=DAYS, out=past, end_us=END_US, gauge_s=GAUGE_S,
        repeat_s=GAUGE_S, cycle_factor=60, faults_per_day=0.0, improvement=Improvement(defect_rate=0.5, after=10 / 21), workers=1)
    about = json.loads((past / "history.json").read_text())
    register_commands()
    with gateway_in_thread(folder, register_text=register_text()) as url:
        token = folder / "viewer.token"
        token.write_text(admin_of(folder), encoding="utf-8")
        done = CliRunner().invoke(app, [
            "import", str(past), "--register", str(folder / "workshop.toml"), "--url", url, "--data", str(folder / "import"),
            "--admin-token", str(folder / "data" / "admin.token"), "--json"])
        assert done.exit_code == 0, done.output
        taken = json.loads(done.output)["rows"]  # the main meter's hall temperature is not in the register
        client = GatewayClient(url, token.read_text())
        until(lambda: client.get("/v1/count")["rows"] == taken, "indexed")
        client.close()
        yield Works(url, token, folder, past, about)


def ask(works: Works, *arguments: str) -> Any:
    done = run(works, *arguments, "--json")
    assert done.exit_code == 0, done.output or done.exception
    return msgspec.json.decode(done.output)


def run(works: Works, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--url", works.url, "--token-file", str(works.token)])


def test_consumers_are_ranked_by_what_their_counters_grew_by(works: Works) -> None:
    found = {item["equipment"]: item for item in ask(works, "energy", "consumers", *works.window)["consumers"]}
    assert list(found)[:2] == ["meter-01", "compressor-01"]
    for name in MACHINES:
        assert found[name]["kwh"] == pytest.approx(works.grown(name, "energy_import") / 1000, abs=1e-6)
    assert "compressor-01" in run(works, "energy", "consumers", *works.window).output


def test_the_curve_of_a_day_is_that_of_the_meters(works: Works) -> None:
    start_us = works.about["start_us"] + 86_400_000_000
    quarters = ask(works, "energy", "curve", "--window", str(start_us), str(start_us + 21_600_000_000))["quarters"]
    assert len(quarters) == 24
    expected = 0.0
    for name in (*MACHINES, "meter-01"):
        times, values = works.column(name, "energy_import")
        inside = (times[1:] > start_us + 900_000_000) & (times[1:] <= start_us + 1_800_000_000)
        expected += np.maximum(np.diff(values), 0)[inside].sum() / 1000
    assert quarters[1]["kwh"] == pytest.approx(expected, rel=1e-9)


def test_a_day_on_which_a_machine_stood_is_unusual_and_is_found_from_readings(works: Works) -> None:
    until_day = local_day(works, 13)
    answer = ask(works, "energy", "anomalies", *works.window, "--train-until", until_day, "--rate", RATE, "--equipment", "cnc-01")
    (meter,) = answer["meters"]
    assert (meter["meter"], meter["baseline_days"], meter["days"]) == ("cnc-01", 14, 7)
    alarm = next(item for item in meter["alarms"] if item["day"] == local_day(works, STOOD_DAY))
    assert alarm["measured"] < 0.85 * alarm["expected"]
    assert alarm["spans"][0]["start"] in ("07:00", "07:15", "07:30", "07:45", "08:00")
    assert local_day(works, STOOD_DAY) in run(works, "energy", "anomalies", *works.window, "--train-until", until_day, "--rate", RATE).output
    refused = run(works, "energy", "anomalies", *works.window, "--train-until", until_day, "--rate", RATE, "--equipment", "press-01")
    assert isinstance(refused.exception, ConfigError)
    assert "no machine with an energy meter" in str(refused.exception)
    few = run(works, "energy", "anomalies", *works.window, "--train-until", until_day, "--rate", "0.01")
    assert isinstance(few.exception, ConfigError)
    assert "99 are needed" in str(few.exception)


def test_advice_names_the_leaking_compressor_with_money(works: Works) -> None:
    answer = ask(works, "energy", "advice", *works.window)
    (leak,) = answer["leak_tests"]
    # It grows evenly to 1.5 · 15 % of the delivery, and the system is tight to 2 to 5 %.
    assert leak["share"] == pytest.approx(0.5 * LEAK * 0.15 + 0.035, abs=0.03)
    (mend,) = [item for item in answer["advice"] if item["kind"] == "mend-leaks"]
    assert mend["equipment"] == "compressor-01"
    assert 0 < mend["kwh_low"] < mend["kwh_year"] < mend["kwh_high"] < 0.5 * 37 * 8760
    assert mend["money_year"] > 0
    last_us = works.about["end_us"]
    assert "压缩空气泄漏" in run(works, "energy", "advice", "--window", str(last_us - 2 * 86_400_000_000), str(last_us)).output


def local_day(works: Works, number: int) -> str:
    return str(np.datetime64(works.about["start_us"] + 8 * 3_600_000_000, "us").astype("datetime64[D]") + number)
