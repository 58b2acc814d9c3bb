"""The gateway's archive: every batch exactly once, whatever is sent how often in which order; the log the same after reopening."""

import random
import sqlite3

import pytest

from store.archive import Committed, EdgeRecord, Refused
from store.log import data_leaf, leaf_hash, verify_inclusion
from tests.unit.store.gateway_archive import KEY, KEY_2, T0, Gateway, chain, sealed
from workshop.batch import NO_DIGEST, ClockState, Gap, Header, Provenance, SealedBatch, encode_header
from workshop.block import block_of
from workshop.errors import ConfigError, NotConnected
from workshop.part import encode_part
from workshop.reading import Reading
from workshop.window import SECOND_US, Window


def test_batches_go_into_the_data_log_as_they_were_signed(gateway: Gateway) -> None:
    batches = chain(3)
    assert gateway.commit(*batches[:2]) == [Committed(1, 0), Committed(2, 1)]
    gateway.now += 5
    assert gateway.commit(batches[2]) == [Committed(3, 2)]
    stored = list(gateway.archive.batches(0, 99))
    assert [(one.index, one.accepted_us, one.batch) for one in stored] == [(0, T0, batches[0]), (1, T0, batches[1]), (2, T0 + 5, batches[2])]
    assert gateway.archive.watermark("edge-1") == (T0, 3) and gateway.archive.last_accepted_us("edge-1") == T0 + 5
    leaf = leaf_hash(data_leaf(T0, batches[1].header, batches[1].signature))
    assert verify_inclusion(1, 3, leaf, gateway.archive.inclusion_proof("data", 1, 3), gateway.archive.root("data"))


def test_promise_3_a_replay_changes_nothing_and_another_body_is_refused(gateway: Gateway) -> None:
    batches = chain(3)
    gateway.commit(*batches)
    root = gateway.archive.root("data")
    gateway.now += 10**9
    assert gateway.commit(*batches, batches[0]) == [Committed(3, None)] * 4
    conflict = gateway.refusal(sealed(2, batches[0], value=7.0))
    assert (conflict.type, conflict.watermark, conflict.epoch) == ("conflict", 3, T0)
    assert gateway.refusal(sealed(4, batches[0])).type == "conflict"
    assert gateway.archive.root("data") == root and gateway.archive.data_size == 3


def test_a_hole_is_refused_with_the_watermark(gateway: Gateway) -> None:
    batches = chain(5)
    assert (gateway.refusal(batches[1]).type, gateway.refusal(batches[1]).watermark) == ("sequence-gap", 0)
    answers = gateway.commit(batches[0], batches[1], batches[3], batches[2], batches[3], batches[4])
    assert [isinstance(answer, Committed) for answer in answers] == [True, True, False, True, True, True]
    assert answers[2] == Refused("sequence-gap", f"batch 4 of edge-1, epoch {T0}: expected 3", 2, T0)


def test_strangers_and_forgeries_are_refused(gateway: Gateway) -> None:
    good = sealed(1)
    assert gateway.refusal(sealed(1, edge="edge-9")).type == "unknown-edge"
    assert gateway.refusal(sealed(1, key=KEY_2)).type == "bad-signature"
    assert gateway.refusal(SealedBatch(good.header, b"", good.parts)).type == "bad-signature"
    assert gateway.refusal(sealed(1, provenance=Provenance.PLANT)).type == "wrong-provenance"
    assert gateway.refusal(sealed(1, "1" * 64)).type == "conflict"
    for spoiled in (
        SealedBatch(good.header + b" ", good.signature, good.parts), SealedBatch(b"{}", good.signature, ()),
        SealedBatch(good.header, good.signature, ()), SealedBatch(good.header, good.signature, (b"x",)),
        SealedBatch(good.header, good.signature, (good.parts[0], None)),
    ):
        assert gateway.refusal(spoiled).type == "invalid"
    gateway.archive.revoke("edge-1", author="admin", reason="stolen")
    assert gateway.refusal(good).type == "unknown-edge" and gateway.reopen().edge("edge-1") is not None
    assert gateway.refusal(good).type == "unknown-edge"


def test_a_part_that_was_damaged_at_the_edge_may_be_missing(gateway: Gateway) -> None:
    whole = sealed(1)
    damaged = SealedBatch(whole.header, whole.signature, (None,))
    assert gateway.commit(damaged) == [Committed(1, 0)]
    assert gateway.commit(whole) == [Committed(1, None)]
    assert next(gateway.reopen().batches(0, 1)).batch == damaged


def test_a_new_epoch_is_fenced_until_the_old_one_was_silent(gateway: Gateway) -> None:
    old = chain(2)
    gateway.commit(*old)
    gateway.now += 59 * SECOND_US
    for prev in (NO_DIGEST, old[-1]):
        assert gateway.refusal(sealed(1, prev, epoch=T0 + 9)).type == "fenced"
    gateway.now += SECOND_US
    assert (gateway.refusal(sealed(2, epoch=T0 + 9)).type, gateway.refusal(sealed(2, epoch=T0 + 9)).watermark) == ("sequence-gap", 0)
    assert gateway.refusal(sealed(1, old[0], epoch=T0 + 9)).type == "conflict"
    lost = chain(2, epoch=T0 + 9)
    assert gateway.commit(*lost) == [Committed(1, 2), Committed(2, 3)]
    assert gateway.archive.watermark("edge-1") == (T0 + 9, 2)
    # The old journal is still there: what it had sent is known, what is new is fenced.
    assert gateway.commit(old[1]) == [Committed(2, None)]
    assert gateway.refusal(sealed(3, old[1])).type == "fenced"
    gateway.now += 60 * SECOND_US
    assert gateway.commit(sealed(1, lost[1], epoch=T0 + 10)) == [Committed(1, 4)]
    bodies = [entry.body for entry in gateway.reopen().control_entries(kind="epoch")]
    assert [(body["epoch"], body["old_epoch"], body["old_seq"], body["prev"]) for body in bodies] == [
        (T0 + 9, T0, 2, "lost"), (T0 + 10, T0 + 9, 2, "chained"),
    ]


