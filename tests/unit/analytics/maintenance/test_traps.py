"""Traps: every way in which the answer leaks is named, an honest table is let through, and noise is never deployed."""

from typing import Any

import numpy as np
import pytest

from analytics.maintenance.evaluate import evaluate
from analytics.maintenance.leaks import find_leaks
from analytics.maintenance.report import DEPLOY, LEAKS, Caution, Report
from analytics.maintenance.task import Task, problem_of
from tests.unit.analytics.maintenance.shop import pure_noise, signal, table

LOTS = np.random.default_rng(99)


def judged(columns: dict[str, Any], *, target: str = "wear", protocol: str = "grouped-kfold", **options: Any) -> Report:
    return evaluate(task_on(target, protocol, **options), table(**columns))


def task_on(target: str = "wear", protocol: str = "grouped-kfold", **options: Any) -> Task:
    kind = "classification" if target == "broken" else "regression"
    exclude = tuple(sorted({"wear", "broken"} - {target}))
    return Task(kind, protocol, target=target, effort="quick", **{"group": "unit", "time": "hour", "exclude": exclude, **options})


def leaks(columns: dict[str, Any], *, target: str = "wear", protocol: str = "grouped-kfold", **options: Any) -> list[Caution]:
    """What the detectors say, without the models."""
    task = task_on(target, protocol, **options)
    return [warning for warning in find_leaks(task, problem_of(task, table(**columns))) if warning.leak]


def named(warnings: list[Caution]) -> set[str]:
    return {column for warning in warnings if warning.leak for column in warning.columns}


def kinds(warnings: list[Caution]) -> set[str]:
    return {warning.kind for warning in warnings if warning.leak}


@pytest.mark.parametrize("target", ["wear", "broken"])
@pytest.mark.parametrize("protocol", ["grouped-kfold", "chronological", "stratified-kfold"])
def test_an_honest_table_is_deployed_without_warnings(target: str, protocol: str) -> None:
    report = judged(signal(1), target=target, protocol=protocol)
    assert (report.verdict, report.warnings) == (DEPLOY, [])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("target", ["wear", "broken"])
@pytest.mark.parametrize("protocol", ["grouped-kfold", "chronological", "stratified-kfold", "leave-one-group-out"])
def test_honest_tables_of_many_seeds_are_deployed(seed: int, target: str, protocol: str) -> None:
    report = judged(signal(seed), target=target, protocol=protocol)
    assert (report.verdict, report.warnings) == (DEPLOY, [])


@pytest.mark.parametrize("target", ["wear", "broken"])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize("protocol", ["grouped-kfold", "stratified-kfold"])
def test_a_copy_of_the_target_with_noise_is_named(target: str, noise: float, protocol: str) -> None:
    columns = signal()
    columns["gauge"] = columns[target] + noise * columns[target].std() * LOTS.normal(size=400)
    assert named(leaks(columns, target=target, protocol=protocol)) == {"gauge"}


@pytest.mark.parametrize("target", ["wear", "broken"])
def test_with_a_leak_the_verdict_is_leaks_however_good_the_figures(target: str) -> None:
    columns = signal()
    report = judged(columns | {"gauge": columns[target] + 0.01 * LOTS.normal(size=400)}, target=target)
    assert report.verdict == LEAKS
    assert named(report.warnings) == {"gauge"}


def test_a_scaled_copy_and_a_rounded_multiple_are_named() -> None:
    columns = signal(rows=2000)
    columns["scaled"] = -7 * columns["wear"] + 30
    columns["coarse"] = np.round(0.8 * columns["wear"], 0)
    assert named(leaks(columns)) == {"scaled", "coarse"}


def test_words_that_give_the_class_are_named() -> None:
    columns: dict[str, Any] = signal()
    columns["finding"] = np.where(columns["broken"] == 1, "worn", "sound").astype(object)
    assert named(leaks(columns, target="broken")) == {"finding"}


def test_marks_set_after_the_event_are_named_with_their_family() -> None:
    columns = signal(rows=2000)
    event = columns["broken"] == 1
    half = LOTS.random(2000) < 0.5
    columns |= {"mark_1": (event & half).astype(float), "mark_2": (event & ~half).astype(float), "mark_3": (LOTS.random(2000) < 0.01).astype(float)}
    assert named(leaks(columns, target="broken")) == {"mark_1", "mark_2", "mark_3"}


