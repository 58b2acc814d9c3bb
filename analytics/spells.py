"""Two more things that cross the border between two pieces of time: spells, of which the longest is wanted, and events by slot and code.

A spell is a maximal stretch of time in which one code other than 0 is known to hold. The merge of each is associative, so that a window split
anywhere merges to the same bits.
"""

from collections.abc import Sequence

import msgspec

from analytics.steps import UNKNOWN, Pieces
from workshop.window import Window

Row = tuple[int, int, int]


class Spells(msgspec.Struct, frozen=True, tag="spells"):
    """The spells that touch a border of the piece [start, end), the longest of the others, and all others that last `keep_us` or more."""

    start_us: int
    end_us: int
    keep_us: int
    rows: tuple[Row, ...]
    """(start, end, code), in order of time; µs UTC."""

    @property
    def longest_us(self) -> int:
        """Length of the longest spell, as far as it lies in the piece; 0 without any."""
        return max((end - start for start, end, _ in self.rows), default=0)

    @property
    def long(self) -> int:
        """Number of spells of `keep_us` or more."""
        return sum(end - start >= self.keep_us for start, end, _ in self.rows)


class Tally(msgspec.Struct, frozen=True, tag="tally"):
    """Events by slot of equal length and code: (slot, code, how many), sorted. A slot's number is its start / step_us, counted from 1970 in UTC.

    Of slots that lie wholly in the piece [start_us, end_us) only rows with `keep` events or more are there; a slot that a border cuts may still grow.
    """

    step_us: int
    rows: tuple[Row, ...]
    start_us: int = 0
    end_us: int = 0
    keep: int = 1


def spells_of(pieces: Pieces, window: Window, keep_us: int) -> Spells:
    """The spells of the first column of these pieces, which lie in the window; code 0 and unknown time are between spells."""
    code = pieces.values[0]
    on = (code != 0) & (code != UNKNOWN)
    start, end = pieces.start_us[on].tolist(), (pieces.start_us + pieces.length_us)[on].tolist()
    rows = _joined(list(zip(start, end, code[on].tolist(), strict=True)))
    return Spells(window.start_us, window.end_us, keep_us, _kept(rows, window.start_us, window.end_us, keep_us))


def tally_of(step_us: int, slot: Sequence[int], code: Sequence[int], window: Window, keep: int) -> Tally:
    """One event by slot number and code, in any order, in a piece of time."""
    rows = tuple((one, what, 1) for one, what in zip(slot, code, strict=True))
    return merge_tallies([Tally(step_us, rows, window.start_us, window.end_us, keep)])


def merge_spells(pieces: Sequence[Spells]) -> Spells:
    """Pieces in order of time as one; a spell goes on over a border without a hole."""
    start_us, end_us, keep_us = pieces[0].start_us, pieces[-1].end_us, pieces[0].keep_us
    rows = _joined([row for piece in pieces for row in piece.rows])
    return Spells(start_us, end_us, keep_us, _kept(rows, start_us, end_us, keep_us))


def merge_tallies(pieces: Sequence[Tally]) -> Tally:
    """Pieces in order of time as one."""
    step_us, start_us, end_us, keep = pieces[0].step_us, pieces[0].start_us, pieces[-1].end_us, min(piece.keep for piece in pieces)
    sums: dict[tuple[int, int], int] = {}
    for slot, code, events in (row for piece in pieces for row in piece.rows):
        sums[slot, code] = sums.get((slot, code), 0) + events
    rows = (
        (slot, code, events) for (slot, code), events in sorted(sums.items())
        if events >= keep or slot * step_us < start_us or (slot + 1) * step_us > end_us
    )
    return Tally(step_us, tuple(rows), start_us, end_us, keep)


def _joined(rows: Sequence[Row]) -> list[Row]:
    found: list[Row] = []
    for start, end, code in rows:
        if found and found[-1][1:] == (start, code):
            found[-1] = (found[-1][0], end, code)
        else:
            found.append((start, end, code))
    return found


def _kept(rows: Sequence[Row], start_us: int, end_us: int, keep_us: int) -> tuple[Row, ...]:
    inner = [row for row in rows if row[0] > start_us and row[1] < end_us]
    longest = max(inner, key=lambda row: (row[1] - row[0], -row[0]), default=None)
    return tuple(row for row in rows if row[0] <= start_us or row[1] >= end_us or row[1] - row[0] >= keep_us or row is longest)
