"""The edge's journal on a bad or full disk: what cannot be delivered is declared, what cannot be stored is refused."""

import pytest

from store.journal import JournalLimits
from store.signing import verify
from tests.unit.store.journal_line import CLOCK, KEY, T0, Line, block, gaps_of, rows_of
from workshop.batch import Gap
from workshop.block import block_of
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.reading import Quality, Reading


def test_a_flipped_fragment_is_quarantined_and_declared_signal_by_signal(line: Line) -> None:
    line.journal.append([block(1, 2, 3)])
    line.journal.append([block(4, 5, start=T0 + 10_000), block(9, signal="cnc-01/temp", start=T0 + 10_500)])
    line.journal.append([block(6, start=T0 + 20_000)])
    line.flip("fragments", "data", "number = 2")
    assert line.journal.seal(CLOCK) == 1
    batches = line.journal.pending()
    assert [reading.value for reading in rows_of(batches)] == [1, 2, 3, 6]
    assert sorted(gaps_of(batches), key=lambda gap: gap.signals) == [
        Gap(("cnc-01/load",), T0 + 10_000, T0 + 11_001, "damaged"), Gap(("cnc-01/temp",), T0 + 10_500, T0 + 10_501, "damaged"),
    ]
    assert line.journal.quarantined() == 1 and line.reopen().quarantined() == 1
    assert line.journal.status().gaps == 2


def test_a_fragment_whose_spans_are_flipped_too_is_at_least_counted(line: Line) -> None:
    line.journal.append([block(1)])
    line.flip("fragments", "data")
    line.flip("fragments", "span", at=9)
    assert line.journal.seal(CLOCK) is None
    assert line.journal.quarantined() == 1 and line.journal.unsealed_rows() == 0
    line.journal.append([block(2)])
    assert line.journal.seal(CLOCK) == 1


def test_a_part_damaged_on_disk_is_left_out_and_declared_in_the_next_header(line: Line) -> None:
    line.journal.append([block(1, 2), block(7, signal="meter-1/energy")])
    line.journal.seal(CLOCK)
    line.flip("parts", "data", "number = 0")
    for _ in range(2):
        [(seq, batch)] = line.journal.pending()
        assert seq == 1 and batch.parts[0] is None and batch.parts[1] is not None
        assert verify(KEY.public, "batch", batch.header, batch.signature)
        line.reopen()
    assert line.journal.seal(CLOCK) == 2
    assert gaps_of(line.journal.pending()) == [Gap(("cnc-01/load",), T0, T0 + 1001, "damaged")]
    assert line.journal.seal(CLOCK) is None


@pytest.mark.parametrize(("column", "at"), [("data", 40), ("span", 9)])
def test_a_damaged_part_without_spans_is_declared_for_its_whole_equipment(line: Line, column: str, at: int) -> None:
    line.journal.append([block(1), block(2, signal="cnc-01/temp", start=T0 + 500), block(3, signal="cnc-02/load")])
    line.journal.seal(CLOCK)
    line.flip("parts", "span", "number = 0", at=9)
    if column == "data":
        line.flip("parts", "data", "number = 0", at=at)
    damaged = line.journal.pending()[0][1].parts[0] is None
    assert damaged is (column == "data")
    line.journal.append([], [Gap(("z-1/z",), 1, 2, "end")])
    line.journal.seal(CLOCK)
    expected = [Gap(("cnc-01/load", "cnc-01/temp"), T0, T0 + 501, "damaged")] if damaged else []
    assert [gap for gap in gaps_of(line.journal.pending()) if gap.reason == "damaged"] == expected


def test_one_damaged_copy_of_a_header_does_not_stop_the_line(line: Line) -> None:
    line.journal.append([block(1)])
    line.journal.seal(CLOCK)
    whole = line.journal.pending()
    line.flip("batches", "record")
    assert line.journal.pending() == whole
    line.flip("parts", "data", "number = -1")
    with pytest.raises(ConfigError, match="batch 1"):
        line.journal.pending()


def test_a_full_disk_stores_nothing_loses_nothing_and_goes_on(line: Line) -> None:
    line.journal.append([block(1)])
    pages = line.journal._db.execute("PRAGMA page_count")[0][0]
    line.journal._db.execute(f"PRAGMA max_page_count = {pages}")
    large = block_of(Reading(f"cnc-01/s{i}", T0 + i, T0, i * 0.37) for i in range(5000))
    with pytest.raises(NotConnected, match="disk full"):
        line.journal.append([large])
    assert line.journal.unsealed_rows() == 1 and line.journal.positions() == {"cnc-01/load": T0 + 1}
    line.journal._db.execute("PRAGMA max_page_count = 1000000")
    line.journal.append([large])
    line.journal.seal(CLOCK)
    assert len(rows_of(line.journal.pending())) == 5001


def test_a_full_journal_makes_the_source_wait_until_the_gateway_has_it(line: Line) -> None:
    journal = line.reopen(JournalLimits(max_bytes=250_000))
    sent = 0
    with pytest.raises(NotConnected, match="full"):
        for i in range(1000):
            journal.append([block(*[(i * 7919 + j * j) * 0.61803 for j in range(500)], start=T0 + i * 1_000_000)])
            sent += 500
    assert sent > 0
    last = journal.seal(CLOCK)
    assert last is not None and len(rows_of(journal.pending(1000))) == sent
    journal.acknowledge(last)
    # What the gateway has makes room for new readings, whatever the retention budget says.
    for i in range(40):
        journal.append([block(*[(i * 104729 + j * j) * 0.31831 for j in range(500)], start=T0 + 10**12 + i * 1_000_000)])
        last = journal.seal(CLOCK)
        assert last is not None
        journal.acknowledge(last)
    assert journal.from_seq(1)[0][0] > 1 and journal.status().last_seq == last


@pytest.mark.parametrize("bad", [
    [Reading("noslash", T0, T0, 1)], [Reading("CNC/x", T0, T0, 1)], [Reading("cnc-01/", T0, T0, 1)], [Reading("cnc-01/a\nb", T0, T0, 1)],
    [Reading("cnc-01/x", 2**53, T0, 1)], [Reading("cnc-01/x", T0, -(2**60), 1)], [Reading("cnc-01/x", T0, T0, "x" * 300_000)],
    [Reading("cnc-01/" + "x" * 200, T0, T0, 1)], [Reading("cnc-01/x", T0, T0, 1, Quality.GOOD, "\ud800")],
])
def test_readings_that_could_never_be_sent_are_refused_before_they_are_stored(line: Line, bad: list[Reading]) -> None:
    with pytest.raises(Rejected):
        line.journal.append([block(1), block_of(bad)])
    assert line.journal.unsealed_rows() == 0 and line.journal.positions() == {} and line.journal.seal(CLOCK) is None


@pytest.mark.parametrize("gap", [
    Gap((), 0, 1, "x"), Gap(("a-1/b",), 1, 1, "x"), Gap(("a-1/b",), 0, 2**53, "x"), Gap(("a-1/b",), 0, 1, ""), Gap(("a-1/b",), 0, 1, "x" * 501),
    Gap(("a-1/b",), 0, 1, "\ud800"), Gap(("nothing",), 0, 1, "x"),
])
def test_gaps_that_could_never_be_sent_are_refused(line: Line, gap: Gap) -> None:
    with pytest.raises(Rejected):
        line.journal.append([], [gap])
    assert line.journal.seal(CLOCK) is None