@pytest.mark.parametrize("protocol", ["grouped-kfold", "stratified-kfold"])
@pytest.mark.parametrize("disguise", ["counter", "time", "shuffled", "words"])
def test_a_column_that_numbers_the_rows_is_named(disguise: str, protocol: str) -> None:
    columns: dict[str, Any] = signal()
    number = np.arange(400.0)
    columns["serial"] = {
        "counter": number + 1, "time": number * 3.7 + LOTS.random(400), "shuffled": LOTS.permutation(number),
        "words": np.array([f"M{i}" for i in range(400)], object),
    }[disguise]
    assert named(leaks(columns, protocol=protocol)) == {"serial"}


@pytest.mark.parametrize("protocol", ["grouped-kfold", "leave-one-group-out", "stratified-kfold"])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_column_that_encodes_the_group_is_named(protocol: str, noise: float) -> None:
    columns = signal()
    code = LOTS.permutation(20)[columns["unit"].astype(int)]
    columns["setting"] = code + noise * LOTS.normal(size=400)
    columns["wear"] = LOTS.normal(size=20)[columns["unit"].astype(int)] + 0.2 * LOTS.normal(size=400)
    assert "setting" in named(leaks(columns, protocol=protocol))


def test_words_that_name_the_group_are_named() -> None:
    columns: dict[str, Any] = signal()
    columns["operator"] = np.array([f"operator {int(unit)}" for unit in columns["unit"]], object)
    assert named(leaks(columns)) == {"operator"}


def test_without_a_group_an_order_that_flatters_a_random_split_is_noticed() -> None:
    columns = signal()
    level = np.repeat(LOTS.normal(size=20), 20)
    columns["ambient"] = np.repeat(LOTS.permutation(20), 20) + 0.05 * LOTS.normal(size=400)
    columns["wear"] = level + 0.2 * LOTS.normal(size=400)
    found = leaks(columns, protocol="stratified-kfold", group=None, time=None, exclude=("broken", "unit", "hour"))
    assert "ambient" in named(found)


@pytest.mark.parametrize("protocol", ["grouped-kfold", "stratified-kfold"])
@pytest.mark.parametrize("jitter", [0.0, 1e-4, 1e-2])
def test_rows_copied_across_the_split_are_noticed(protocol: str, jitter: float) -> None:
    columns = signal(noise=1.0)
    twice = {name: np.concatenate([column, column[:120]]) for name, column in columns.items()}
    for name in ("force", "heat", "idle"):
        twice[name][400:] += jitter * LOTS.normal(size=120)
    twice["unit"][400:] = LOTS.integers(0, 20, 120)
    assert "near-duplicates" in kinds(leaks(twice, protocol=protocol, time=None, exclude=("broken", "hour")))


def test_a_target_that_is_arithmetic_is_noticed() -> None:
    columns = signal()
    assert "identity" in kinds(leaks(columns | {"wear": columns["force"] * columns["heat"]}))
    assert "identity" in kinds(leaks(columns | {"wear": columns["force"] - 2 * columns["heat"]}))


def test_the_target_of_an_earlier_row_is_no_leak() -> None:
    columns = signal()
    wear = np.cumsum(LOTS.normal(size=400))
    columns["yesterday"] = np.concatenate([[0.0], wear[:-1]])
    assert not leaks(columns | {"wear": wear}, protocol="chronological", group=None, time=None, exclude=("broken", "unit", "hour"))


@pytest.mark.parametrize("target", ["wear", "broken"])
def test_shuffled_labels_are_not_deployed(target: str) -> None:
    columns = signal()
    report = judged(columns | {target: LOTS.permutation(columns[target])}, target=target)
    assert report.verdict.startswith("do not deploy: no better than")


def refused_on_noise(seeds: range) -> int:
    """Of the seeds, how many tables without signal are refused as no better than a baseline."""
    protocols = ("grouped-kfold", "chronological", "stratified-kfold")
    verdicts = [judged(pure_noise(seed), target=("wear", "broken")[seed % 2], protocol=protocols[seed % 3]).verdict for seed in seeds]
    return sum(verdict.startswith("do not deploy: no better than") for verdict in verdicts)


def test_pure_noise_is_no_better_than_a_baseline() -> None:
    assert refused_on_noise(range(3)) == 3


@pytest.mark.long
def test_pure_noise_is_refused_in_95_of_100_seeds() -> None:
    assert refused_on_noise(range(100, 200)) >= 95
