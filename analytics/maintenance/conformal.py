"""Prediction intervals that hold with a stated probability: split conformal on predictions of units that the model had not seen."""

import numpy as np

from analytics.maintenance.table import Numbers

CONFIDENCE = 0.9
_NEAREST = 0.15
_LEAST = 60


class Conformal:
    """Residuals of left-out units, kept by prediction, so that the interval is as wide as predictions of this size deserve.

    Attributes:
        predicted: f64[n], ascending.
        residual: f64[n], truth minus prediction.
        low, high: range of the target; no interval leaves it.
    """

    def __init__(self) -> None:
        self.predicted: Numbers = np.zeros(0)
        self.residual: Numbers = np.zeros(0)
        self.low = -np.inf
        self.high = np.inf

    def fit(self, predicted: Numbers, truth: Numbers, low: float = -np.inf, high: float = np.inf) -> "Conformal":
        """Keeps the residuals of predictions that were made without the row's unit."""
        order = np.argsort(predicted, kind="stable")
        self.predicted, self.residual, self.low, self.high = predicted[order], (truth - predicted)[order], low, high
        return self

    def interval(self, predicted: Numbers, confidence: float = CONFIDENCE) -> tuple[Numbers, Numbers]:
        """(low, high) f64[n] each: quantiles of the residuals nearest by prediction, with the correction for their finite number."""
        size = len(self.residual)
        if size == 0:
            return np.full(len(predicted), self.low), np.full(len(predicted), self.high)
        count = min(size, max(_LEAST, round(_NEAREST * size)))
        tail = (1 - confidence) / 2
        rank = int(np.ceil((1 - tail) * (count + 1))) - 1  # 0-based; beyond the largest: the largest
        upper, lower = min(rank, count - 1), max(count - 1 - rank, 0)
        start = np.clip(np.searchsorted(self.predicted, predicted) - count // 2, 0, size - count)
        near = np.sort(np.lib.stride_tricks.sliding_window_view(self.residual, count)[start], axis=1)
        low, high = predicted + near[:, lower], predicted + near[:, upper]
        return np.clip(low, self.low, self.high), np.clip(high, self.low, self.high)
