"""What the journal remembers over a restart, and that it is bounded."""

import sqlite3

from store.journal_memory import MAX_GAPS
from store.journal_tracks import Track
from tests.unit.store.journal_line import CLOCK, T0, Line, block
from workshop.batch import Gap

A = "cnc-01/load"


def test_tracks_gaps_and_readings_come_back(line: Line) -> None:
    line.journal.append([block(1.0, 2.0)], [], {A: Track(T0 + 1001, T0 + 1000, 7, T0 + 1007)})
    line.journal.seal(CLOCK)
    line.journal.append([block(3.0, start=T0 + 5000)], [Gap((A,), T0 + 1001, T0 + 5000, "x")], {A: Track(T0 + 5001, T0 + 5000, 7, T0 + 5007, "why")})
    line.journal.append([], [], {"cnc-02/load": Track(5, None, None, 0)})
    memory = line.reopen().remembered()
    assert memory.tracks == {A: Track(T0 + 5001, T0 + 5000, 7, T0 + 5007, "why"), "cnc-02/load": Track(5, None, None, 0)}
    assert memory.gaps == {A: [(T0 + 1001, T0 + 5000)]}
    assert memory.stored[A].tolist() == [T0, T0 + 1000, T0 + 5000]


def test_declared_gaps_are_bounded_and_the_latest_stay(line: Line) -> None:
    for number in range(2 * MAX_GAPS + 5):
        line.journal.append([], [Gap((A,), T0 + 10 * number, T0 + 10 * number + 5, "x")])
    kept = line.reopen().remembered().gaps[A]
    assert MAX_GAPS <= len(kept) <= 2 * MAX_GAPS
    assert kept[-1][0] == T0 + 10 * (2 * MAX_GAPS + 4)


def test_a_damaged_fragment_is_remembered_as_a_gap(line: Line) -> None:
    line.journal.append([block(1.0, 2.0)])
    line.flip("fragments", "data")
    line.journal.seal(CLOCK)
    memory = line.journal.remembered()
    assert memory.gaps == {A: [(T0, T0 + 1001)]} and not memory.stored


def test_a_journal_without_these_tables_gets_them(line: Line) -> None:
    line.journal.append([block(1.0)])
    line.journal.close()
    connection = sqlite3.connect(line.path)
    for table in ("tracks", "declared"):
        connection.execute(f"DROP TABLE {table}")
    connection.commit()
    connection.close()
    line.journal = line.open()
    memory = line.journal.remembered()
    assert not memory.tracks and memory.stored[A].tolist() == [T0]
