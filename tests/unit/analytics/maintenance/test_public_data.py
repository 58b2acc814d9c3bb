"""The bars on public data: C-MAPSS official test, AI4I with and without its leaks. Synthetic data; figures with commands stand in the how-to page."""

import msgspec
import numpy as np
import pytest

from analytics.maintenance.evaluate import evaluate
from analytics.maintenance.leaks import find_leaks
from analytics.maintenance.report import DEPLOY, LEAKS, Report, verdict_of
from analytics.maintenance.task import Task, problem_of
from chejian.tables import read_table
from tests.unit.analytics.maintenance.shop import shared

LIFE = Task("rul", "official-test", group="0", time="1", cap=125.0)
LEAKING = ("UDI", "Product ID", "TWF", "HDF", "PWF", "OSF", "RNF")
MILLING = Task("classification", "stratified-kfold", target="Machine failure", exclude=LEAKING)


def turbofans(part: str, task: Task = LIFE, *, units: int = 100, shuffled: bool = False) -> Report:
    train, test, life = (read_table(shared("cmapss", f"{name}_{part}.txt.gz")) for name in ("train", "test", "RUL"))
    train, test = (table.take(np.flatnonzero(table.columns["0"] <= units)) for table in (train, test))
    truth = life.columns["0"][:units]
    return evaluate(task, train, test, np.random.default_rng(1).permutation(truth) if shuffled else truth)


@pytest.mark.long
@pytest.mark.parametrize(("part", "nasa_score"), [("FD001", 290), ("FD003", 340)])
def test_remaining_life_of_turbofans(part: str, nasa_score: float) -> None:
    report = turbofans(part)
    assert report.metrics["rmse"] <= 13.0
    assert report.metrics["nasa_score"] <= nasa_score
    assert 0.85 <= report.metrics["interval_coverage"] <= 0.95
    assert (report.verdict, report.warnings) == (DEPLOY, [])


@pytest.mark.parametrize("units", [6, pytest.param(20, marks=pytest.mark.long)])
def test_the_test_labels_do_not_reach_the_model(units: int) -> None:
    quick = msgspec.structs.replace(LIFE, effort="quick")
    honest, shuffled = turbofans("FD001", quick, units=units), turbofans("FD001", quick, units=units, shuffled=True)
    assert honest.model_digest == shuffled.model_digest
    assert honest.metrics["rmse"] != shuffled.metrics["rmse"]
    if units == 20:
        assert honest.metrics["rmse"] < 20 < shuffled.metrics["rmse"]


@pytest.mark.long
def test_failures_of_the_milling_machine_over_five_seeds() -> None:
    table = read_table(shared("ai4i2020", "ai4i2020.csv"))
    reports = [evaluate(msgspec.structs.replace(MILLING, seed=seed), table) for seed in range(5)]
    assert np.mean([report.metrics["f1"] for report in reports]) >= 0.83
    assert {report.verdict for report in reports} == {DEPLOY}


def test_every_leak_of_the_milling_machine_is_named() -> None:
    table = read_table(shared("ai4i2020", "ai4i2020.csv"))
    task = msgspec.structs.replace(MILLING, exclude=())
    warnings = find_leaks(task, problem_of(task, table))
    assert {column for warning in warnings for column in warning.columns} == set(LEAKING)
    assert verdict_of(warnings, []) == LEAKS
    assert find_leaks(MILLING, problem_of(MILLING, table)) == []


def test_a_multiple_of_the_consumption_is_named() -> None:
    table = read_table(shared("steel_energy", "steel_energy_jan_sep.csv"))
    task = Task("regression", "chronological", target="Usage_kWh", exclude=("date",))
    warnings = find_leaks(task, problem_of(task, table))
    assert [warning.columns for warning in warnings if warning.leak] == [("CO2(tCO2)",)]
