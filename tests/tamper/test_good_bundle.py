"""A good bundle: what it is made of, that it verifies, and that other people's tools accept it."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import bagit
import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from evidence.bag import REQUIRED, STATEMENT, TAG_FILES
from evidence.bundle import export
from evidence.packs import load_packs
from evidence.report import render
from evidence.statement import PAYLOAD_TYPE, key_id
from evidence.step import NAMES, Step
from evidence.trust import encode_trust, parse_trust, pin, trust_of
from evidence.verdict import Outcome
from evidence.verify import Verification, verify
from store.signing import decode_key
from tests.tamper.conftest import Good
from tests.tamper.workbench import T0, WINDOW, Edge, Plant, readings_of
from workshop.batch import Gap, Provenance
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, VerificationError
from workshop.window import HOUR_US, SECOND_US, Window


def outcomes(verification: Verification) -> dict[str, Outcome]:
    return {item.claim: item.outcome for item in verification.verdicts}


def test_a_good_bundle_verifies_step_by_step_and_shows_all_four_outcomes(good: Good) -> None:
    heard: list[Step] = []
    found = verify(good.folder, good.trust, report=heard.append)
    assert found.ok and tuple(heard) == found.steps
    assert [(step.n, step.name, step.ok) for step in heard] == [(n, name, True) for n, name in NAMES.items()]
    assert outcomes(found) == {
        "changsha-effect": Outcome.UNDETERMINED, "yancheng-targets": Outcome.NOT_APPLICABLE, "networking": Outcome.REFUTED,
        "defect-rate": Outcome.CONFIRMED,
    }
    by_claim = {item.claim: item for item in found.verdicts}
    assert by_claim["changsha-effect"].as_of == "2018-12-31" and "no baseline" in by_claim["changsha-effect"].reason
    assert by_claim["yancheng-targets"].as_of == "2024-12-31" and "key_process_nc_rate" in by_claim["yancheng-targets"].reason
    assert by_claim["defect-rate"].as_of == "2026-01-05" and by_claim["defect-rate"].provenance == (Provenance.SIMULATED,)
    assert "simulated" in by_claim["networking"].reason


def test_folder_and_zip_and_a_second_run_say_the_same(good: Good) -> None:
    answers = [canonical_json([verify(path, good.trust).verdicts]) for path in (good.folder, good.folder, good.zip)]
    assert answers[0] == answers[1] == answers[2]


def test_without_a_trust_file_it_is_consistent_and_its_signer_unknown(good: Good) -> None:
    found = verify(good.folder, None)
    assert not found.ok and [step.n for step in found.steps if not step.ok] == [12]
    assert "signer unknown" in found.steps[-1].text and len(found.verdicts) == 4


def test_a_trust_file_newer_than_the_bundle_is_told_from_a_cut_log_as_far_as_it_can_be(tmp_path: Path, good: Good) -> None:
    """Nobody can see from a bundle alone whether its log was cut or it was made earlier: the message names both, and what to do."""
    plant = Plant(tmp_path)
    plant.run_story()
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "then.zip")
    before, then = trust_of(plant.archive), tmp_path / "then.zip"
    plant.run(T0 + 180 * SECOND_US, 20)
    data = pin(before, [plant.archive.checkpoint("data")])
    plant.archive.seal_checkpoint()
    control = pin(before, [plant.archive.checkpoint("control")])
    for log, n, newer in (("data", 5, data), ("control", 4, control)):
        with pytest.raises(VerificationError) as failed:
            verify(then, newer)
        assert failed.value.step == n and f"the {log} log has" in str(failed.value) and "it was cut at its end, or" in str(failed.value)
        assert "ask for a bundle made now, or verify with the trust file from before the bundle" in str(failed.value)
    assert verify(then, before).ok
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "now.zip")
    assert verify(tmp_path / "now.zip", control).ok, "a bundle made now holds under the newer file"
    plant.archive.close()


def test_exporting_again_gives_the_same_bytes(good: Good, tmp_path: Path) -> None:
    export(good.plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == good.zip.read_bytes()


def test_an_existing_bundle_is_never_overwritten(good: Good) -> None:
    for path in (good.folder, good.zip):
        with pytest.raises(ConfigError, match="exists already"):
            export(good.plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=path)


def test_it_holds_the_files_it_must_and_no_others(good: Good) -> None:
    names = {path.relative_to(good.folder).as_posix() for path in good.folder.rglob("*") if path.is_file()}
    assert names - {*REQUIRED, *TAG_FILES} == {
        "data/packs/changsha-2015.json", "data/packs/yancheng-2022.json", "data/segments/000000000002-000000000022.seg",
    }


def test_bagit_accepts_it(good: Good) -> None:
    bagit.Bag(str(good.folder)).validate()
    found = subprocess.run([sys.executable, "-m", "bagit", "--validate", str(good.folder)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_zipfile_accepts_it_and_the_files_are_those_of_the_folder(good: Good) -> None:
    with zipfile.ZipFile(good.zip) as file:
        assert file.testzip() is None
        for name in file.namelist():
            assert file.read(name) == (good.folder / name.removeprefix("bundle/")).read_bytes()


def test_securesystemslib_accepts_the_signature(good: Good) -> None:
    envelope = Envelope.from_dict(json.loads((good.folder / STATEMENT).read_bytes()))
    public = good.plant.key.public
    key = SSlibKey(key_id(public), "ed25519", "ed25519", {"public": decode_key(public).hex()})
    assert list(envelope.verify([key], 1)) == [key_id(public)] and envelope.payload_type == PAYLOAD_TYPE


def test_the_trust_file_reads_back_and_a_checkpoint_can_be_pinned(good: Good) -> None:
    trust = parse_trust(encode_trust(good.trust), "trust.json")
    assert trust == good.trust
    assert pin(trust, trust.checkpoints) == trust
    assert json.loads(encode_trust(trust))["gateway"] == [{"from": 0, "key": good.plant.key.public, "to": None}]


def test_pins_within_the_range_and_before_it_are_held_against_the_log(tmp_path: Path, good: Good) -> None:
    plant = Plant(tmp_path)
    early = plant.archive.checkpoint("control")
    plant.run(T0 - 2 * HOUR_US, 40)
    before = plant.archive.checkpoint("data")
    plant.run(T0 - HOUR_US - 60 * SECOND_US, 60)
    plant.run(T0, 40)
    within = plant.archive.checkpoint("data")
    plant.run(T0 + 40 * SECOND_US, 100)
    trust = pin(trust_of(plant.archive), [early, before, within])
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b", pinned=[4])
    found = verify(tmp_path / "b", trust)
    assert found.ok and "3 pinned" in found.steps[4].text
    plant.archive.close()


def test_derived_readings_support_nothing(tmp_path: Path, good: Good) -> None:
    plant = Plant(tmp_path)
    derived = Edge("analytics", Provenance.DERIVED)
    plant.enrol(derived)
    plant.run(T0, 120)
    plain = verify(_export(plant, good, tmp_path / "plain"), trust_of(plant.archive))
    rows = [row for row in readings_of("cnc-01", T0 + 500_000, 100) if row.signal.endswith("scrap_count")]
    plant.commit(derived.seal(rows, plant.now()))
    found = verify(_export(plant, good, tmp_path / "derived"), trust_of(plant.archive))
    assert canonical_json(found.results) == canonical_json(plain.results)
    plant.archive.close()


def test_missing_data_is_undetermined_and_never_confirmed(tmp_path: Path, good: Good) -> None:
    plant = Plant(tmp_path)
    plant.run(T0, 40)
    plant.run(T0 + 80 * SECOND_US, 40, (Gap(("cnc-01/good_count",), T0 + 40 * SECOND_US, T0 + 80 * SECOND_US, "disk full"),))
    found = verify(_export(plant, good, tmp_path / "b"), trust_of(plant.archive))
    assert set(outcomes(found).values()) == {Outcome.UNDETERMINED, Outcome.NOT_APPLICABLE}
    assert "coverage" in next(item.reason for item in found.verdicts if item.claim == "defect-rate")
    plant.archive.close()


def test_a_window_without_any_data_confirms_nothing(tmp_path: Path, good: Good) -> None:
    window = Window(T0 + 30 * 24 * HOUR_US, T0 + 31 * 24 * HOUR_US)
    export(good.plant.archive, window=window, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    found = verify(tmp_path / "b", good.trust)
    assert found.ok and set(outcomes(found).values()) == {Outcome.UNDETERMINED, Outcome.NOT_APPLICABLE}


def test_a_register_that_changes_within_the_window_decides_nothing_by_itself(tmp_path: Path, good: Good) -> None:
    plant = Plant(tmp_path)
    plant.run(T0 - 60 * SECOND_US, 120)
    small = type(plant.register)(**{
        **{name: getattr(plant.register, name) for name in plant.register.__struct_fields__},
        "equipment": tuple(item for item in plant.register.equipment if item.digital),
    })
    plant.archive.revise_register(small, author="engineer", reason="the press is gone")
    plant.run(T0 + 60 * SECOND_US, 80)
    found = verify(_export(plant, good, tmp_path / "b"), trust_of(plant.archive))
    networking = next(item for item in found.verdicts if item.claim == "networking")
    assert networking.outcome is Outcome.UNDETERMINED and "register changed" in networking.reason
    assert "2 revision" in found.steps[6].text
    plant.archive.close()


def test_the_report_prints_verdicts_and_limits_in_both_languages(good: Good) -> None:
    found = verify(good.folder, good.trust)
    chinese, english = render(found, "zh"), render(found, "en")
    assert "不良品率不高于12%" in chinese and "证实" in chinese and "机器确实如此报告" in chinese
    assert "Defect rate at most 12 %" in english and "that the machine said it" in english and "| 12 | ✓ | signer |" in english


def test_there_must_be_a_bundle() -> None:
    with pytest.raises(ConfigError, match="no such bundle"):
        verify(Path("nowhere"), None)


def _export(plant: Plant, good: Good, out: Path) -> Path:
    return export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=out).path
