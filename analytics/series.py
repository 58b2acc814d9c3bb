"""The inputs of an indicator: series of one piece of equipment, cut to a window, with what is carried into it and what is missing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.missing import NOTHING, Missing, Spans, clipped
from analytics.signal_series import EMPTY, NO_TIMES, Series, series_of
from analytics.texts import is_text
from workshop.block import Block
from workshop.calendar import scheduled_windows, service_window
from workshop.register import Equipment, Workshop
from workshop.signal import Origin, Signal, SignalKind, signal_id
from workshop.window import HOUR_US, SECOND_US, Window

__all__ = [
    "EMPTY", "ENERGY_SCALES", "LOOKBACK_US", "MACHINE", "NO_TIMES", "Inputs", "Series", "cut_inputs", "inputs_of", "observed_windows", "scale_of",
    "series_of", "usable_signals", "wanted_signals",
]

T = TypeVar("T")

LOOKBACK_US = HOUR_US
"""How far before a window readings can matter to it. No value is held longer, and a counter silent for longer begins anew."""

ENERGY_SCALES = {"W.h": 1_000, "kW.h": 1_000_000}
"""Energy counters are read in mWh; by UCUM unit."""

_MACHINE, _DERIVED, _COUNTER = Origin.MACHINE, Origin.DERIVED, SignalKind.COUNTER  # looked up once: every signal is compared with them
MACHINE = "*"
"""Among an indicator's roles: every signal that the machine itself makes. It does not ask for texts: whoever reads them names their role."""


