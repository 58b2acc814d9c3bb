"""Figures of a prediction against the truth: errors of remaining life, of classes, of alarms in time."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, matthews_corrcoef

from analytics.maintenance.table import Numbers

Measure = Callable[[Numbers, Numbers], float]


def nasa_score(error: Numbers) -> float:
    """The scoring function of PHM08, a sum: exp(-d/13) - 1 where the prediction is early (d < 0), exp(d/10) - 1 where it is late."""
    bounded = np.clip(error, -1000.0, 1000.0)
    return float(np.where(bounded < 0, np.expm1(-bounded / 13), np.expm1(bounded / 10)).sum())


def regression_metrics(truth: Numbers, predicted: Numbers, *, life: bool) -> dict[str, float]:
    """rmse, mae, r2, and nasa_score where the target is a remaining life."""
    error = predicted - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    found = {"rmse": float(np.sqrt((error**2).mean())), "mae": float(np.abs(error).mean())}
    if spread > 0:
        found["r2"] = 1 - float((error**2).sum()) / spread
    if life:
        found["nasa_score"] = nasa_score(error)
    return found


def class_metrics(truth: Numbers, decided: Numbers, score: Numbers | None, classes: int) -> dict[str, float]:
    """f1 (of class 1, or the mean over more than two classes), mcc, balanced_accuracy; average_precision and auc from scores f64[n, classes].

    With two classes also false_alarm_rate (share of class 0 that is alarmed) and missed_alarm_rate (share of class 1 that is not).
    """
    if classes == 2:
        return _binary(truth == 1, decided == 1, None if score is None else score[:, 1])
    found = {"mcc": float(matthews_corrcoef(truth, decided)), "f1": float(f1_score(truth, decided, average="macro", zero_division=0))}
    present = np.unique(truth)
    found["balanced_accuracy"] = float(np.mean([(decided[truth == k] == k).mean() for k in present]))
    if score is not None and len(present) > 1:
        ranked = [_ranking(truth == k, score[:, int(k)]) for k in present]
        found["auc"] = float(np.mean([auc for auc, _ in ranked]))
        found["average_precision"] = float(np.mean([precision for _, precision in ranked]))
    return found


def _binary(event: NDArray[np.bool_], alarm: NDArray[np.bool_], score: Numbers | None) -> dict[str, float]:
    hits, events, alarms, rows = int((event & alarm).sum()), int(event.sum()), int(alarm.sum()), len(event)
    found = {"mcc": mcc_of(event.astype(np.float64), alarm.astype(np.float64)), "f1": 2 * hits / (events + alarms) if events + alarms else 0.0}
    if 0 < events < rows:
        found["false_alarm_rate"] = (alarms - hits) / (rows - events)
        found["missed_alarm_rate"] = 1 - hits / events
        found["balanced_accuracy"] = 1 - (found["false_alarm_rate"] + found["missed_alarm_rate"]) / 2
        if score is not None:
            found["auc"], found["average_precision"] = _ranking(event, score)
    return found


def _ranking(event: NDArray[np.bool_], score: Numbers) -> tuple[float, float]:
    """(area under the ROC curve, average precision); equal scores count as one step."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(event[order])[last].astype(np.float64)
    misses = last + 1 - hits
    recall, fall_out = hits / hits[-1], misses / max(misses[-1], 1)
    steps = np.diff(recall, prepend=0.0)
    area = float((np.diff(fall_out, prepend=0.0) * (recall - steps / 2)).sum())
    return area, float((steps * hits / (last + 1)).sum())


def area(event: NDArray[np.bool_], score: Numbers) -> float:
    """Area under the ROC curve; a half where there is one class only."""
    return _ranking(event, score)[0] if 0 < event.sum() < len(event) else 0.5


def mcc_of(truth: Numbers, decided: Numbers) -> float:
    """Matthews' correlation of two 0/1 arrays; 0 where one of them is constant."""
    if np.ptp(decided) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(np.corrcoef(truth, decided)[0, 1])


def delays(truth: Numbers, alarmed: Numbers) -> list[int]:
    """Rows from the beginning of each event (a run of 1) to its first alarm; the event's length where none came."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], truth, [0]])))
    found = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        hits = np.flatnonzero(alarmed[start:end])
        found.append(int(hits[0]) if len(hits) else int(end - start))
    return found


def best_threshold(truth: Numbers, score: Numbers) -> float:
    """The threshold on a score with the best F1; halfway to the next lower score, 0.5 where there is nothing to choose."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    hits = np.cumsum(truth[order])
    if not len(hits) or hits[-1] == 0:
        return 0.5
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    last = np.append(ordered[:-1] > ordered[1:], True)  # cut only between different scores
    place = int(np.argmax(np.where(last, f1, -1.0)))
    return float((ordered[place] + (ordered[place + 1] if place + 1 < len(ordered) else ordered[place])) / 2)
