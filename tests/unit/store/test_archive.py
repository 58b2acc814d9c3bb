"""The gateway's archive: every batch exactly once, whatever is sent how often in which order; both logs the same after reopening."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from store.archive import Archive, Committed, EdgeRecord, Refused
from store.log import Checkpoint, data_leaf, leaf_hash, open_note, parse_checkpoint, split_leaf, verify_consistency, verify_inclusion
from store.signing import SigningKey, verify
from workshop.batch import NO_DIGEST, ClockState, Gap, Header, Provenance, SealedBatch, encode_header
from workshop.block import block_of
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.part import encode_part
from workshop.reading import Reading
from workshop.register import Equipment, Process, Workshop
from workshop.window import SECOND_US, Window

T0 = 1_700_000_000_000_000
ORIGIN = "chejian.local/demo-00112233"
GATEWAY, KEY, KEY_2 = SigningKey.create(), SigningKey.create(), SigningKey.create()
EDGE = EdgeRecord("edge-1", KEY.public, Provenance.SIMULATED, "aa", T0)


def sealed(
    seq: int, prev: SealedBatch | str = NO_DIGEST, *, value: float = 1.0, key: SigningKey = KEY, with_gap: bool = False, **changes: object
) -> SealedBatch:
    entry, part = encode_part("cnc-01", block_of([Reading("cnc-01/load", T0 + seq * SECOND_US, T0, value), Reading("cnc-01/load", T0 + 9, T0, 2.0)]))
    gaps = (Gap(("cnc-01/state",), T0 + seq * 100 * SECOND_US, T0 + seq * 100 * SECOND_US + 5, "link down"),) if with_gap else ()
    digest = prev.digest if isinstance(prev, SealedBatch) else prev
    header = Header("edge-1", T0, seq, digest, Provenance.SIMULATED, T0, ClockState(), (entry,), gaps)
    data = encode_header(msgspec.structs.replace(header, **changes))
    return SealedBatch(data, key.sign("batch", data), (part,))


def chain(length: int, first: int = 1, prev: SealedBatch | str = NO_DIGEST, **changes: object) -> list[SealedBatch]:
    batches = []
    for seq in range(first, first + length):
        batches.append(sealed(seq, prev, **changes))  # type: ignore[arg-type]
        prev = batches[-1]
    return batches


class Gateway:
    """An archive on a file, with the clock in the test's hand."""

    def __init__(self, folder: Path) -> None:
        self.path, self.now = folder / "archive.sqlite", T0
        self.archive = self.open()
        self.archive.enrol(EDGE, author="admin")

    def open(self, key: SigningKey = GATEWAY, origin: str = ORIGIN) -> Archive:
        return Archive.open(self.path, key=key, origin=origin, clock=lambda: self.now)

    def reopen(self) -> Archive:
        self.archive.close()
        self.archive = self.open()
        return self.archive

    def commit(self, *batches: SealedBatch) -> list[Committed | Refused]:
        return self.archive.commit(batches)

    def refusal(self, batch: SealedBatch) -> Refused:
        size = self.archive.data_size, self.archive.control_size
        [answer] = self.commit(batch)
        assert isinstance(answer, Refused) and (self.archive.data_size, self.archive.control_size) == size
        return answer


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path)
    yield made
    made.archive.close()


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


def test_an_edge_enrolled_again_keeps_its_provenance_and_its_chain(gateway: Gateway) -> None:
    first = sealed(1)
    gateway.commit(first)
    with pytest.raises(Rejected, match="never changes"):
        gateway.archive.enrol(msgspec.structs.replace(EDGE, provenance=Provenance.PLANT), author="admin")
    with pytest.raises(Rejected, match="base64"):
        gateway.archive.enrol(msgspec.structs.replace(EDGE, public_key="no key"), author="admin")
    gateway.archive.enrol(msgspec.structs.replace(EDGE, public_key=KEY_2.public), author="admin")
    assert gateway.refusal(sealed(2, first)).type == "bad-signature"
    assert gateway.commit(sealed(2, first, key=KEY_2)) == [Committed(2, 1)]
    entries = gateway.archive.control_entries(kind="enrolment")
    assert [entry.body for entry in entries] == [{"edge": "edge-1", "key": key, "provenance": "simulated"} for key in (KEY.public, KEY_2.public)]
    assert [entry.author for entry in entries] == ["admin", "admin"] and gateway.reopen().edges()[0].public_key == KEY_2.public


