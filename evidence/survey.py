"""What the batches of a bundle say about its windows: declared gaps, parts that are not there and why, how far each edge's chain reaches."""

from array import array
from collections.abc import Collection, Sequence

import msgspec

from analytics.compute import LOOKBACK_US
from evidence.challenges import Lacks
from evidence.control import Control
from evidence.parts import PartIndex, Parts, Place, Reader, meets
from evidence.statement import Absent, Loss
from store.control_kinds import Announcement
from workshop.batch import Header
from workshop.window import Window

WITHHELD, PRUNED, DAMAGED, MISSING = "withheld", "pruned", "damaged", "missing"


class Reach(msgspec.Struct):
    """How far a contiguous range of the data log reaches."""

    first: int
    end: int
    first_accepted_us: int = -1
    last_accepted_us: int = -1
    passed: list[set[str]] = []
    """By window: the edges with a header sealed at or after its end."""
    unlinked: dict[str, int] = {}
    """Edges whose first batch here is not shown to be the next of those before, with the time at which it was sealed; filled by the verifier."""


class Survey:
    """Built header by header, by the exporter and by the verifier alike."""

    def __init__(self, windows: Sequence[Window], control: Control, withheld: Collection[str] = ()) -> None:
        self._windows = windows
        self._withheld = frozenset(withheld)
        self._pruned = [(item.first, item.end) for item in control.prunes]
        self._announced = [(index, item) for index, item in control.announcements if any(meets_window(item, window) for window in windows)]
        self._delivered: dict[int, int] = {}
        self._losses: list[Loss] = []
        self._names: list[tuple[str, str]] = []
        self._number: dict[tuple[str, str], int] = {}
        self._gone = array("q")
        """Absent parts: name, log index, from, to, rows."""
        self._indexes = [PartIndex(window, control.losses) for window in windows]
        self._sealed_us: dict[str, int] = {}
        self.ranges: list[Reach] = []
        self.batches = 0
        self.rows = [0 for _ in windows]
        """By window: readings in parts that meet it, in the bundle or not."""

    def begin(self, first: int, end: int) -> None:
        """A range of the log begins."""
        self.ranges.append(Reach(first, end, passed=[set() for _ in self._windows]))

    def add(self, index: int, accepted_us: int, header: Header, places: Sequence[Place | None]) -> None:
        """The next batch of the range; of each part where its bytes are, None for those that are not in the bundle."""
        self.batches += 1
        self._sealed_us[header.edge] = max(header.sealed_us, self._sealed_us.get(header.edge, 0))
        reach = self.ranges[-1]
        reach.first_accepted_us = accepted_us if reach.first_accepted_us < 0 else reach.first_accepted_us
        reach.last_accepted_us = accepted_us
        for number, item in self._announced:
            if (item.edge, item.epoch) == (header.edge, header.epoch) and item.from_seq <= header.seq <= item.to_seq:
                self._delivered[number] = self._delivered.get(number, 0) + 1
        for gap in header.gaps:
            if any(gap.from_us < window.end_us and gap.to_us > window.start_us for window in self._windows):
                self._losses.append(Loss(header.edge, gap.signals, gap.from_us, gap.to_us, gap.reason))
        for window, passed, parts in zip(self._windows, reach.passed, self._indexes, strict=True):
            if header.sealed_us >= window.end_us:
                passed.add(header.edge)
            parts.add(header, places)
        for entry, place in zip(header.parts, places, strict=True):
            meeting = [number for number, window in enumerate(self._windows) if meets(entry, window)]
            for number in meeting:
                self.rows[number] += entry.rows if meets(entry, self._windows[number], 0) else 0
            if meeting and place is None:
                key = (header.edge, entry.equipment)
                if key not in self._number:
                    self._number[key] = len(self._names)
                    self._names.append(key)
                self._gone.extend((self._number[key], index, entry.from_us, entry.to_us, entry.rows))

    def parts(self, window: int, reader: Reader) -> Parts:
        """What a window is judged from."""
        return Parts(self._indexes[window].table(), reader)

    @property
    def gaps(self) -> tuple[Loss, ...]:
        """Gaps that meet a window, in the log's order."""
        return tuple(self._losses)

    @property
    def absent(self) -> tuple[Absent, ...]:
        """Parts that meet a window and are not there, by equipment and reason."""
        found: dict[tuple[str, str], Absent] = {}
        covered = self._covered()
        for i in range(0, len(self._gone), 5):
            name, index, from_us, to_us, rows = self._gone[i : i + 5]
            edge, equipment = self._names[name]
            if equipment in self._withheld:
                why = WITHHELD
            elif any(first <= index < end for first, end in self._pruned):
                why = PRUNED
            else:
                near = [gap for gap in covered.get((edge, equipment), ()) if gap[0] <= to_us and from_us < gap[1]]
                # The edge declares what was lost signal by signal: together it reaches over the whole part.
                declared = bool(near) and min(gap[0] for gap in near) <= from_us and to_us < max(gap[1] for gap in near)
                why = DAMAGED if declared else MISSING
            before = found.get((equipment, why), Absent(equipment, why, 0, 0))
            found[equipment, why] = msgspec.structs.replace(before, parts=before.parts + 1, rows=before.rows + rows)
        return tuple(found[key] for key in sorted(found))

    @property
    def lacks(self) -> Lacks:
        """What is not there of each edge's data, for those who compare answers with it."""
        absent: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for i in range(0, len(self._gone), 5):
            name, _, from_us, to_us, _ = self._gone[i : i + 5]
            absent.setdefault(self._names[name], []).append((from_us, to_us))
        return Lacks(absent, self._sealed_us)

    @property
    def undelivered(self) -> tuple[int, ...]:
        """Control entries that announce batches for a window which are not all in the ranges."""
        return tuple(number for number, item in self._announced if self._delivered.get(number, 0) <= item.to_seq - item.from_seq)

    def _covered(self) -> dict[tuple[str, str], set[tuple[int, int]]]:
        """By edge and equipment: the gaps that the edge declared for it."""
        found: dict[tuple[str, str], set[tuple[int, int]]] = {}
        for loss in self._losses:
            for signal in loss.signals:
                found.setdefault((loss.edge, signal.partition("/")[0]), set()).add((loss.from_us, loss.to_us))
        return found


def meets_window(item: Announcement, window: Window) -> bool:
    """Whether announced data can matter to a window."""
    return item.from_us < window.end_us and item.to_us > window.start_us - LOOKBACK_US
