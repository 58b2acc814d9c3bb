"""Bundles that try to lie and verify, made with the gateway's key and a gateway that does not follow its own rules; each is refused, or says so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evidence.bag import PROOFS
from evidence.bundle import export
from evidence.packs import load_packs
from evidence.trust import trust_of
from evidence.verify import verify
from store.archive import Archive
from store.archive_edges import EdgeBook
from store.archive_records import Chain
from tests.tamper.conftest import Good
from tests.tamper.workbench import EDGES, T0, WINDOW, Plant, Spoiled, readings_of
from workshop.batch import NO_DIGEST
from workshop.canonical import canonical_json
from workshop.errors import VerificationError
from workshop.window import HOUR_US, SECOND_US


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    made.archive.close()


def bundle(plant: Plant, good: Good, out: Path, **options: Any) -> Path:
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=out, **options)
    return out


def refused(path: Path, plant: Plant) -> VerificationError:
    with pytest.raises(VerificationError) as error:
        verify(path, trust_of(plant.archive))
    return error.value


def run(plant: Plant, start_us: int, seconds: int, dropping: str = "") -> None:
    """As `Plant.run`; of one edge the gateway throws every batch away and pretends to have it."""
    for offset in range(0, seconds, 20):
        plant.now.time_us = start_us + (offset + 20) * SECOND_US
        for name, machines in EDGES.items():
            rows = [row for machine in machines for row in readings_of(machine, start_us + offset * SECOND_US, 20)]
            batch = plant.edges[name].seal(rows, plant.now())
            if name != dropping:
                plant.commit(batch)
            else:
                chain = plant.archive._chains[name]
                plant.archive._chains[name] = Chain(chain.epoch, chain.seq + 1, batch.digest, plant.now())


def test_batches_thrown_away_at_the_beginning_of_the_range_are_missed(plant: Plant, good: Good, tmp_path: Path) -> None:
    run(plant, T0 - HOUR_US - 200 * SECOND_US, 140)
    run(plant, T0 - HOUR_US - 60 * SECOND_US, 3600 + 60 + 20, dropping="edge-2")
    run(plant, T0 + 20 * SECOND_US, 160)
    error = refused(bundle(plant, good, tmp_path / "b"), plant)
    assert error.step in {6, 9}, error


def test_an_edge_that_was_silent_before_the_window_is_linked_to_its_last_batch(plant: Plant, good: Good, tmp_path: Path) -> None:
    run(plant, T0 - 2 * HOUR_US - 600 * SECOND_US, 40)
    for offset in range(-4000, 180, 20):
        plant.now.time_us = T0 + (offset + 20) * SECOND_US
        for name in EDGES if offset >= 0 else ("edge-1",):
            rows = [row for machine in EDGES[name] for row in readings_of(machine, T0 + offset * SECOND_US, 20)]
            plant.commit(plant.edges[name].seal(rows, plant.now()))
    path = bundle(plant, good, tmp_path / "b")
    found = verify(path, trust_of(plant.archive))
    assert found.ok and found.predicate is not None and len(found.predicate.ranges) == 2
    spoiled = Spoiled(path, plant.key)
    name = min(name for name in spoiled.files if name.endswith(".seg"))
    del spoiled.files[name]
    spoiled.sign(lambda predicate: predicate["ranges"].pop(0))
    assert refused(spoiled.write(tmp_path / "c"), plant).step == 5


@pytest.mark.parametrize("how", ["skipped", "something else"])
def test_a_lost_journal_under_another_name_is_refused(plant: Plant, good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    begin = EdgeBook._begin_epoch

    def dishonest(self: Archive, added: Any, header: Any, before: Chain, _: str) -> None:
        begin(self, added, header, before, how)

    with monkeypatch.context() as patched:
        patched.setattr(EdgeBook, "_begin_epoch", dishonest)
        plant.run(T0 - 60 * SECOND_US, 80)
        edge = plant.edges["edge-1"]
        plant.now.time_us += 61 * SECOND_US
        edge.epoch, edge.seq, edge.prev = plant.now(), 0, NO_DIGEST
        run(plant, T0 + 81 * SECOND_US, 120)
        patched.setattr("evidence.control.Control._begin", lambda self, body: self.epochs.update({(body.edge, body.epoch): body}))
        path = bundle(plant, good, tmp_path / "b")
    assert refused(path, plant).step in {4, 6}


def test_checkpoints_of_the_control_log_cannot_go_without_their_proofs(plant: Plant, good: Good, tmp_path: Path) -> None:
    for start_us in (T0 - 4 * HOUR_US, T0 - 3 * HOUR_US, T0 - 60 * SECOND_US):
        run(plant, start_us, 40)
        plant.archive.seal_checkpoint()
    run(plant, T0 - 20 * SECOND_US, 180)
    spoiled = Spoiled(bundle(plant, good, tmp_path / "b"), plant.key)
    proofs = json.loads(spoiled.files[PROOFS])
    assert proofs["checkpoints"]
    proofs["checkpoints"] = []
    spoiled.files[PROOFS] = canonical_json(proofs)
    spoiled.sign()
    with pytest.raises(VerificationError, match="no proof") as error:
        verify(spoiled.write(tmp_path / "c"), msgspec.structs.replace(trust_of(plant.archive), checkpoints=()))
    assert error.value.step == 5