def test_control_entries_are_signed_framed_and_in_order(gateway: Gateway) -> None:
    gateway.now -= 10**9
    assert gateway.archive.add_control("claim", {"id": "a", "text": "联网率"}, author="厂长") == 2
    with pytest.raises(Rejected, match="claim"):
        gateway.archive.add_control("claim", {"value": float("nan")}, author="x")
    with pytest.raises(Rejected, match="claim"):
        gateway.archive.add_control("claim", {"value": 2**60}, author="x")
    archive = gateway.reopen()
    entries = archive.control_entries()
    assert [(entry.index, entry.kind, entry.time_us) for entry in entries] == [(0, "origin", T0), (1, "enrolment", T0), (2, "claim", T0)]
    assert entries[0].body == {"origin": ORIGIN, "gateway_key": GATEWAY.public} and entries[2].body == {"id": "a", "text": "联网率"}
    leaves = list(archive.control_leaves())
    for index, leaf in enumerate(leaves):
        time_us, data, signature = split_leaf(leaf)
        assert time_us == T0 and verify(GATEWAY.public, "control", data, signature)
        assert verify_inclusion(index, 3, leaf_hash(leaf), archive.inclusion_proof("control", index, 3), archive.root("control"))
    assert list(archive.control_leaves(1)) == leaves[1:] and archive.control_entries(2)[0].kind == "claim"


def test_checkpoints_are_signed_and_stand_in_the_control_log(gateway: Gateway) -> None:
    gateway.commit(*chain(3))
    name = f"{ORIGIN}/data"
    checkpoint = parse_checkpoint(open_note(gateway.archive.checkpoint("data"), name, GATEWAY.public))
    assert checkpoint == Checkpoint(name, 3, gateway.archive.root("data"))
    assert gateway.archive.seal_checkpoint() == 2
    assert gateway.archive.control_entries(2)[0].body == {"size": 3, "root": checkpoint.root.hex()}
    gateway.commit(*chain(5)[3:])
    proof = gateway.archive.consistency_proof("data", 3, 5)
    assert verify_consistency(3, 5, checkpoint.root, gateway.archive.root("data"), proof) and gateway.archive.root("data", 3) == checkpoint.root
    assert "/control\n3\n" in gateway.archive.checkpoint("control")


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


def register(title: str) -> Workshop:
    lathe = Equipment("cnc-01", "车床", "Lathe", "lathe", "line-1", "SN1", True, True, "turning", 7500, "2024-01-01")
    return Workshop("ws", title, "Shop", "E", "S", "A", "Asia/Shanghai", (lathe,), (Process("turning", "车削", "Turning", True),))


def test_register_revisions_are_control_entries_and_come_back_whole(gateway: Gateway) -> None:
    archive = gateway.archive
    assert archive.register() is None and archive.registers() == []
    assert archive.revise_register(register("一"), author="engineer", reason="first")
    assert not archive.revise_register(register("一"), author="engineer", reason="again")
    gateway.now += 7
    assert archive.revise_register(register("二"), author="engineer", reason="renamed")
    archive = gateway.reopen()
    assert archive.register() == register("二")
    assert archive.registers() == [(T0, register("一")), (T0 + 7, register("二"))]
    assert archive.control_entries(kind="register")[1].body["digest"] == register("二").digest


def test_tokens_expire_are_used_up_and_forgotten(gateway: Gateway) -> None:
    archive = gateway.archive
    archive.add_token("a" * 64, "edge", "edge-1", T0 + 10, once=True)
    archive.add_token("b" * 64, "viewer", "wall", None, once=False)
    found = archive.find_token("a" * 64)
    assert found is not None and (found.role, found.subject, found.once) == ("edge", "edge-1", True)
    assert archive.use_token("a" * 64) and not archive.use_token("a" * 64) and archive.find_token("a" * 64) is None
    assert archive.use_token("b" * 64) and archive.use_token("b" * 64) and not archive.use_token("c" * 64)
    archive.add_token("d" * 64, "viewer", "x", T0 + 10, once=False)
    assert archive.find_token("d" * 64) is not None
    gateway.now += 10
    assert archive.find_token("d" * 64) is None and gateway.reopen().find_token("b" * 64) is not None
    gateway.archive.remove_token("b" * 64)
    assert gateway.archive.find_token("b" * 64) is None


def test_quarantined_rows_and_named_values_are_kept_once(gateway: Gateway) -> None:
    for _ in range(2):
        gateway.archive.quarantine("edge-1", T0, 1, "cnc-01", 7, "text")
        gateway.archive.set_meta("k", "v1")
    gateway.archive.set_meta("k", "v2")
    archive = gateway.reopen()
    assert [(row.seq, row.equipment, row.row, row.reason) for row in archive.quarantined()] == [(1, "cnc-01", 7, "text")]
    assert archive.get_meta("k") == "v2" and archive.get_meta("other") is None


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
