"""A journal on a file with the clock in the test's hand, and readers of what it sealed."""

import sqlite3
from pathlib import Path

from store.journal import EdgeJournal, JournalLimits
from store.signing import SigningKey
from workshop.batch import ClockState, Gap, Header, Provenance, SealedBatch, decode_header
from workshop.block import Block, block_of
from workshop.part import decode_part
from workshop.reading import Quality, Reading

T0 = 1_700_000_000_000_000
KEY = SigningKey.create()
CLOCK = ClockState(5, True)
class Line:
    """A journal on a file, with the clock in the test's hand."""

    def __init__(self, folder: Path) -> None:
        self.path, self.now = folder / "journal.sqlite", T0
        self.limits = JournalLimits()
        self.journal = self.open()

    def open(self, **changes: object) -> EdgeJournal:
        options = {"edge": "edge-1", "provenance": Provenance.SIMULATED, "key": KEY, "clock": lambda: self.now, "limits": self.limits} | changes
        return EdgeJournal.open(self.path, **options)  # type: ignore[arg-type]

    def reopen(self, limits: JournalLimits | None = None) -> EdgeJournal:
        self.journal.close()
        self.limits = limits or self.limits
        self.journal = self.open()
        return self.journal

    def flip(self, table: str, column: str, where: str = "1", at: int = 40) -> None:
        """Changes one bit of a stored value behind the journal's back."""
        self.journal.close()
        connection = sqlite3.connect(self.path)
        row, value = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {where}").fetchone()  # noqa: S608
        spoiled = bytearray(value)
        spoiled[at % len(spoiled)] ^= 4
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (bytes(spoiled), row))  # noqa: S608
        connection.commit()
        connection.close()
        self.journal = self.open()


def block(*values: float | int | str | None, signal: str = "cnc-01/load", start: int = T0) -> Block:
    times = range(start, start + len(values) * 1000, 1000)
    return block_of(
        Reading(signal, time, time + 7, value) if value is not None else Reading(signal, time, time + 7, None, Quality.BAD, "Cut")
        for time, value in zip(times, values, strict=True)
    )


def header_of(batch: SealedBatch) -> Header:
    return decode_header(batch.header)


def rows_of(batches: list[tuple[int, SealedBatch]]) -> list[Reading]:
    readings = []
    for _, batch in batches:
        for entry, part in zip(header_of(batch).parts, batch.parts, strict=True):
            if part is not None:
                readings += decode_part(entry.equipment, part).readings()
    return readings


def gaps_of(batches: list[tuple[int, SealedBatch]]) -> list[Gap]:
    return [gap for _, batch in batches for gap in header_of(batch).gaps]
