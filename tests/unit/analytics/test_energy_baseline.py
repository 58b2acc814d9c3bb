"""Energy baselines: a line by hand, draws whose truth is known, a model that stays fixed, and files that are none."""

from datetime import date, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from analytics.energy.baseline import LEVEL, Baseline, run_baseline
from analytics.energy.regression import fit_line, fractional_uncertainty, predict_sum
from analytics.energy.table import parse_table
from chejian.commands.energy import energy
from workshop.errors import ConfigError

HAND = "month,kWh,output\n2024-01,1,0\n2024-02,3,1\n2024-03,5,3\n2024-04,7,4\n2024-05,6,2\n2024-06,7,4\n"
"""Of the first four: x̄ = 2, ȳ = 4, Sxy = 14, Sxx = 10: kWh = 1.2 + 1.4 · output; residuals −0.2, 0.4, −0.4, 0.2, their squares 0.4."""
UNTIL = date(2024, 4, 30)


def run(text: str, until: date = UNTIL, expect: str | None = None, variables: tuple[str, ...] = ("output",)) -> Baseline:
    return run_baseline(parse_table(text.encode(), "use.csv", "month", "kWh"), variables, until, "use.csv", expect)


def test_a_line_by_hand() -> None:
    found = run(HAND)
    assert found.coefficients == pytest.approx({"constant": 1.2, "output": 1.4})
    assert found.quality.cv_rmse == pytest.approx(np.sqrt(0.4 / 2) / 4)
    assert found.quality.nmbe == pytest.approx(0, abs=1e-12)
    assert found.quality.r_squared == pytest.approx(1 - 0.4 / 20)
    assert found.quality.autocorrelation == pytest.approx((-0.08 - 0.16 - 0.08) / 0.4)
    assert (found.quality.limits, found.quality.within_limits) == ("monthly", True)


def test_savings_by_hand() -> None:
    # expected 2 · 1.2 + 1.4 · 6 = 10.8, measured 13; variance 0.2 · (2 + 2² / 4 + (6 − 2 · 2)² / 10) = 0.68; t(0.95, 2) = 2.919986 from tables
    found = run(HAND).savings
    assert found is not None
    assert found.intervals == 2
    assert [found.adjusted, found.measured] == pytest.approx([10.8, 13])
    assert found.savings == pytest.approx(-2.2)
    assert found.low == pytest.approx(-2.2 - 2.919986 * np.sqrt(0.68), abs=1e-5)
    assert found.high == pytest.approx(-2.2 + 2.919986 * np.sqrt(0.68), abs=1e-5)
    assert found.improvement == pytest.approx(-2.2 / 10.8)
    half = 2.919986 * np.sqrt(0.68) / 10.8
    assert [found.enpi, found.enpi_low, found.enpi_high] == pytest.approx([13 / 10.8, 13 / 10.8 - half, 13 / 10.8 + half], abs=1e-5)
    # 2.919986 · 1.26 · 0.1118034 · √(1 · (1 + 2/4) / 2) / 0.2037037
    assert found.fractional_uncertainty == pytest.approx(1.748810, abs=1e-4)


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_interval_of_the_savings_holds_the_truth(rho: float) -> None:
    """2,000 draws of two years of weeks and half a year after them, true savings 10 % of use."""
    rng = np.random.default_rng(20261130)
    held = ashrae = 0
    for _ in range(2_000):
        output = rng.uniform(50, 150, (130, 1))
        noise = rng.normal(0, 20, 130)
        for week in range(1, 130):
            noise[week] = rho * noise[week - 1] + np.sqrt(1 - rho**2) * noise[week]
        unsaved = 300 + 4 * output[:, 0]
        fit = fit_line(output[:104], unsaved[:104] + noise[:104])
        expected, half = predict_sum(fit, output[104:], LEVEL)
        truth = 0.1 * unsaved[104:].sum()
        saved = expected - (0.9 * unsaved[104:] + noise[104:]).sum()
        share = fractional_uncertainty(fit, 26, saved / expected, LEVEL)
        assert half is not None
        assert share is not None
        held += abs(saved - truth) <= half
        ashrae += abs(saved - truth) <= share * saved
    assert 0.87 <= held / 2_000 <= 0.93
    assert ashrae / 2_000 >= 0.87


@given(st.floats(0.001, 1000), st.floats(0.001, 1000))
def test_units_do_not_matter(value: float, variable: float) -> None:
    output, use = np.array([[0.0], [1], [3], [4], [6]]), np.array([1.0, 3, 5, 7, 8])
    plain, scaled = fit_line(output, use), fit_line(output * variable, use * value)
    assert scaled.cv_rmse == pytest.approx(plain.cv_rmse)
    expected, half = predict_sum(plain, output, LEVEL)
    other, width = predict_sum(scaled, output * variable, LEVEL)
    assert half is not None
    assert [other, width] == pytest.approx([expected * value, half * value])


def test_the_digest_holds_the_model_and_not_what_comes_after_it() -> None:
    fixed = run(HAND.partition("2024-05")[0]).digest
    assert run(HAND, expect=fixed).digest == fixed
    for other in (HAND.replace("2024-02,3", "2024-02,2"), HAND.replace("2024-01,1,0", "2024-01,1,0.1")):
        with pytest.raises(ConfigError, match="was fixed as"):
            run(other, expect=fixed)
    with pytest.raises(ConfigError, match="was fixed as"):
        run(HAND, date(2024, 5, 31), fixed)


def test_what_weakens_the_figure_is_said() -> None:
    said = " ".join(run(HAND.replace("2024-06,7,4", "2024-06,13,9").replace("2024-05,6,2", "2024-05,,2")).warnings)
    for text in ("1 rows lack a value", "no digest was given", "output: 100% of the reporting period lies outside", "does not exclude zero"):
        assert text in said


@pytest.mark.parametrize(("text", "message"), [
    (HAND.replace("2024-03", "2024-13"), "row 4: '2024-13' is no date"),
    (HAND.replace("2024-03", "2023-03"), "row 4 is earlier"),
    (HAND.replace("2024-03", "2024-02"), "more than one row"),
    (HAND.replace(",3\n", ",three\n"), "'output' is no column of numbers"),
    (HAND.replace("2024-0", "2025-0"), "no row up to 2024-04-30"),
    ("month,kWh,output\n2024-01,1,0\n2024-02,3,1\n", "2 intervals are too few"),
    ("month,kWh,output\n2024-01,1,2\n2024-02,3,2\n2024-03,3,2\n", "never changes"),
])
def test_files_that_are_no_baseline(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(text)


def test_the_command(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("use") / "use.csv"
    first = date(2024, 1, 1)
    rows = [f"{first + timedelta(days=day)},{100 + day % 7},{day % 7}" for day in range(60)]
    file.write_text("日期,电量,产量\n" + "\n".join(rows), encoding="gb18030")
    given = ["baseline", "--data", str(file), "--time", "日期", "--value", "电量", "--variables", "产量", "--baseline-until", "2024-01-31"]
    done = CliRunner().invoke(energy, [*given, "--json"])
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode(done.stdout, type=Baseline)
    assert found.coefficients == pytest.approx({"constant": 100, "产量": 1})
    assert found.savings is not None
    assert found.savings.savings == pytest.approx(0, abs=1e-6)
    assert "digest 摘要: " + found.digest in CliRunner().invoke(energy, given).stdout
