"""Unusual days: alarms by hand, the stated rate on days that are alike, what is refused; and the command on a file."""

from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from analytics.energy.anomalies import judge_days
from chejian.cli import app, register_commands
from workshop.errors import ConfigError

MONDAY = date(2024, 1, 1)
START_S = (MONDAY - date(1970, 1, 1)).days * 86_400
HOUR = 3600


def days(count: int, seed: int, weekend: float = 1.0) -> NDArray[np.float64]:
    """Hourly loads of a plant with two shifts: days of the same shape, of a level and a noise of their own that goes on from hour to hour."""
    dice = np.random.default_rng(seed)
    shape = np.where((np.arange(24) >= 6) & (np.arange(24) < 22), 100.0, 20.0)
    noise = np.zeros((count, 24))
    for hour in range(24):
        noise[:, hour] = (0.7 * noise[:, hour - 1] if hour else 0) + dice.normal(0, 3, count)
    level = dice.normal(1, 0.03, count) * np.where(np.arange(count) % 7 >= 5, weekend, 1.0)
    found: NDArray[np.float64] = shape * level[:, None] + noise
    return found


def last(of: int) -> date:
    return MONDAY + timedelta(days=of - 1)


@pytest.mark.parametrize(("rate", "baseline"), [(0.05, 40), (0.1, 29), (0.02, 120)])
def test_days_that_are_alike_raise_alarms_at_the_stated_rate(rate: float, baseline: int) -> None:
    runs, alarms, judged, stated = 100, 0, 0, 0.0
    for seed in range(runs):
        found = judge_days(days(baseline + 28, seed, 0.4).ravel(), START_S, HOUR, last(baseline), rate, "m")
        alarms, judged, stated = alarms + len(found.alarms), judged + found.days, found.rate
        assert found.expected_false_alarms == pytest.approx(found.rate * found.days)
    rank = round(stated * (baseline + 1))
    assert stated == rank / (baseline + 1) <= rate < (rank + 1) / (baseline + 1)
    # Days of one run share a threshold, whose own rate is Beta(k, n + 1 - k): that scatters beside the days.
    shared = stated * (1 - stated) / (baseline + 2) / runs
    error = np.sqrt(shared + stated * (1 - stated) / judged)
    assert 0.4 * stated < alarms / judged <= stated + 2 * error


def test_weekends_are_told_apart_where_that_errs_less_and_only_then() -> None:
    assert judge_days(days(70, 1, 0.4).ravel(), START_S, HOUR, last(56), 0.05, "m").day_kinds in ("weekend", "weekday")
    assert judge_days(days(70, 1).ravel(), START_S, HOUR, last(56), 0.05, "m").day_kinds == "all"
    # Of a closed Saturday nothing is unusual where weekends are closed.
    assert judge_days(days(70, 1, 0.4).ravel(), START_S, HOUR, last(56), 0.02, "m").alarms == []


def test_an_hour_that_is_off_is_named_with_its_hours_and_a_day_that_is_off_as_a_day() -> None:
    load = days(60, 5)
    load[45, 2:4] += 40  # something ran from two to four in the night
    load[50] *= 1.2  # an hour of it is no more than a loud one
    found = {alarm.day: alarm for alarm in judge_days(load.ravel(), START_S, HOUR, last(40), 0.025, "m").alarms}
    night, high = found[(MONDAY + timedelta(days=45)).isoformat()], found[(MONDAY + timedelta(days=50)).isoformat()]
    assert [(span.start, span.end) for span in night.spans] == [("02:00", "04:00")]
    assert night.spans[0].measured - night.spans[0].expected == pytest.approx(40, abs=8)
    assert night.what == "hour"
    assert high.what in ("day", "both")
    assert high.measured == pytest.approx(1.2 * high.expected, rel=0.08)
    assert len(found) <= 4


