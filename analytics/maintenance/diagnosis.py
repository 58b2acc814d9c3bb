"""Diagnosis (HA of ISO 13374): which fault it is; "unknown" is an answer, for what was never learned and for what cannot be told apart."""

import msgspec
import numpy as np

from analytics.maintenance.table import Numbers

UNKNOWN = "unknown"
_CONFIDENCE = 0.9


class Diagnosis(msgspec.Struct, frozen=True):
    """A fault class, or `unknown` with the reason."""

    fault: str
    probability: float
    why: str


def least_probability(probability: Numbers, truth: Numbers, confidence: float = _CONFIDENCE) -> float:
    """Probability that the true class of left-out rows had at least, but for one in ten: a class below it is not excluded or shown by it.

    Args:
        probability: f64[rows, classes], of rows that the model had not seen.
        truth: codes of the true classes f64[rows].
    """
    own = np.sort(probability[np.arange(len(truth)), truth.astype(np.intp)])
    rank = int(np.floor(round((1 - confidence) * (len(own) + 1), 9))) - 1
    return float(own[rank]) if rank >= 0 else 0.0


def diagnose(probability: Numbers, classes: tuple[str, ...], least: float, strange: Numbers) -> list[Diagnosis]:
    """One diagnosis a row: the only class that is as probable as true classes are; else unknown.

    Args:
        least: from `least_probability`.
        strange: bool[rows], whether the row lies outside what was learned from.
    """
    found = []
    for row, outside in zip(probability, strange, strict=True):
        best = int(np.argmax(row))
        possible = [classes[i] for i in np.flatnonzero(row >= least)]
        if outside:
            found.append(Diagnosis(UNKNOWN, float(row[best]), "the inputs lie outside what was learned from"))
        elif len(possible) > 1:
            found.append(Diagnosis(UNKNOWN, float(row[best]), f"cannot be told apart: {', '.join(possible)}"))
        elif not possible:
            found.append(Diagnosis(UNKNOWN, float(row[best]), "no class is as probable as true ones are"))
        else:
            found.append(Diagnosis(classes[best], float(row[best]), ""))
    return found
