"""The simulators' main meter through a real gateway: its counter wraps, is reset and is exchanged, and the reconciliations say what that does.

A day of the history each: the wrap, a reset, an exchange for a meter that stands higher, and one for a meter that stands lower. The truth is the
power that the main meter itself showed, summed by a plain loop.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from chejian.cli import app, register_commands
from chejian.demo.client import GatewayClient
from simulators.history import history
from simulators.physics.electricity import EXCHANGED_WH
from simulators.settings import Equipment, FaultPlan, Server, load_settings
from tests.unit.gateway.plant import admin_of, gateway_in_thread, until

DEMO = Path(__file__).parents[2] / "config" / "demo"
END_US, DAY_S, GAUGE_S = 1_767_571_200_000_000, 86_400, 60
MACHINES = ("cnc-01", "lathe-01")
WRAP, RESET, HIGHER, LOWER = range(4)
NOON_S = 12 * 3600


class Grid(NamedTuple):
    url: str
    token: Path
    start_us: int
    counter: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
    power: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

    def day(self, number: int) -> tuple[int, int]:
        """Start and end, µs UTC."""
        return self.start_us + number * DAY_S * 1_000_000, self.start_us + (number + 1) * DAY_S * 1_000_000

    def true_kwh(self, number: int) -> float:
        """∫ power over the day: each reading holds until the next."""
        first, end = self.day(number)
        inside = (self.power[0] >= first) & (self.power[0] < end)
        return float(self.power[1][inside].sum()) * GAUGE_S / 3.6e6

    def counted_kwh(self, number: int) -> float:
        """Sum of the counter's increases that are read in the day."""
        first, end = self.day(number)
        times, values = self.counter
        inside = (times[1:] >= first) & (times[1:] < end)
        return float(np.maximum(np.diff(values), 0)[inside].sum()) / 1000


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grid]:
    folder = tmp_path_factory.mktemp("grid")
    demo, past = load_settings(DEMO / "simulators.toml"), folder / "history"
    chosen = [item for block in demo.blocks() for item in block.equipment if item.id in MACHINES]
    chosen.append(Equipment(id="meter-01", kind="main_meter", rated_power_w=250_000))
    faults = [
        FaultPlan("counter_reset", "meter-01", RESET * DAY_S + NOON_S), FaultPlan("meter_exchange", "meter-01", HIGHER * DAY_S + NOON_S),
        FaultPlan("meter_exchange", "meter-01", LOWER * DAY_S + NOON_S)]
    settings = msgspec.structs.replace(demo, server=[Server("grid", "opc.tcp://127.0.0.1:4899/", "None", chosen)], broker=[], fault=faults)
    history(
        settings, days=4, out=past, end_us=END_US, gauge_s=GAUGE_S, repeat_s=GAUGE_S, cycle_factor=60, faults_per_day=0.0, workers=1)
    about = json.loads((past / "history.json").read_text())
    register_commands()
    with gateway_in_thread(folder, register_text=register_text()) as url:
        token = folder / "data" / "admin.token"
        done = CliRunner().invoke(app, [
            "import", str(past), "--register", str(folder / "workshop.toml"), "--url", url, "--data", str(folder / "import"),
            "--admin-token", str(token), "--json"])
        assert done.exit_code == 0, done.output
        client, taken = GatewayClient(url, admin_of(folder)), json.loads(done.output)["rows"]
        until(lambda: client.get("/v1/count")["rows"] == taken, "indexed")
        client.close()
        yield Grid(url, token, about["start_us"], *(column(past, name) for name in ("energy_import", "power")))


def register_text() -> str:
    head, *machines = (DEMO / "workshop.toml").read_text(encoding="utf-8").split("[[equipment]]\n")
    own = {machine.split('"')[1]: machine for machine in machines}
    main = own["compressor-01"].replace("compressor-01", "meter-01").replace('equipment_class = "compressor"', 'equipment_class = "main_meter"')
    for seconds in (3, 5, 10, 30):
        head = head.replace(f"max_age_s = {seconds}, ", f"max_age_s = {3 * GAUGE_S}, ")
    return "[[equipment]]\n".join([head, *(own[name] for name in MACHINES), main.replace("AC-2017-0001", "MM-2017-0001")])


