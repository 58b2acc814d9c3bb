"""Two more things that cross the border between two pieces of time: spells, of which the longest is wanted, and events by slot and code.

A spell is a maximal stretch of time in which one code other than 0 is known to hold. The merge of each is associative, so that a window split
anywhere merges to the same bits.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.steps import UNKNOWN, Pieces
from workshop.window import Window

Row = tuple[int, int, int]
Ints = NDArray[np.int64]


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
    """Events by slot of equal length and code, sorted. A slot's number is its start / step_us, counted from 1970 in UTC.

    Of slots that lie wholly in the piece [start_us, end_us) only rows with `keep` events or more are there; a slot that a border cuts may still grow.
    """

    step_us: int
    rows: bytes
    """Triples (slot, code, events), i64 little-endian."""
    start_us: int
    end_us: int
    keep: int

    @property
    def columns(self) -> tuple[Ints, Ints, Ints]:
        """Slots, codes and events, read-only."""
        triples = np.frombuffer(self.rows, "<i8").astype(np.int64, copy=False).reshape(-1, 3)
        return triples[:, 0], triples[:, 1], triples[:, 2]


def spells_of(pieces: Pieces, window: Window, keep_us: int) -> Spells:
    """The spells of the first column of these pieces, which lie in the window; code 0 and unknown time are between spells."""
    code = pieces.values[0]
    on = (code != 0) & (code != UNKNOWN)
    start, end = pieces.start_us[on].tolist(), (pieces.start_us + pieces.length_us)[on].tolist()
    rows = _joined(list(zip(start, end, code[on].tolist(), strict=True)))
    return Spells(window.start_us, window.end_us, keep_us, _kept(rows, window.start_us, window.end_us, keep_us))


def tally_of(step_us: int, slot: Ints, code: Ints, window: Window, keep: int = 1) -> Tally:
    """One event by slot number and code, in any order, in a piece of time."""
    return _tally(step_us, slot, code, np.ones(len(slot), np.int64), window, keep)


def merge_spells(pieces: Sequence[Spells]) -> Spells:
    """Pieces in order of time as one; a spell goes on over a border without a hole."""
    start_us, end_us, keep_us = pieces[0].start_us, pieces[-1].end_us, pieces[0].keep_us
    rows = _joined([row for piece in pieces for row in piece.rows])
    return Spells(start_us, end_us, keep_us, _kept(rows, start_us, end_us, keep_us))


def merge_tallies(pieces: Sequence[Tally]) -> Tally:
    """Pieces in order of time as one."""
    columns = zip(*(piece.columns for piece in pieces), strict=True)
    slot, code, events = (np.concatenate(column) for column in columns)
    window = Window(pieces[0].start_us, pieces[-1].end_us)
    return _tally(pieces[0].step_us, slot, code, events, window, min(piece.keep for piece in pieces))


def _tally(step_us: int, slot: Ints, code: Ints, events: Ints, window: Window, keep: int) -> Tally:
    order = np.lexsort((code, slot))
    slot, code, events = slot[order], code[order], events[order]
    if len(slot):
        heads = np.flatnonzero(np.concatenate(([True], (slot[1:] != slot[:-1]) | (code[1:] != code[:-1]))))
        slot, code, events = slot[heads], code[heads], np.add.reduceat(events, heads)
    stay = (events >= keep) | (slot * step_us < window.start_us) | ((slot + 1) * step_us > window.end_us)
    return Tally(step_us, np.column_stack((slot, code, events))[stay].astype("<i8").tobytes(), window.start_us, window.end_us, keep)


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
