"""What crosses the borders of many components, as columns: it merges in a blink, to the same bits as piece by piece."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.boundary import OFF, Boundary, Episodes, Slots
from analytics.spells import Row, Spells, Tally
from workshop.errors import Rejected

_NOTHING = -(2**63)
"""Stands for None among the codes of episodes."""


class PackedEpisodes(msgspec.Struct, frozen=True, eq=False):
    """Episodes by row."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    count: NDArray[np.int64]

    def take(self, order: NDArray[np.int64]) -> "PackedEpisodes":
        """The rows in this order."""
        return PackedEpisodes(self.first[order], self.last[order], self.count[order])

    def merged(self, begins: NDArray[np.int64]) -> list[Boundary]:
        """One of every group of rows, groups beginning at these rows."""
        return [self._merged(begin, end) for begin, end in _groups(begins, len(self.first))]

    def _merged(self, begin: int, end: int) -> Episodes:
        first, last = self.first[begin:end], self.last[begin:end]
        known = first != _NOTHING
        if not known.any():
            return Episodes(None, None, 0)
        first, last = first[known], last[known]
        going_on = int(((last[:-1] == first[1:]) & (last[:-1] != OFF)).sum())
        return Episodes(int(first[0]), int(last[-1]), int(self.count[begin:end].sum()) - going_on)


class PackedSlots(msgspec.Struct, frozen=True, eq=False):
    """Slots by row, as many columns as the widest row has; `length` of them count."""

    step_us: int
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    sums: NDArray[np.int64]

    def take(self, order: NDArray[np.int64]) -> "PackedSlots":
        """The rows in this order."""
        return PackedSlots(self.step_us, self.first[order], self.length[order], self.sums[order])

    def merged(self, begins: NDArray[np.int64]) -> list[Boundary]:
        """One of every group of rows, groups beginning at these rows."""
        return [self._merged(begin, end) for begin, end in _groups(begins, len(self.first))]

    def _merged(self, begin: int, end: int) -> Slots:
        first, length, sums = self.first[begin:end], self.length[begin:end], self.sums[begin:end]
        touched = length > 0
        if not touched.any():
            return Slots(self.step_us, 0, b"")
        start = int(first[touched].min())
        merged = np.zeros(int((first + length)[touched].max()) - start, np.int64)
        for column in range(sums.shape[1]):
            rows = length > column
            np.add.at(merged, first[rows] - start + column, sums[rows, column])
        return Slots(self.step_us, start, merged.astype("<i8").tobytes())


class PackedSpells(msgspec.Struct, frozen=True, eq=False):
    """m spells of n rows, in order of row and time."""

    keep_us: int
    start_us: NDArray[np.int64]
    """i64[n], like the next: the piece of time of the row."""
    end_us: NDArray[np.int64]
    row: NDArray[np.int64]
    """i64[m], sorted."""
    spells: NDArray[np.int64]
    """i64[3, m]: start, end, code."""

    def take(self, order: NDArray[np.int64]) -> "PackedSpells":
        """The rows in this order."""
        row, kept = _taken(self.row, order)
        return PackedSpells(self.keep_us, self.start_us[order], self.end_us[order], row, self.spells[:, kept])

    def merged(self, begins: NDArray[np.int64]) -> list[Boundary]:
        """One of every group of rows, groups beginning at these rows; as `spells.merge_spells`."""
        from_us, to_us = self.start_us[begins], self.end_us[np.append(begins[1:], len(self.end_us)) - 1]
        group = np.searchsorted(begins, self.row, side="right") - 1
        start, end, code = self.spells
        first = np.ones(len(group), np.bool_)
        first[1:] = (group[1:] != group[:-1]) | (end[:-1] != start[1:]) | (code[:-1] != code[1:])
        last = np.append(first[1:], True)[: len(first)]
        group, start, end, code = group[first], start[first], end[last], code[first]
        length = end - start
        at_border = (start <= from_us[group]) | (end >= to_us[group])
        longest = np.full(len(begins), -1, np.int64)
        np.maximum.at(longest, group[~at_border], length[~at_border])
        kept = at_border | (length >= self.keep_us)
        among = np.flatnonzero(~at_border & (length == longest[group]))
        kept[among[np.append(True, np.diff(group[among]) != 0)[: len(among)]]] = True  # of equal ones the earliest
        found = _rows_by_group(group[kept], (start[kept], end[kept], code[kept]), len(begins))
        return [Spells(*span, self.keep_us, rows) for span, rows in zip(zip(from_us.tolist(), to_us.tolist(), strict=True), found, strict=True)]


