"""What a range of batches says about a window: the gaps declared in it, the parts that are not there, and how far each edge's chain reaches."""

import msgspec

from evidence.evaluate import meets
from evidence.statement import Absent, Loss
from workshop.batch import Header
from workshop.window import Window


class Survey:
    """Built header by header, by the exporter and by the verifier alike."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._gaps: list[Loss] = []
        self._absent: dict[str, Absent] = {}
        self.passed: set[str] = set()
        """Edges with a header sealed at or after the window's end."""
        self.batches = self.rows = 0

    def add(self, header: Header, there: tuple[bool, ...]) -> None:
        """The next batch of the log; `there` says of each part whether its bytes are in the bundle."""
        self.batches += 1
        if header.sealed_us >= self._window.end_us:
            self.passed.add(header.edge)
        for gap in header.gaps:
            if gap.from_us < self._window.end_us and gap.to_us > self._window.start_us:
                self._gaps.append(Loss(header.edge, gap.signals, gap.from_us, gap.to_us, gap.reason))
        for entry, present in zip(header.parts, there, strict=True):
            if not meets(entry, self._window):
                continue
            if present:
                self.rows += entry.rows
                continue
            before = self._absent.get(entry.equipment, Absent(entry.equipment, 0, 0))
            self._absent[entry.equipment] = msgspec.structs.replace(before, parts=before.parts + 1, rows=before.rows + entry.rows)

    @property
    def gaps(self) -> tuple[Loss, ...]:
        """Gaps that meet the window, in the log's order."""
        return tuple(self._gaps)

    @property
    def absent(self) -> tuple[Absent, ...]:
        """Parts that meet the window and are not there, by equipment."""
        return tuple(self._absent[name] for name in sorted(self._absent))
