"""Which part was where: a step function of codes over a piece of time, as columns; pieces merge to the same bits wherever a window was cut."""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.steps import UNKNOWN
from workshop.window import Window

NOBODY = 0
"""The code of no part."""
UNSAID = -1
"""The code of time in which nobody can say which part, or whether any."""

Ints = NDArray[np.int64]


class Track(msgspec.Struct, frozen=True, tag="track"):
    """Codes over [start_us, end_us): each holds from its time to that of the next row; neighbours differ."""

    start_us: int
    end_us: int
    rows: bytes
    """Pairs (time µs UTC, code), i64 little-endian; the first at `start_us`, none where the piece is empty."""

    @property
    def columns(self) -> tuple[Ints, Ints]:
        """Times and codes, read-only."""
        pairs = np.frombuffer(self.rows, "<i8").astype(np.int64, copy=False).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]


def code_of(text: str) -> int:
    """The code of a serial number: 62 bits of its SHA-256, never 0 for one that is not empty. The same on every machine."""
    return 1 + (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2) if text else NOBODY


def track_of(window: Window, time_us: Ints, code: Ints) -> Track:
    """The track of a step function whose first edge is not after the window's start; `UNKNOWN` is unsaid."""
    code = np.where(code == UNKNOWN, UNSAID, code)
    inside = time_us < window.end_us
    return _track(window.start_us, window.end_us, np.maximum(time_us[inside], window.start_us), code[inside])


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
    return _track(pieces[0].start_us, pieces[-1].end_us, np.concatenate(times), np.concatenate(codes))


def _track(start_us: int, end_us: int, time_us: Ints, code: Ints) -> Track:
    """Of rows with one time the last holds; a row that says what holds already is left out."""
    if end_us <= start_us or not len(time_us):
        return Track(start_us, max(start_us, end_us), b"")
    last = np.append(time_us[1:] != time_us[:-1], True)
    time_us, code = time_us[last], code[last]
    new = np.concatenate(([True], code[1:] != code[:-1]))
    return Track(start_us, end_us, np.column_stack((time_us[new], code[new])).astype("<i8").tobytes())
