"""The edge's journal: what append stored comes out once, in order and bit-equal, or is declared a gap."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.journal import EdgeJournal, JournalLimits
from store.journal_fragment import decode_fragment, encode_fragment
from store.signing import SigningKey, verify
from workshop.batch import NO_DIGEST, ClockState, Gap, Header, Provenance, SealedBatch, decode_header
from workshop.block import Block, block_of
from workshop.errors import ConfigError, NotConnected, Rejected
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


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.journal.close()


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


def test_what_was_appended_comes_out_of_the_sealed_batch(line: Line) -> None:
    readings = [block(1.5, None, 2, "织", -0.0), block(7, signal="meter-1/energy")]
    line.journal.append(readings)
    assert line.journal.unsealed_rows() == 6
    assert line.journal.seal(CLOCK) == 1
    batches = line.journal.pending()
    assert [seq for seq, _ in batches] == [1] and line.journal.unsealed_rows() == 0
    assert rows_of(batches) == [*readings[0].readings(), *readings[1].readings()]
    header = header_of(batches[0][1])
    assert (header.edge, header.epoch, header.seq, header.prev, header.provenance) == ("edge-1", T0, 1, NO_DIGEST, Provenance.SIMULATED)
    assert (header.sealed_us, header.clock, [part.equipment for part in header.parts]) == (T0, CLOCK, ["cnc-01", "meter-1"])
    assert verify(KEY.public, "batch", batches[0][1].header, batches[0][1].signature)


def test_everything_survives_reopening(line: Line) -> None:
    line.journal.append([block(1, 2)], [Gap(("cnc-01/state",), T0, T0 + 50, "link down")])
    line.now += 10**9
    journal = line.reopen()
    assert journal.epoch == T0 and journal.unsealed_rows() == 2
    assert journal.positions() == {"cnc-01/load": T0 + 1001, "cnc-01/state": T0 + 50}
    assert journal.seal(CLOCK) == 1
    journal = line.reopen()
    assert len(rows_of(journal.pending())) == 2 and gaps_of(journal.pending()) == [Gap(("cnc-01/state",), T0, T0 + 50, "link down")]
    assert journal.positions() == {"cnc-01/load": T0 + 1001, "cnc-01/state": T0 + 50}


def test_headers_chain_and_numbers_go_on_after_pruning(line: Line) -> None:
    journal = line.reopen(JournalLimits(retention_bytes=0))
    seen = []
    for i in range(6):
        journal.append([block(i, start=T0 + i * 10_000)])
        seq = journal.seal(CLOCK)
        [(number, batch)] = journal.pending()
        seen.append(batch)
        assert number == seq == i + 1 and header_of(batch).prev == (seen[i - 1].digest if i else NO_DIGEST)
        journal.acknowledge(number)
        assert journal.pending() == [] and journal.from_seq(1) == []
        journal = line.reopen()
    assert journal.watermark == 6 and journal.positions() == {"cnc-01/load": T0 + 50_001}
    assert journal.status().last_seq == 6 and journal.status().pending_batches == 0


def test_nothing_to_seal_is_no_batch(line: Line) -> None:
    assert line.journal.seal(CLOCK) is None
    line.journal.append([])
    line.journal.append([block_of([])])
    assert line.journal.seal(CLOCK) is None and line.journal.pending() == []


def test_a_batch_may_hold_only_gaps_and_equal_gaps_become_one(line: Line) -> None:
    line.journal.append([], [Gap(("b-1/y",), T0, T0 + 5, "link down"), Gap(("b-1/y",), T0, T0 + 9, "link down")])
    line.journal.append([], [Gap(("a-1/x",), T0, T0 + 5, "link down"), Gap(("b-1/y",), T0, T0 + 5, "overflow")])
    assert line.journal.status().gaps == 4
    assert line.journal.seal(CLOCK) == 1
    [(_, batch)] = line.journal.pending()
    assert batch.parts == ()
    assert header_of(batch).gaps == (
        Gap(("a-1/x", "b-1/y"), T0, T0 + 5, "link down"), Gap(("b-1/y",), T0, T0 + 5, "overflow"), Gap(("b-1/y",), T0, T0 + 9, "link down"),
    )
    assert line.journal.seal(CLOCK) is None


def test_too_many_gaps_for_one_header_go_into_several(line: Line) -> None:
    names = [f"equipment-{i:04}/{'n' * 90}" for i in range(1500)]
    gaps = [Gap(tuple(names), T0 + i, T0 + i + 1, "link down") for i in range(8)]
    line.journal.append([block(1)], gaps)
    last = line.journal.seal(CLOCK)
    batches = line.journal.pending()
    assert last is not None and last == len(batches) > 1
    assert {(name, gap.from_us) for gap in gaps_of(batches) for name in gap.signals} == {(name, T0 + i) for i in range(8) for name in names}
    assert len(rows_of(batches)) == 1


def test_large_seals_are_cut_by_rows_and_by_bytes(line: Line) -> None:
    journal = line.reopen(JournalLimits(seal_rows=100))
    journal.append([block(*range(250))])
    assert journal.seal(CLOCK) == 3
    assert [header_of(batch).rows for _, batch in journal.pending()] == [100, 100, 50]
    journal = line.reopen(JournalLimits(seal_bytes=1500))
    texts = [f"{i * 7919 % 1013}-" + "".join(chr(0x4E00 + (i * i + j * j * 31) % 20000) for j in range(60)) for i in range(100)]
    journal.append([block(*texts, start=T0 + 10**6)])
    journal.seal(CLOCK)
    batches = journal.from_seq(4, 1000)
    assert [reading.value for reading in rows_of(batches)] == texts
    assert len(batches) > 3 and all(sum(part.bytes for part in header_of(batch).parts) <= 1500 for _, batch in batches)


def test_acknowledged_batches_stay_within_the_retention_budget(line: Line) -> None:
    for i in range(5):
        line.journal.append([block(i, start=T0 + i)])
        line.journal.seal(CLOCK)
    line.journal.acknowledge(3)
    assert [seq for seq, _ in line.journal.pending()] == [4, 5]
    assert [seq for seq, _ in line.journal.from_seq(1)] == [1, 2, 3, 4, 5]
    assert [seq for seq, _ in line.journal.from_seq(2, 2)] == [2, 3]
    line.journal.acknowledge(1)
    assert line.journal.watermark == 3
    with pytest.raises(ConfigError, match="old copy"):
        line.journal.acknowledge(6)
    one = line.journal.status()
    journal = line.reopen(JournalLimits(retention_bytes=2000))
    journal.acknowledge(5)
    kept = [seq for seq, _ in journal.from_seq(1)]
    assert kept and kept == list(range(kept[0], 6)) and kept[0] > 1
    assert one.pending_batches == 2


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


def test_one_journal_has_one_writer(line: Line) -> None:
    with pytest.raises(ConfigError, match="in use by another process"):
        line.open()
    line.journal.close()
    line.journal.close()
    with pytest.raises(NotConnected, match="closed"):
        line.journal.append([block(1)])
    line.journal = line.open()


@pytest.mark.parametrize(("change", "word"), [
    ({"edge": "edge-2"}, "edge"), ({"provenance": Provenance.PLANT}, "provenance"), ({"key": SigningKey.create()}, "key"),
])
def test_the_journal_of_another_edge_is_refused(line: Line, change: dict[str, object], word: str) -> None:
    line.journal.close()
    with pytest.raises(ConfigError, match=f"belongs to {word}"):
        line.open(**change)
    line.journal = line.open()


def test_newer_foreign_and_damaged_files_are_refused_in_words(line: Line, tmp_path: Path) -> None:
    line.journal.close()
    connection = sqlite3.connect(line.path)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(ConfigError, match="newer"):
        line.open()
    line.path = tmp_path / "foreign.sqlite"
    connection = sqlite3.connect(line.path)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(ConfigError, match="another program"):
        line.open()
    line.path = tmp_path / "noise.sqlite"
    line.path.write_bytes(bytes(range(256)) * 64)
    with pytest.raises(ConfigError, match="damaged"):
        line.open()
    line.path = tmp_path / "file" / "journal.sqlite"
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigError, match="cannot be opened"):
        line.open()


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


def test_quarantine_counts_and_keeps(line: Line) -> None:
    line.journal.quarantine("mqtt", b"\xff" * 2_000_000, "not JSON")
    line.journal.quarantine("mqtt", b"{", "not JSON")
    assert line.reopen().quarantined() == 2 and line.journal.status().quarantined == 2
    assert line.journal.status().bytes_on_disk < 2_000_000


def test_positions_never_go_back(line: Line) -> None:
    line.journal.append([block(1, start=T0 + 5000)])
    line.journal.append([block(2, start=T0)], [Gap(("cnc-01/load",), T0, T0 + 10, "late")])
    assert line.journal.positions() == {"cnc-01/load": T0 + 5001}
    assert line.reopen().positions() == {"cnc-01/load": T0 + 5001}


VALUES = st.one_of(st.none(), st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(st.characters(codec="utf-8"), max_size=20))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.builds(
    lambda name, time, value, status: Reading(name, time, time + 3, value, Quality.BAD if value is None else Quality.UNCERTAIN, status),
    st.sampled_from(["a-1/x", "a-1/y", "b-2/x"]), st.integers(-(2**52), 2**52), VALUES, st.text(st.characters(codec="utf-8"), max_size=9),
), max_size=40))
def test_fragments_are_exact(readings: list[Reading]) -> None:
    made = block_of(readings)
    again = decode_fragment(encode_fragment(made))
    assert again.readings() == made.readings()
    assert again.value_f64.tobytes() == made.value_f64.tobytes()
