"""Forecast of a load curve with prediction intervals, always beside the naive forecasts.

The point forecast is a forest of extremely randomised trees on what was known at issue. The interval comes from quantile models fitted on the older
part of the training data and widened by their misses on the newer part (conformalised quantile regression, Romano et al. 2019); the misses of
the last weeks known at issue count, and the level follows the misses of the days before (adaptive conformal inference, Gibbs and Candès
2021), because a plant's load changes its ways.
"""

from datetime import date, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from analytics.energy.features import features
from analytics.energy.leaks import leaks
from analytics.energy.scores import Errors, Issues, baselines, errors, issues, scale_of
from analytics.energy.stamps import Grid, rebuild
from analytics.energy.table import Table
from workshop.errors import ConfigError

LEVEL = 0.9
SEED = 20180731
_DAY_S = 86_400
_LEAST_DAYS = 21
_LEAST_KNOWN = 100
_CALIBRATION_DAYS = 42
_MEMORY_DAYS = 28
_GAIN = 0.05
"""How far one day's misses move the level of the next."""
_TREES = 80
_LEAF = 20


class Interval(msgspec.Struct, frozen=True):
    """The prediction interval over the test period."""

    level: float
    coverage: float
    """Share of the true values inside."""


class Forecast(msgspec.Struct, frozen=True):
    """How a forecast did in the test period; errors in the unit of the value."""

    rmse: float
    mae: float
    mase: float | None
    """MAE over that of the weekly naive within the training data; None where the load never changes from week to week."""
    interval: Interval
    baselines: dict[str, Errors | None]
    warnings: list[str]


class Run(msgspec.Struct, frozen=True, eq=False):
    """A forecast with the curves behind it, for a table or a picture."""

    report: Forecast
    target: NDArray[np.int64]
    """i64[n]: steps of the grid."""
    value: NDArray[np.float64]
    forecast: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    train_steps: int


def run_forecast(table: Table, step: timedelta, horizon: int, train_until: date, file: str) -> Run:
    """Fits on everything up to and with the day named, and forecasts the rest.

    Args:
        horizon: steps ahead: 1 is one step ahead at every step; the steps of a day are issued daily at 00:00 for the next day.
    Raises:
        ConfigError: stamps that cannot be rebuilt, too little training data, nothing after it, or a load that is nowhere known.
    """
    grid = rebuild(table.times, step, table.value, file)
    value = grid.take(table.value)
    day = _DAY_S // grid.step_s
    if not 1 <= horizon <= 7 * day:
        raise ConfigError(f"--horizon {horizon} is not between 1 and {7 * day}, one week")
    end_s = (train_until - date(1970, 1, 1)).days * _DAY_S + _DAY_S
    train = (end_s - grid.start_s) // grid.step_s
    if (end_s - grid.start_s) % grid.step_s:
        train += 1
    if train < _LEAST_DAYS * day:
        raise ConfigError(f"{file}: {max(0, train) / day:.1f} days up to {train_until} are too few to learn from; {_LEAST_DAYS} are needed")
    if train >= len(value):
        raise ConfigError(f"{file}: nothing after {train_until} to forecast; its last interval begins on {_day_of(grid, len(value) - 1)}")
    asked = _asked(grid, len(value), train, horizon)
    test = asked.between(train, len(value))
    warnings = [*grid.warnings, *leaks(value[:train], {name: grid.take(column)[:train] for name, column in table.others.items()})]
    empty = int(np.isnan(value[test.target]).sum())
    if empty:
        warnings.append(f"{empty} of {len(test.target)} steps of the test period have no value: not scored")
    with threadpool_limits(1):  # these are small models: on a busy machine threads wait for each other longer than they work
        forecast, low, high = _predict(value, asked, grid, train, day, file)
    true = value[test.target]
    scored = errors(true, forecast)
    if scored is None:
        raise ConfigError(f"{file}: no value after {train_until} to hold a forecast against")
    naive = {name: errors(true, column) for name, column in baselines(value, test, day).items()}
    warnings += [
        f"the forecast does not beat the {name.replace('_', ' ')}: RMSE {scored.rmse:.4g} against {found.rmse:.4g}"
        for name, found in naive.items() if found is not None and found.rmse <= scored.rmse
    ]
    there = ~np.isnan(true)
    inside = float(np.mean(((true >= low) & (true <= high))[there]))
    scale = scale_of(value[:train], day)
    report = Forecast(scored.rmse, scored.mae, scored.mae / scale if scale else None, Interval(LEVEL, inside), naive, warnings)
    return Run(report, test.target, true, forecast, low, high, train)


