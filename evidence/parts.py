"""Parts of a range of the log that meet a window, as columns: what each is and where its bytes lie, so that they can be read in order of time.

The index holds about eighty bytes a part; the parts themselves stay where they are until they are wanted.
"""

from array import array
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from analytics.compute import LOOKBACK_US
from analytics.missing import Missing
from evidence.missing import Holes
from workshop.batch import Header, PartEntry, Provenance, SealedBatch, decode_header
from workshop.errors import Rejected
from workshop.window import Window

PROVENANCES = tuple(Provenance)

Place = tuple[int, int, int]
"""Where the bytes of a part lie: what the three numbers mean is the reader's matter; for files: number of the file, offset, length."""


class Reader(Protocol):
    """Gives the bytes of parts."""

    def read(self, places: Sequence[Place]) -> list[bytes]:
        """The bytes at these places, in their order."""


class Files(NamedTuple):
    """Parts as stretches of files. Small, so that another process can be given one."""

    paths: tuple[str, ...]

    def read(self, places: Sequence[Place]) -> list[bytes]:
        """Reads them, each file opened once.

        Raises:
            Rejected: a file is shorter than it was.
        """
        found: list[bytes] = []
        with ExitStack() as stack:
            opened: dict[int, BinaryIO] = {}
            for number, offset, length in places:
                file = opened.get(number)
                if file is None:
                    file = opened[number] = stack.enter_context(Path(self.paths[number]).open("rb"))
                file.seek(offset)
                found.append(file.read(length))
                if len(found[-1]) != length:
                    raise Rejected(f"{self.paths[number]}: changed while it was read")
        return found


class Memory(NamedTuple):
    """Parts that are at hand."""

    parts: tuple[bytes, ...]

    def read(self, places: Sequence[Place]) -> list[bytes]:
        """The part of each place's first number."""
        return [self.parts[number] for number, _, _ in places]


class PartTable(NamedTuple):
    """p parts that meet a window, in the log's order; times in µs."""

    equipment_names: tuple[str, ...]
    batches: tuple[tuple[str, int, int], ...]
    """(edge, epoch, seq)"""
    from_us: NDArray[np.int64]
    to_us: NDArray[np.int64]
    rows: NDArray[np.int64]
    equipment: NDArray[np.int64]
    provenance: NDArray[np.int64]
    batch: NDArray[np.int64]
    place: NDArray[np.int64]
    """i64[p, 3]"""
    missing: Missing
    """What the headers say is not there in the window and its lookback: declared gaps, and parts without a place."""

    def name(self, part: int) -> tuple[str, int, int, str]:
        """(edge, epoch, seq, equipment) of a part."""
        return (*self.batches[int(self.batch[part])], self.equipment_names[int(self.equipment[part])])


def meets(entry: PartEntry, window: Window, lookback_us: int = LOOKBACK_US) -> bool:
    """Whether a part holds source times in [start − lookback, end)."""
    return entry.from_us < window.end_us and entry.to_us >= window.start_us - lookback_us


class PartIndex:
    """Built header by header, in the log's order. Parts of *derived* edges are passed over: a model's values never support a claim."""

    def __init__(self, window: Window, losses: Sequence[tuple[str, int, int]] = ()) -> None:
        """Losses as `Control.losses`."""
        self._window = window
        self._equipment: dict[str, int] = {}
        self._batches: list[tuple[str, int, int]] = []
        self._columns = array("q")
        self._holes = Holes(window, losses)

    def add(self, header: Header, places: Sequence[Place | None]) -> None:
        """The next batch; None where a part is not there."""
        if header.provenance is Provenance.DERIVED:
            return
        self._batches.append((header.edge, header.epoch, header.seq))
        provenance = PROVENANCES.index(header.provenance)
        self._holes.header(header)
        for entry, place in zip(header.parts, places, strict=True):
            if place is None:
                self._holes.part(entry)
            elif meets(entry, self._window):
                number = self._equipment.setdefault(entry.equipment, len(self._equipment))
                self._columns.extend((entry.from_us, entry.to_us, entry.rows, number, provenance, len(self._batches) - 1, *place))

    def table(self) -> PartTable:
        """What was added."""
        rows = np.frombuffer(self._columns, np.int64).reshape(-1, 9) if self._columns else np.zeros((0, 9), np.int64)
        from_us, to_us, number, equipment, provenance, batch = (np.ascontiguousarray(column) for column in rows.T[:6])
        place = np.ascontiguousarray(rows[:, 6:])
        names, batches, missing = tuple(self._equipment), tuple(self._batches), self._holes.missing
        return PartTable(names, batches, from_us, to_us, number, equipment, provenance, batch, place, missing)


class Parts(NamedTuple):
    """What a window is judged from: the parts that meet it, and who reads them."""

    table: PartTable
    reader: Reader


def parts_of(batches: Iterable[SealedBatch], window: Window) -> Parts:
    """The parts of batches that are at hand, in order."""
    index = PartIndex(window)
    kept: list[bytes] = []
    for batch in batches:
        header = decode_header(batch.header)
        places: list[Place | None] = []
        for entry, part in zip(header.parts, batch.parts, strict=True):
            places.append(None)
            if part is not None and meets(entry, window):
                places[-1] = (len(kept), 0, len(part))
                kept.append(part)
        index.add(header, places)
    return Parts(index.table(), Memory(tuple(kept)))
