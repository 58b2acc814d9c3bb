"""A thin watch over a spindle bearing: vibration beyond what load and speed explain, learned from the machine's own first hours.

By the blocks of ISO 13374-1: DM `_features` (means of short windows of turning spindle), SD `score` (distance from the learned normal
state), AG `alert_of`.
Vibration decides; temperature can support a finding, but never raises one alone: it also follows the load's history, which this model does not know.
A trend value of a controller is no vibration severity by ISO 20816. Scores are derived data and never support a claim.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from analytics.series import Series, series_of
from workshop.block import Block
from workshop.errors import Rejected
from workshop.register import Equipment
from workshop.signal import signal_id
from workshop.window import SECOND_US, Window

OUTPUT_ROLE = "bearing_score"
INPUT_ROLES = ("spindle_vibration", "spindle_temperature", "spindle_load", "spindle_speed")
THRESHOLD = 0.5
"""A score at or above it exceeds what the fit period showed, but for the stated false-alarm rate."""

_LEAST_WINDOWS = 8
_LEAST_TEMPERATURE = 1.0  # Cel: smaller deviations are the sensor's resolution and the load's history
_MARGIN = 0.25  # of the range of load and speed seen in the fit: beyond it there is no answer

Numbers = NDArray[np.float64]


class Detector(msgspec.Struct, frozen=True, eq=False):
    """What was learned from one machine's fit period."""

    equipment: Equipment
    fitted: Window
    feature_us: int
    windows: int
    """Short windows with a turning spindle in the fit period."""
    false_alarm_rate: float
    """Of one short window on a sound machine; not smaller than 1 / (windows + 1), which is all that so much data can show."""
    vibration: Pipeline
    temperature: Pipeline
    scale: Numbers
    """f64[2]: deviation of vibration, mm/s, and temperature, Cel, that counts as one."""
    limit: float
    """Distance that has the score `THRESHOLD`."""
    least: Numbers
    most: Numbers
    """f64[2]: range of load and speed in which the model may be asked."""


class Alert(msgspec.Struct, frozen=True):
    """Advice to look at a bearing, with what it rests on. A person says whether it was right; that answer belongs to the next evaluation."""

    equipment: str
    since_us: int
    """End of the first window of the run."""
    at_us: int
    score: float
    threshold: float
    consecutive: int
    false_alarm_rate: float
    signals: tuple[str, ...]
    fitted: Window
    advice_zh: str = "请在本班内检查主轴轴承(振动、温度、异响),并反馈结论"
    advice_en: str = "Inspect the spindle bearing within this shift (vibration, temperature, noise), and report what was found"


def watched(equipment: Equipment) -> bool:
    """Whether the equipment has a signal for the score and everything that it is made of."""
    return all(equipment.signal(role) for role in (OUTPUT_ROLE, *INPUT_ROLES))


def input_signals(equipment: Equipment) -> list[str]:
    """Ids of the signals that the score is made of."""
    return [signal_id(equipment.id, signal.name) for role in INPUT_ROLES if (signal := equipment.signal(role))]


