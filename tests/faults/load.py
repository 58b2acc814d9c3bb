"""A steady load on an edge's journal: numbered readings of two machines, sealed and acknowledged now and then."""

from pathlib import Path

from store.journal import EdgeJournal, JournalLimits
from store.signing import SigningKey
from tests.faults.oracle import Key
from workshop.batch import ClockState, Provenance
from workshop.block import block_of
from workshop.errors import NotConnected
from workshop.reading import Reading

T0 = 1_700_000_000_000_000
STEP_US = 1000
KEY = SigningKey.create()
LIMITS = JournalLimits(min_free_bytes=0)


def open_journal(folder: Path, limits: JournalLimits = LIMITS) -> EdgeJournal:
    """The journal in this folder; its clock stands still."""
    return EdgeJournal.open(folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=KEY, clock=lambda: T0, limits=limits)


def rows(number: int, count: int = 1) -> list[Reading]:
    """Scan `number` and the following ones: an integer and a float at each time."""
    return [
        Reading(signal, T0 + i * STEP_US, T0 + i * STEP_US + 5, i if signal == "a-1/x" else i * 0.1)
        for i in range(number, number + count) for signal in ("a-1/x", "b-1/y")
    ]


class Load:
    """Appends scan after scan, and keeps account of what was said."""

    def __init__(self, journal: EdgeJournal, scans_each: int = 1) -> None:
        self.journal, self.each = journal, scans_each
        self.next = 0
        self.emitted: dict[Key, object] = {}
        """Handed to the journal, whatever became of it."""
        self.told: set[Key] = set()
        """Of these the journal said that they are on disk."""
        self.refused = 0

    def append(self) -> bool:
        """The next scans; whether they are on disk. Those that are refused are lost by the one who emitted them, on purpose."""
        block = rows(self.next * self.each, self.each)
        self.next += 1
        new = {(reading.signal, reading.source_time_us): reading.value for reading in block}
        self.emitted |= new
        try:
            self.journal.append([block_of(block)])
        except NotConnected:
            self.refused += 1
            return False
        self.told |= set(new)
        return True

    def step(self, acknowledges: bool = True) -> None:
        """Appends once, and keeps house as an uplink would: seals every seventh time, acknowledges every 23rd."""
        self.append()
        try:
            if self.next % 7 == 0:
                self.journal.seal(ClockState())
            if acknowledges and self.next % 23 == 0:
                self.journal.acknowledge(max(0, self.journal.status().last_seq - 1))
        except NotConnected:
            self.refused += 1
