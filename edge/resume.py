"""The one place that decides what is a repetition and what is a gap.

Per signal there is a position: everything with a source time before it is stored or declared (last stored source time + 1 µs, or the end of the last
declared gap). A signal is in one of three modes:

    normal   every row is kept, also late ones
    repeat   after a start of the edge: rows before the position are repetitions of what was not acknowledged; the first other row ends it
    lost     as repeat, but readings may be missing: the first row at or after the position ends the mode and declares the gap [position, row)

A signal that was silent for long before the loss is declared from its last reading on: that reading is the last thing that is known.
"""

from collections.abc import Iterable

import numpy as np

from edge.source import Loss
from workshop.batch import Gap
from workshop.block import Block

RESTART_REASON = "edge was not running"
_AHEAD_US = 60_000_000


class Resume:
    """Positions and modes of all signals of an edge."""

    def __init__(self, positions: dict[str, int], machine_signals: Iterable[str]) -> None:
        """Begins after a start: what is known of a signal may come again, and what was not acknowledged will."""
        self.machine_signals = frozenset(machine_signals)
        self.repeated = 0
        """Rows that were dropped as repetitions, or because they lie in a declared gap."""
        self._positions = {signal: at for signal, at in positions.items() if signal in self.machine_signals}
        self._repeat = set(self._positions)
        self._lost: dict[str, str] = {}

    def lose(self, loss: Loss) -> None:
        """Puts the signals of a loss into mode lost."""
        for signal in loss.signals:
            if loss.since_us is not None:
                self._positions.setdefault(signal, loss.since_us)
            if signal in self._repeat:
                self._repeat.discard(signal)
                self._lost[signal] = RESTART_REASON
            else:
                self._lost.setdefault(signal, loss.reason)

    def admit(self, block: Block) -> tuple[Block, list[Gap]]:
        """The rows to store, and the gaps that they end."""
        keep = np.ones(len(block), np.bool_)
        ranges: dict[tuple[int, int, str], list[str]] = {}
        for number, signal in enumerate(block.signals):
            rows = block.signal == number
            if signal not in self.machine_signals or not rows.any():
                continue
            times = block.source_time_us[rows]
            if signal in self._repeat or signal in self._lost:
                new = self._resume(signal, times, int(block.received_time_us[rows].max()), ranges)
                if new is not None:
                    keep[rows] = new
                    times = times[new]
            if len(times):
                self._positions[signal] = max(self._positions.get(signal, 0), int(times.max()) + 1)
        kept = block if keep.all() else block.take(keep)
        return kept, [Gap(tuple(signals), from_us, to_us, reason) for (from_us, to_us, reason), signals in ranges.items()]

    def declare(self, signals: Iterable[str], to_us: int, reason: str) -> list[Gap]:
        """Gaps from each signal's position to this time, for signals of which something was stored before."""
        ranges: dict[int, list[str]] = {}
        for signal in signals:
            position = self._positions.get(signal)
            if position is not None and position < to_us and signal in self.machine_signals:
                ranges.setdefault(position, []).append(signal)
                self._positions[signal] = to_us
        return [Gap(tuple(members), position, to_us, reason) for position, members in ranges.items()]

    def unresolved(self) -> list[str]:
        """Signals in mode lost: what followed their last reading is not known."""
        return list(self._lost)

    def _resume(
        self, signal: str, times: "np.ndarray[tuple[int], np.dtype[np.int64]]", received_us: int, ranges: dict[tuple[int, int, str], list[str]]
    ) -> "np.ndarray[tuple[int], np.dtype[np.bool_]] | None":
        """Which rows of a signal in mode repeat or lost are new; None for all of them. Ends the mode where it is to end."""
        position = self._positions.get(signal)
        if position is None or position > received_us + _AHEAD_US:
            # Nothing stored yet; or the device's clock was ahead of ours and was put right: waiting for it to catch up would drop new readings.
            self._end(signal)
            return None
        new = times >= position
        self.repeated += int(len(times) - new.sum())
        if not new.any():
            # The very last stored reading came again: the device has nothing newer, so nothing was lost up to here.
            if signal in self._lost and int(times.max()) == position - 1:
                self._end(signal)
            return new
        first = int(times[new].min())
        reason = self._lost.get(signal)
        if reason is not None and first > position:
            ranges.setdefault((position, first, reason), []).append(signal)
        self._end(signal)
        return new

    def _end(self, signal: str) -> None:
        self._repeat.discard(signal)
        self._lost.pop(signal, None)
