"""Advice by hand: what machines use while they stand, dear hours, the peak; and the commands on a bundle."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from analytics.compute import components_of, compute
from analytics.electricity import quarters
from analytics.energy.advice import Advice, advise, consumers
from analytics.indicator import Result, load_indicators
from analytics.measured import gather
from chejian.cli import app, register_commands
from evidence.bundle import export
from evidence.claim import parse_claims
from evidence.packs import load_packs
from tests.tamper.workbench import REPOSITORY, WINDOW, Plant
from tests.unit.analytics.plant import SIGNALS, START_US, block, machine, rows, window, workshop
from tests.unit.gateway.plant import admin_of, gateway_in_thread
from workshop.errors import ConfigError
from workshop.register import TariffPeriod, Workshop
from workshop.signal import Signal, SignalKind

KNOWN = load_indicators()
METER = Signal("energy", "energy_import", SignalKind.COUNTER, "kW.h", max_age_s=60)
TARIFF = (TariffPeriod("峰", "08:00", "00:00", "1.00"), TariffPeriod("谷", "00:00", "08:00", "0.25"))
SPAN = window(0, 7200)  # 23:00 to 01:00 in Shanghai
YEAR = 365 * 12


def register(*names: str) -> Workshop:
    items = [machine(name, signals=(METER, SIGNALS[0])) for name in names]
    return msgspec.structs.replace(workshop(*items), tariff=TARIFF)


READINGS = block(
    rows("cnc-01/energy", [(t, 30 * t / 3600) for t in range(0, 7201, 30)]),
    rows("cnc-01/state", [(t, 3 if t < 3600 else 0) for t in range(0, 7200, 5)]),
    rows("cnc-02/energy", [(t, 10 * t / 3600) for t in range(0, 7201, 30)]), rows("cnc-02/state", [(t, 3) for t in range(0, 7200, 5)]),
)


def measured(name: str, plant: Workshop) -> Result:
    return compute(KNOWN[name], plant, READINGS, SPAN)


def advice_of(plant: Workshop, demand_price: float | None = None, curve: list[tuple[int, int, bool]] | None = None) -> list[Advice]:
    return advise({name: measured(name, plant) for name in ("energy_standby", "electricity_cost")}, curve or [], plant, SPAN, demand_price)


def test_consumers_by_size_with_cost() -> None:
    found = consumers(measured("electricity_cost", register("cnc-01", "cnc-02")), register("cnc-01", "cnc-02"))
    assert [item.equipment for item in found] == ["cnc-01", "cnc-02"]
    # The increase read at 01:00 itself belongs to the next window: 239 of 240 steps of 0.25 kWh, 120 of them before midnight.
    assert found[0].kwh == pytest.approx(59.75)
    assert found[0].cost == pytest.approx(30 * 1.00 + 29.75 * 0.25)
    assert found[0].share == pytest.approx(0.75)
    assert found[1].cumulative == 1
    bare = msgspec.structs.replace(register("cnc-01"), tariff=())
    assert consumers(measured("electricity_cost", bare), bare)[0].cost is None
    assert consumers(compute(KNOWN["electricity_cost"], bare, block([]), SPAN), bare)[0].share == 0


def test_switch_off_and_shift_by_hand() -> None:
    found = advice_of(register("cnc-01", "cnc-02"))
    off = next(item for item in found if item.kind == "switch-off")
    assert [item.equipment for item in found if item.kind == "switch-off"] == ["cnc-01"]
    assert off.kwh_year == pytest.approx(29.75 * YEAR)  # all of the hour after midnight
    assert off.money_year == pytest.approx(29.75 * YEAR * (30 + 29.75 * 0.25) / 59.75)
    assert off.kwh_low <= off.kwh_year <= off.kwh_high
    shift = {item.equipment: item for item in found if item.kind == "shift-load"}
    assert shift["cnc-01"].kwh_year == pytest.approx(3.0 * YEAR)
    assert shift["cnc-01"].money_year == pytest.approx(3.0 * YEAR * 0.75)
    assert [item.money_year or 0 for item in found] == sorted((item.money_year or 0 for item in found), reverse=True)
    assert advice_of(msgspec.structs.replace(register("cnc-02"), tariff=())) == []


def test_a_flat_curve_has_no_peak_and_a_peak_is_cut_to_what_the_rest_stays_under() -> None:
    plant = register("cnc-02")
    level = [(900_000_000 * n, 10_000_000, True) for n in range(200)]
    assert not [item for item in advice_of(plant, 40, level) if item.kind == "flatten-peak"]
    peaky = [(start, 35_000_000 if start == 0 else energy, known) for start, energy, known in level] + [(0, 99_000_000, False)]
    (found,) = (item for item in advice_of(plant, 40, peaky) if item.kind == "flatten-peak")
    assert found.money_year == pytest.approx(100 * 12 * 40)  # from 140 to 40 kW
    assert found.kwh_year == pytest.approx(25 * YEAR)
    (free,) = (item for item in advice_of(plant, None, peaky) if item.kind == "flatten-peak")
    assert free.money_year is None
    assert "no demand price" in free.assumption


@given(energies=st.lists(st.integers(0, 10**9), max_size=300))
def test_a_peak_is_never_cut_below_what_nearly_all_quarters_need(energies: list[int]) -> None:
    curve = [(900_000_000 * n, energy, True) for n, energy in enumerate(energies)]
    for item in advice_of(register("cnc-02"), 1.0, curve):
        if item.kind == "flatten-peak":
            kept = sorted(energies)[-1 - len(energies) // 100]
            assert item.money_year == pytest.approx((max(energies) - kept) * 4 / 1e6 * 12)
            assert sum(energy > kept for energy in energies) <= len(energies) // 100


def test_the_curve_is_that_of_all_meters_together() -> None:
    plant, item = register("cnc-01", "cnc-02"), KNOWN["peak_demand"]
    curve = quarters(gather(item, components_of(item, plant, READINGS, SPAN), plant, SPAN))
    assert len(curve) == 8
    assert [known for _, _, known in curve] == [True] * 8
    assert curve[1][1] == 10_000_000  # 7.5 and 2.5 kWh


def test_the_commands_on_a_bundle(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.run_story()
    claims = parse_claims((REPOSITORY / "config/demo/claims.toml").read_bytes(), "claims.toml")
    export(plant.archive, window=WINDOW, claims=claims, packs=load_packs(), out=tmp_path / "bundle")
    plant.archive.close()
    register_commands()
    answers = {}
    for name in ("consumers", "curve", "advice"):
        arguments = ["energy", name, "--bundle", str(tmp_path / "bundle")]
        shown = CliRunner().invoke(app, arguments)
        assert shown.exit_code == 0, shown.output
        answers[name] = msgspec.json.decode(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert {item["equipment"] for item in answers["consumers"]["consumers"]} >= {"cnc-01"}
    assert sum(item["share"] for item in answers["consumers"]["consumers"]) in (0, pytest.approx(1))
    assert isinstance(answers["curve"]["quarters"], list)
    assert set(answers["advice"]) == {"window", "advice", "leak_tests", "warnings"}


def test_the_commands_ask_a_gateway(tmp_path: Path) -> None:
    register_commands()
    (tmp_path / "gateway").mkdir()
    with gateway_in_thread(tmp_path / "gateway") as url:
        token = tmp_path / "token"
        token.write_text(admin_of(tmp_path / "gateway"), encoding="utf-8")
        for name in ("consumers", "curve", "advice"):
            arguments = ["energy", name, "--url", url, "--token-file", str(token), "--json"]
            answer = CliRunner().invoke(app, [*arguments, "--window", str(START_US), str(START_US + 3_600_000_000)])
            assert answer.exit_code == 0, answer.output
            assert msgspec.json.decode(answer.output)["window"]["start_us"] == START_US
            lost = CliRunner().invoke(app, arguments)
            assert isinstance(lost.exception, ConfigError)
            assert "--window FROM TO" in str(lost.exception)
