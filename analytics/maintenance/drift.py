"""Whether new data is like the data that was learned from: range of each input, population stability, a running test on residuals."""

import msgspec
import numpy as np

from analytics.maintenance.table import Numbers

_MARGIN = 0.1
_PSI = 0.25
"""Population stability index from which a distribution is commonly called changed."""


class Seen(msgspec.Struct, frozen=True):
    """What was seen of one numeric input."""

    name: str
    low: float
    high: float
    deciles: tuple[float, ...]
    shares: tuple[float, ...]
    missing: float


def seen_of(names: tuple[str, ...], values: Numbers) -> list[Seen]:
    """Ranges and deciles of each input f64[rows, inputs]."""
    found = []
    for i, name in enumerate(names):
        column = values[:, i]
        present = column[~np.isnan(column)]
        if not len(present):
            found.append(Seen(name, 0.0, 0.0, (), (1.0,), 1.0))
            continue
        edges = np.unique(np.quantile(present, np.linspace(0.1, 0.9, 9)))
        shares = np.bincount(np.searchsorted(edges, present), minlength=len(edges) + 1) / len(present)
        missing = 1 - len(present) / len(column)
        found.append(Seen(name, float(present.min()), float(present.max()), tuple(edges.tolist()), tuple(shares.tolist()), missing))
    return found


def outside(seen: list[Seen], values: Numbers) -> Numbers:
    """f64[rows]: share of the inputs of each row that are missing, or lie beyond the range learned from by more than a tenth of it."""
    if not seen:
        return np.zeros(len(values))
    margin = np.array([_MARGIN * (one.high - one.low) + 1e-9 * max(abs(one.low), abs(one.high)) for one in seen])
    low, high = np.array([one.low for one in seen]) - margin, np.array([one.high for one in seen]) + margin
    expected = np.array([one.missing < 0.5 for one in seen])
    with np.errstate(invalid="ignore"):
        strange = (values < low) | (values > high) | (np.isnan(values) & expected)
    share: Numbers = strange.mean(axis=1)
    return share


def drifted(seen: list[Seen], values: Numbers, least: int = 50) -> list[str]:
    """Words for each input whose distribution has changed (PSI above 0.25), or that is missing more often; nothing for few rows."""
    found: list[str] = []
    if len(values) < least:
        return found
    for i, one in enumerate(seen):
        column = values[:, i]
        present = column[~np.isnan(column)]
        missing = 1 - len(present) / len(column)
        if missing > one.missing + 0.2:
            found.append(f"'{one.name}' is missing in {missing:.0%} of the rows, {one.missing:.0%} when learned")
        if len(present) >= least and one.low < one.high:
            index = psi(np.array(one.shares), np.bincount(np.searchsorted(np.array(one.deciles), present), minlength=len(one.shares)) / len(present))
            if index > _PSI:
                found.append(f"'{one.name}' is distributed otherwise than when learned (population stability index {index:.2f})")
    return found


def psi(expected: Numbers, found: Numbers) -> float:
    """Population stability index of two shares over the same classes."""
    a, b = np.maximum(expected, 1e-4), np.maximum(found, 1e-4)
    return float(((b - a) * np.log(b / a)).sum())


def page_hinkley(residuals: Numbers, slack: float, limit: float) -> int | None:
    """First place at which residuals have risen: their sum above `slack` has climbed by more than `limit` since its lowest point."""
    climbed = np.cumsum(residuals - slack)
    rise = climbed - np.minimum.accumulate(np.minimum(climbed, 0))
    hits = np.flatnonzero(rise > limit)
    return int(hits[0]) if len(hits) else None
