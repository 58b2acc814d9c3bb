"""What is known of one signal: how far it is, which gaps of it are declared, and which of its readings were stored lately. Bounded, and pure."""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from store.journal_memory import MAX_GAPS, Memory
from store.journal_tracks import Track

Times = NDArray[np.int64]
Mask = NDArray[np.bool_]
NEVER = -(2**62)
REMEMBERED = 1024
"""Stored source times that are remembered of each signal at least; up to twice as many."""
_PIECES = 32
_BUCKET_US = 30_000_000


class DeviceClock(NamedTuple):
    """Received minus source time: the smallest of the last half to whole minute that was heard. Readings are late by any amount, but never early."""

    before_us: int
    now_us: int
    since_us: int

    @property
    def offset_us(self) -> int:
        """The best that is known."""
        return min(self.before_us, self.now_us)

    def hear(self, offset_us: int, received_us: int) -> "DeviceClock":
        """With one more reading."""
        if received_us - self.since_us > _BUCKET_US:
            return DeviceClock(self.now_us, offset_us, received_us)
        return self._replace(now_us=min(self.now_us, offset_us))


class Known(msgspec.Struct):
    """One signal. A copy is independent: its arrays and tuples are replaced, never changed."""

    front_us: int | None = None
    """Everything of which the device's clock, as it is now, could say "before this" is stored or declared; None before the first reading."""
    last_us: int | None = None
    """Source time of the newest stored reading before the front."""
    offset_us: int | None = None
    """The device's offset at the last stored reading."""
    heard_us: int = 0
    """Received time of the newest stored reading before the front."""
    presumed_us: int = NEVER
    """Before it, what a journal without memory holds is not known: rows that come again are taken for repetitions."""
    top_us: int = NEVER
    """The largest source time that was ever stored."""
    recent: tuple[Times, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    gaps_end_us: int = NEVER

    @classmethod
    def of(cls, signal: str, position_us: int, memory: Memory) -> "Known":
        """What the journal remembers of a signal of which something was stored or declared."""
        track, times = memory.tracks.get(signal), memory.stored.get(signal)
        known = cls(position_us, position_us - 1, presumed_us=position_us)
        if track is not None:
            known = cls(track.front_us, track.last_us, track.offset_us, track.heard_us)
        if times is not None:
            known.remember(times)
        if known.last_us is not None and (times is None or known.last_us not in times):
            known.remember(np.array([known.last_us], np.int64))
        known.declared(memory.gaps.get(signal, []))
        return known

    def track(self, lost: str) -> Track | None:
        """What is to be remembered over a restart; None as long as there is nothing."""
        return None if self.front_us is None else Track(self.front_us, self.last_us, self.offset_us, self.heard_us, lost)

    def in_gap(self, times: Times) -> Mask:
        """Which of these times lie in a declared gap."""
        inside = np.zeros(len(times), np.bool_)
        if int(times.min()) < self.gaps_end_us:
            for from_us, to_us in self.gaps:
                inside |= (times >= from_us) & (times < to_us)
        return inside

    def has(self, times: Times) -> Mask:
        """Which of these times were stored, or are presumed to be."""
        stored = times < self.presumed_us
        if int(times.min()) <= self.top_us:
            for piece in self.recent:
                stored |= np.isin(times, piece)
        return stored

    def remember(self, times: Times) -> None:
        """Takes note of stored readings, and forgets the oldest."""
        if not len(times):
            return
        self.top_us = max(self.top_us, int(times.max()))
        self.recent = (*self.recent, times.copy())
        if len(self.recent) > _PIECES:
            whole = np.concatenate(self.recent)
            self.recent = (whole,)
            if len(whole) > 2 * REMEMBERED:
                self.recent = (whole[-REMEMBERED:].copy(),)

    def free(self, from_us: int, to_us: int) -> list[tuple[int, int]]:
        """The range without the stored readings that are remembered, as ranges."""
        if from_us > self.top_us:
            return [(from_us, to_us)] if from_us < to_us else []
        pieces = []
        for time_us in np.unique(np.concatenate((*self.recent, np.array([to_us], np.int64)))).tolist():
            if from_us <= time_us <= to_us:
                if from_us < time_us:
                    pieces.append((from_us, time_us))
                from_us = time_us + 1
        return pieces

    def declared(self, ranges: list[tuple[int, int]]) -> None:
        """Takes note of declared gaps, and forgets the oldest."""
        if ranges:
            self.gaps = (*self.gaps, *ranges)[-MAX_GAPS:]
            self.gaps_end_us = max(to_us for _, to_us in self.gaps)
