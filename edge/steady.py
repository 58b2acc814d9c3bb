"""Signals that go on evenly, as columns: rows that come in order, in no loss and no gap, are followed without a look at each signal. Pure.

Everything else is `edge.resume`'s, which takes a signal out when something is to be decided about it, and gives it back. What was stored lately is
remembered here for all signals together, and handed over when a signal enters a mode in which it matters.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.known import NEVER, REMEMBERED, Known
from workshop.block import I64_MAX, Block
from workshop.signal import split_signal_id

_ROWS = 2**19
"""Rows that are remembered of all signals together, besides the last of each."""
_LISTS = 8
_Column = NDArray[np.int64]


class Groups(NamedTuple):
    """The rows of a block by signal, for g signals of machines that have any."""

    order: _Column
    """i64[n]: rows, sorted by signal, otherwise as they came."""
    slots: _Column
    starts: _Column
    ends: _Column
    """Of each signal's rows in `order`."""


class Chunk(NamedTuple):
    """Rows that were stored together."""

    number: int
    slots: _Column
    times: _Column


class Steady:
    """Columns by slot: a slot is the place of a signal in `names`."""

    def __init__(self, signals: Iterable[str]) -> None:
        """For the signals of machines."""
        self.names = sorted(signals)
        self.slots = {name: slot for slot, name in enumerate(self.names)}
        owners = [split_signal_id(name)[0] for name in self.names]
        self.equipment = sorted(set(owners))
        places = {name: place for place, name in enumerate(self.equipment)}
        self.owner = np.array([places[name] for name in owners], np.int64)
        self.is_in, self.is_changed = np.zeros(len(owners), np.bool_), np.zeros(len(owners), np.bool_)
        # Front, last, offset, heard, top, end of the gaps: as in `Known`.
        self.columns = np.full((6, len(owners)), NEVER, np.int64)
        self._since = np.zeros(len(owners), np.int64)
        self._chunks: deque[Chunk] = deque()
        self._number = self._rows = 0
        self._lists: dict[int, tuple[list[str], _Column]] = {}
        self.settle()

    def settle(self) -> None:
        """What has happened counts."""
        self.is_changed[:] = False
        self._before = (self.is_in.copy(), self.columns.copy(), self._since.copy(), self._number)

    def undo(self) -> None:
        """Nothing since `settle` has happened."""
        is_in, columns, since, self._number = self._before
        self.is_in, self.columns, self._since = is_in.copy(), columns.copy(), since.copy()
        while self._chunks and self._chunks[-1].number > self._number:
            self._rows -= len(self._chunks.pop().slots)
        self.is_changed[:] = False

    def groups(self, block: Block) -> Groups:
        """The rows of machines in the block."""
        slots = self._index(block.signals)[block.signal]
        order = np.argsort(slots, kind="stable")
        ranked = slots[order]
        order, ranked = order[int(np.searchsorted(ranked, 0)) :], ranked[int(np.searchsorted(ranked, 0)) :]
        starts = np.flatnonzero(np.diff(ranked, prepend=-1))
        return Groups(order, ranked[starts], starts, np.append(starts[1:], len(order)))

    def follow(self, block: Block, groups: Groups, *, whole: bool = False) -> tuple[NDArray[np.bool_], dict[str, tuple[int, int]]]:
        """Takes on those rows that go on evenly.

        Args:
            whole: all rows or none, and only if the rows of each signal are in the order of their times.
        Returns:
            which groups did, bool[g]; and the smallest lag and the latest reception, µs, of each piece of equipment among them.
        """
        if not len(groups.slots):
            return np.zeros(0, np.bool_), {}
        times, received = block.source_time_us[groups.order], block.received_time_us[groups.order]
        front, _, _, _, top, gaps_end = self.columns[:, groups.slots]
        last, low = times[groups.ends - 1], np.minimum.reduceat(times, groups.starts)
        even = self.is_in[groups.slots] & (last + 1 >= front) & (low >= gaps_end)
        if whole and not (even.all() and bool((np.diff(times)[np.diff(np.repeat(groups.slots, groups.ends - groups.starts)) == 0] >= 0).all())):
            even[:] = False
        if not even.any():
            return even, {}
        high, lag = np.maximum.reduceat(times, groups.starts)[even], np.minimum.reduceat(received - times, groups.starts)[even]
        heard, slots = received[groups.ends - 1][even], groups.slots[even]
        self.columns[0, slots], self.columns[1, slots], self.columns[3, slots] = high + 1, high, heard
        self.columns[4, slots] = np.maximum(top[even], high)
        self.is_changed[slots] = True
        lengths = (groups.ends - groups.starts)[even]
        self.remember(np.repeat(slots, lengths), times if even.all() else times[np.repeat(even, groups.ends - groups.starts)])
        owner = self.owner[slots]
        lags, latest = np.full(len(self.equipment), I64_MAX, np.int64), np.full(len(self.equipment), NEVER, np.int64)
        np.minimum.at(lags, owner, lag)
        np.maximum.at(latest, owner, heard)
        return even, {self.equipment[place]: (int(lags[place]), int(latest[place])) for place in np.unique(owner).tolist()}

    def offset(self, slots: _Column, offsets: dict[str, int]) -> None:
        """Notes how far the clocks of these signals' equipment are from ours."""
        by_place = np.full(len(self.equipment), NEVER, np.int64)
        for place, name in enumerate(self.equipment):
            by_place[place] = offsets.get(name, NEVER)
        self.columns[2, slots] = by_place[self.owner[slots]]

    def remember(self, slots: _Column, times: _Column) -> None:
        """Takes note of stored rows."""
        self._number += 1
        self._chunks.append(Chunk(self._number, slots, times))
        self._rows += len(slots)
        while self._rows > _ROWS and len(self._chunks) > 1:
            self._rows -= len(self._chunks.popleft().slots)

    def recall(self, known: dict[str, Known]) -> None:
        """Hands over what was stored lately of these signals."""
        slots = np.array([self.slots[signal] for signal in known], np.int64)
        wanted = np.zeros(len(self.names), np.bool_)
        wanted[slots] = True
        found: list[tuple[_Column, _Column]] = []
        for chunk in self._chunks:
            mine = wanted[chunk.slots] & (self._since[chunk.slots] < chunk.number)
            if mine.any():
                found.append((chunk.slots[mine], chunk.times[mine]))
        self._since[slots] = self._number
        all_slots = np.concatenate([each for each, _ in found]) if found else np.zeros(0, np.int64)
        all_times = np.concatenate([each for _, each in found]) if found else np.zeros(0, np.int64)
        order = np.argsort(all_slots, kind="stable")
        ranked = all_slots[order]
        for (signal, one), slot in zip(known.items(), slots.tolist(), strict=True):
            first, end = np.searchsorted(ranked, (slot, slot + 1)).tolist()
            one.remember(all_times[order[max(first, end - REMEMBERED) : end]])
            if one.last_us is not None and (signal in self.slots) and not any(one.last_us in piece for piece in one.recent):
                one.remember(np.array([one.last_us], np.int64))

    def enter(self, signal: str, known: Known) -> None:
        """Takes a signal about which nothing is to be decided."""
        if known.front_us is None or known.last_us is None or known.offset_us is None:
            return
        slot = self.slots[signal]
        self.columns[:, slot] = known.front_us, known.last_us, known.offset_us, known.heard_us, known.top_us, known.gaps_end_us
        self.is_in[slot] = self.is_changed[slot] = True

    def leave(self, signal: str, known: Known) -> None:
        """Gives a signal back, with what is known of it by now."""
        slot = self.slots[signal]
        if self.is_in[slot]:
            self.is_in[slot] = False
            known.front_us, known.last_us, known.offset_us, known.heard_us, known.top_us, _ = self.columns[:, slot].tolist()

    def last_us(self, signal: str) -> int | None:
        """Source time of the last stored reading of a signal that is here."""
        slot = self.slots.get(signal)
        return int(self.columns[1, slot]) if slot is not None and self.is_in[slot] else None

    def _index(self, signals: list[str]) -> _Column:
        kept = self._lists.get(id(signals))
        if kept is not None and kept[0] is signals:
            return kept[1]
        slots = np.array([self.slots.get(name, -1) for name in signals] or [-1], np.int64)
        if len(self._lists) >= _LISTS:
            self._lists.clear()
        self._lists[id(signals)] = (signals, slots)
        return slots
