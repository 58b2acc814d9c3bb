"""What a load offers: a formula, so that a client can tell that no sample is missing.

Tick k (0, 1, 2 …) of a subscription gives every subscribed signal one value: the number k + n / 2^20 (exact in a double), where n is the number of
the signal (node `s=S<n>`), with the source time start + k · period, µs; the first tick's time is the subscription's start. Status is good.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

FRACTION = 2.0**-20
# MonitoredItemNotification of OPC UA binary (Part 6, 5.2.2.17): handle, DataValue with value, source and server time, Variant of a Double.
ITEM = np.dtype([("handle", "<u4"), ("mask", "u1"), ("type", "u1"), ("value", "<f8"), ("source", "<i8"), ("server", "<i8")])
_MASK, _DOUBLE = 0x0D, 11
_EPOCH_100NS = 116_444_736_000_000_000


class Plan:
    """The messages of one subscription, in order: whole ticks if a message holds one, else each tick in several messages."""

    def __init__(self, handles: Mapping[int, int], *, per_message: int, start_us: int, period_us: int) -> None:
        """Client handles by signal number; `start_us`, µs UTC, is the source time of tick 0."""
        self._start_us = start_us
        self._period_us = period_us
        numbers = sorted(handles)
        ticks = max(1, per_message // len(numbers))
        self._ticks = ticks
        self._parts = [numbers[at : at + per_message] for at in range(0, len(numbers), per_message)]
        self._templates = [_template({number: handles[number] for number in part}, ticks, period_us) for part in self._parts]
        self._tick = 0
        self._part = 0

    @property
    def due_us(self) -> int:
        """When the next message may be sent: at the last source time in it, µs UTC."""
        return self._start_us + (self._tick + self._ticks - 1) * self._period_us

    def take(self) -> bytes:
        """The items of the next message, encoded."""
        first, values, sources = self._templates[self._part]
        items = first.copy()
        items["value"] = values + self._tick
        items["source"] = items["server"] = sources + (self._start_us + self._tick * self._period_us) * 10
        self._part += 1
        if self._part == len(self._parts):
            self._part = 0
            self._tick += self._ticks
        return items.tobytes()

    def next_count(self) -> int:
        """How many items the next message has."""
        return len(self._templates[self._part][0])


_Template = tuple[npt.NDArray[np.void], npt.NDArray[np.float64], npt.NDArray[np.int64]]


def _template(handles: Mapping[int, int], ticks: int, period_us: int) -> _Template:
    """Items of tick 0 and following, with what does not change, and what is to be added to values and times of the tick."""
    count = len(handles)
    items = np.zeros(count * ticks, ITEM)
    items["handle"] = np.tile(np.fromiter(handles.values(), np.uint32, count), ticks)
    items["mask"], items["type"] = _MASK, _DOUBLE
    tick = np.repeat(np.arange(ticks), count)
    values = np.tile(np.fromiter(handles, np.float64, count) * FRACTION, ticks) + tick
    sources = tick * (period_us * 10) + _EPOCH_100NS
    return items, values, sources.astype(np.int64)