class PackedTally(msgspec.Struct, frozen=True, eq=False):
    """m counts of n rows, in order of row, slot and code."""

    step_us: int
    count: int
    """n"""
    row: NDArray[np.int64]
    """i64[m], sorted."""
    events: NDArray[np.int64]
    """i64[3, m]: slot, code, how many."""

    def take(self, order: NDArray[np.int64]) -> "PackedTally":
        """The rows in this order."""
        row, kept = _taken(self.row, order)
        return PackedTally(self.step_us, self.count, row, self.events[:, kept])

    def merged(self, begins: NDArray[np.int64]) -> list[Boundary]:
        """One of every group of rows, groups beginning at these rows; as `spells.merge_tallies`."""
        group = np.searchsorted(begins, self.row, side="right") - 1
        slot, code, events = self.events
        same, later = group[1:] == group[:-1], slot[1:] > slot[:-1]
        if bool((same & ~later & ((slot[1:] < slot[:-1]) | (code[1:] < code[:-1]))).any()):  # a slot that a border cuts
            order = np.lexsort((code, slot, group))
            group, slot, code, events = group[order], slot[order], code[order], events[order]
        if len(group):
            first = np.flatnonzero(np.append(True, (group[1:] != group[:-1]) | (slot[1:] != slot[:-1]) | (code[1:] != code[:-1])))
            group, slot, code, events = group[first], slot[first], code[first], np.add.reduceat(events, first)
        return [Tally(self.step_us, rows) for rows in _rows_by_group(group, (slot, code, events), len(begins))]


PackedBorder = PackedEpisodes | PackedSlots | PackedSpells | PackedTally


def pack_border(pieces: Sequence[Boundary]) -> PackedBorder:
    """The boundaries of one name, one by row.

    Raises:
        Rejected: of different kinds, or slots, tallies or spells that are kept in different ways.
    """
    episodes = [piece for piece in pieces if isinstance(piece, Episodes)]
    if len(episodes) == len(pieces):
        codes = [[_NOTHING if code is None else code for code in (piece.first, piece.last)] + [piece.count] for piece in episodes]
        return PackedEpisodes(*np.array(codes, np.int64).T)
    slots = [piece for piece in pieces if isinstance(piece, Slots)]
    if len(slots) == len(pieces) and len({piece.step_us for piece in slots}) == 1:
        length = np.array([len(piece.sums) // 8 for piece in slots], np.int64)
        sums = np.zeros((len(slots), int(length.max())), np.int64)
        for row, piece in enumerate(slots):
            sums[row, : length[row]] = piece.values
        return PackedSlots(slots[0].step_us, np.array([piece.first for piece in slots], np.int64), length, sums)
    spells = [piece for piece in pieces if isinstance(piece, Spells)]
    if len(spells) == len(pieces) and len({piece.keep_us for piece in spells}) == 1:
        spans = np.array([(piece.start_us, piece.end_us) for piece in spells], np.int64).T
        return PackedSpells(spells[0].keep_us, spans[0], spans[1], *_flat([piece.rows for piece in spells]))
    tallies = [piece for piece in pieces if isinstance(piece, Tally)]
    if len(tallies) == len(pieces) and len({piece.step_us for piece in tallies}) == 1:
        return PackedTally(tallies[0].step_us, len(tallies), *_flat([piece.rows for piece in tallies]))
    raise Rejected("boundaries of different kinds or lengths do not pack")


def _flat(pieces: Sequence[Sequence[Row]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    row = np.repeat(np.arange(len(pieces)), [len(rows) for rows in pieces])
    return row, np.array([each for rows in pieces for each in rows], np.int64).reshape(-1, 3).T


def _taken(row: NDArray[np.int64], order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each element's row goes, sorted, and which elements these are."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    kept = np.argsort(place[row], kind="stable")
    return place[row][kept], kept


def _groups(begins: NDArray[np.int64], count: int) -> list[tuple[int, int]]:
    return list(zip(begins.tolist(), [*begins[1:].tolist(), count], strict=True))


def _rows_by_group(group: NDArray[np.int64], columns: tuple[NDArray[np.int64], ...], groups: int) -> list[tuple[Row, ...]]:
    """The rows of every group as tuples; groups are sorted, and some may have none."""
    rows: list[Row] = list(zip(*(column.tolist() for column in columns), strict=True))
    ends = np.searchsorted(group, np.arange(groups + 1)).tolist()
    return [tuple(rows[begin:end]) for begin, end in pairwise(ends)]