def column(past: Path, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    tables = [pq.read_table(file, filters=[("name", "=", name)]) for file in sorted((past / "readings").glob("*/meter-01.parquet"))]
    key = "value_i64" if name == "energy_import" else "value_f64"
    times, values = (np.concatenate([table[which].to_numpy() for table in tables]) for which in ("source_time_us", key))
    return times, values


def explained(grid: Grid, identifier: str, day: int) -> Any:
    first, end = grid.day(day)
    done = CliRunner().invoke(app, [
        "indicators", "explain", identifier, "--window", str(first), str(end), "--url", grid.url, "--token-file", str(grid.token), "--json"])
    assert done.exit_code == 0, done.output or done.exception
    return msgspec.json.decode(done.output)["result"]


def billed(grid: Grid, day: int, kwh: float) -> None:
    first, end = grid.day(day)
    done = CliRunner().invoke(app, [
        "declare", "electricity_bill", f"{kwh:.3f}", "--unit", "kW.h", "--from", str(first), "--to", str(end), "--url", grid.url, "--token-file",
        str(grid.token)])
    assert done.exit_code == 0, done.output or done.exception


def test_the_history_holds_what_this_is_about(grid: Grid) -> None:
    times, values = grid.counter
    falls = [(int((times[place + 1] - grid.start_us) // (DAY_S * 1_000_000)), int(values[place])) for place in np.flatnonzero(np.diff(values) < 0)]
    assert [day for day, _ in falls] == [WRAP, RESET, LOWER]
    assert falls[0][1] > 999_000_000
    rises = np.flatnonzero(np.diff(values) > 1_000_000)
    assert [int((times[place + 1] - grid.start_us) // (DAY_S * 1_000_000)) for place in rises] == [HIGHER]


@pytest.mark.parametrize("day", [WRAP, RESET, LOWER])
def test_a_wrap_a_reset_and_a_lower_meter_lose_one_interval_and_reconcile(grid: Grid, day: int) -> None:
    result = explained(grid, "energy_reconciliation", day)
    own = result["detail"]["meter-01"]
    assert own["resets"] == 1
    counted, integrated = own["counter_mwh"] / 1e6, own["power_mj"] / 3.6e9
    assert abs(counted - integrated) <= 0.02 * counted
    assert "meter-01" not in result["why"]
    # What flowed between two readings a minute apart is lost, and nothing else.
    most_kw = float(grid.power[1].max()) / 1000
    assert -0.005 * counted <= grid.true_kwh(day) - counted <= 0.005 * counted + 2 * most_kw * GAUGE_S / 3600
    total = explained(grid, "energy_total", day)
    assert total["detail"]["meter-01"]["energy_mwh"] == round(grid.counted_kwh(day) * 1e6)
    assert "resets of counters" in total["why"]


def test_a_higher_meter_looks_like_consumption_and_only_the_reconciliation_says_so(grid: Grid) -> None:
    total = explained(grid, "energy_total", HIGHER)
    own = total["detail"]["meter-01"]
    assert own["resets"] == 0
    assert own["energy_mwh"] / 1e6 > grid.true_kwh(HIGHER) + 0.8 * EXCHANGED_WH / 1000
    result = explained(grid, "energy_reconciliation", HIGHER)
    assert "counter and power differ by more than 2%: meter-01 (0.9" in result["why"]
    assert result["detail"]["meter-01"]["power_mj"] / 3.6e9 == pytest.approx(grid.true_kwh(HIGHER), rel=0.005)


@pytest.mark.parametrize(("day", "agrees"), [(WRAP, True), (RESET, True), (HIGHER, False), (LOWER, True)])
def test_the_bill_agrees_with_the_main_meter_but_for_the_one_that_stood_higher(grid: Grid, day: int, agrees: bool) -> None:
    billed(grid, day, grid.true_kwh(day))
    result = explained(grid, "energy_bill_reconciliation", day)
    assert (result["counts"]["meters"], result["counts"]["main_meters"]) == (1, 1), "sub-meters do not count twice"
    assert (abs(float(result["value"])) <= 0.03) is agrees
    assert ("meters and bill differ by more than 3%" in result["why"]) is not agrees
