"""The ratio of two rates when things are counted in batches that differ: what parts of one day, or of one lot, have in common.

Formulas for counts take every part as independent of the others. Parts of one batch are not: a dull tool spoils many. So the batches themselves are
drawn again, with return, and the spread of the ratio over such draws is its interval (bootstrap of clusters; Efron and Tibshirani 1993, chapter 8).
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from analytics.reduction import Counted, Outcome, Reduction

BOOTSTRAP = "bootstrap of batches, one-sided 95 %"
FEWEST = 8
"""With fewer batches in a period the interval is too narrow to be worth anything."""
DRAWS = 4_999
_SEED = 20_150_601
_BOTH_SIDES = 0.90
"""Between two one-sided bounds of 95 %."""


class BatchBounds(msgspec.Struct, frozen=True):
    """One-sided 95 % bounds of the ratio of two rates, rounded to four places, more a bootstrap has not; None where there are too few batches."""

    before: int
    """Batches in which something was inspected."""
    after: int
    low: Decimal | None
    high: Decimal | None


def batch_bounds(after: Sequence[Counted], before: Sequence[Counted], draws: int = DRAWS) -> BatchBounds:
    """Bounds of rate after / rate before from what was counted in each batch. The same batches give the same bounds."""
    later, earlier = (np.array([(item.count, item.total) for item in items if item.total], np.int64).reshape(-1, 2) for items in (after, before))
    if min(len(later), len(earlier)) < FEWEST or not later[:, 0].any() or not earlier[:, 0].any():
        return BatchBounds(len(earlier), len(later), None, None)

    def ratio(rows_after: NDArray[np.int64], rows_before: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        new, old = later[rows_after].sum(axis=axis - 1), earlier[rows_before].sum(axis=axis - 1)
        # A draw without any defect before has no ratio; it counts as the worst.
        with np.errstate(divide="ignore"):
            found: NDArray[np.float64] = np.where(old[..., 0] > 0, new[..., 0] * old[..., 1] / (new[..., 1] * old[..., 0]), np.inf)
        return found

    found = bootstrap(
        (np.arange(len(later)), np.arange(len(earlier))), ratio, n_resamples=draws, confidence_level=_BOTH_SIDES, method="percentile",
        vectorized=True, batch=500, random_state=np.random.default_rng(_SEED),
    ).confidence_interval
    return BatchBounds(len(earlier), len(later), _rounded(found.low), _rounded(found.high))


def with_batches(found: Reduction, bounds: BatchBounds, at_most: Decimal, every: str) -> Reduction:
    """The answer of the test, held against the batches: what they do not confirm, or refute, as well is undetermined."""
    counted = f"{bounds.before} batches ({every}) before, {bounds.after} after"
    if bounds.low is None or bounds.high is None:
        why = f"{counted}: fewer than {FEWEST} in a period, or no defects: whether parts of a batch are alike cannot be seen; taken as independent"
        return msgspec.structs.replace(found, why=f"{found.why}; {why}")
    kept = {Outcome.CONFIRMED: bounds.high <= at_most, Outcome.REFUTED: bounds.low > at_most, Outcome.UNDETERMINED: True}[found.outcome]
    why = f"{counted}: {BOOTSTRAP} bounds {bounds.low} and {bounds.high}"
    if not kept:
        why += ", which do not bear it out: parts of one batch are alike, and the number of batches decides"
    return msgspec.structs.replace(found, outcome=found.outcome if kept else Outcome.UNDETERMINED, why=f"{found.why}; {why}")


def _rounded(value: float) -> Decimal:
    return Decimal(f"{value:.4f}") if np.isfinite(value) else Decimal("Infinity")
