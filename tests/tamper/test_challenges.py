"""Spot challenges: what an edge answered is held against its batches, and whatever is wrong with it leaves nothing confirmed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evidence.bundle import export
from evidence.packs import load_packs
from evidence.trust import trust_of
from evidence.verdict import Outcome, Verdict
from evidence.verify import Verification, verify
from store.control_kinds import Answer, Challenge
from store.signing import SigningKey, encode_signature
from tests.tamper.conftest import Good
from tests.tamper.workbench import T0, WINDOW, Plant, Spoiled, readings_of
from workshop.batch import Provenance
from workshop.canonical import canonical_json
from workshop.errors import VerificationError
from workshop.statements import AnswerStatement, Question
from workshop.window import HOUR_US, SECOND_US

AT = T0 + 30 * SECOND_US
VALUE = next(row.value for row in readings_of("cnc-01", AT, 1) if row.signal == "cnc-01/power")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    made.run(T0 - 60 * SECOND_US, 100)
    yield made
    made.archive.close()


def question(**changes: Any) -> Question:
    return msgspec.structs.replace(Question("q", "edge-1", "cnc-01/power", "", AT - 10 * SECOND_US, AT + 5 * SECOND_US), **changes)


def answer_to(asked: Question, plant: Plant, **changes: Any) -> AnswerStatement:
    said = AnswerStatement(asked, plant.edges["edge-1"].epoch, AT, AT + 3_000, VALUE, 0, AT + SECOND_US)
    return msgspec.structs.replace(said, **changes)


NOTHING: dict[str, Any] = {"source_time_us": None, "received_time_us": None, "value": None, "quality": None, "answered_us": AT + 12 * SECOND_US}


def log(plant: Plant, asked: Question, said: AnswerStatement | None, key: SigningKey | None = None) -> int:
    """Question and answer come into the log as a gateway takes them."""
    index = plant.archive.add(Challenge(asked), author="evaluator:Li Na")
    if said is not None:
        signature = encode_signature((key or plant.edges["edge-1"].key).sign("answer", canonical_json(said)))
        plant.archive.add(Answer(index, said, signature), author="edge:edge-1")
    return index


def checked(plant: Plant, good: Good, out: Path, **options: Any) -> Verification:
    plant.run(T0 + 40 * SECOND_US, 140)
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=out, **options)
    return verify(out, trust_of(plant.archive))


def defects(found: Verification) -> Verdict:
    return next(item for item in found.verdicts if item.claim == "defect-rate")


def test_an_answer_that_the_batches_hold_confirms_as_before_and_is_counted(plant: Plant, good: Good, tmp_path: Path) -> None:
    log(plant, question(), answer_to(question(), plant))
    quiet = question(id="quiet", signal="press-01/power")
    log(plant, quiet, answer_to(quiet, plant, **NOTHING))
    pressed = question(id="pressed", signal="cnc-01/program", action="change the program", from_us=AT, to_us=AT + 5 * SECOND_US)
    last = next(row for row in readings_of("cnc-01", AT + 4 * SECOND_US, 1) if row.signal == "cnc-01/program")
    log(plant, pressed, answer_to(
        pressed, plant, source_time_us=last.source_time_us, received_time_us=last.received_time_us, value=last.value,
        answered_us=AT + 11 * SECOND_US,
    ))
    found = checked(plant, good, tmp_path / "b")
    verdict = defects(found)
    assert verdict.outcome is Outcome.CONFIRMED and "spot challenges answered in agreement with the batches: 3" in verdict.reason
    assert "现场抽问与数据批次相符: 3 次" in verdict.reason_zh and "agreement with the batches: 3" in found.steps[8].text


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any] | None, str]] = {
    "dropped": ({}, None, "was not answered"),
    "another value": ({}, {"value": 7.5}, "batches do not hold"),
    "another text": ({}, {"value": str(VALUE)}, "batches do not hold"),
    "another time": ({}, {"source_time_us": AT - 1}, "batches do not hold"),
    "another time of receipt": ({}, {"received_time_us": AT + 3_001}, "batches do not hold"),
    "another quality": ({}, {"quality": 1}, "batches do not hold"),
    "another epoch": ({}, {"epoch": 1}, "batches do not hold"),
    "a reading beside the window": ({"to_us": AT}, {}, "outside its window"),
    "nothing, and there was something": ({}, NOTHING, "the batches hold one"),
    "late by the edge's clock": ({}, {"answered_us": AT + 66 * SECOND_US}, "too late"),
    "another signal": ({"signal": "cnc-01/item_state"}, {}, "batches do not hold"),
    "an action that nobody did": ({"action": "stop", "signal": "cnc-01/item_state"}, {"value": 3}, "the signal shows none"),
    "an action without an answer": ({"action": "stop"}, None, "was not answered"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_an_answer_leaves_nothing_confirmed(plant: Plant, good: Good, tmp_path: Path, name: str) -> None:
    asked_changes, said_changes, words = WRONG[name]
    asked = question(**asked_changes)
    index = log(plant, asked, None if said_changes is None else answer_to(asked, plant, **said_changes))
    verdict = defects(checked(plant, good, tmp_path / "b"))
    assert verdict.outcome is Outcome.UNDETERMINED
    assert f"spot challenge of control entry {index} ({asked.signal}, edge-1)" in verdict.reason and words in verdict.reason
    assert "现场抽问" in verdict.reason_zh and "不予证实" in verdict.reason_zh


def test_an_answer_that_comes_into_the_log_too_late_is_late(plant: Plant, good: Good, tmp_path: Path) -> None:
    index = plant.archive.add(Challenge(question()), author="evaluator:Li Na")
    plant.run(T0 + 40 * SECOND_US, 140)
    said = answer_to(question(), plant)
    signature = encode_signature(plant.edges["edge-1"].key.sign("answer", canonical_json(said)))
    plant.archive.add(Answer(index, said, signature), author="edge:edge-1")
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    verdict = defects(verify(tmp_path / "b", trust_of(plant.archive)))
    assert verdict.outcome is Outcome.UNDETERMINED and "answered too late" in verdict.reason


def test_an_answer_that_the_edge_did_not_sign_is_refused(plant: Plant, good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = plant.archive.add(Challenge(question()), author="evaluator:Li Na")
    said = answer_to(question(), plant)
    signature = encode_signature(SigningKey.create().sign("answer", canonical_json(said)))
    # The gateway refuses such an answer; a dishonest one writes it, and exports with a program that does not look.
    plant.archive.add(Answer(index, said, signature), author="edge:edge-1")
    plant.run(T0 + 40 * SECOND_US, 140)
    with monkeypatch.context() as dishonest:
        dishonest.setattr("evidence.control.verify", lambda *_: True)
        export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    with pytest.raises(VerificationError, match="not signed by the edge") as refused:
        verify(tmp_path / "b", trust_of(plant.archive))
    assert refused.value.step == 4


def test_a_confirmation_in_spite_of_a_contradiction_is_refused(plant: Plant, good: Good, tmp_path: Path) -> None:
    log(plant, question(), answer_to(question(), plant, value=7.5))
    checked(plant, good, tmp_path / "b")
    bundle = Spoiled(tmp_path / "b", plant.key)

    def confirm(predicate: dict[str, Any]) -> None:
        verdict = next(item for item in predicate["verdicts"] if item["claim"] == "defect-rate")
        verdict["outcome"] = "confirmed"

    bundle.sign(confirm)
    with pytest.raises(VerificationError) as refused:
        verify(bundle.write(tmp_path / "c"), trust_of(plant.archive))
    assert refused.value.step == 11


def test_an_answer_about_withheld_data_cannot_be_compared(plant: Plant, good: Good, tmp_path: Path) -> None:
    log(plant, question(), answer_to(question(), plant))
    verdict = defects(checked(plant, good, tmp_path / "b", withhold=["cnc-01"]))
    assert "about data that is not there" in verdict.reason and verdict.outcome is Outcome.UNDETERMINED


def test_questions_about_other_windows_and_to_models_say_nothing_here(plant: Plant, good: Good, tmp_path: Path) -> None:
    log(plant, question(from_us=T0 - 2 * HOUR_US, to_us=T0 - HOUR_US), None)
    log(plant, question(id="before", from_us=T0 - 40 * SECOND_US, to_us=T0, action="press"), None)
    model = msgspec.structs.replace(good.plant.archive.edges()[0], edge="model", provenance=Provenance.DERIVED)
    plant.archive.enrol(model, author="admin")
    log(plant, question(id="model", edge="model"), None)
    verdict = defects(checked(plant, good, tmp_path / "b"))
    assert verdict.outcome is Outcome.CONFIRMED and "challenge" not in verdict.reason


def test_of_many_wrong_answers_the_first_are_named(plant: Plant, good: Good, tmp_path: Path) -> None:
    for number in range(5):
        log(plant, question(id=str(number)), None)
    verdict = defects(checked(plant, good, tmp_path / "b"))
    assert verdict.reason.count("was not answered") == 3 and "2 more spot challenges went wrong" in verdict.reason


def test_a_refuted_claim_stays_refuted(plant: Plant, good: Good, tmp_path: Path) -> None:
    refuted = {item.claim for item in verify(good.folder, good.trust).verdicts if item.outcome is Outcome.REFUTED}
    log(plant, question(), None)
    found = checked(plant, good, tmp_path / "b")
    assert refuted and refuted <= {item.claim for item in found.verdicts if item.outcome is Outcome.REFUTED}
