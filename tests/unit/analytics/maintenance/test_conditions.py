"""Operating conditions are found and taken out; where there are none, none are invented."""

import msgspec
import numpy as np
import pytest

from analytics.maintenance.conditions import Conditions
from analytics.maintenance.evaluate import evaluate
from analytics.maintenance.learner import learn
from analytics.maintenance.report import DEPLOY
from analytics.maintenance.task import Problem, Task, problem_of
from tests.unit.analytics.maintenance.shop import fleet, table

TASK = Task("rul", "grouped-kfold", group="unit", time="cycle", cap=60.0, effort="quick")


def fitted(problem: Problem) -> Conditions:
    first, last = (np.array([reduce(problem.time[problem.group == g]) for g in range(len(problem.groups))]) for reduce in (np.min, np.max))
    age = (problem.time - first[problem.group]) / (last - first)[problem.group]
    return Conditions().fit(problem.values, age)


def test_six_conditions_are_found_and_every_sensor_is_normal_under_each() -> None:
    problem = problem_of(TASK, fleet(conditions=6))
    found = fitted(problem)
    assert len(found.centres) == 6
    normal, label = found.transform(problem.values), found.label(problem.values)
    for k in range(6):
        assert np.abs(normal[label == k].mean(axis=0)).max() < 1e-9


def test_with_one_condition_there_is_one() -> None:
    assert len(fitted(problem_of(TASK, fleet(conditions=1))).centres) == 1


@pytest.mark.parametrize("conditions", [pytest.param(1, marks=pytest.mark.long), 6])
def test_remaining_life_is_learned_under_any_number_of_conditions(conditions: int) -> None:
    report = evaluate(TASK, fleet(conditions=conditions))
    assert report.verdict == DEPLOY
    assert report.metrics["rmse"] < 0.6 * report.baselines["index only"]["rmse"]
    assert 0.8 <= report.metrics["interval_coverage"] <= 0.98


def test_the_model_of_training_units_does_not_change_with_the_others() -> None:
    whole = fleet(units=20, conditions=3)
    problem = problem_of(TASK, whole)
    some = problem.take(np.flatnonzero(problem.group < 12))
    columns = {name: np.where(whole.columns["unit"] < 12, column, column * 3) if name in "abcd" else column for name, column in whole.columns.items()}
    other = problem_of(TASK, table(**columns))
    again = other.take(np.flatnonzero(other.group < 12))
    assert learn(TASK, some).digest() == learn(TASK, again).digest()
    assert learn(TASK, some).digest() != learn(msgspec.structs.replace(TASK, seed=1), some).digest()


def test_history_looks_at_nothing_later() -> None:
    problem = problem_of(TASK, fleet(units=8))
    learner = learn(TASK, problem)
    first = np.flatnonzero(problem.group == 0)
    whole, half = learner.predict(problem.take(first)), learner.predict(problem.take(first[:30]))
    assert whole[:30].tolist() == half.tolist()
