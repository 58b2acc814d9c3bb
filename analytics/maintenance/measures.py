"""Figures of a prediction against the truth: errors of remaining life, of classes, of alarms in time."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score, matthews_corrcoef, roc_auc_score

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
    present = np.unique(truth)
    found = {"mcc": float(matthews_corrcoef(truth, decided))}
    if classes == 2:
        found["f1"] = float(f1_score(truth, decided, pos_label=1, zero_division=0))
        if len(present) == 2:
            found["balanced_accuracy"] = (float((decided[truth == 1] == 1).mean()) + float((decided[truth == 0] == 0).mean())) / 2
            found["false_alarm_rate"] = float((decided[truth == 0] == 1).mean())
            found["missed_alarm_rate"] = float((decided[truth == 1] != 1).mean())
    else:
        found["f1"] = float(f1_score(truth, decided, average="macro", zero_division=0))
        known = np.isin(decided, present)
        found["balanced_accuracy"] = float(balanced_accuracy_score(truth[known], decided[known])) if known.any() else 0.0
    if score is not None and len(present) > 1:
        if classes == 2:
            found["auc"] = float(roc_auc_score(truth == 1, score[:, 1]))
            found["average_precision"] = float(average_precision_score(truth == 1, score[:, 1]))
        else:
            one = [truth == k for k in present]
            found["auc"] = float(np.mean([roc_auc_score(hit, score[:, int(k)]) for k, hit in zip(present, one, strict=True)]))
            found["average_precision"] = float(np.mean([average_precision_score(hit, score[:, int(k)]) for k, hit in zip(present, one, strict=True)]))
    return found


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
