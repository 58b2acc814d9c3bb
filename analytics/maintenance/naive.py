"""The naive answers that a model has to beat: mean, majority, last value, the index alone, the shop's rule."""

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from analytics.maintenance.measures import best_threshold
from analytics.maintenance.table import Numbers
from analytics.maintenance.task import Problem, Task

Answers = dict[str, Numbers]
"""Name of the baseline -> prediction f64[rows], or codes of classes f64[rows]."""


def naive_answers(task: Task, train: Problem, test: Problem) -> tuple[Answers, dict[str, Numbers]]:
    """(answers, scores): answers of every baseline for the test rows; of classes also probabilities f64[rows, classes]."""
    if train.classes:
        return _classes(task, train, test)
    answers = {"mean": np.full(len(test), train.target.mean())}
    if task.task == "rul":
        answers |= _life(task, train, test)
        return answers, {}
    here, there = positions(task, train), positions(task, test)
    if task.protocol == "chronological":
        answers["last value"] = _last(train, test)
        answers["index only"] = LinearRegression().fit(here, train.target).predict(there)
    else:
        tree = DecisionTreeRegressor(min_samples_leaf=_leaf(train), random_state=0)
        answers["index only"] = tree.fit(here, train.target).predict(there)
    return answers, {}


def positions(task: Task, problem: Problem) -> Numbers:
    """f64[rows, 1]: how long a row comes after its group's first where groups are kept whole, else where it stands in time or in the file."""
    by_file = not problem.timed and task.protocol != "chronological"
    place = problem.order.astype(np.float64) if by_file else problem.time
    if len(problem.groups) > 1 and task.protocol not in {"chronological", "stratified-kfold"}:
        first = np.full(len(problem.groups), np.inf)
        np.minimum.at(first, problem.group, place)
        place = place - first[problem.group]
    return place[:, None]


def _life(task: Task, train: Problem, test: Problem) -> Answers:
    """The age alone: mean life that units of this age had left; and the rule "every unit lasts as long as the median one"."""
    age, asked = positions(task, train)[:, 0], positions(task, test)[:, 0]
    tree = DecisionTreeRegressor(min_samples_leaf=max(_leaf(train), len(np.unique(train.group)) // 2), random_state=0)
    by_age = tree.fit(age[:, None], train.target).predict(asked[:, None])
    end = np.zeros(len(train.groups))
    np.maximum.at(end, train.group, age)
    rule = np.maximum(np.median(end[np.unique(train.group)]) - asked, 0)
    return {"index only": by_age, "median life": rule if task.cap is None else np.minimum(rule, task.cap)}


def _last(train: Problem, test: Problem) -> Numbers:
    order = np.argsort(train.time, kind="stable")
    latest = np.full(len(train.groups), train.target[order[-1]])
    latest[train.group[order]] = train.target[order]
    found: Numbers = latest[test.group]
    return found


def _classes(task: Task, train: Problem, test: Problem) -> tuple[Answers, dict[str, Numbers]]:
    counts = np.bincount(train.target.astype(np.intp), minlength=len(train.classes))
    share = counts / counts.sum()
    answers: Answers = {"majority": np.full(len(test), float(np.argmax(counts)))}
    scores = {"majority": np.tile(share, (len(test), 1))}
    here, there = positions(task, train), positions(task, test)
    middle, width = here.mean(), max(float(here.std()), 1e-12)
    later = task.protocol == "chronological"
    model = LogisticRegression() if later else DecisionTreeClassifier(min_samples_leaf=_leaf(train), random_state=0)
    if (counts > 0).sum() > 1:
        model.fit((here - middle) / width, train.target)
        found = np.zeros((len(test), len(train.classes)))
        found[:, model.classes_.astype(np.intp)] = model.predict_proba((there - middle) / width)
        answers["index only"], scores["index only"] = np.argmax(found, axis=1).astype(np.float64), found
        if len(train.classes) == 2:
            threshold = best_threshold(train.target, model.predict_proba((here - middle) / width)[:, 1])
            answers["index only"] = (found[:, 1] >= threshold).astype(np.float64)
    if later:
        answers["last value"] = _last(train, test)
    return answers, scores


def _leaf(train: Problem) -> int:
    return max(5, min(50, len(train) // 50))
