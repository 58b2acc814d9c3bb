"""Promise 5: nothing grows without bound, and nothing is dropped in silence: limits, free disk, policies, and the room that forgetting needs."""

import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest

from store.journal import FORMAT, JournalLimits, WhenFull
from store.journal_batches import HANDED_OUT
from store.journal_space import DROPPED, Space
from tests.unit.store.journal_line import CLOCK, T0, Line, block, gaps_of, header_of, rows_of
from workshop.errors import ConfigError, NotConnected

SECOND = 1_000_000
SMALL = JournalLimits(max_bytes=1_200_000, min_free_bytes=0, when_full=WhenFull.DROP_OLDEST)


def fill(line: Line, batches: int, first: int = 0) -> dict[tuple[str, int], float]:
    """Batches of 1,200 odd numbers of two signals; returns what went in."""
    emitted = {}
    for number in range(first, first + batches):
        values = [(number * 7919 + j * j) * 0.61803 for j in range(600)]
        readings = [block(*values, signal=signal, start=T0 + number * SECOND) for signal in ("cnc-01/load", "cnc-02/load")]
        line.journal.append(readings)
        line.journal.seal(CLOCK)
        for one in readings:
            emitted |= {(one.signals[0], time): value for time, value in zip(one.source_time_us.tolist(), values, strict=True)}
    return emitted


def test_the_oldest_are_dropped_and_declared_signal_by_signal(line: Line) -> None:
    line.reopen(SMALL)
    emitted = fill(line, 200)
    assert line.journal.status().dropped_rows > 0
    assert line.journal._db.used_bytes < 1.5 * SMALL.max_bytes, "bounded"
    line.reopen(SMALL)
    status = line.journal.status()
    line.journal.seal(CLOCK)
    batches = line.journal.from_seq(1, 10_000)
    headers = [header_of(batch) for _, batch in batches]
    assert [header.seq for header in headers] == list(range(1, len(headers) + 1)), "the chain stays whole"
    assert all(later.prev == batch.digest for (_, batch), later in zip(batches, headers[1:], strict=False))
    assert all(None not in batch.parts for _, batch in batches[:HANDED_OUT]), "what may have reached the gateway is not declared lost"
    stored = {(row.signal, row.source_time_us): row.value for row in rows_of(batches)}
    gaps = gaps_of(batches)
    assert {gap.reason for gap in gaps} == {DROPPED}
    lost = {key for key in emitted if any(key[0] in gap.signals and gap.from_us <= key[1] < gap.to_us for gap in gaps)}
    assert stored == {key: value for key, value in emitted.items() if key not in lost} and len(lost) == status.dropped_rows
    assert len(gaps) < len(batches) / 4, "many batches make one gap"
    # Nothing is lost twice, and what is acknowledged goes as ever.
    line.journal.acknowledge(headers[-1].seq)
    assert line.journal.status().pending_bytes == 0 and line.journal.status().oldest_us is None


def test_without_leave_to_drop_the_source_waits(line: Line) -> None:
    line.reopen(JournalLimits(max_bytes=400_000))
    with pytest.raises(NotConnected, match=r"full, .* nothing was stored"):
        fill(line, 100)
    assert "full" in line.journal.status().full and line.journal.status().dropped_rows == 0
    line.journal.acknowledge(line.journal.status().last_seq)
    fill(line, 1, 1000)
    assert not line.journal.status().full


def test_the_disk_of_others_is_left_to_them(line: Line) -> None:
    free = [10**9]
    line.journal._space = Space(line.journal._db, line.journal._batches, JournalLimits(min_free_bytes=10**8), lambda path: free[0])
    fill(line, 3)
    free[0] = 10**7
    with pytest.raises(NotConnected, match="10000000 bytes are free on the disk, 100000000 are to stay free"):
        fill(line, 1, 100)
    free[0] = 10**9
    fill(line, 1, 100)
    # Room inside the file is room, whatever the disk says.
    fill(line, 100, 200)
    line.journal.acknowledge(line.journal.status().last_seq)
    free[0] = 10**7
    fill(line, 1, 2000)


def test_a_reserve_lets_a_full_disk_forget(line: Line) -> None:
    """A real limit of SQLite in the place of a full disk: the reserve is given back, and built again when there is room."""
    line.reopen(JournalLimits(max_bytes=4 * 2**20, min_free_bytes=0))
    fill(line, 2)
    reserve = line.path.with_name("journal.sqlite.reserve")
    assert reserve.stat().st_size == 2**18
    pages = line.journal._db.execute("PRAGMA page_count")[0][0]
    line.journal._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(NotConnected, match="disk full"):
        fill(line, 200, 10)
    assert not reserve.exists()
    line.journal._db.execute("PRAGMA max_page_count = 1000000")
    fill(line, 1, 300)
    assert reserve.exists()


def test_a_journal_of_format_1_is_brought_forward_and_never_back(line: Line, tmp_path: Path) -> None:
    line.journal.append([block(1.0, 2.0)])
    line.journal.seal(CLOCK)
    line.journal.append([block(3.0, start=1_800_000_000_000_000)])
    line.journal.close()
    connection = sqlite3.connect(line.path)
    # What format 1 did not have.
    for statement in ("DROP TABLE tracks", "DROP TABLE declared", "DELETE FROM meta WHERE name = 'dropped'", "PRAGMA user_version = 1"):
        connection.execute(statement)
    connection.commit()
    connection.close()
    line.journal = line.open()
    assert line.journal.status().dropped_rows == 0 and line.journal.unsealed_rows() == 1
    line.journal.seal(CLOCK)
    assert [row.value for row in rows_of(line.journal.pending())] == [1.0, 2.0, 3.0]
    line.journal.close()
    connection = sqlite3.connect(line.path)
    assert connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    for version, said in ((FORMAT + 1, f"format version {FORMAT + 1} is newer than this program's {FORMAT}; run the newer program"),):
        connection.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(ConfigError, match=said):
            line.open()
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.close()
    line.journal = line.open()


def test_what_the_journal_says_of_itself(line: Line) -> None:
    assert (line.journal.status().oldest_us, line.journal.status().commits) == (None, 0)
    line.journal.append([block(1.0)])
    first = line.journal.status()
    assert first.oldest_us is not None and (first.stored_rows, first.commits, first.pending_bytes) == (1, 1, 0)
    fill(line, 3)
    sizes = [line.journal.status().pending_bytes]
    for seq in (1, 2, 3):
        line.journal.acknowledge(seq)
        sizes.append(line.journal.status().pending_bytes)
    assert all(later < earlier for earlier, later in pairwise(sizes)) and sizes[-1] == 0
    assert line.journal.status().acknowledged_rows == line.journal.status().stored_rows == 3601
