"""The benchmark of the indicators in a reduced form: it leaves no indicator out, and says which bar is missed."""

import pytest

from analytics.indicator import load_indicators
from analytics.series import MACHINE
from benchmarks import indicators as benchmark
from workshop.window import HOUR_US, Window

HOURS = 40


def test_its_machines_have_a_signal_of_every_role_that_an_indicator_names() -> None:
    named = {role for item in load_indicators().values() for role in item.roles} - {MACHINE}
    assert named == {signal.role for signal in benchmark.SIGNALS}, "benchmarks/indicators.py: SIGNALS"
    machine = benchmark.workshop(1).equipment[0]
    assert [item.id for item in benchmark.measured() if not item.applies(machine)] == []


def test_every_indicator_is_measured_and_evaluated() -> None:
    took, together, packed = benchmark.hours((1, 2))
    known = {item.id for item in benchmark.measured()}
    assert set(took) == set(packed) == known and all(len(found) == 2 for found in took.values()) and len(together) == 2
    register = benchmark.workshop(2)
    facts = benchmark.facts(register, Window(benchmark.START_US, benchmark.START_US + 200 * HOUR_US))
    without = [item.id for item in benchmark.measured() if benchmark.year(packed[item.id], item, register, facts, HOURS)[1] == "None"]
    # Orders are of a week, which forty hours do not hold; what is declared for two hundred hours holds in all of them.
    assert without == ["on_time_delivery", "order_lead_time"]


def test_a_year_of_columns_is_the_year_of_its_hours() -> None:
    _, _, packed = benchmark.hours((1,))
    for name, hour in packed.items():
        [piece] = benchmark.merge_packed(benchmark.a_year(hour, 3))
        assert (piece.start_us, piece.end_us) == (benchmark.START_US, benchmark.START_US + 3 * HOUR_US), name
        assert piece.values == {key: 3 * value for key, value in benchmark.merge_packed(hour)[0].values.items()}, name


@pytest.mark.parametrize(("together", "years", "over"), [
    ([0.02, 0.2, 2.0], {"oee": 0.1, "mttr": 0.4}, []), ([0.02, 0.31, 3.1], {"oee": 0.1}, [0]), ([0.02, 0.2, 2.0], {"oee": 0.51, "mttr": 0.4}, [1]),
    ([0.02, 0.2, 3.1], {"oee": 0.1}, [2]),
])
def test_bars_are_judged(together: list[float], years: dict[str, float], over: list[int]) -> None:
    bars = benchmark.judged(together, (10, 100, 1000), years)
    assert [place for place, (_, figure, bar) in enumerate(bars) if figure >= bar] == over
    assert "oee" in bars[1][0] if over == [1] else len(bars) == 3


def test_a_missed_bar_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["indicators", "--sizes", "1", "2"])
    monkeypatch.setattr(benchmark, "BARS_SIZE", 1)
    monkeypatch.setattr(benchmark, "HOURS", 2)
    monkeypatch.setattr(benchmark, "YEAR_S", 0.0)
    assert benchmark.main() == 1
    said = capsys.readouterr().out
    assert "MISSED the year of 1 machines" in said and "met    one new hour of 1 machines, all indicators at once" in said
