"""State detection (SD of ISO 13374): how far a row is from what was normal, by T² and Q, an isolation forest, and change points."""

from itertools import pairwise

import numpy as np
from scipy import stats
from sklearn.ensemble import IsolationForest
from threadpoolctl import threadpool_limits

from analytics.maintenance.history import smoothed
from analytics.maintenance.table import Numbers

_KEPT = 0.9
_FORWARD = (0.5, 0.75, 1.0)  # ends of the stretches by which the fit period is judged by what came before
_HELD_OUT = (0.4, 0.6, 0.8, 1.0)  # ends of the stretches that are scored by what was learned from those before
_ROWS = 60  # of the fit period; with fewer there is one stretch instead of three
_SPAN = 9
_DRIFTS = 1.5
_FURTHER = 3.0


class Normal:
    """The normal state of one machine: a plane of principal components, and how far sound rows lie from its centre and from the plane.

    The spread of a signal is the one by which it left its own past inside the fit period, so that a signal that drifts while all is well
    is not taken for a fault later.

    Attributes:
        kept: places of the inputs that vary.
        limits: T² and Q that count as one; of Q only where something is left beside the plane.
        threshold: of the smoothed score.
    """

    def __init__(self, rate: float = 0.02) -> None:
        self.rate = rate
        self.kept: list[int] = []
        self.mean: Numbers = np.zeros(0)
        self.spread: Numbers = np.zeros(0)
        self.axes: Numbers = np.zeros((0, 0))
        self.variances: Numbers = np.zeros(0)
        self.limits: Numbers = np.ones(2)
        self.threshold = 0.0

    def fit(self, values: Numbers) -> "Normal":
        """Learns from rows f64[rows, inputs] in order of time that are taken to be sound."""
        held = forward_filled(values)
        self.kept = [i for i in range(values.shape[1]) if np.ptp(held[:, i]) > 1e-9 * max(1e-12, float(np.abs(held[:, i]).max()))]
        self._plane(held[:, self.kept])
        own = self._distances(held[:, self.kept])
        self.limits = np.maximum(np.quantile(own, 0.95, axis=0), 1e-12)
        # Each later part, as seen by what was learned from all before it, says how scores wander while all is well.
        ends = [int(share * len(held)) for share in (_HELD_OUT if len(held) >= _ROWS else (0.6, 1.0))]
        later = np.concatenate([self._earlier(held[:a]).score(values[a:b]) for a, b in pairwise(ends)])
        self.threshold = max(exceeded_at(later, self.rate), float(np.quantile(self.score(values), 1 - self.rate)), 0.0)
        return self

    def score(self, values: Numbers) -> Numbers:
        """f64[rows]: logarithm of the larger of T² and Q in units of their limits, smoothed; above `threshold` is an alarm."""
        held = forward_filled(values, self.mean, self.kept)
        ratio = np.log(np.maximum(self._distances(held) / self.limits, 1e-6))
        found: Numbers = smoothed(np.maximum(ratio, -3.0), _SPAN).max(axis=1)
        return found

    def contributions(self, values: Numbers) -> Numbers:
        """f64[rows, kept]: share of each input in the squared distance from the normal state."""
        scaled = (forward_filled(values, self.mean, self.kept) - self.mean) / self.spread
        squares = scaled**2
        shares: Numbers = squares / np.maximum(squares.sum(axis=1, keepdims=True), 1e-300)
        return shares

    def _earlier(self, held: Numbers) -> "Normal":
        earlier = Normal(self.rate)
        earlier.kept = self.kept
        earlier._plane(held[:, self.kept])
        earlier.limits = np.maximum(np.quantile(earlier._distances(held[:, self.kept]), 0.95, axis=0), 1e-12)
        return earlier

    def _plane(self, held: Numbers) -> None:
        self.mean = held.mean(axis=0) if held.shape[1] else np.zeros(0)
        self.spread = np.maximum(_wandering(held), 1e-9)
        scaled = (held - self.mean) / self.spread
        _, sizes, axes = np.linalg.svd(scaled, full_matrices=False)
        variances = sizes**2 / max(len(held) - 1, 1)
        total = variances.sum()
        count = int(np.searchsorted(np.cumsum(variances), _KEPT * total) + 1) if total > 0 else 0
        self.axes, self.variances = axes[:count], np.maximum(variances[:count], 1e-9)

    def _distances(self, held: Numbers) -> Numbers:
        """f64[rows, 1 or 2]: T², and Q."""
        scaled = (held - self.mean) / self.spread
        along = scaled @ self.axes.T
        rest = scaled - along @ self.axes
        distances = [(along**2 / self.variances).sum(axis=1)]
        if len(self.axes) < len(self.mean):  # else nothing is left beside the plane
            distances.append((rest**2).sum(axis=1))
        return np.column_stack(distances)