class Inputs(msgspec.Struct, frozen=True, eq=False):
    """What an indicator measures from: one piece of equipment, its series by role in one window, and what is carried into it."""

    equipment: Equipment
    columns: dict[str, Series]
    """By role: rows with source time in the window; a role without a signal is missing."""
    carry_in: dict[str, Series]
    """By role: the last row before the window and, if that one is not good, the last good one too; none older than `LOOKBACK_US`."""
    calendar: tuple[Window, ...]
    """Planned busy time of this equipment in the window."""
    observed: tuple[Window, ...]
    """Time in which it is watched: the planned busy time; all of its service time in the window where the register has no shifts."""
    register: Workshop
    unknown: dict[str, Spans] = {}
    """By role: where its readings are known to be missing, from `LOOKBACK_US` before the window to its end."""
    absent: Spans = ()
    """The same of absent parts alone: nothing of this equipment is known there."""
    memo: dict[tuple[object, ...], object] = {}
    """What was derived from these inputs before, for whoever asks again."""

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives, made once for these inputs; it must be a function of them and of the key."""
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = make()
        return found  # type: ignore[return-value]

    def narrowed(self, roles: Collection[str]) -> "Inputs":
        """These inputs as they would be had only these roles been asked for."""
        names = {signal.role for signal in wanted_signals(self.equipment, roles)}
        columns, carry_in, unknown = (
            {role: item for role, item in part.items() if role in names} for part in (self.columns, self.carry_in, self.unknown)
        )
        return msgspec.structs.replace(self, columns=columns, carry_in=carry_in, unknown=unknown, memo={})

    def series(self, role: str) -> Series:
        """Carried rows and the window's rows of a role as one series; empty when there is no such signal."""
        found = self.memo.get(("series", role))  # asked for so often that even the call of `once` counts
        return found if isinstance(found, Series) else self.once(("series", role), lambda: self._series(role))

    def _series(self, role: str) -> Series:
        column, carried = self.columns.get(role, EMPTY), self.carry_in.get(role, EMPTY)
        if not len(carried):
            return column
        value = np.concatenate((carried.value, column.value))  # both are spans of one series, so of one type
        return Series(
            np.concatenate((carried.time_us, column.time_us)), value, np.concatenate((carried.good, column.good)),  # type: ignore[arg-type]
            column.conflict_us, carried.texts,
        )

    def said(self, role: str) -> tuple[list[str], NDArray[np.int64], NDArray[np.bool_]]:
        """The texts of a role, for every row of `series` the number of its text, and which rows are good; none is if the role is not read as text."""
        series = self.series(role)
        if series.texts:
            return list(series.texts), series.value.astype(np.int64), series.good
        return [], np.zeros(len(series), np.int64), np.zeros(len(series), np.bool_)

    def signal(self, role: str) -> Signal | None:
        """The definition behind a role; None where this equipment has none that may support a claim."""
        return self.once(("signals",), lambda: {signal.role: signal for signal in reversed(usable_signals(self.equipment))}).get(role)

    def hold_us(self, role: str) -> int:
        """How long a reading of this role may be held, µs."""
        found = self.memo.get(("hold", role))
        return found if isinstance(found, int) else self.once(("hold", role), lambda: self._hold_us(role))

    def _hold_us(self, role: str) -> int:
        signal = self.signal(role)
        return min(signal.max_age_s * SECOND_US, LOOKBACK_US) if signal else 0

    def calm(self, role: str) -> bool:
        """Whether every reading of a role is known to be good and to be held until the next one, with nothing missing: most of the time it is so."""
        return self.once(("calm", role), lambda: self._calm(role))

    def _calm(self, role: str) -> bool:
        series = self.series(role)
        return len(series) > 0 and series.all_good and series.gap_us <= self.hold_us(role) and role not in self.unknown

    def scale(self, role: str) -> int:
        """What a reading of this role is multiplied with to be an integer: mWh for energy, 1 for everything else."""
        signal = self.signal(role)
        return scale_of(signal) if signal else 1

    def integers(self, role: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """`Series.integers` of a role in its scale."""
        return self.once(("integers", role), lambda: self.series(role).integers(self.scale(role)))

    def conflicts(self, roles: Sequence[str]) -> int:
        """Number of contradicting readings of these roles in the window."""
        return sum(len(self.columns[role].conflict_us) for role in roles if role in self.columns)


def usable_signals(equipment: Equipment) -> list[Signal]:
    """The signals that may support a claim: all but the derived ones, which are what a model says and not what happened."""
    return [signal for signal in equipment.signals if signal.origin is not _DERIVED]


def scale_of(signal: Signal) -> int:
    """What readings of this signal are multiplied with to be integers: mWh for energy, 1 for everything else."""
    return ENERGY_SCALES.get(signal.unit, 1)


def wanted_signals(equipment: Equipment, roles: Collection[str]) -> list[Signal]:
    """The equipment's signals with one of these roles; `MACHINE` among them stands for every signal that the machine itself makes."""
    every = MACHINE in roles
    return [signal for signal in usable_signals(equipment) if signal.role in roles or (every and signal.origin is _MACHINE)]


def inputs_of(register: Workshop, equipment: Equipment, block: Block, window: Window, missing: Missing = NOTHING) -> Inputs:
    """The inputs of one piece of equipment from a block that reaches back `LOOKBACK_US` before the window, or holds the last row before it."""
    names = {signal_id(equipment.id, signal.name) for signal in equipment.signals}
    texts = {signal_id(equipment.id, signal.name) for signal in equipment.signals if is_text(signal)}
    watched = observed_windows(register, equipment, window)
    return cut_inputs(register, equipment, series_of(block, names, texts), window, usable_signals(equipment), watched, missing)


def observed_windows(register: Workshop, equipment: Equipment, window: Window) -> list[Window]:
    """The time in which the equipment is watched: its planned busy time, or all of its service time where the register has no shifts."""
    if register.shifts:
        return scheduled_windows(register, window, equipment)
    in_service = window.clip(service_window(register, equipment))
    return [in_service] if in_service.length_us else []


def cut_inputs(
    register: Workshop, equipment: Equipment, series: Mapping[str, Series], window: Window, signals: Sequence[Signal], observed: Sequence[Window],
    missing: Missing = NOTHING,
) -> Inputs:
    """The inputs for one window, from whole series by signal id.

    Args:
        signals: the equipment's signals that are wanted.
        observed: `observed_windows` of this equipment in this window.
        missing: what is known to be missing.
    """
    columns, carry_in, unknown = {}, {}, {}
    memo: dict[tuple[object, ...], object] = {}
    back_us = window.start_us - LOOKBACK_US
    edges = np.array((back_us, window.start_us, window.end_us), np.int64)
    for signal in signals:
        name = signal_id(equipment.id, signal.name)
        if spans := missing.spans(equipment.id, name, back_us, window.end_us):
            unknown[signal.role] = spans
        whole = series.get(name)
        if whole is None:
            continue
        oldest, first, end = whole.time_us.searchsorted(edges).tolist()
        conflicts = whole.conflict_us
        if len(conflicts):
            conflicts = conflicts[slice(*conflicts.searchsorted(edges[1:]).tolist())]
        columns[signal.role], carried = whole.part(first, end, conflicts), _carried(whole, oldest, first, signal)
        carry_in[signal.role] = carried
        if len(carried) == 1:  # the row just before the window: nothing needs to be put together
            memo["series", signal.role] = whole.part(first - 1, end, conflicts)
    planned = tuple(observed) if register.shifts else ()
    absent = clipped(missing.absent.get(equipment.id, ()), back_us, window.end_us)
    return Inputs(equipment, columns, carry_in, planned, tuple(observed), register, unknown, absent, memo)


def _carried(whole: Series, oldest: int, first: int, signal: Signal) -> Series:
    if first == oldest:
        return EMPTY
    last = whole.span(first - 1, first)
    if signal.kind is not _COUNTER or bool(last.integers(scale_of(signal))[1][0]):
        return last
    # A counter goes on from its last usable value, while what is held ends at the bad reading.
    earlier = np.flatnonzero(whole.span(oldest, first).integers(scale_of(signal))[1])
    if not len(earlier):
        return last
    rows = np.array([oldest + int(earlier[-1]), first - 1])
    return Series(whole.time_us[rows], whole.value[rows], whole.good[rows], NO_TIMES, whole.texts)
