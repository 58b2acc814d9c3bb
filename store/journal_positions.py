"""How far each signal is stored or declared, so that a source goes on from there; and the number by which spans name it.

A commit writes one row of columns, however many signals it moves: rows of tables, a row a signal, are brought up to date when a batch is sealed.
Where such a row is damaged, the spans beside the fragments still say how far the readings go.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from store.journal_fragment import decode_span_columns
from store.journal_seal import check_signal
from store.journal_tracks import NONE, Track, Tracks, tracks_of
from store.sqlite import Database
from workshop.block import I64_MAX, I64_MIN, Block
from workshop.errors import Rejected

Numbers = NDArray[np.int64]
RECENT_SCHEMA = "CREATE TABLE IF NOT EXISTS recent (number INTEGER PRIMARY KEY, digest BLOB NOT NULL, data BLOB NOT NULL)"
SCHEMA = ("CREATE TABLE positions (number INTEGER PRIMARY KEY, signal TEXT NOT NULL, until_us INTEGER NOT NULL)", RECENT_SCHEMA)
_KEPT = 8


class Spans(NamedTuple):
    """First and last source time, µs, of signals by their numbers."""

    numbers: Numbers
    first_us: Numbers
    last_us: Numbers


class Change(NamedTuple):
    """What one commit moves."""

    numbers: Numbers
    until_us: Numbers
    tracked: Numbers
    tracks: Tracks


class _Row(msgspec.Struct, array_like=True):
    numbers: bytes
    until_us: bytes
    tracked: bytes
    columns: list[bytes]
    lost: dict[int, str]


class Positions:
    """The tables of signals and of recent commits, with a copy in memory that changes only when a transaction is through."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.numbers: dict[str, int] = {}
        self._until, self._is_moved, self._is_kept = np.full(1, I64_MIN, np.int64), np.zeros(1, np.bool_), np.zeros(1, np.bool_)
        self._columns = np.full((4, 1), NONE, np.int64)
        self._is_tracked = np.zeros(1, np.bool_)
        self._lost: dict[int, str] = {}
        self._known: dict[int, tuple[list[str], Numbers]] = {}
        for signal, number, until_us in database.execute("SELECT signal, number, until_us FROM positions"):
            self.numbers[signal] = number
            self._grow(number)
            self._until[number], self._is_kept[number] = until_us, True
        for digest, data in database.execute("SELECT digest, data FROM recent ORDER BY number"):
            if hashlib.sha256(data).digest() == digest:
                self._replay(msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data), type=_Row))
        for (span,) in database.execute("SELECT span FROM fragments"):
            try:
                numbers, _, last_us = decode_span_columns(span)
            except Rejected:
                continue
            if len(numbers) and int(numbers.min()) > 0 and int(numbers.max()) < len(self._until):
                self._move(numbers, last_us + 1)

    def all(self) -> dict[str, int]:
        """Signal → source time, µs, before which everything is stored or declared."""
        return {signal: int(self._until[number]) for signal, number in self.numbers.items() if self._until[number] != I64_MIN}

    def tracks(self) -> dict[str, Track]:
        """How far signals are that moved since the table of tracks was written."""
        return {signal: self._track(number) for signal, number in self.numbers.items() if self._is_tracked[number]}

    def index(self, signals: list[str]) -> Numbers:
        """The number of each signal; new ones get one.

        Raises:
            Rejected: the id of a new signal is not one that a gateway would take.
        """
        known = self._known.get(id(signals))
        if known is not None and known[0] is signals:
            return known[1]
        for name in signals:
            if name not in self.numbers:
                check_signal(name)
        following = max(self.numbers.values(), default=0) + 1
        for name in signals:
            if name not in self.numbers:
                self.numbers[name], following = following, following + 1
        self._grow(following - 1)
        numbers = np.array([self.numbers[name] for name in signals], np.int64)
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[id(signals)] = (signals, numbers)
        return numbers

    def spans(self, block: Block) -> Spans:
        """The spans of the signals that have rows in the block."""
        numbers = self.index(block.signals)
        first, last = np.full(len(self._until), I64_MAX, np.int64), np.full(len(self._until), I64_MIN, np.int64)
        of_row = numbers[block.signal] if len(block) else np.zeros(0, np.int64)
        np.minimum.at(first, of_row, block.source_time_us)
        np.maximum.at(last, of_row, block.source_time_us)
        present = np.flatnonzero(first <= last)
        return Spans(present, first[present], last[present])

    def change(self, spans: Spans | None, until_us: Mapping[str, int], tracks: Mapping[str, Track]) -> Change:
        """What a commit with these readings, declared ends and tracks moves: positions only ever grow.

        Raises:
            Rejected: as `index`.
        """
        declared = self.index(list(until_us))
        tracked = tracks_of(tracks)
        of_tracks = self.index(tracked.signals)
        numbers, ends = (spans.numbers, spans.last_us + 1) if spans is not None else (declared[:0], declared[:0])
        numbers, ends = np.concatenate((numbers, declared)), np.concatenate((ends, np.fromiter(until_us.values(), np.int64, len(until_us))))
        grows = ends > self._until[numbers]
        return Change(numbers[grows], ends[grows], of_tracks[tracked.places], tracked)

    def store(self, change: Change) -> None:
        """Writes a change; belongs inside a transaction of the journal."""
        tracks = change.tracks
        new = np.unique(np.concatenate((change.numbers, change.tracked)))
        self._write(new[~self._is_kept[new]], change)
        lost = {int(number): why for number, why in zip(change.tracked.tolist(), tracks.lost, strict=True) if why} if any(tracks.lost) else {}
        row = _Row(change.numbers.tobytes(), change.until_us.tobytes(), change.tracked.tobytes(), [each.tobytes() for each in tracks.columns], lost)
        data = zstandard.ZstdCompressor(level=1).compress(msgspec.msgpack.encode(row))
        self._db.execute("INSERT INTO recent (digest, data) VALUES (?, ?)", (hashlib.sha256(data).digest(), data))

    def stored(self, change: Change) -> None:
        """Takes over a change that is now on disk."""
        self._move(change.numbers, change.until_us)
        self._is_kept[change.numbers] = self._is_kept[change.tracked] = True
        self._follow(change.tracked, np.stack(change.tracks.columns), dict(zip(change.tracked.tolist(), change.tracks.lost, strict=True)))

    def fold(self, change: Change) -> None:
        """Brings the tables up to date with this and everything recent; belongs inside a transaction."""
        self._write(np.union1d(np.flatnonzero(self._is_moved), change.numbers), change)
        names = self._names()
        tracked = np.array([number for number in np.flatnonzero(self._is_tracked).tolist() if number in names], np.int64)
        numbers, (front, last, offset, heard) = tracked.tolist(), self._columns[:, tracked].tolist()
        lost = [self._lost.get(number, "") for number in numbers] if self._lost else [""] * len(numbers)
        unknown = {NONE: None}
        known = ([unknown.get(each, each) for each in column] for column in (last, offset))
        rows = zip([names[number] for number in numbers], front, *known, heard, lost, strict=True)
        self._db.execute_many("INSERT OR REPLACE INTO tracks VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("DELETE FROM recent")

    def folded(self, change: Change) -> None:
        """Takes note that the tables on disk are up to date."""
        self._move(change.numbers, change.until_us)
        self._is_kept[self._is_moved] = True
        self._is_moved[:] = self._is_tracked[:] = False

    def _write(self, numbers: Numbers, change: Change) -> None:
        until = self._until.copy()
        np.maximum.at(until, change.numbers, change.until_us)
        names = self._names()
        # A signal of which only a track is known has no position.
        # Damage may have taken a number its name, which has another one since.
        rows = ((number, names[number], int(until[number])) for number in numbers.tolist() if number in names)
        self._db.execute_many(
            "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (number) DO UPDATE SET until_us = excluded.until_us", rows,
        )

    def _names(self) -> dict[int, str]:
        return {number: name for name, number in self.numbers.items()}

    def _track(self, number: int) -> Track:
        front, last, offset, heard = self._columns[:, number].tolist()
        return Track(front, None if last == NONE else last, None if offset == NONE else offset, heard, self._lost.get(number, ""))

    def _replay(self, row: _Row) -> None:
        numbers, tracked = np.frombuffer(row.numbers, np.int64), np.frombuffer(row.tracked, np.int64)
        if max((int(each.max()) for each in (numbers, tracked) if len(each)), default=0) < len(self._until):
            self._move(numbers, np.frombuffer(row.until_us, np.int64))
            columns = np.stack([np.frombuffer(column, np.int64) for column in row.columns])
            self._follow(tracked, columns, {number: row.lost.get(number, "") for number in tracked.tolist()})

    def _move(self, numbers: Numbers, until_us: Numbers) -> None:
        np.maximum.at(self._until, numbers, until_us)
        self._is_moved[numbers] = True

    def _follow(self, tracked: Numbers, columns: Numbers, lost: dict[int, str]) -> None:
        self._columns[:, tracked] = columns
        self._is_tracked[tracked] = True
        self._lost |= {number: why for number, why in lost.items() if why or number in self._lost}

    def _grow(self, number: int) -> None:
        more = number + 1 - len(self._until)
        if more > 0:
            more = max(more, len(self._until))
            self._until = np.concatenate((self._until, np.full(more, I64_MIN, np.int64)))
            self._columns = np.concatenate((self._columns, np.full((4, more), NONE, np.int64)), axis=1)
            self._is_moved, self._is_kept, self._is_tracked = (
                np.concatenate((each, np.zeros(more, np.bool_))) for each in (self._is_moved, self._is_kept, self._is_tracked)
            )


def ends_of(gaps: Iterable[tuple[tuple[str, ...], int]]) -> dict[str, int]:
    """Signal → the latest end of its gaps."""
    ends: dict[str, int] = {}
    for names, to_us in gaps:
        for name in names:
            ends[name] = max(ends.get(name, to_us), to_us)
    return ends
