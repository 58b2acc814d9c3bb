"""What was fixed beforehand: commitments, who saw them, and a list of machines that changed afterwards."""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from evidence.bundle import export
from evidence.packs import load_packs
from evidence.trust import TrustFile, trust_of
from evidence.verdict import Outcome, Verdict
from evidence.verify import verify
from store.control_kinds import Commitment, Cosignature, Witness
from store.note import cosign
from store.signing import SigningKey
from tests.tamper.authority import Authority
from tests.tamper.conftest import Good
from tests.tamper.workbench import T0, WINDOW, Plant, Spoiled
from workshop.canonical import canonical_json, sha256_hex
from workshop.window import HOUR_US, SECOND_US, Window

BEFORE_S = (T0 - 1800 * SECOND_US) // SECOND_US


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    made.run(T0 - 2 * 3600 * SECOND_US, 40)
    yield made
    made.archive.close()


def commit(plant: Plant, good: Good, window: Window = WINDOW, without: str = "") -> None:
    """Commits to the claim on the defect rate, with the machines that the register has (or all but one)."""
    claim = next(item for item in good.claims if item.id == "defect-rate")
    machines = tuple(item.id for item in plant.register.equipment if item.id != without)
    digest = sha256_hex(canonical_json(claim))
    plant.archive.add(Commitment(claim.id, "defect_rate", window.start_us, window.end_us, machines, digest), author="engineer")


def witness(plant: Plant, time_s: int, key: SigningKey, note: str | None = None) -> None:
    cosigned = cosign(note or plant.archive.checkpoint("control"), "witness.example", key, time_s)
    plant.archive.add(Witness("witness.example", key.public, (Cosignature(cosigned),)), author="witness:witness.example")


def verdict(plant: Plant, good: Good, out: Path, trust: TrustFile | None = None, window: Window = WINDOW) -> Verdict:
    plant.run(window.start_us - 60 * SECOND_US, 200)
    export(plant.archive, window=window, claims=good.claims, packs=load_packs(), out=out)
    found = verify(out, trust or trust_of(plant.archive))
    assert found.ok
    return next(item for item in found.verdicts if item.claim == "defect-rate")


def test_a_claim_without_commitment_says_so(plant: Plant, good: Good, tmp_path: Path) -> None:
    said = verdict(plant, good, tmp_path / "b")
    assert said.outcome is Outcome.CONFIRMED
    assert "no commitment to this claim" in said.reason and "没有对该声明" in said.reason_zh


def test_a_commitment_that_nobody_outside_saw_is_not_shown_to_be_from_before(plant: Plant, good: Good, tmp_path: Path) -> None:
    commit(plant, good)
    said = verdict(plant, good, tmp_path / "b")
    assert said.outcome is Outcome.CONFIRMED and "committed to in control entry" in said.reason
    assert "before the window is not shown" in said.reason and "未证明" in said.reason_zh


def test_a_known_witness_shows_it(plant: Plant, good: Good, tmp_path: Path) -> None:
    key = SigningKey.create()
    commit(plant, good)
    witness(plant, BEFORE_S, key)
    trust = msgspec.structs.replace(trust_of(plant.archive), witnesses=(key.public,), checkpoints=())
    said = verdict(plant, good, tmp_path / "b", trust)
    assert "shown to be made before the window: witness 'witness.example'" in said.reason


