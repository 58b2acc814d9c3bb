"""The one place that decides what is a reading, what is a repetition and what is a gap: every reading is stored or declared, never both.

Per signal there is a front: everything before it, by the device's clock as it is now, is stored or declared. A signal is in one of three modes:

    normal   every row is kept, also late ones
    repeat   after a start of the edge: rows that are stored already are repetitions; the first row at or after the front ends it
    lost     as repeat, but readings may be missing: the first row at or after the front ends the mode and declares the gap [front, row)

In every mode a row inside a declared gap is dropped and counted. A signal that was silent for long before a loss is declared from its last reading
on: that reading is the last thing that is known.

A clock that is wrong is no matter as long as it goes on evenly: times are compared with times of the same device. A row that lies before the front,
was never stored, and is later than the device's readings are by more than 2 s says that the clock stepped back. Then the front goes back with it; in
mode lost it could have stepped at any moment of the loss, so that both are declared: from the front to now by the old clock, and as much before the
row by the new one, without what is stored there.

What is remembered of a signal is bounded (`edge.known`, `store.journal_memory`). Beyond it a row that comes again is stored again, a late row of a
forgotten gap is stored, and a gap after a step back may cover what was stored there by the clock before. A step back by less than the loss lasted
cannot be told from a late row: it is declared from the front on. A late row that is itself lost leaves no trace, unless its source has numbers.
"""

import copy
from collections.abc import Iterable

import numpy as np

from edge.known import NEVER, DeviceClock, Known, Mask, Times
from edge.source import Loss
from edge.steady import Groups, Steady
from store.journal_memory import Memory
from store.journal_tracks import Tracks, tracks_of
from workshop.batch import Gap
from workshop.block import Block
from workshop.signal import split_signal_id

RESTART_REASON = "edge was not running"
STEP_REASON = "the device's clock stepped back"
_LATE_US = 2_000_000
_AHEAD_US = 60_000_000
_MAX_REASON = 400
_Ranges = dict[tuple[int, int, str], list[str]]


