"""The load curve of each meter by itself, from the same components as the peak demand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.boundary import Slots
from analytics.electricity import KWH, QUARTER_KNOWN, QUARTER_US
from analytics.indicator import Components, Indicator
from analytics.measured import gather
from workshop.calendar import zone_of
from workshop.register import Workshop
from workshop.window import HOUR_US, SECOND_US, Window

QUARTER_S = QUARTER_US // SECOND_US


class Curve(msgspec.Struct, frozen=True, eq=False):
    """Mean power of one meter in each quarter hour, kW; NaN where less than nine tenths of it are known."""

    start_s: int
    """Local time of the first quarter hour, seconds since 1970 as if it were UTC."""
    kw: NDArray[np.float64]


def curves_of(demand: Indicator, pieces: Sequence[Components], register: Workshop, window: Window) -> dict[str, Curve]:
    """The curves of all meters that have any quarter hour, by equipment.

    Args:
        demand: the indicator `peak_demand`, and pieces of it in the window.
    Raises:
        Rejected: as `measured.gather`.
    """
    found = {}
    for name, item in gather(demand, pieces, register, window).by_equipment.items():
        energy, known = item.boundary.get("quarters_mwh"), item.boundary.get("quarters_known_us")
        if isinstance(known, Slots) and isinstance(energy, Slots) and known.sums:
            found[name] = _curve(energy, known, register)
    return found


def _curve(energy: Slots, known: Slots, register: Workshop) -> Curve:
    slots = known.first + np.arange(len(known.values))
    mwh = np.zeros(len(slots))
    place = energy.first + np.arange(len(energy.values)) - known.first
    there = (place >= 0) & (place < len(mwh))
    mwh[place[there]] = energy.values[there]
    kw = np.where(known.values >= int(QUARTER_KNOWN * QUARTER_US), mwh * (HOUR_US // QUARTER_US) / KWH, np.nan)
    local = slots * QUARTER_S + _offsets_s(slots, register)
    start_s = int(local.min())
    whole = np.full((int(local.max()) - start_s) // QUARTER_S + 1, np.nan)
    # Where clocks go back, an hour of local time comes twice: its second pass stands, and where they go forward an hour is unknown.
    whole[(local - start_s) // QUARTER_S] = kw
    return Curve(start_s, whole)


def _offsets_s(slots: NDArray[np.int64], register: Workshop) -> NDArray[np.int64]:
    """The zone's offset from UTC at each slot, s: looked up where it may have changed, which it does on a full hour."""
    zone, starts = zone_of(register), slots * QUARTER_S
    hours, back = np.unique(starts // 3600, return_inverse=True)
    offsets = [datetime.fromtimestamp(hour * 3600, UTC).astimezone(zone).utcoffset() or timedelta() for hour in hours.tolist()]
    return np.array([int(offset.total_seconds()) for offset in offsets], np.int64)[back]
