"""How far signals are, one by one and as columns: a commit moves thousands of them at once."""

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

NONE = -(2**63)
"""In a column: not known."""
_Column = NDArray[np.int64]


class Track(msgspec.Struct, frozen=True):
    """How far a signal is, by the clock of its device as that is now."""

    front_us: int
    """Source time up to which (exclusive) it is stored or declared; goes back with the device's clock."""
    last_us: int | None
    """Source time of the newest stored reading before the front."""
    offset_us: int | None
    """Received minus source time of the device's quickest readings of late: its clock against ours; None where it is not known."""
    heard_us: int
    """Received time of that reading."""
    lost: str = ""
    """Why readings may be missing from the front on; empty if none are."""


class Tracks(Mapping[str, Track]):
    """Tracks of n signals as columns; a mapping by signal."""

    def __init__(self, signals: list[str], places: NDArray[np.int64], columns: tuple[_Column, _Column, _Column, _Column], lost: list[str]) -> None:
        """`places` i64[n] point into `signals`, which may hold more; `columns` are front, last, offset and heard, i64[n] each, `lost` n texts."""
        self.signals, self.places, self.columns, self.lost = signals, places, columns, lost

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[str]:
        return (self.signals[place] for place in self.places.tolist())

    def __getitem__(self, signal: str) -> Track:
        for row, name in enumerate(self):
            if name == signal:
                front, last, offset, heard = (int(column[row]) for column in self.columns)
                return Track(front, None if last == NONE else last, None if offset == NONE else offset, heard, self.lost[row])
        raise KeyError(signal)


def tracks_of(tracks: Mapping[str, Track]) -> Tracks:
    """The same as columns."""
    if isinstance(tracks, Tracks):
        return tracks
    values = list(tracks.values())
    columns = [[each.front_us for each in values], [NONE if each.last_us is None else each.last_us for each in values]]
    columns += [[NONE if each.offset_us is None else each.offset_us for each in values], [each.heard_us for each in values]]
    front, last, offset, heard = (np.array(column, np.int64) for column in columns)
    return Tracks(list(tracks), np.arange(len(values)), (front, last, offset, heard), [each.lost for each in values])