class Forest:
    """An isolation forest with a threshold for a stated false-alarm rate; for states that are no cloud round one centre."""

    def __init__(self, rate: float = 0.02, seed: int = 0) -> None:
        self.rate = rate
        self.model = IsolationForest(n_estimators=100, random_state=seed)
        self.threshold = 0.0

    def fit(self, values: Numbers) -> "Forest":
        """Learns from rows that are taken to be sound."""
        held = forward_filled(values)
        with threadpool_limits(1):
            self.threshold = threshold_for(-self.model.fit(held).score_samples(held), self.rate)
        return self

    def score(self, values: Numbers) -> Numbers:
        """f64[rows]: larger is stranger."""
        with threadpool_limits(1):
            return np.asarray(-self.model.score_samples(forward_filled(values)), np.float64)


def exceeded_at(scores: Numbers, rate: float) -> float:
    """The score that sound rows to come exceed at no more than this rate, from held-out ones in order of time that follow each other closely.

    Rows with a memory say less than as many without: the bound is Student's for a new observation from so many independent ones as they are worth
    (n over the integrated autocorrelation time), and never below what was exceeded at this rate.
    """
    worth = worth_of_rows(scores)
    bound = scores.mean() + stats.t.ppf(1 - rate, max(worth - 1, 1)) * scores.std() * np.sqrt(1 + 1 / worth)
    return max(float(np.quantile(scores, 1 - rate)), float(bound))


def worth_of_rows(series: Numbers) -> float:
    """As how many independent rows a series with a memory counts: n over 1 + 2 Σ ρ(k), the sum ended where pairs of it turn negative (Geyer 1992)."""
    moving = series - series.mean()
    size = len(moving)
    variance = float((moving**2).mean())
    if variance <= 0 or size < 4:
        return max(float(size), 2.0)
    spectrum = np.fft.rfft(moving, 2 * size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:size] / (variance * size)
    pairs = correlation[1:size - size % 2 - 1:2] + correlation[2:size - size % 2:2]
    negative = np.flatnonzero(pairs <= 0)
    return max(size / (1 + 2 * float(pairs[:negative[0] if len(negative) else len(pairs)].sum())), 2.0)


def threshold_for(scores: Numbers, rate: float) -> float:
    """The score that sound rows exceed at no more than this rate; the largest where there are too few of them to show so small a rate."""
    rank = int(np.ceil((1 - rate) * (len(scores) + 1))) - 1
    return float(np.sort(scores)[min(rank, len(scores) - 1)])


def change_points(series: Numbers, confidence: float = 0.999, least: int = 10) -> list[int]:
    """Places at which the level of a series changes, by binary segmentation; tested against the noise between neighbours.

    Args:
        confidence: that a series without change gives none; divided among the places that were tried.
    """
    noise = float(np.median(np.abs(np.diff(series))) / 0.954) if len(series) > 2 else 0.0
    if noise <= 0:
        noise = float(np.std(np.diff(series))) or 1e-12
    found: list[int] = []
    waiting = [(0, len(series))]
    limit = float(stats.norm.isf((1 - confidence) / (2 * max(len(series), 1))))
    while waiting:
        start, end = waiting.pop()
        if end - start < 2 * least:
            continue
        sums = np.cumsum(series[start:end])
        left = np.arange(least, end - start - least + 1)
        size = end - start
        gap = sums[left - 1] / left - (sums[-1] - sums[left - 1]) / (size - left)
        strength = np.abs(gap) / (noise * np.sqrt(1 / left + 1 / (size - left)))
        best = int(np.argmax(strength))
        if strength[best] > limit:
            place = start + int(left[best])
            found.append(place)
            waiting += [(start, place), (place, end)]
    return sorted(found)


def forward_filled(values: Numbers, start: Numbers | None = None, columns: list[int] | None = None) -> Numbers:
    """Missing values replaced by the last known one; before the first by `start`, else by the column's mean, else by 0."""
    values = values if columns is None else values[:, columns]
    missing = np.isnan(values)
    if not missing.any():
        return values
    if start is None:
        counts = np.maximum((~missing).sum(axis=0), 1)
        start = np.where(missing, 0, values).sum(axis=0) / counts
    last = np.maximum.accumulate(np.where(missing, -1, np.arange(len(values))[:, None]), axis=0)
    filled: Numbers = np.where(last < 0, start, np.take_along_axis(np.nan_to_num(values), np.maximum(last, 0), axis=0))
    return filled


def _wandering(held: Numbers) -> Numbers:
    """Spread of each column round what the rows before a stretch would have had it expect, not smaller than its plain spread."""
    plain = held.std(axis=0)
    worst = plain
    for start, end in pairwise(_FORWARD):
        a, b = int(start * len(held)), int(end * len(held))
        if a >= 10 and b > a:
            worst = np.maximum(worst, np.sqrt(((held[a:b] - held[:a].mean(axis=0)) ** 2).mean(axis=0)))
    # Who wandered off within the fit period goes on: what follows is longer than the stretches that were tried.
    found: Numbers = np.where(worst > _DRIFTS * plain, _FURTHER * worst, worst)
    return found
