"""Other people's programs accept a good bundle: a verifier that shares nothing with ours, bagit, and Go's own tlog and note packages."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from evidence.bag import CONTROL_LOG, PROOFS
from evidence.bundle import export
from evidence.packs import load_packs
from evidence.trust import encode_trust, pin, trust_of
from evidence.verify import verify
from store.control_kinds import Declaration, Orders
from tests.standalone import verifier
from tests.tamper.conftest import Good
from tests.tamper.test_spoiled_bundle import DISHONEST
from tests.tamper.workbench import EDGES, T0, WINDOW, Plant, Spoiled, readings_of
from workshop.batch import Gap, SealedBatch
from workshop.canonical import canonical_json
from workshop.order import Order
from workshop.signal import signal_id
from workshop.window import HOUR_US, SECOND_US, Window

VERIFIER = Path(verifier.__file__)
OURS = {"chejian", "workshop", "store", "analytics", "evidence", "edge", "gateway", "simulators", "policies", "numpy", "msgspec", "rfc8785", "tests"}


def run(path: Path, trust: Path) -> subprocess.CompletedProcess[str]:
    """In a process that finds nothing of the project."""
    command = [sys.executable, "-I", str(VERIFIER), str(path), str(trust)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=trust.parent)


@pytest.fixture
def trust(good: Good, tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(encode_trust(good.trust))
    return path


def test_it_imports_nothing_of_the_project() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in names}
    assert not roots & OURS
    assert roots - {"zstandard", "cryptography"} <= sys.stdlib_module_names


def test_it_accepts_folder_and_zip_and_finds_the_same_defect_rate(good: Good, trust: Path) -> None:
    stated = next(item for item in verify(good.folder, good.trust).results if item.indicator == "defect_rate")
    for path in (good.folder, good.zip):
        found = run(path, trust)
        assert found.returncode == 0, found.stderr
        answer = json.loads(found.stdout)
        assert (answer["value"], answer["inspected"]) == (str(stated.value), stated.counts["inspected"]) and answer["inspected"] > 100


def test_it_accepts_several_ranges(good: Good, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    baseline = Window(T0 - 2 * HOUR_US, T0 - 2 * HOUR_US + 60_000_000)
    plant.run(baseline.start_us, 160)
    plant.run(T0, 160)
    export(plant.archive, window=WINDOW, baseline=baseline, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    assert len(verify(tmp_path / "b", trust_of(plant.archive)).predicate.ranges) == 2  # type: ignore[union-attr]
    assert verifier.verify(tmp_path / "b", json.loads(encode_trust(trust_of(plant.archive))))["inspected"] > 100
    plant.archive.close()


def test_declarations_and_orders_on_record_are_read_and_none_can_be_changed(good: Good, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.archive.add(Declaration("headcount", "40", "{person}", WINDOW.start_us, WINDOW.end_us, "ab" * 32), author="engineer")
    plant.archive.add(Orders((Order("A-1", "shaft", 10, "cnc-01", WINDOW.end_us, WINDOW.start_us, WINDOW.end_us),)), author="engineer")
    plant.run_story()
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    trusted = json.loads(encode_trust(trust_of(plant.archive)))
    assert verifier.verify(tmp_path / "b", trusted)["declared"] == {"declarations": 1, "orders": 1}
    for what, other in ((b'"value":"40"', b'"value":"41"'), (b'"quantity":10', b'"quantity":11')):
        bundle = Spoiled(tmp_path / "b", plant.key)
        assert bundle.files[CONTROL_LOG].count(what) == 1
        bundle.files[CONTROL_LOG] = bundle.files[CONTROL_LOG].replace(what, other)
        bundle.sign()
        with pytest.raises(verifier.Refused, match="not signed by"):
            verifier.verify(bundle.write(tmp_path / other.hex()), trusted)
    plant.archive.close()


@pytest.mark.parametrize(("kind", "body"), [
    ("declaration", {"name": "headcount", "value": "40"}), ("orders", {"orders": []}), ("orders", {"orders": [{"id": "A"}]}),
])
def test_an_entry_without_its_members_is_refused(kind: str, body: dict[str, object]) -> None:
    with pytest.raises(verifier.Refused, match=f"'{kind}'"):
        verifier.check_declared(kind, body)


def test_what_a_loss_before_the_window_hides_is_counted_by_nobody(good: Good, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    lathe = plant.register.find("lathe-01")
    assert lathe is not None
    counters = tuple(signal_id("lathe-01", signal.name) for signal in lathe.signals if signal.role in ("good_count", "scrap_count"))
    plant.run(T0 - 60 * SECOND_US, 40, gaps=(Gap(counters, T0 - 10 * SECOND_US, T0 + 5 * SECOND_US, "disk full"),))
    plant.now.time_us = T0
    for edge, machines in EDGES.items():
        batch = plant.edges[edge].seal([row for name in machines for row in readings_of(name, T0 - 20 * SECOND_US, 20)], plant.now())
        parts = tuple(None if name == "cnc-01" else part for name, part in zip(machines, batch.parts, strict=True))
        plant.commit(SealedBatch(batch.header, batch.signature, parts))
    plant.run(T0, 160)
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    ours = verify(tmp_path / "b", trust_of(plant.archive))
    stated = next(item for item in ours.results if item.indicator == "defect_rate")
    assert {stated.detail[name]["beginnings"] for name in ("cnc-01", "lathe-01")} == {2} and stated.lost_us > 0
    found = verifier.verify(tmp_path / "b", json.loads(encode_trust(trust_of(plant.archive))))
    assert (found["inspected"], found["value"]) == (stated.counts["inspected"], str(stated.value))
    plant.archive.close()


# What it does not look at: packs, claims and verdicts, and what the statement says of gaps and absent parts.
SEEN = [row for row in DISHONEST if row[2] in {3, 4, 5, 6} and row[0] not in {
    "proofs in another spelling", "hash before the range in another spelling", "window empty", "window of eleven years", "baseline within the window",
    "a generation that is not",
}]


@pytest.mark.parametrize(("what", "spoil", "step"), SEEN, ids=[row[0] for row in SEEN])
def test_it_refuses_what_ours_refuses(
    good: Good, tmp_path: Path, what: str, spoil: Callable[[Spoiled, Path], Callable[[dict[str, object]], None] | None], step: int
) -> None:
    bundle = Spoiled(good.folder, good.plant.key)
    bundle.sign(spoil(bundle, tmp_path) or (lambda predicate: None))
    with pytest.raises((verifier.Refused, ValueError)):
        verifier.verify(bundle.write(tmp_path / "b"), json.loads(encode_trust(good.trust)))


def test_it_refuses_another_figure(good: Good, tmp_path: Path) -> None:
    bundle = Spoiled(good.folder, good.plant.key)

    def lie(predicate: dict[str, list[dict[str, object]]]) -> None:
        next(item for item in predicate["results"] if item["indicator"] == "defect_rate")["value"] = "0.001000"

    bundle.sign(lie)
    with pytest.raises(verifier.Refused, match="defect rate"):
        verifier.verify(bundle.write(tmp_path / "b"), json.loads(encode_trust(good.trust)))


@pytest.mark.long
def test_gos_tlog_and_note_accept_it(good: Good, tmp_path: Path) -> None:
    """golang.org/x/mod/sumdb: opens both signed notes, and proves every leaf and every earlier size with its own code."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed")
    plant = Plant(tmp_path)
    plant.run(T0 - 2 * HOUR_US, 40)
    plant.archive.seal_checkpoint()
    trust = pin(trust_of(plant.archive), [plant.archive.checkpoint("data")])
    plant.run(T0 - HOUR_US - 60_000_000, 60)
    plant.run(T0, 140)
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    assert verify(tmp_path / "b", trust).ok
    source = Path(__file__).parent / "go"
    built = subprocess.run([go, "build", "-o", str(tmp_path / "check"), "."], cwd=source, capture_output=True, text=True, check=False)
    if built.returncode and ("dial tcp" in built.stderr or ": reading http" in built.stderr):
        pytest.skip("the Go module proxy is not reachable")
    assert built.returncode == 0, built.stderr

    def check(bundle: Path) -> subprocess.CompletedProcess[str]:
        words = [str(tmp_path / "check"), str(bundle), trust.origin, plant.key.public]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    found = check(tmp_path / "b")
    assert found.returncode == 0, found.stderr
    assert "consistency from 4" in found.stdout and "inclusion of" in found.stdout
    everything = Window(T0 - 2 * HOUR_US, T0 + 140_000_000)
    export(plant.archive, window=everything, claims=good.claims, packs=load_packs(), out=tmp_path / "whole")
    assert "data: root and inclusion of" in check(tmp_path / "whole").stdout
    spoiled = Spoiled(tmp_path / "b", plant.key)
    proofs = msgspec.json.decode(spoiled.files[PROOFS])
    proofs["checkpoints"][0]["hashes"][0] = "0" * 64
    spoiled.files[PROOFS] = canonical_json(proofs)
    assert check(spoiled.write(tmp_path / "c")).returncode == 1
    plant.archive.close()