def test_a_load_that_falls_is_unusual_too_and_a_constant_one_that_changes() -> None:
    load = days(60, 6)
    load[44, 8:12] = 5
    assert (MONDAY + timedelta(days=44)).isoformat() in {alarm.day for alarm in judge_days(load.ravel(), START_S, HOUR, last(40), 0.05, "m").alarms}
    flat = np.full(30 * 24, 7.0)
    assert judge_days(flat, START_S, HOUR, last(20), 0.05, "m").alarms == []
    flat[-1] = 7.5
    (alarm,) = judge_days(flat, START_S, HOUR, last(20), 0.05, "m").alarms
    assert [(span.start, span.end) for span in alarm.spans] == [("23:00", "24:00")]


def test_days_of_which_little_is_known_are_left_out_on_both_sides() -> None:
    load = days(60, 7)
    load[3, 4:9], load[50, :12] = np.nan, np.nan
    load[51, 5] = np.nan  # an hour is missing: the day is judged
    found = judge_days(load.ravel(), START_S, HOUR, last(40), 0.05, "m")
    assert (found.baseline_days, found.days, found.left_out) == (39, 19, 2)
    assert all(alarm.day != (MONDAY + timedelta(days=50)).isoformat() for alarm in found.alarms)


@given(factor=st.floats(0.001, 1000), shift=st.integers(0, 23))
def test_units_do_not_matter_and_neither_does_where_the_file_begins(factor: float, shift: int) -> None:
    load = days(40, 8).ravel()[shift:]
    load[35 * 24 - shift :][:3] += 60
    plain = judge_days(load, START_S + shift * HOUR, HOUR, last(30), 0.1, "m")
    scaled = judge_days(load * factor, START_S + shift * HOUR, HOUR, last(30), 0.1, "m")
    assert [alarm.day for alarm in plain.alarms] == [alarm.day for alarm in scaled.alarms]
    assert (MONDAY + timedelta(days=35)).isoformat() in [alarm.day for alarm in plain.alarms]
    assert plain.baseline_days == 30 - (shift > 2)


@pytest.mark.parametrize(("until", "rate", "message"), [
    (18, 0.05, "18 whole days up to 2024-01-18 state no rate of 0.05 .* 19 are needed, or --rate 0.053"),
    (13, 0.5, "13 whole days .* 14 are needed$"), (30, 0.0, "--rate 0"), (30, 0.6, "--rate 0.6"), (60, 0.05, "no whole day after 2024-02-29"),
])
def test_what_cannot_be_stated_is_refused(until: int, rate: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        judge_days(days(60, 9).ravel(), START_S, HOUR, last(until), rate, "m")


def test_the_command_on_a_file(tmp_path: Path) -> None:
    register_commands()
    load = days(60, 5)
    load[45, 2:4] += 40
    first = np.datetime64("2024-01-01T00:00")
    rows = [f"{str(first + np.timedelta64(n, 'h')).replace('T', ' ')},{value:.3f}" for n, value in enumerate(load.ravel().tolist())]
    (tmp_path / "load.csv").write_text("time,kWh\n" + "\n".join(rows))
    given = ["energy", "anomalies", "--data", str(tmp_path / "load.csv"), "--time", "time", "--value", "kWh", "--step", "1h"]
    given += ["--train-until", last(40).isoformat()]
    done = CliRunner().invoke(app, [*given, "--json"])
    assert done.exit_code == 0, done.output
    answer = msgspec.json.decode(done.output)
    assert answer["unit"] == "kWh"
    assert "never part of a claim" in answer["note"]
    (meter,) = answer["meters"]
    assert "2024-02-15" in [alarm["day"] for alarm in meter["alarms"]]
    shown = CliRunner().invoke(app, given)
    assert "2024-02-15" in shown.output
    assert "误报率" in shown.output
    lacking = CliRunner().invoke(app, ["energy", "anomalies", "--data", str(tmp_path / "load.csv"), "--train-until", "2024-02-09"])
    assert isinstance(lacking.exception, ConfigError)
    assert "--step STEP" in str(lacking.exception)
