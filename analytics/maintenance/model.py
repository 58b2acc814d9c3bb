"""A model with its card: what it learned from, how it was judged, and where its answers end."""

from typing import Any

import msgspec
import numpy as np

from analytics.maintenance.anomaly import cut_of
from analytics.maintenance.drift import Seen, drifted, outside, seen_of
from analytics.maintenance.health import health_of
from analytics.maintenance.learner import Learner, learn
from analytics.maintenance.report import Report
from analytics.maintenance.sound import Sound
from analytics.maintenance.table import Table
from analytics.maintenance.task import Problem, Task, problem_of, question_of
from workshop.errors import ConfigError

_STRANGE = 0.2
"""Share of a row's inputs outside what was learned from, above which there is no answer."""


class Card(msgspec.Struct, frozen=True):
    """What has to be known of a model before it is used."""

    task: Task
    numeric: tuple[str, ...]
    text: tuple[str, ...]
    classes: tuple[str, ...]
    rows: int
    units: int
    data_digest: str
    model_digest: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    baselines: dict[str, dict[str, float]]
    verdict: str
    share: dict[str, float]
    seen: list[Seen]
    limits: tuple[str, ...]


class Model(msgspec.Struct, frozen=True, eq=False):
    """A fitted model and its card."""

    card: Card
    learner: Any
    """`Learner`, or `Sound` for anomaly."""


class Answer(msgspec.Struct, frozen=True):
    """The answer for one row; `determined` is false, and the answer None, where the row lies outside what was learned from."""

    unit: str | None
    time: float | None
    answer: float | str | None
    low: float | None = None
    high: float | None = None
    probability: float | None = None
    determined: bool = True
    reasons: tuple[tuple[str, float], ...] = ()
    """Of an anomaly: the inputs with the largest shares in the distance from the sound state."""


class Answers(msgspec.Struct, frozen=True):
    """All answers, and words on inputs that have drifted."""

    answers: list[Answer]
    drift: list[str]


def train(task: Task, tables: list[Table], report: Report) -> Model:
    """Learns from all rows of the table; with anomaly from the first ones, as they were judged.

    Raises:
        ConfigError: several tables: one model is of one machine.
    """
    if len(tables) > 1:
        raise ConfigError("train takes one --data file; a detector is of one machine")
    problem = problem_of(task, tables[0])
    learner: Any
    if task.task == "anomaly":
        cut = cut_of(task, len(problem), tables[0].name)
        problem = problem.take(np.flatnonzero(problem.target[:cut] == 0))
        learner = Sound().fit(problem.values)
        digest = report.model_digest
    else:
        learner = learn(task, problem)
        digest = learner.digest()
    limits = (
        "answers hold for units like those learned from; another machine type has to be judged again",
        f"no answer where more than {_STRANGE:.0%} of a row's inputs " + (
            "are missing" if task.task == "anomaly" else "lie outside what was learned from, or are missing"),
        "scores are derived data and never support a claim",
    )
    card = Card(
        task, problem.numeric, problem.text, problem.classes, len(problem), len(np.unique(problem.group)), tables[0].digest(), digest, report.metrics,
        report.intervals, report.baselines, report.verdict, report.model, seen_of(problem.numeric, problem.values), limits,
    )
    return Model(card, learner)


def predict(model: Model, table: Table, *, all_rows: bool = False) -> Answers:
    """Answers for the rows of a table, in the file's order; of a remaining life one for each unit, at its last row.

    Raises:
        ConfigError: an input column is absent, or text where numbers were learned from.
    """
    card = model.card
    asked = question_of(card.task, table, card.numeric, card.text)
    # What lies outside the sound range is what a detector is asked about; only what is missing it cannot judge.
    lacking = np.isnan(asked.values).mean(axis=1) if card.task.task == "anomaly" else outside(card.seen, asked.values)
    strange = lacking > _STRANGE
    rows = np.arange(len(asked))
    if card.task.task == "rul" and not all_rows:
        rows = np.array([np.flatnonzero(asked.group == unit)[-1] for unit in np.unique(asked.group)])
    else:
        rows = np.argsort(asked.order, kind="stable")
    made = _normal(model.learner, asked) if card.task.task == "anomaly" else _learned(card, model.learner, asked)
    named = card.task.group is not None
    found = []
    for row in rows.tolist():
        unit, time = asked.groups[asked.group[row]] if named else None, float(asked.time[row])
        found.append(Answer(unit, time, None, determined=False) if strange[row] else msgspec.structs.replace(made[row], unit=unit, time=time))
    return Answers(found, drifted(card.seen, asked.values))


def _learned(card: Card, learner: Learner, asked: Problem) -> list[Answer]:
    answer = learner.predict(asked)
    if card.classes:
        decided = learner.decide(answer).astype(np.intp)
        return [Answer(None, None, card.classes[k], probability=float(answer[i, k])) for i, k in enumerate(decided.tolist())]
    low, high = learner.conformal.interval(answer)
    return [Answer(None, None, a, b, c) for a, b, c in zip(answer.tolist(), low.tolist(), high.tolist(), strict=True)]


def _normal(normal: Sound, asked: Problem) -> list[Answer]:
    return [
        Answer(None, None, "anomaly" if one.alarm else "normal", probability=1 - one.index, reasons=one.reasons if one.alarm else ())
        for one in health_of(normal, list(asked.numeric), asked.values)
    ]
