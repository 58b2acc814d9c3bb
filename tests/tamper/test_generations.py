"""Restores from a backup: an honest one verifies and says what was lost, a hidden one is refused. Keys that were rotated."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from evidence.bundle import export
from evidence.packs import load_packs
from evidence.trust import GatewayKey, TrustFile, pin, trust_of
from evidence.verify import Verification, verify
from store.archive import Archive, Committed
from store.control_kinds import LostBatches
from store.signing import SigningKey, encode_signature
from tests.tamper.conftest import Good
from tests.tamper.workbench import EDGES, ORIGIN, T0, WINDOW, Edge, Plant, Spoiled, readings_of
from workshop.batch import SealedBatch, decode_header
from workshop.canonical import canonical_json
from workshop.errors import VerificationError
from workshop.statements import ResumeStatement, RotationStatement
from workshop.window import SECOND_US


class Restored:
    """A plant whose gateway is set back to a backup made before the window; the edges go on from where they are."""

    def __init__(self, folder: Path, *, declare: bool, kept: bool) -> None:
        self.plant = plant = Plant(folder)
        plant.run(T0 - 2 * 3600 * SECOND_US, 40)
        plant.run(T0 - 60 * SECOND_US, 60)
        shutil.copy(folder / "archive.sqlite", folder / "backup.sqlite")
        shutil.copy(folder / "archive.sqlite-wal", folder / "backup.sqlite-wal")
        sent = self._run(T0, 60)
        self.pins = [plant.archive.checkpoint("data"), plant.archive.checkpoint("control")]
        plant.archive.close()
        plant.archive = Archive.open(folder / "backup.sqlite", key=plant.key, origin=ORIGIN, clock=plant.now)
        self.size = plant.archive.data_size
        if declare:
            plant.archive.begin_generation(self.pins, backup_us=T0, author="operator", reason="disk failed")
        for edge, batches in sent.items():
            if kept:
                plant.commit(*batches)
            else:
                plant.commit(*self._resume(edge, batches))
        plant.run(T0 + 60 * SECOND_US, 140)

    def _run(self, start_us: int, seconds: int) -> dict[str, list[SealedBatch]]:
        before = self.plant.archive.data_size
        self.plant.run(start_us, seconds)
        sent: dict[str, list[SealedBatch]] = {}
        for item in self.plant.archive.batches(before, self.plant.archive.data_size):
            sent.setdefault(decode_header(item.batch.header).edge, []).append(item.batch)
        return sent

    def _resume(self, name: str, batches: list[SealedBatch]) -> list[SealedBatch]:
        """The edge keeps only its last batch; what lies before it is lost."""
        edge, last = self.plant.edges[name], decode_header(batches[-1].header)
        mark = self.plant.archive.watermark(name)
        assert mark is not None
        statement = ResumeStatement(
            ORIGIN, 2, name, edge.epoch, mark[1], last.seq, last.prev, last.sealed_us, self.plant.now(),
        )
        answer = self.plant.archive.resume(statement, encode_signature(edge.key.sign("resume", canonical_json(statement))))
        assert isinstance(answer, Committed), answer
        return batches[-1:]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def bundle(plant: Plant, good: Good, out: Path) -> Path:
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=out)
    return out


def found(path: Path, trust: TrustFile) -> Verification:
    verification = verify(path, trust)
    assert verification.ok
    return verification


def step_of(path: Path, trust: TrustFile) -> int:
    with pytest.raises(VerificationError) as error:
        verify(path, trust)
    return error.value.step


def test_an_honest_restore_after_which_everything_was_sent_again_loses_nothing(folder: Path, good: Good) -> None:
    made = Restored(folder, declare=True, kept=True)
    trust = pin(trust_of(made.plant.archive), made.pins)
    verification = found(bundle(made.plant, good, folder / "b"), trust)
    assert "generation 2: restored from a backup" in verification.steps[3].text
    assert "6 batches that a pinned checkpoint has seen lay beyond a restore" in verification.steps[4].text
    assert "lost in a restore" not in verification.steps[5].text
    verdict = next(item for item in verification.verdicts if item.claim == "defect-rate")
    assert verdict.outcome == "confirmed"
    made.plant.archive.close()


def test_what_the_edges_no_longer_kept_is_listed_exactly(folder: Path, good: Good) -> None:
    made = Restored(folder, declare=True, kept=False)
    verification = found(bundle(made.plant, good, folder / "b"), pin(trust_of(made.plant.archive), made.pins))
    for edge in ("edge-1", "edge-2"):
        assert f"batches 6 to 7 of {edge}" in verification.steps[5].text
    verdict = next(item for item in verification.verdicts if item.claim == "defect-rate")
    assert verdict.outcome == "undetermined" and "a restore of the gateway lost batches 6 to 7 of edge-1" in verdict.reason
    made.plant.archive.close()


def test_a_hidden_restore_is_refused_against_what_was_pinned(folder: Path, good: Good) -> None:
    made = Restored(folder, declare=False, kept=True)
    path = bundle(made.plant, good, folder / "b")
    trust = trust_of(made.plant.archive)
    assert verify(path, trust).ok  # nobody outside had seen the other history
    # The same batches were sent again, but accepted at another time: another history.
    assert step_of(path, pin(trust, made.pins[:1])) == 5
    assert verify(path, pin(trust, made.pins[1:])).ok
    made.plant.archive.close()


def test_a_checkpoint_of_a_later_generation_shows_that_a_restore_is_hidden(folder: Path, good: Good) -> None:
    made = Restored(folder, declare=True, kept=True)
    trust = trust_of(made.plant.archive)  # pins checkpoints of generation 2
    (folder / "other").mkdir()
    again = Plant(folder / "other", made.plant.key)
    again.edges = dict(made.plant.edges)
    for edge in again.edges.values():
        edge.seq, edge.prev = 0, "0" * 64
        again.enrol(edge)
    again.run_story()
    assert step_of(bundle(again, good, folder / "b"), trust) == 4
    made.plant.archive.close()
    again.archive.close()


def test_the_restore_taken_out_of_the_statement_is_refused(folder: Path, good: Good) -> None:
    made = Restored(folder, declare=True, kept=True)
    spoiled = Spoiled(bundle(made.plant, good, folder / "b"), made.plant.key)
    spoiled.sign(lambda predicate: predicate.update(generation=1))
    assert step_of(spoiled.write(folder / "c"), trust_of(made.plant.archive)) == 3
    made.plant.archive.close()


def rotate_edge(plant: Plant, edge: Edge, new: SigningKey) -> None:
    statement = RotationStatement(ORIGIN, edge.name, edge.key.public, new.public, edge.epoch, edge.seq, plant.now())
    data = canonical_json(statement)
    signatures = (encode_signature(key.sign("rotation", data)) for key in (edge.key, new))
    plant.archive.rotate(statement, *signatures, author=f"edge:{edge.name}", reason="yearly")
    edge.key = new


def test_keys_that_were_rotated_are_vouched_for_by_those_before_them(folder: Path, good: Good) -> None:
    plant = Plant(folder)
    trust = msgspec.structs.replace(trust_of(plant.archive), checkpoints=())
    plant.run(T0 - 2 * 3600 * SECOND_US, 40)
    rotate_edge(plant, plant.edges["edge-1"], SigningKey.create())
    plant.run(T0 - 60 * SECOND_US, 100)
    first, second = plant.key, SigningKey.create()
    plant.archive.rotate_key(second, author="operator", reason="yearly")
    plant.run(T0 + 40 * SECOND_US, 100)
    path = bundle(plant, good, folder / "b")
    assert found(path, trust).steps[1].text.startswith(f"signed by gateway key {second.public}")
    # The evaluator believes the first key only until a time before: then the second must be known too.
    until = msgspec.structs.replace(trust, gateway=(GatewayKey(first.public, 0, plant.now() + 1),))
    assert step_of(path, until) == 4
    both = msgspec.structs.replace(until, gateway=(*until.gateway, GatewayKey(second.public)))
    assert found(path, both).ok
    # Somebody with the first key alone cannot sign for the second.
    spoiled = Spoiled(path, first)
    spoiled.sign(lambda predicate: predicate.update(gateway_key=first.public))
    assert step_of(spoiled.write(folder / "c"), trust) == 3
    plant.archive.close()


def test_an_edge_under_a_new_key_that_nobody_vouches_for_is_refused(folder: Path, good: Good) -> None:
    plant = Plant(folder)
    trust = msgspec.structs.replace(trust_of(plant.archive), checkpoints=())
    plant.run(T0 - 60 * SECOND_US, 60)
    edge = plant.edges["edge-1"]
    edge.key = SigningKey.create()
    plant.enrol(edge)
    plant.run(T0, 140)
    assert step_of(bundle(plant, good, folder / "b"), trust) == 6
    plant.archive.close()


def test_batches_of_a_revoked_edge_are_refused_and_it_is_not_waited_for(folder: Path, good: Good) -> None:
    plant = Plant(folder)
    plant.run(T0 - 60 * SECOND_US, 120)
    plant.archive.revoke("edge-2", author="admin", reason="scrapped")
    edge = plant.edges["edge-1"]
    for offset in range(60, 200, 20):
        plant.now.time_us = T0 + (offset + 20) * SECOND_US
        rows = [row for machine in ("cnc-01", "lathe-01") for row in readings_of(machine, T0 + offset * SECOND_US, 20)]
        plant.commit(edge.seal(rows, plant.now()))
    info = export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=folder / "b")
    assert info.ranges[-1].end < info.size
    assert found(folder / "b", trust_of(plant.archive)).ok
    plant.archive.close()


class Swapped:
    """A plant whose edge-1 comes with a new journal in the middle of the window, and nothing of the old one."""

    def __init__(self, folder: Path) -> None:
        self.plant = plant = Plant(folder)
        plant.run(T0 - 60 * SECOND_US, 80)
        edge = plant.edges["edge-1"]
        self.old = edge.epoch
        plant.now.time_us += 61 * SECOND_US
        edge.epoch, edge.seq, edge.prev = plant.now(), 0, "0" * 64
        for offset in range(81, 200, 20):
            plant.now.time_us = T0 + (offset + 20) * SECOND_US
            for name, machines in EDGES.items():
                rows = [row for machine in machines for row in readings_of(machine, T0 + offset * SECOND_US, 20)]
                plant.commit(plant.edges[name].seal(rows, plant.now()))


def test_a_journal_that_an_edge_lost_is_a_gap_in_the_control_log(folder: Path, good: Good) -> None:
    plant = Swapped(folder).plant
    epoch, gap = [entry for entry in plant.archive.control_entries() if entry.kind in {"epoch", "gap"}]
    assert (epoch.kind, epoch.body["prev"], gap.index) == ("epoch", "lost", epoch.index + 1)
    edge = plant.edges["edge-1"]
    assert gap.body == {
        "edge": "edge-1", "epoch": epoch.body["old_epoch"], "from_seq": 5, "to_seq": None, "sealed_after_us": T0 + 20 * SECOND_US,
        "sealed_before_us": edge.epoch, "reason": "journal", "statement": None, "signature": "",
    }
    verification = found(bundle(plant, good, folder / "b"), trust_of(plant.archive))
    assert "lost with the journal of edge-1: what epoch" in verification.steps[5].text
    verdict = next(item for item in verification.verdicts if item.claim == "defect-rate")
    assert verdict.outcome == "undetermined" and "edge-1 lost its journal" in verdict.reason and "日志" in verdict.reason_zh
    plant.archive.close()


def test_what_was_in_a_lost_journal_lowers_the_coverage(folder: Path, good: Good, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Swapped(folder).plant
    said = found(bundle(plant, good, folder / "b"), trust_of(plant.archive))
    monkeypatch.setattr("evidence.control.Control.losses", ())
    silent = found(bundle(plant, good, folder / "c"), trust_of(plant.archive))
    lower = {one.indicator for one, other in zip(said.results, silent.results, strict=True) if one.coverage < other.coverage}
    assert "defect_rate" in lower
    assert all(one.coverage <= other.coverage for one, other in zip(said.results, silent.results, strict=True))
    listed = [(edge, gap.from_us, gap.to_us, gap.reason) for edge, gap in plant.archive.gaps_in(WINDOW) if gap.reason == "journal"]
    assert listed == [("edge-1", T0 + 20 * SECOND_US, plant.edges["edge-1"].epoch, "journal")]
    signals = {name.split("/")[0] for _, gap in plant.archive.gaps_in(WINDOW) if gap.reason == "journal" for name in gap.signals}
    assert signals == {"cnc-01", "lathe-01"}
    plant.archive.close()


LIES = {
    "no gap": (None, 4), "later": ({"sealed_after_us": T0 + 21 * SECOND_US}, 6), "sooner": ({"sealed_before_us": T0 + 30 * SECOND_US}, 6),
    "another batch": ({"from_seq": 6}, 4), "another edge": ({"edge": "edge-2"}, 4), "so many": ({"to_seq": 7}, 4),
    "a restore": ({"reason": "restore"}, 4),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_gateway_that_makes_the_loss_of_a_journal_smaller_is_refused(folder: Path, good: Good, monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    changes, step = LIES[lie]
    add = Archive._add

    def dishonest(self: Archive, added: object, body: object, author: str) -> int:
        if isinstance(body, LostBatches):
            if changes is None:
                return 0
            body = msgspec.structs.replace(body, **changes)
        return add(self, added, body, author)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "_add", dishonest)
        patched.setattr("evidence.control.Control._lose", lambda self, body: self.lost.setdefault((body.edge, body.epoch), []).append(body))
        patched.setattr("evidence.control.Control.owed", property(lambda self: None, lambda self, value: None))
        plant = Swapped(folder).plant
        path = bundle(plant, good, folder / "b")
    assert step_of(path, trust_of(plant.archive)) == step
    plant.archive.close()
