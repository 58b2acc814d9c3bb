"""Data manipulation (DM of ISO 13374): the readings of one machine, role by role, summarised in cells of a few minutes.

Readings come in pieces; the last of each role is carried into the next piece, so that the cells do not depend on how the readings were cut.
"""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.maintenance.table import Numbers
from analytics.series import Series
from workshop.window import SECOND_US

Times = NDArray[np.int64]

CUTTING = 10.0
"""Load of a spindle above which it cuts, % of its rated power."""
STILL = 0.97
"""Share of a cell's readings that repeat the one before, beyond which the sensor stands still, or the machine does."""
_HELD_US = 120 * SECOND_US  # a gauge of the same controller, read on another period
_GAP = 3.0  # of the usual time between two readings of power: a longer one is a hole, and nothing is integrated over it
_LEAST = 3  # readings in a cell
_BEYOND = 3.0  # of rated power: no reading of power, but a broken sensor


class Column(msgspec.Struct, frozen=True, eq=False):
    """Good readings of one role in order of time; the first may be carried from the piece before."""

    time_us: Times
    value: Numbers
    carried: bool

    def at(self, times: Times, reach_us: int | None = None) -> Numbers:
        """What held at these times; NaN before the first reading, or where it is older than the reach."""
        if not len(self.time_us):
            return np.full(len(times), np.nan)
        place = np.searchsorted(self.time_us, times, side="right") - 1
        known = place >= 0
        if reach_us is not None:
            known &= times - self.time_us[place] <= reach_us
        return np.where(known, self.value[place], np.nan)


NOTHING = Column(np.zeros(0, np.int64), np.zeros(0), False)


class Cells(msgspec.Struct, frozen=True, eq=False):
    """One row a cell; NaN where a cell says nothing."""

    number: Times
    """Start over the length of a cell."""
    vibration: Numbers
    """Means over the readings of a turning spindle, and of its load and speed."""
    load: Numbers
    speed: Numbers
    flow: Numbers
    """Coolant while it cuts."""
    integrated_wh: Numbers
    """Power integrated, and by how much that is more than what the energy counter says of the same time."""
    excess_wh: Numbers
    still: Numbers
    """Share of the readings of power that repeat the one before."""


def column_of(series: Series | None, carried: tuple[int, float] | None) -> Column:
    """The good numbers of a series behind the carried reading."""
    if series is None or not len(series):
        time, value = np.zeros(0, np.int64), np.zeros(0)
    else:
        with np.errstate(invalid="ignore"):
            numbers = series.value.astype(np.float64)
            usable = series.good & np.isfinite(numbers)
        time, value = series.time_us[usable], numbers[usable]
    if carried is not None:
        fresh = time > carried[0]
        time, value = np.append(carried[0], time[fresh]), np.append(carried[1], value[fresh])
    return Column(time, value, carried is not None)


def cells_of(columns: Mapping[str, Column], first: int, end: int, cell_us: int, *, rated_w: float, watt_hours: float) -> Cells:
    """The cells with numbers in [first, end).

    Args:
        columns: by role.
        watt_hours: of one step of the energy counter's unit.
    """
    count = end - first
    found = {name: np.full(count, np.nan) for name in Cells.__struct_fields__[1:]}
    _spindle(found, columns, first, cell_us, count)
    _energy(found, columns, first, cell_us, count, rated_w, watt_hours)
    return Cells(np.arange(first, end, dtype=np.int64), **found)


def _spindle(found: dict[str, Numbers], columns: Mapping[str, Column], first: int, cell_us: int, count: int) -> None:
    vibration, speed, load = (columns.get(role, NOTHING) for role in ("spindle_vibration", "spindle_speed", "spindle_load"))
    time = vibration.time_us
    held = [speed.at(time, _HELD_US), load.at(time, _HELD_US)]
    with np.errstate(invalid="ignore"):
        usable = (held[0] > 0) & np.isfinite(held[1])
    for name, values in (("vibration", vibration.value), ("speed", held[0]), ("load", held[1])):
        found[name] = _means(time[usable] // cell_us - first, values[usable], count)
    flow = columns.get("coolant_flow", NOTHING)
    with np.errstate(invalid="ignore"):
        cutting = load.at(flow.time_us, _HELD_US) > CUTTING
    found["flow"] = _means(flow.time_us[cutting] // cell_us - first, flow.value[cutting], count)
    # A sensor at a standstill says nothing, and must not look like wear or like lost coolant.
    frozen = _repeats(load, load.value > 0, first, cell_us, count)
    found["vibration"] = np.where(frozen | _repeats(vibration, usable, first, cell_us, count), np.nan, found["vibration"])
    found["flow"] = np.where(frozen | _repeats(flow, cutting & (flow.value > 0), first, cell_us, count), np.nan, found["flow"])


def _energy(
    found: dict[str, Numbers], columns: Mapping[str, Column], first: int, cell_us: int, count: int, rated_w: float, watt_hours: float,
) -> None:
    power, counter = columns.get("active_power", NOTHING), columns.get("energy_import", NOTHING)
    if len(power.time_us) < 2 or not len(counter.time_us):
        return
    step_us = np.diff(power.time_us)
    place = power.time_us[1:] // cell_us - first
    inside = (place >= 0) & (place < count)
    value = power.value[1:]
    counted = np.diff(counter.at(power.time_us)) * watt_hours
    with np.errstate(invalid="ignore"):
        sound = (step_us <= _GAP * np.median(step_us)) & (counted >= 0) & (np.abs(value) <= _BEYOND * rated_w)
    spoiled = np.bincount(place[inside & ~sound], minlength=count) > 0
    sizes = np.bincount(place[inside], minlength=count)
    usable = (sizes >= _LEAST) & ~spoiled
    for name, values in (
        ("integrated_wh", value * step_us / 3.6e9), ("excess_wh", value * step_us / 3.6e9 - counted),
        ("still", (np.diff(power.value) == 0).astype(np.float64)),
    ):
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.bincount(place[inside], weights=np.nan_to_num(values[inside]), minlength=count)
            found[name] = np.where(usable, sums / sizes if name == "still" else sums, np.nan)


def _repeats(column: Column, which: NDArray[np.bool_], first: int, cell_us: int, count: int) -> NDArray[np.bool_]:
    """The cells in which nearly every one of these readings repeats the one before."""
    same = np.diff(column.value, prepend=np.nan) == 0
    share = _means(column.time_us[which] // cell_us - first, same[which].astype(np.float64), count)
    with np.errstate(invalid="ignore"):
        frozen: NDArray[np.bool_] = share > STILL
    return frozen


def _means(place: Times, values: Numbers, count: int) -> Numbers:
    inside = (place >= 0) & (place < count)
    sizes = np.bincount(place[inside], minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(place[inside], weights=values[inside], minlength=count) / sizes
    return np.where(sizes >= _LEAST, means, np.nan)
