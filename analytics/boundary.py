"""What crosses the border between two pieces of time: state at the border, so that a window split anywhere merges to the same bits.

Sums need none of it. Spells, tallies and tracks have files of their own; here are episodes (failures, outages), of which one that runs over a border
must not count twice, and slots (quarter hours of demand, ten minutes of alarms), which a border may cut. All merges are associative.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.spells import Spells, Tally, merge_spells, merge_tallies
from analytics.tracks import Track, merge_tracks
from workshop.errors import Rejected

OFF = 0
"""The code of no episode."""


class Episodes(msgspec.Struct, frozen=True, tag="episodes"):
    """Maximal runs of one code other than `OFF` in a sequence of known readings; unknown ones in between do not end a run."""

    first: int | None
    """Code of the first known reading; None where nothing is known."""
    last: int | None
    count: int


class Slots(msgspec.Struct, frozen=True, tag="slots"):
    """Sums by slot of equal length, from the first slot to the last one that was touched; what lies between without data is 0."""

    step_us: int
    first: int
    """Number of the first slot: its start / step_us, counted from 1970 in UTC."""
    sums: bytes
    """i64 little-endian, one per slot: a year of quarter hours merges as one array."""

    @property
    def values(self) -> NDArray[np.int64]:
        """i64[n], read-only."""
        return np.frombuffer(self.sums, "<i8").astype(np.int64, copy=False)


Boundary = Episodes | Slots | Spells | Tally | Track


def episodes_of(codes: NDArray[np.int64]) -> Episodes:
    """The episodes of a sequence of codes, in order of time."""
    if not len(codes):
        return Episodes(None, None, 0)
    begins = np.concatenate(([True], codes[1:] != codes[:-1])) & (codes != OFF)
    return Episodes(int(codes[0]), int(codes[-1]), int(begins.sum()))


def slots_of(step_us: int, slot: NDArray[np.int64], amount: NDArray[np.int64]) -> Slots:
    """The sums of amounts by slot number. Amounts may come in any order."""
    if not len(slot):
        return Slots(step_us, 0, b"")
    first = int(slot.min())
    sums = np.zeros(int(slot.max()) - first + 1, np.int64)
    np.add.at(sums, slot - first, amount)
    return Slots(step_us, first, sums.astype("<i8").tobytes())


def merge_boundaries(pieces: Sequence[Boundary]) -> Boundary:
    """Pieces of one thing in order of time as one.

    Raises:
        Rejected: of different kinds, or slots of different length.
    """
    if len(pieces) == 1:
        return pieces[0]
    episodes = [piece for piece in pieces if isinstance(piece, Episodes)]
    slots = [piece for piece in pieces if isinstance(piece, Slots)]
    if len(episodes) == len(pieces):
        return _join(episodes)
    if len(slots) == len(pieces):
        return _add(slots)
    spells = [piece for piece in pieces if isinstance(piece, Spells)]
    if len(spells) == len(pieces):
        return merge_spells(spells)
    tallies = [piece for piece in pieces if isinstance(piece, Tally)]
    if len(tallies) == len(pieces):
        return merge_tallies(tallies)
    tracks = [piece for piece in pieces if isinstance(piece, Track)]
    if len(tracks) == len(pieces):
        return merge_tracks(tracks)
    raise Rejected("boundaries of different kinds do not merge")


def _join(pieces: Sequence[Episodes]) -> Episodes:
    known = [piece for piece in pieces if piece.first is not None]
    if not known:
        return Episodes(None, None, 0)
    going_on = sum(left.last == right.first != OFF for left, right in pairwise(known))
    return Episodes(known[0].first, known[-1].last, sum(piece.count for piece in known) - going_on)


def _add(pieces: Sequence[Slots]) -> Slots:
    if len({piece.step_us for piece in pieces}) > 1:
        raise Rejected("slots of different length do not merge")
    touched = [piece for piece in pieces if piece.sums]
    if not touched:
        return Slots(pieces[0].step_us, 0, b"")
    first = min(piece.first for piece in touched)
    sums = np.zeros(max(piece.first + len(piece.sums) // 8 for piece in touched) - first, np.int64)
    for piece in touched:
        values = piece.values
        sums[piece.first - first : piece.first - first + len(values)] += values
    return Slots(pieces[0].step_us, first, sums.astype("<i8").tobytes())
