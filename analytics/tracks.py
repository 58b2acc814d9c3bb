"""Which part was where: a step function of codes over a piece of time, as columns; pieces merge to the same bits wherever a window was cut.

With more than `PARTS` parts a track follows one part in 2, 4, 8 … of them, chosen by its code: the same parts on every machine and in every piece of
time. A piece of time never needs fewer to be left out than a part of it does, so how many are followed does not depend on how it was cut.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.steps import UNKNOWN
from workshop.window import Window

NOBODY = 0
"""The code of no part."""
UNSAID = -1
"""The code of time in which nobody can say which part, or whether any."""

PARTS = 1024
"""A track follows no more parts than so many."""

_EVERY = 1 << 62

Ints = NDArray[np.int64]


class Track(msgspec.Struct, frozen=True, tag="track"):
    """Codes over [start_us, end_us): each holds from its time to that of the next row; neighbours differ."""

    start_us: int
    end_us: int
    rows: bytes
    """Pairs (time µs UTC, code), i64 little-endian; the first at `start_us`, none where the piece is empty."""
    one_in: int = 1
    """A power of two: of the parts that there were, those with `followed` codes; others are nobody."""

    @property
    def columns(self) -> tuple[Ints, Ints]:
        """Times and codes, read-only."""
        pairs = np.frombuffer(self.rows, "<i8").astype(np.int64, copy=False).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]


@lru_cache(maxsize=4096)  # a part goes from machine to machine
def code_of(text: str) -> int:
    """The code of a serial number: 62 bits of its SHA-256, never 0 for one that is not empty. The same on every machine."""
    return 1 + (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2) if text else NOBODY


def followed(code: Ints, one_in: int) -> NDArray[np.bool_]:
    """Which codes of parts belong to the one in so many (a power of two) that is followed; what is no part belongs to it."""
    chosen: NDArray[np.bool_] = (code <= NOBODY) | ((code - 1) & (one_in - 1) == 0)
    return chosen


def track_of(window: Window, time_us: Ints, code: Ints) -> Track:
    """The track of a step function whose first edge is not after the window's start; `UNKNOWN` is unsaid."""
    code = np.where(code == UNKNOWN, UNSAID, code)
    inside = time_us < window.end_us
    return _track(window.start_us, window.end_us, np.maximum(time_us[inside], window.start_us), code[inside], 1)


def merge_tracks(pieces: Sequence[Track]) -> Track:
    """Pieces in order of time as one; what lies between two of them is unsaid."""
    times: list[Ints] = []
    codes: list[Ints] = []
    for n, piece in enumerate(pieces):
        if n and piece.start_us > pieces[n - 1].end_us:
            times.append(np.array([pieces[n - 1].end_us], np.int64))
            codes.append(np.array([UNSAID], np.int64))
        time, code = piece.columns
        times.append(time)
        codes.append(code)
    one_in = max(piece.one_in for piece in pieces)
    return _track(pieces[0].start_us, pieces[-1].end_us, np.concatenate(times), np.concatenate(codes), one_in)


def _track(start_us: int, end_us: int, time_us: Ints, code: Ints, one_in: int) -> Track:
    """Of rows with one time the last holds; a row that says what holds already is left out."""
    if end_us <= start_us or not len(time_us):
        return Track(start_us, max(start_us, end_us), b"", one_in)
    last = np.append(time_us[1:] != time_us[:-1], True)
    time_us, code = time_us[last], code[last]
    code, one_in = _thinned(code, one_in)
    new = np.concatenate(([True], code[1:] != code[:-1]))
    return Track(start_us, end_us, np.column_stack((time_us[new], code[new])).astype("<i8").tobytes(), one_in)


def _thinned(code: Ints, one_in: int) -> tuple[Ints, int]:
    """The codes with as many parts followed as may be, no more than `PARTS`."""
    parts = code[(code > NOBODY) & followed(code, one_in)] - 1
    lowest = np.where(parts == 0, _EVERY, parts & -parts)  # a part is followed by one in so many or fewer
    fewer = one_in
    while np.count_nonzero(lowest >= fewer) > PARTS:
        fewer *= 2
    # So many rows are certainly no more parts; where parts have several rows, more of them can be followed.
    while fewer > one_in and len(np.unique(parts[lowest >= fewer // 2])) <= PARTS:
        fewer //= 2
    return np.where(followed(code, fewer), code, NOBODY), fewer