@pytest.mark.parametrize("how", ["unknown witness", "too late", "before the commitment", "forged time", "another history", "not the gateway's"])
def test_what_shows_nothing(plant: Plant, good: Good, tmp_path: Path, how: str) -> None:
    key = SigningKey.create()
    early = plant.archive.checkpoint("control")
    commit(plant, good)
    match how:
        case "too late":
            witness(plant, T0 // SECOND_US + 1, key)
        case "before the commitment":
            witness(plant, BEFORE_S, key, early)
        case "forged time":
            note = cosign(plant.archive.checkpoint("control"), "witness.example", key, BEFORE_S)
            spoiled = note[:-20] + ("A" if note[-20] != "A" else "B") + note[-19:]
            plant.archive.add(Witness("witness.example", key.public, (Cosignature(spoiled),)), author="x")
        case "another history":
            other = Plant(_folder(tmp_path, "other"), plant.key)
            other.archive.seal_checkpoint()
            witness(plant, BEFORE_S, key, other.archive.checkpoint("control"))
            other.archive.close()
        case "not the gateway's":
            other = Plant(_folder(tmp_path, "stranger"))
            witness(plant, BEFORE_S, key, other.archive.checkpoint("control"))
            other.archive.close()
        case _:
            witness(plant, BEFORE_S, key)
    known = () if how == "unknown witness" else (key.public,)
    trust = msgspec.structs.replace(trust_of(plant.archive), witnesses=known, checkpoints=())
    assert "is not shown" in verdict(plant, good, tmp_path / "b", trust).reason


def test_another_window_than_committed_to_is_no_commitment(plant: Plant, good: Good, tmp_path: Path) -> None:
    commit(plant, good, Window(WINDOW.start_us, WINDOW.end_us + SECOND_US))
    said = verdict(plant, good, tmp_path / "b")
    assert "no commitment to this claim" in said.reason and "with another window" in said.reason


def test_one_of_many_commitments_is_said_to_be_one_of_many(plant: Plant, good: Good, tmp_path: Path) -> None:
    commit(plant, good, Window(WINDOW.start_us - HOUR_US, WINDOW.end_us))
    commit(plant, good)
    commit(plant, good, Window(WINDOW.start_us, WINDOW.end_us + HOUR_US))
    said = verdict(plant, good, tmp_path / "b")
    assert "one of 3 commitments about it" in said.reason and "同类承诺共 3 条" in said.reason_zh


def test_a_machine_list_that_changed_after_the_commitment_confirms_nothing(plant: Plant, good: Good, tmp_path: Path) -> None:
    commit(plant, good, without="cnc-01")
    said = verdict(plant, good, tmp_path / "b")
    assert said.outcome is Outcome.UNDETERMINED and "machine list changed after the commitment (added: cnc-01" in said.reason
    assert "设备清单有变" in said.reason_zh


def test_a_commitment_taken_out_of_the_log_is_refused(plant: Plant, good: Good, tmp_path: Path) -> None:
    commit(plant, good, without="cnc-01")
    verdict(plant, good, tmp_path / "b")
    bundle = Spoiled(tmp_path / "b", plant.key)

    def confirm(predicate: dict[str, list[dict[str, str]]]) -> None:
        next(item for item in predicate["verdicts"] if item["claim"] == "defect-rate")["outcome"] = "confirmed"

    bundle.sign(confirm)
    with pytest.raises(Exception, match="step 11"):
        verify(bundle.write(tmp_path / "c"), trust_of(plant.archive))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "tsa")


LATER = Window(T0 + 7_000 * 24 * HOUR_US, T0 + 7_000 * 24 * HOUR_US + 120 * SECOND_US)
"""A window that no stamp of today comes after."""


def stamped(plant: Plant, stamp: bytes | str, note: str) -> None:
    text = stamp if isinstance(stamp, str) else base64.b64encode(stamp).decode()
    plant.archive.add(Witness("stamper", plant.key.public, (Cosignature(note, text),)), author="witness:stamper")


def trusting(plant: Plant, *roots: str) -> TrustFile:
    return msgspec.structs.replace(trust_of(plant.archive), authorities=roots, checkpoints=())


def test_a_stamp_of_a_known_authority_shows_it(plant: Plant, good: Good, tmp_path: Path, authority: Authority) -> None:
    commit(plant, good, LATER)
    note = plant.archive.checkpoint("control")
    stamped(plant, authority.stamp(note.encode()), note)
    said = verdict(plant, good, tmp_path / "b", trusting(plant, authority.root), LATER)
    assert "shown to be made before the window: a time-stamping authority saw it at" in said.reason and "已证明早于窗口" in said.reason_zh
    assert said.outcome is Outcome.CONFIRMED


@pytest.mark.parametrize("how", [
    "wrong hash", "after the window", "untrusted authority", "no authority in the trust file", "no reply", "not base64", "before the commitment",
    "another history", "refused by the authority", "cut",
])
def test_stamps_that_show_nothing(plant: Plant, good: Good, tmp_path: Path, authority: Authority, how: str) -> None:
    window = WINDOW if how == "after the window" else LATER
    early = plant.archive.checkpoint("control")
    commit(plant, good, window)
    note = early if how == "before the commitment" else plant.archive.checkpoint("control")
    roots = [authority.root]
    match how:
        case "wrong hash":
            stamped(plant, authority.stamp(note.encode() + b" "), note)
        case "untrusted authority":
            stamped(plant, Authority(tmp_path / "other").stamp(note.encode()), note)
        case "no authority in the trust file":
            stamped(plant, authority.stamp(note.encode()), note)
            roots = []
        case "no reply":
            stamped(plant, b"0\x03\x02\x01\x00", note)
        case "not base64":
            stamped(plant, "stamp!", note)
        case "refused by the authority":
            stamped(plant, authority.reply(b"0\x03\x02\x01\x01"), note)
        case "cut":
            stamped(plant, authority.stamp(note.encode())[:-40], note)
        case "another history":
            other = Plant(_folder(tmp_path, "other"), plant.key)
            for _ in range(8):
                other.archive.seal_checkpoint()
            note = other.archive.checkpoint("control")
            stamped(plant, authority.stamp(note.encode()), note)
            other.archive.close()
        case _:
            stamped(plant, authority.stamp(note.encode()), note)
    said = verdict(plant, good, tmp_path / "b", trusting(plant, *roots), window)
    assert "that it was made before the window is not shown" in said.reason


def _folder(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name
