"""The parts or handling cycles of a day: when each began and ended, what came before it, and the states that follow from it."""

import msgspec
import numpy as np

from simulators.machine import ItemState, OperationMode
from simulators.past.columns import Column, Ints, changes, on_clock
from simulators.past.plan import STOPPING, Day
from simulators.physics.thermal import Floats
from simulators.shifts import Interruption


class Work(msgspec.Struct):
    """Cycles in the order of time. Times are µs UTC."""

    index: Ints
    """Which of the drawn cycles."""
    begin: Ints
    """When setting up, a tool change or a stop before it began; equal to start when there was none."""
    start: Ints
    end: Ints
    """When it was done; then the machine waits until the next begins."""


def place(day: Day, before_s: Floats, work_s: Floats, wait_s: Floats, free_us: int) -> tuple[Work, list[Interruption], int]:
    """Put drawn cycles (s of working time) on the clock, as many as fit; returns them, the interruptions and when the machine is free again."""
    starts, ends, pauses = day.windows(free_us)
    if not len(starts):
        nothing = np.zeros(0, dtype=np.int64)
        return Work(nothing, nothing, nothing, nothing), pauses, free_us
    offsets = np.concatenate([[0.0], np.cumsum(before_s + work_s + wait_s)])
    window, begin = on_clock(offsets[:-1], starts, ends)
    fits = np.flatnonzero(window < len(starts))
    if len(fits) == len(window):
        raise AssertionError("too few cycles were drawn for the day")
    begin = begin[fits]
    start = begin + np.rint(before_s[fits] * 1e6).astype(np.int64)
    end = start + np.rint(work_s[fits] * 1e6).astype(np.int64)
    # A cycle that ran into an interruption was finished first: the next begins at its own place behind the interruption or when this is done.
    free_us = int(end[-1] + wait_s[fits][-1] * 1e6) if len(fits) else free_us
    return Work(fits.astype(np.int64), begin, start, end), pauses, free_us


def ends_of(pauses: list[Interruption], reason: str) -> list[tuple[int, int]]:
    """(start, end) of the interruptions for this reason."""
    return [(pause.start_us, pause.end_us) for pause in pauses if pause.reason == reason]


def states(day: Day, work: Work, pauses: list[Interruption], setting_up: Ints, stopped: Ints, alarm: Ints) -> dict[str, Column]:
    """item_state, operation_mode and alarm as their changes, each beginning with the value at midnight.

    Args:
        setting_up: positions in `work` of cycles with a set-up or tool change before them.
        stopped: positions of cycles with a short stop before them, and `alarm`, its number.
    """
    idle, busy, blocked = int(ItemState.NOT_EXECUTING), int(ItemState.EXECUTING), int(ItemState.OUT_OF_SERVICE)
    midnight = np.array([day.start_us], dtype=np.int64)
    count = len(work.start)
    state_t = [midnight, work.begin[stopped], work.start, work.end]
    state_v = [np.array([idle]), np.full(len(stopped), blocked), np.full(count, busy), np.full(count, idle)]
    mode_t = [midnight, work.begin[setting_up], work.start[setting_up]]
    mode_v = [np.array([3]), np.full(len(setting_up), int(OperationMode.SETUP)), np.full(len(setting_up), int(OperationMode.PROCESSING))]
    alarm_t = [midnight, work.begin[stopped], work.start[stopped]]
    alarm_v = [np.array([0]), alarm, np.zeros(len(stopped), dtype=np.int64)]
    for pause in pauses:
        start_us = _after(work, pause.start_us)
        if start_us >= pause.end_us:
            continue
        span = np.array([start_us, pause.end_us], dtype=np.int64)
        number = STOPPING.get(pause.reason, 0)
        state = blocked if number else int(ItemState.NOT_AVAILABLE) if pause.reason == "off_shift" else idle
        mode = {"off_shift": OperationMode.NONE, "maintenance": OperationMode.MAINTENANCE}.get(pause.reason, OperationMode.PROCESSING)
        # What begins at the end of the pause is said by the cycle that begins there, because that comes later in the list.
        state_t.insert(1, span)
        state_v.insert(1, np.array([state, idle]))
        mode_t.insert(1, span)
        mode_v.insert(1, np.array([int(mode), int(OperationMode.PROCESSING)]))
        alarm_t.insert(1, span)
        alarm_v.insert(1, np.array([number, 0]))
    result = {}
    for name, times, values in (("item_state", state_t, state_v), ("operation_mode", mode_t, mode_v), ("alarm", alarm_t, alarm_v)):
        column = changes(np.concatenate(times), np.concatenate(values).astype(np.int64))
        keep = column.times < day.end_us
        result[name] = Column(column.times[keep], column.values[keep])
    return result


def _after(work: Work, time_us: int) -> int:
    """When a pause really begins: after the cycle that was under way."""
    before = int(np.searchsorted(work.start, time_us, side="left")) - 1
    return max(time_us, int(work.end[before])) if before >= 0 else time_us
