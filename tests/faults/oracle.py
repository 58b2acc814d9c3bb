"""The delivery oracle of the edge: what was emitted is stored or in a declared gap, never both, once, in order, and equal to the bit.

A = emitted, B = stored, G = in a declared gap:  A = B ∪ G,  B ∩ G = ∅.  B is read from sealed batches alone: those in an edge's journal, or those in
a gateway's archive. No code of the demo's own account.
"""

import sqlite3
import struct
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from store.archive_header import unpacked
from store.journal import EdgeJournal
from workshop.batch import ClockState, Gap, decode_header
from workshop.canonical import sha256_hex
from workshop.part import decode_part
from workshop.reading import Reading

Key = tuple[str, int]
Emitted = Mapping[Key, Any]


def bits(value: Any) -> tuple[str, Any]:
    """A value so that equality means equal bits."""
    return ("f", struct.pack("<d", value)) if isinstance(value, float) else (type(value).__name__, value)


class Delivered:
    """The readings and gaps in a chain of batches, in order; an edge's own link states are not counted."""

    def __init__(self, batches: Iterable[tuple[bytes, Iterable[bytes | None]]], more_gaps: Iterable[Gap] = ()) -> None:
        """From (header, parts) in the order of the sequence; the chain must be whole within each epoch."""
        self.readings: list[Reading] = []
        self.gaps = list(more_gaps)
        self.headers = []
        before: tuple[int, int, str] | None = None
        for data, parts in batches:
            header = decode_header(data)
            if before is not None and before[0] == header.epoch:
                assert (header.seq, header.prev) == (before[1] + 1, before[2]), f"the chain breaks at {header.seq}"
            before = header.epoch, header.seq, sha256_hex(data)
            self.headers.append(header)
            self.gaps += header.gaps
            for entry, part in zip(header.parts, parts, strict=True):
                if part is not None:
                    self.readings += decode_part(entry.equipment, part).readings()
        self.readings = [reading for reading in self.readings if not reading.signal.endswith("/link_state")]

    @classmethod
    def of_journal(cls, journal: EdgeJournal) -> "Delivered":
        """What a journal holds, acknowledged or not, after a last seal; what is found damaged then is declared in one more."""
        journal.seal(ClockState())
        journal.from_seq(1, 100_000)
        journal.seal(ClockState())
        return cls((batch.header, batch.parts) for _, batch in journal.from_seq(1, 100_000))

    @classmethod
    def of_gateway(cls, data: Path, edge: str) -> "Delivered":
        """What a gateway's archive holds of one edge, read straight from its file."""
        connection = sqlite3.connect(f"file:{data}/archive.sqlite?mode=ro", uri=True)
        try:
            found = []
            for number, stored in connection.execute("SELECT number, header FROM batches ORDER BY number"):
                header = unpacked(stored)
                if msgspec.json.decode(header)["edge"] == edge:
                    # A part's id is its batch's number × 65,536 + its place in the header.
                    parts = dict(connection.execute("SELECT id & 65535, data FROM parts WHERE id >> 16 = ?", (number,)))
                    found.append((header, [parts.get(n) for n in range(len(msgspec.json.decode(header)["parts"]))]))
        finally:
            connection.close()
        return cls(found)

    def in_gap(self, key: Key) -> bool:
        """Whether a gap declares this reading lost."""
        return any(key[0] in gap.signals and gap.from_us <= key[1] < gap.to_us for gap in self.gaps)

    def check(self, emitted: Emitted, *, surely: Iterable[Key] | None = None, is_ordered: bool = True) -> dict[str, int]:
        """The oracle. Returns the counts.

        Args:
            surely: of the emitted readings, those that were said to be on disk; the others may be there or not. All, if not given.
            is_ordered: whether source times rise in each signal.
        """
        stored = {(reading.signal, reading.source_time_us): bits(reading.value) for reading in self.readings}
        assert len(stored) == len(self.readings), "a reading is stored twice"
        assert not [key for key in stored if key not in emitted], "stored, but never emitted"
        altered = [(key, emitted[key], stored[key]) for key in stored if bits(emitted[key]) != stored[key]]
        assert not altered, f"altered: {altered[:3]}"
        wanted = list(emitted if surely is None else surely)
        lost = [key for key in wanted if key not in stored and not self.in_gap(key)]
        assert not lost, f"{len(lost)} of {len(wanted)} neither stored nor in a gap, the first {lost[:3]}"
        both = [key for key in stored if self.in_gap(key)]
        assert not both, f"{len(both)} stored and in a gap: {both[:3]}"
        if is_ordered:
            last: dict[str, list[int]] = {}
            for reading in self.readings:
                last.setdefault(reading.signal, []).append(reading.source_time_us)
            assert all(earlier < later for times in last.values() for earlier, later in pairwise(times)), "out of order"
        return {"emitted": len(emitted), "stored": len(stored), "in_gaps": len(wanted) - sum(key in stored for key in wanted)}