def fit(block: Block, equipment: Equipment, window: Window, *, feature_us: int, false_alarm_rate: float = 0.01) -> Detector:
    """Learns the normal state from the readings in the window; nothing outside it is looked at. Deterministic: no lots are drawn.

    Residuals of the fit are those of windows left out in blocks of time, so that the limit is not flattered by what the model has seen.
    Args:
        feature_us: length of a short window.
        false_alarm_rate: share of the fit's own windows that may lie beyond the limit.
    Raises:
        Rejected: fewer than eight short windows with a turning spindle; wait for more data.
    """
    _, features = _features(block, equipment, window, feature_us)
    count = len(features)
    if count < _LEAST_WINDOWS:
        raise Rejected(f"{equipment.id}: {count} windows with a turning spindle in the fit period, {_LEAST_WINDOWS} are needed; wait for more")
    conditions, folds = features[:, 2:], KFold(min(5, count // 2))
    models = [make_pipeline(StandardScaler(), Ridge(alpha=1.0)) for _ in range(2)]
    left_out = [cross_val_predict(model, conditions, features[:, i], cv=folds) for i, model in enumerate(models)]
    residuals = features[:, :2] - np.column_stack(left_out)
    for i, model in enumerate(models):
        model.fit(conditions, features[:, i])
    # A warm-up within the fit period is no deviation: its whole range counts as one.
    scale = np.array([max(float(residuals[:, 0].std()), 1e-6), max(float(np.ptp(features[:, 1])), _LEAST_TEMPERATURE)])
    distance = _distance(residuals, scale)
    limit = max(float(np.quantile(distance, 1 - false_alarm_rate, method="higher")), 1.0)
    least, most = conditions.min(axis=0), conditions.max(axis=0)
    margin = _MARGIN * np.maximum(most - least, 0.1 * np.abs(most))
    return Detector(
        equipment, window, feature_us, count, max(false_alarm_rate, 1 / (count + 1)), models[0], models[1], scale, limit, least - margin,
        most + margin,
    )


def score(detector: Detector, block: Block, window: Window) -> list[tuple[int, float]]:
    """(end of short window in µs, score) for every short window that lies in the window, in order.

    The score is d / (d + limit) in [0, 1), d the distance from the normal state: 0 as expected or better, 0.5 at the limit. There is none for
    a window in which the spindle stands still, an input is missing, or load or speed lie outside what was seen in the fit period.
    """
    ends, features = _features(block, detector.equipment, window, detector.feature_us)
    conditions = features[:, 2:]
    inside = ((conditions >= detector.least) & (conditions <= detector.most)).all(axis=1)
    if not inside.any():
        return []
    ends, features, conditions = ends[inside], features[inside], conditions[inside]
    expected = np.column_stack([detector.vibration.predict(conditions), detector.temperature.predict(conditions)])
    distance = _distance(features[:, :2] - expected, detector.scale)
    return list(zip(ends.tolist(), (distance / (distance + detector.limit)).tolist(), strict=True))


def alert_of(detector: Detector, scores: Sequence[tuple[int, float]], *, consecutive: int = 5) -> Alert | None:
    """An alert if the newest scores, at least so many in a row, reach the threshold; scores are in order of time."""
    run = 0
    for _, value in reversed(scores):
        if value < THRESHOLD:
            break
        run += 1
    if run < consecutive:
        return None
    return Alert(
        detector.equipment.id, scores[-run][0], scores[-1][0], scores[-1][1], THRESHOLD, run, detector.false_alarm_rate,
        tuple(input_signals(detector.equipment)), detector.fitted,
    )


def _distance(residuals: Numbers, scale: Numbers) -> Numbers:
    # Only more vibration or more heat than expected speaks of wear.
    vibration, heat = np.maximum(residuals / scale, 0.0).T
    distance: Numbers = np.hypot(vibration, np.minimum(heat, vibration))
    return distance


def _features(block: Block, equipment: Equipment, window: Window, feature_us: int) -> tuple[NDArray[np.int64], Numbers]:
    """Ends of the short windows, i64[k], and means of vibration, temperature, load and speed in each, f64[k, 4].

    Short windows are aligned to 1970, so that they are the same however the readings are cut; only those that lie in the window as a whole
    count, and in them only moments at which the spindle turns and all four values are known.
    """
    ids = dict(zip(INPUT_ROLES, input_signals(equipment), strict=True))
    series = series_of(block, set(ids.values()))
    vibration = series.get(ids["spindle_vibration"])
    if vibration is None or not len(vibration):
        return np.zeros(0, np.int64), np.zeros((0, 4))
    first, end = -(-window.start_us // feature_us), window.end_us // feature_us
    time = vibration.time_us
    columns = np.column_stack([_at(series, equipment, role, ids[role], time) for role in INPUT_ROLES])
    place = time // feature_us
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(columns).all(axis=1) & (columns[:, 3] > 0) & (place >= first) & (place < end)
    numbers, row = np.unique(place[usable], return_inverse=True)
    sums = np.column_stack([np.bincount(row, weights=column, minlength=len(numbers)) for column in columns[usable].T])
    return (numbers + 1) * feature_us, sums / np.bincount(row, minlength=len(numbers))[:, None]


def _at(series: Mapping[str, Series], equipment: Equipment, role: str, name: str, time: NDArray[np.int64]) -> Numbers:
    """The values that held at these times; NaN where none is known or it is older than the signal's maximum age."""
    found, signal = series.get(name), equipment.signal(role)
    if found is None or signal is None or not len(found):
        return np.full(len(time), np.nan)
    place = np.searchsorted(found.time_us, time, side="right") - 1
    known = (place >= 0) & found.good[place] & (time - found.time_us[place] < signal.max_age_s * SECOND_US)
    return np.where(known, found.value[place].astype(np.float64), np.nan)
