"""Live values: what people look at now. Kept in memory only, never stored, never evidence."""

import secrets
import threading
from collections.abc import Iterable

from workshop.block import Block
from workshop.reading import HISTORICAL
from workshop.wire import LatestReading


class LiveHub:
    """The newest value of each signal, with a version that grows with every change; safe from many threads.

    Args:
        signals: the signals of the register; others are dropped, so that it cannot grow without bound.
    """

    def __init__(self, signals: Iterable[str]) -> None:
        self._known = frozenset(signals)
        self._lock = threading.Lock()
        self._readings: dict[str, tuple[int, LatestReading]] = {}
        self._life = secrets.token_hex(6)
        self.version = 0
        self.closing = False
        """Set when the gateway stops, so that streams end."""

    def event_id(self, version: int) -> str:
        """A version as the id of an event; ids of another life of the gateway mean nothing to this one."""
        return f"{self._life}-{version}"

    def resume(self, event_id: str | None) -> int:
        """The version after which a reader goes on who has seen this event; 0, everything, for any other id."""
        life, _, version = (event_id or "").partition("-")
        if life != self._life or not version.isdecimal() or len(version) > 18 or int(version) > self.version:
            return 0
        return int(version)

    def post(self, readings: Iterable[LatestReading]) -> int:
        """Takes what an edge saw; an older source time than the held one changes nothing.

        Returns:
            how many readings name a signal that the register does not have.
        """
        strangers = 0
        with self._lock:
            for reading in readings:
                if reading.signal not in self._known:
                    strangers += 1
                    continue
                held = self._readings.get(reading.signal)
                if held is None or (held[1].source_time_us <= reading.source_time_us and held[1] != reading):
                    self.version += 1
                    self._readings[reading.signal] = (self.version, reading)
        return strangers

    def since(self, version: int) -> tuple[int, list[LatestReading]]:
        """The present version, and the readings that changed after the given one."""
        with self._lock:
            return self.version, [reading for changed, reading in self._readings.values() if changed > version]


def merge_latest(live: Iterable[LatestReading], stored: Block) -> list[LatestReading]:
    """Of each signal the newer of the live and the stored reading, sorted by signal; what was stored as the past, only where nothing is live."""
    newest, past = dict[str, LatestReading](), set[str]()
    for row in stored.readings():
        newest[row.signal] = LatestReading(row.signal, row.source_time_us, row.value, int(row.quality))
        if row.status == HISTORICAL:
            past.add(row.signal)
    for reading in live:
        held = newest.get(reading.signal)
        if held is None or reading.signal in past or held.source_time_us <= reading.source_time_us:
            newest[reading.signal] = reading
    return [newest[signal] for signal in sorted(newest)]
