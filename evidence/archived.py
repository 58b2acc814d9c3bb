"""Parts in the gateway's archive, read when they are wanted: verdicts while the line runs, from the signed batches and not from an engine."""

from collections.abc import Sequence
from typing import NamedTuple

from analytics.compute import LOOKBACK_US
from evidence.parts import PartIndex, Parts, Place
from store.archive import Archive
from workshop.batch import decode_header
from workshop.errors import Rejected
from workshop.window import Window

_PAGE = 64


class _Stored(NamedTuple):
    archive: Archive

    def read(self, places: Sequence[Place]) -> list[bytes]:
        """The parts at (index in the data log, place in the header, length), each stretch of the log read once."""
        wanted = sorted({index for index, _, _ in places})
        found: dict[int, tuple[bytes | None, ...]] = {}
        at = 0
        while at < len(wanted):
            first, last = at, at
            while last + 1 < len(wanted) and wanted[last + 1] - wanted[last] < _PAGE:
                last += 1
            found.update((item.index, item.batch.parts) for item in self.archive.batches(wanted[first], wanted[last] + 1))
            at = last + 1
        parts = [found[index][number] for index, number, _ in places]
        if any(part is None for part in parts):
            raise Rejected("archive: parts were pruned while they were read; ask again")
        return [part for part in parts if part is not None]


def parts_in(archive: Archive, window: Window) -> Parts:
    """The parts in the archive that meet a window."""
    index = PartIndex(window)
    for item in archive.batches(*archive.range_for(window, LOOKBACK_US)):
        batch = item.batch
        index.add(decode_header(batch.header), [None if part is None else (item.index, n, len(part)) for n, part in enumerate(batch.parts)])
    return Parts(index.table(), _Stored(archive))