def _day_of(grid: Grid, place: int) -> date:
    return date(1970, 1, 1) + timedelta(seconds=grid.start_s + place * grid.step_s)


def _asked(grid: Grid, length: int, train: int, horizon: int) -> Issues:
    """Every forecast of the whole curve, in the rhythm of the test's: the first is issued where the training data ends, at local midnight."""
    first = train % horizon
    return issues(first, length, horizon)


def _predict(
    value: NDArray[np.float64], asked: Issues, grid: Grid, train: int, day: int, file: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Point forecast and interval of every step from `train` on.

    Raises:
        ConfigError: too few values in the older part of the training data.
    """
    table = features(value, asked, grid.start_s, grid.step_s)
    there = ~np.isnan(value[asked.target])
    warm = min(7 * day, train // 3)
    past = there & (asked.target >= warm) & (asked.target < train)
    # The trees know no empty cell: a value below all others stands for it, and is split off where it matters.
    filled = np.where(np.isnan(table), np.nanmin(value[:train]) - 1.0, table)
    later = asked.target >= train
    forest = ExtraTreesRegressor(_TREES, min_samples_leaf=_LEAF, max_features=0.5, random_state=SEED)
    forecast = forest.fit(filled[past], value[asked.target[past]]).predict(filled[later])
    calibration = train - min(_CALIBRATION_DAYS * day, train // 3)
    older = past & (asked.target < calibration)
    newer = asked.target >= calibration
    if int(older.sum()) < _LEAST_KNOWN:
        raise ConfigError(f"{file}: only {int(older.sum())} values in the older part of the training data; {_LEAST_KNOWN} are needed")
    # A column that never changes there (the load four weeks ago, where the file is younger) cannot be split: scikit-learn fails on it.
    seen = table[older]
    told = np.where(np.isnan(seen), -np.inf, seen).max(axis=0) > np.where(np.isnan(seen), np.inf, seen).min(axis=0)
    bounds = [
        HistGradientBoostingRegressor(
            loss="quantile", quantile=quantile, max_iter=80, learning_rate=0.1, max_leaf_nodes=12, min_samples_leaf=60, early_stopping=False,
            random_state=SEED,
        ).fit(seen[:, told], value[asked.target[older]]).predict(table[newer][:, told])
        for quantile in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    ]
    low, high = np.minimum(*bounds), np.maximum(*bounds)
    target, known = asked.target[newer], asked.known[newer]
    margin = _margins(value[target], low, high, target, known, train, day)
    inner = target >= train
    # The forest may leave the quantile models' band; the interval always holds the forecast.
    return forecast, np.minimum(forecast, (low - margin)[inner]), np.maximum(forecast, (high + margin)[inner])


def _margins(
    value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], target: NDArray[np.int64], known: NDArray[np.int64],
    train: int, day: int,
) -> NDArray[np.float64]:
    """f64[n]: how much wider the interval is made, day by day, from the misses that were known when the day's first forecast was issued."""
    miss = np.maximum(low - value, value - high)
    margin = np.zeros(len(target))
    allowed = 1 - LEVEL
    for begin in range(train, int(target[-1]) + 1, day):
        now = (target >= begin) & (target < begin + day)
        if not now.any():
            continue
        seen_until = int(known[now].min())
        recent = miss[(target >= seen_until - _MEMORY_DAYS * day) & (target < seen_until)]
        recent = recent[~np.isnan(recent)]
        if len(recent):
            margin[now] = np.quantile(recent, min(1.0, max(0.0, 1 - allowed)))
        # What this day missed is known when the next day's forecasts are issued only if the horizon is a day at most; a longer one waits.
        done = miss[now][~np.isnan(miss[now])]
        if len(done) and int(known[now].min()) >= begin:
            allowed = min(0.5, max(0.0, allowed + _GAIN * ((1 - LEVEL) - float(np.mean(done > margin[now][~np.isnan(miss[now])])))))
    return margin
