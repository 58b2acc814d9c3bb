"""The edge's journal: what append stored comes out once, in order and bit-equal."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.journal import JournalLimits
from store.journal_fragment import decode_fragment, encode_fragment
from store.signing import SigningKey, verify
from tests.unit.store.journal_line import CLOCK, KEY, T0, Line, block, gaps_of, header_of, rows_of
from workshop.batch import NO_DIGEST, Gap, Provenance
from workshop.block import block_of
from workshop.errors import ConfigError, NotConnected
from workshop.reading import Quality, Reading


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
    connection.execute("PRAGMA user_version = 99")
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