class Resume:
    """What is known of all signals of an edge. Changes count from `settle` on; `undo` takes back those since the last one."""

    def __init__(self, positions: dict[str, int], machine_signals: Iterable[str], memory: Memory | None = None) -> None:
        """Begins after a start: what is known of a signal may come again, and what was not acknowledged will."""
        memory = memory or Memory()
        self.machine_signals = frozenset(machine_signals)
        self.repeated = 0
        """Rows that were dropped because they are stored already."""
        self.late = 0
        """Rows that were dropped because they lie in a declared gap."""
        self._known = {signal: Known.of(signal, at, memory) for signal, at in positions.items() if signal in self.machine_signals}
        self._repeat = dict.fromkeys(self._known, RESTART_REASON)
        """Signals in mode repeat, with what to say if readings turn out to be missing."""
        self._lost = {signal: track.lost for signal, track in memory.tracks.items() if track.lost and signal in self._known}
        self._clocks: dict[str, DeviceClock] = {}
        self._steady = Steady(self.machine_signals)
        for signal, known in sorted(self._known.items(), key=lambda item: item[1].heard_us):
            if known.offset_us is not None:
                self._clocks[split_signal_id(signal)[0]] = DeviceClock(known.offset_us, known.offset_us, known.heard_us)
        self.settle()

    def settle(self) -> None:
        """Everything up to here is on disk."""
        self._before: dict[str, tuple[Known | None, str | None, str | None]] = {}
        self._before_clocks, self._before_counts = dict(self._clocks), (self.repeated, self.late)
        self._steady.settle()

    def undo(self) -> None:
        """Nothing since `settle` has happened."""
        for signal, (known, repeat, lost) in self._before.items():
            self._repeat.pop(signal, None)
            self._lost.pop(signal, None)
            if known is None:
                self._known.pop(signal, None)
            else:
                self._known[signal] = known
            if repeat is not None:
                self._repeat[signal] = repeat
            if lost is not None:
                self._lost[signal] = lost
        self._clocks, (self.repeated, self.late) = self._before_clocks, self._before_counts
        self._steady.undo()
        self.settle()

    def tracks(self) -> Tracks:
        """How far the signals are that changed since `settle`; it belongs on disk together with what they changed by."""
        steady = self._steady
        places = np.flatnonzero(steady.is_changed & steady.is_in)
        taken = [(signal, self._known.get(signal)) for signal in self._before if not steady.is_in[steady.slots[signal]]]
        tracks = {signal: known.track(self._lost.get(signal, "")) for signal, known in taken if known is not None}
        single = tracks_of({signal: track for signal, track in tracks.items() if track is not None})
        if not len(single):
            front, last, offset, heard = steady.columns[:4, places]
            return Tracks(steady.names, places, (front, last, offset, heard), [""] * len(places))
        also = np.array([steady.slots[signal] for signal in single], np.int64)
        front, last, offset, heard = np.concatenate((steady.columns[:4, places], np.stack(single.columns)), axis=1)
        return Tracks(steady.names, np.concatenate((places, also)), (front, last, offset, heard), [""] * len(places) + single.lost)

    def lose(self, loss: Loss) -> None:
        """Puts the signals of a loss into mode lost."""
        known = self._take_out(loss.signals)
        for signal, one in known.items():
            if loss.since_us is not None and one.front_us is None:
                one.front_us = max(loss.since_us, 0)
            why = loss.reason.encode(errors="backslashreplace").decode()[:_MAX_REASON] or "lost"
            if signal in self._repeat:
                self._lost[signal] = self._repeat.pop(signal) or why
            else:
                self._lost.setdefault(signal, why)

    def expect(self, signals: Iterable[str]) -> None:
        """Puts signals into mode repeat: their device is about to tell again what is stored."""
        for signal in self._take_out(signals):
            if signal not in self._lost:
                self._repeat.setdefault(signal, "")

    def goes_on(self, block: Block) -> bool:
        """Takes on several deliveries at once, if nothing is to be decided about any row in them; otherwise none: `admit` them one by one."""
        groups = self._steady.groups(block)
        return bool(self._go_on(block, groups, whole=True).all())

    def admit(self, block: Block) -> tuple[Block, list[Gap]]:
        """The rows to store, and the gaps that they end."""
        groups = self._steady.groups(block)
        even = self._go_on(block, groups)
        if even.all():
            return block, []
        keep = np.ones(len(block), np.bool_)
        ranges: _Ranges = {}
        for group in np.flatnonzero(~even).tolist():
            slot, rows = int(groups.slots[group]), groups.order[groups.starts[group] : groups.ends[group]]
            keep[rows] = self._admit(self._steady.names[slot], slot, block.source_time_us[rows], block.received_time_us[rows], ranges)
        return block if keep.all() else block.take(keep), _gaps(ranges)

    def _go_on(self, block: Block, groups: Groups, *, whole: bool = False) -> Mask:
        even, heard = self._steady.follow(block, groups, whole=whole)
        for equipment, (offset_us, heard_us) in heard.items():
            self._hear(equipment, offset_us, heard_us)
        self._steady.offset(groups.slots[even], {equipment: self._clocks[equipment].offset_us for equipment in heard})
        return even

    def _admit(self, signal: str, slot: int, times: Times, received: Times, ranges: _Ranges) -> Mask:
        """Decides on the rows of one signal, in the order in which they came: which are kept."""
        known = self._open(signal)
        is_normal = signal not in self._repeat and signal not in self._lost
        keep = np.ones(len(times), np.bool_)
        if not is_normal or int(times.min()) < known.gaps_end_us:
            keep = self._new(signal, known, times, int(received[0]))
            times, received = times[keep], received[keep]
        if len(times):
            if is_normal:
                self._steady.remember(np.full(len(times), slot), times)
                known.top_us = max(known.top_us, int(times.max()))
            else:
                known.remember(times)
                self._resume(signal, known, times, received, ranges)
            self._follow(signal, known, times, received)
        if signal not in self._repeat and signal not in self._lost:
            self._steady.enter(signal, known)
        return keep

    def declare(self, signals: Iterable[str], to_us: int, reason: str) -> list[Gap]:
        """Gaps from each signal's front to this time, by the device's clock if that is ahead, for signals of which something was stored before."""
        ranges: _Ranges = {}
        for signal, known in self._take_out(signal for signal in signals if signal in self._known).items():
            # A reading that came before it was made proves a clock that is ahead; one that came long after proves nothing. The margin is for the way.
            ahead_us = max(-known.offset_us, 0) if known.offset_us is not None else 0
            end_us = to_us + ahead_us + min(ahead_us, _LATE_US)
            if known.front_us is not None and known.front_us < end_us:
                self._declare(signal, known, known.front_us, end_us, reason, ranges)
                known.front_us = end_us
                self._lost.pop(signal, None)
        return _gaps(ranges)

    def know(self, gaps: Iterable[Gap]) -> None:
        """Takes note of gaps that the journal declared by itself, of readings that it had to drop: what comes late for them stays dropped."""
        for gap in gaps:
            for signal in self.machine_signals.intersection(gap.signals):
                if signal in self._known:
                    self._open(signal).declared([(gap.from_us, gap.to_us)])

    def last_us(self, signal: str) -> int | None:
        """Source time of a signal's newest stored reading, where that is known."""
        known = self._known.get(signal)
        return None if known is None else self._steady.last_us(signal) or known.last_us

    def unresolved(self) -> list[str]:
        """Signals in mode lost: what followed their last reading is not known."""
        return list(self._lost)

    def _open(self, signal: str) -> Known:
        """What is known of a signal, to be changed; `undo` has a copy."""
        known = self._known.get(signal)
        if signal not in self._before:
            self._before[signal] = copy.copy(known), self._repeat.get(signal), self._lost.get(signal)
        if known is None:
            known = self._known[signal] = Known()
        self._steady.leave(signal, known)
        return known

    def _take_out(self, signals: Iterable[str]) -> dict[str, Known]:
        """Signals about which something is to be decided, with all that was stored of them lately."""
        known = {signal: self._open(signal) for signal in self.machine_signals.intersection(signals)}
        self._steady.recall(known)
        return known

    def _hear(self, equipment: str, offset_us: int, heard_us: int) -> None:
        clock = self._clocks.get(equipment)
        self._clocks[equipment] = clock.hear(offset_us, heard_us) if clock is not None else DeviceClock(offset_us, offset_us, heard_us)

    def _new(self, signal: str, known: Known, times: Times, received_us: int) -> Mask:
        """Which rows are neither declared nor, where repetitions are to be expected, stored."""
        inside = known.in_gap(times)
        self.late += int(inside.sum())
        new = ~inside
        if signal in self._repeat or signal in self._lost:
            if self._is_ahead(known, received_us):
                known.presumed_us = NEVER
            again = new & known.has(times)
            self.repeated += int(again.sum())
            new &= ~again
            if not new.any() and known.last_us is not None and bool((times == known.last_us).any()):
                # The very last stored reading came again: the device has nothing newer, so nothing was lost up to here.
                self._lost.pop(signal, None)
        return new

    def _resume(self, signal: str, known: Known, times: Times, received: Times, ranges: _Ranges) -> None:
        """Ends mode repeat or lost if these new rows do, and declares what is lost."""
        front_us, reason = known.front_us, self._lost.get(signal)
        if front_us is not None:
            following = times[times >= front_us]
            if len(following):
                if reason is not None:
                    self._declare(signal, known, front_us, int(following.min()), reason, ranges)
            elif self._has_stepped(known, int(times[0]), int(received[0])):
                if reason is not None:
                    self._declare_step(signal, known, int(times[0]), int(received[0]), f"{reason}; {STEP_REASON}", ranges)
            else:
                return  # only late rows: what followed the front is still to come
        self._end(signal)

    def _declare_step(self, signal: str, known: Known, time_us: int, received_us: int, reason: str, ranges: _Ranges) -> None:
        """Declares a loss in which the device's clock stepped back at a moment that is not known, to end with this row."""
        assert known.front_us is not None  # noqa: S101 – only a signal of which something is known is in mode lost
        # Where the old clock was never compared with ours, a token of a gap says at least that there was a loss.
        now_us, lost_us = known.front_us + 1, 1
        if known.offset_us is not None:
            now_us, lost_us = received_us - known.offset_us, max(received_us - known.heard_us, 1)
        if known.front_us < now_us:
            self._declare(signal, known, known.front_us, now_us, reason, ranges)
        self._declare(signal, known, time_us - lost_us, time_us, reason, ranges)

    def _follow(self, signal: str, known: Known, times: Times, received: Times) -> None:
        """Takes the front to where these stored rows leave it."""
        equipment = split_signal_id(signal)[0]
        last_us, heard_us = int(times[-1]), int(received[-1])
        end_us = int(times.max()) + 1
        front_us = end_us if known.front_us is None else max(known.front_us, end_us)
        if last_us + 1 < front_us and self._has_stepped(known, last_us, heard_us):
            known.front_us, known.last_us, known.heard_us = last_us + 1, last_us, heard_us
            self._clocks[equipment] = DeviceClock(heard_us - last_us, heard_us - last_us, heard_us)
            if known.offset_us is not None:
                return  # it could be a late row after all: the old offset stands until the next row has shown
        else:
            self._hear(equipment, int((received - times).min()), heard_us)
            if end_us < front_us:
                return
            known.front_us, known.last_us, known.heard_us = front_us, end_us - 1, heard_us
        known.offset_us = self._clocks[equipment].offset_us

    @staticmethod
    def _is_ahead(known: Known, received_us: int) -> bool:
        """Where the device's clock was never compared with ours: whether what is stored lies in the future."""
        return known.offset_us is None and known.front_us is not None and known.front_us > received_us + _AHEAD_US

    def _has_stepped(self, known: Known, time_us: int, received_us: int) -> bool:
        """Whether a row before the front is too late to be only late."""
        if known.offset_us is None:
            return self._is_ahead(known, received_us)
        return received_us - time_us - known.offset_us > _LATE_US

    def _declare(self, signal: str, known: Known, from_us: int, to_us: int, reason: str, ranges: _Ranges) -> None:
        pieces = known.free(from_us, to_us)
        known.declared(pieces)
        for piece in pieces:
            ranges.setdefault((*piece, reason), []).append(signal)

    def _end(self, signal: str) -> None:
        self._repeat.pop(signal, None)
        self._lost.pop(signal, None)
        if (known := self._known.get(signal)) is not None:
            known.presumed_us = NEVER


def _gaps(ranges: _Ranges) -> list[Gap]:
    return [Gap(tuple(signals), from_us, to_us, reason) for (from_us, to_us, reason), signals in ranges.items()]
