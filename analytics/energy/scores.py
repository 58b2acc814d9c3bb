"""How good a forecast is: errors, the naive forecasts beside it, and what its interval held."""

import msgspec
import numpy as np
from numpy.typing import NDArray

DAYS_A_WEEK = 7


class Errors(msgspec.Struct, frozen=True):
    """Errors over the test period, in the unit of the value."""

    rmse: float
    mae: float


class Issues(msgspec.Struct, frozen=True, eq=False):
    """Which steps are forecast, and what is known then: step target[i] is forecast with everything before step known[i]."""

    target: NDArray[np.int64]
    known: NDArray[np.int64]

    def between(self, first: int, end: int) -> "Issues":
        """Those whose target lies in [first, end)."""
        chosen = (self.target >= first) & (self.target < end)
        return Issues(self.target[chosen], self.known[chosen])


def issues(first: int, end: int, horizon: int) -> Issues:
    """Forecasts issued at `first` and then every `horizon` steps, each for the next `horizon` steps, up to `end`."""
    target = np.arange(first, end)
    return Issues(target, first + (target - first) // horizon * horizon)


def errors(value: NDArray[np.float64], forecast: NDArray[np.float64]) -> Errors | None:
    """RMSE and MAE where both are known; None where nothing is."""
    off = (forecast - value)[~np.isnan(forecast - value)]
    return Errors(float(np.sqrt(np.mean(off**2))), float(np.mean(np.abs(off)))) if len(off) else None


def seasonal(value: NDArray[np.float64], asked: Issues, season: int) -> NDArray[np.float64]:
    """The value so many seasons before the target that it was known at issue; NaN where there is none."""
    seasons = (asked.target - asked.known) // season + 1
    return _at(value, asked.target - seasons * season)


def persistence(value: NDArray[np.float64], asked: Issues) -> NDArray[np.float64]:
    """The last value known at issue."""
    return _at(value, asked.known - 1)


def baselines(value: NDArray[np.float64], asked: Issues, day: int) -> dict[str, NDArray[np.float64]]:
    """The forecasts that need no model. `day` is the number of steps of a day."""
    return {
        "persistence": persistence(value, asked),
        "daily_naive": seasonal(value, asked, day),
        "weekly_naive": seasonal(value, asked, DAYS_A_WEEK * day),
    }


def scale_of(value: NDArray[np.float64], day: int) -> float | None:
    """The denominator of MASE: mean absolute error of the weekly naive within the training data; None where it is 0 or unknown."""
    change = np.abs(value[DAYS_A_WEEK * day :] - value[: -DAYS_A_WEEK * day])
    change = change[~np.isnan(change)]
    found = float(change.mean()) if len(change) else 0.0
    return found or None


def _at(value: NDArray[np.float64], place: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(place >= 0, value[np.maximum(place, 0)], np.nan)