def test_accepted_times_never_go_backwards(gateway: Gateway) -> None:
    batches = chain(3)
    for batch, step in zip(batches, (100, -500, 100), strict=True):
        gateway.now += step
        gateway.reopen().commit([batch])
    assert [one.accepted_us for one in gateway.archive.batches(0, 3)] == [T0 + 100] * 3


def test_ranges_hold_every_batch_that_meets_the_window(gateway: Gateway) -> None:
    prev: SealedBatch | str = NO_DIGEST
    for seq in range(1, 6):
        entry, part = encode_part("cnc-01", block_of([Reading("cnc-01/load", T0 + t * SECOND_US, T0, 1.0) for t in (seq * 10, seq * 10 + 9)]))
        gap = Gap(("cnc-01/load",), T0 + 500 * SECOND_US, T0 + 510 * SECOND_US, "x")
        digest = prev if isinstance(prev, str) else prev.digest
        data = encode_header(Header("edge-1", T0, seq, digest, Provenance.SIMULATED, T0, ClockState(), (entry,), (gap,) * (seq == 2)))
        prev = SealedBatch(data, KEY.sign("batch", data), (part,))
        assert isinstance(gateway.commit(prev)[0], Committed)

    def found(start: int, end: int, lookback: int = 0) -> tuple[int, int]:
        return gateway.archive.range_for(Window(T0 + start * SECOND_US, T0 + end * SECOND_US), lookback * SECOND_US)

    assert found(0, 10) == (0, 0) and found(0, 11) == (0, 1) and found(19, 20) == (0, 1) and found(20, 31) == (1, 3)
    assert found(60, 61) == (1, 2) and found(505, 506) == (1, 2) and found(510, 999) == (0, 0)
    assert found(45, 46, 16) == (1, 4) and found(510, 520, 1) == (1, 2)
    assert gateway.archive.gaps() == [("edge-1", Gap(("cnc-01/load",), T0 + 500 * SECOND_US, T0 + 510 * SECOND_US, "x"))]


def test_the_archive_of_another_gateway_or_program_is_refused(gateway: Gateway) -> None:
    with pytest.raises(ConfigError, match="in use by another process"):
        gateway.open()
    gateway.archive.close()
    with pytest.raises(ConfigError, match="another gateway key"):
        gateway.open(key=KEY_2)
    with pytest.raises(ConfigError, match="name another data folder"):
        gateway.open(origin="other")
    connection = sqlite3.connect(gateway.path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(ConfigError, match="newer"):
        gateway.open()


def test_a_full_disk_commits_nothing_and_the_same_batches_go_in_later(gateway: Gateway) -> None:
    batches = chain(200)
    gateway.commit(batches[0])
    before = gateway.archive.root("data"), gateway.archive.watermark("edge-1"), gateway.archive.control_size
    pages = gateway.archive._db.execute("PRAGMA page_count")[0][0]
    gateway.archive._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(NotConnected, match="disk full"):
        gateway.commit(*batches[1:])
    assert (gateway.archive.root("data"), gateway.archive.watermark("edge-1"), gateway.archive.control_size) == before
    gateway.archive._db.execute("PRAGMA max_page_count = 1000000")
    assert gateway.commit(*batches[1:])[-1] == Committed(200, 199)
    root = gateway.archive.root("data")
    assert gateway.reopen().root("data") == root


@pytest.mark.parametrize("seed", range(6))
def test_promise_3_exactly_once_under_replays_and_reordering(gateway: Gateway, seed: int) -> None:
    lots = random.Random(seed)
    gateway.archive.enrol(EdgeRecord("edge-2", KEY_2.public, Provenance.SIMULATED, "bb", T0), author="admin")
    lines = {"edge-1": chain(25, with_gap=True), "edge-2": chain(25, key=KEY_2, edge="edge-2")}
    while any((gateway.archive.watermark(edge) or (0, 0))[1] < 25 for edge in lines):
        picks = []
        for _ in range(lots.randrange(1, 8)):
            edge = lots.choice(list(lines))
            mark = (gateway.archive.watermark(edge) or (0, 0))[1]
            # Mostly near the watermark, before and after it.
            picks.append(lines[edge][min(24, max(0, mark + lots.randrange(-3, 3)))])
        before = {edge: (gateway.archive.watermark(edge) or (0, 0))[1] for edge in lines}
        for batch, answer in zip(picks, gateway.commit(*picks), strict=True):
            if isinstance(answer, Committed):
                edge = "edge-1" if batch in lines["edge-1"] else "edge-2"
                assert (answer.index is None) == (lines[edge].index(batch) < before[edge])
                before[edge] = max(before[edge], lines[edge].index(batch) + 1)
            else:
                assert answer.type == "sequence-gap"
        if lots.random() < 0.2:
            roots = gateway.archive.root("data"), gateway.archive.root("control")
            gateway.reopen()
            assert (gateway.archive.root("data"), gateway.archive.root("control")) == roots
    stored = [one.batch for one in gateway.archive.batches(0, gateway.archive.data_size)]
    assert len(stored) == 50 and all([batch for batch in stored if batch in line] == line for line in lines.values())
    assert len(gateway.archive.gaps()) == 25
