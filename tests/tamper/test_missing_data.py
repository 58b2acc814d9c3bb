"""Data that is not there: withheld, pruned, malformed, damaged, late, or a window of nothing. Said in words, and never better for it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from evidence.bundle import export
from evidence.claim import Claim
from evidence.evaluate import evaluate
from evidence.packs import load_packs
from evidence.parts import parts_of
from evidence.statement import PartName
from evidence.trust import trust_of
from evidence.verdict import Outcome, Verdict
from evidence.verify import Verification, verify
from store.control_kinds import Announcement
from tests.tamper.conftest import Good
from tests.tamper.workbench import T0, WINDOW, Plant, Spoiled, readings_of
from workshop.batch import Gap, PartEntry, SealedBatch, decode_header, encode_header
from workshop.canonical import sha256_hex
from workshop.errors import ConfigError, VerificationError
from workshop.window import HOUR_US, SECOND_US, Window

BASELINE = Window(T0 - 2 * HOUR_US, T0 - 2 * HOUR_US + 120 * SECOND_US)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    made = Plant(tmp_path)
    yield made
    made.archive.close()


def checked(plant: Plant, good: Good, out: Path, **options: object) -> Verification:
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=out, **options)  # type: ignore[arg-type]
    found = verify(out, trust_of(plant.archive))
    assert found.ok
    return found


def of(found: Verification, claim: str) -> Verdict:
    return next(item for item in found.verdicts if item.claim == claim)


def refusal(path: Path, plant: Plant) -> VerificationError:
    with pytest.raises(VerificationError) as error:
        verify(path, trust_of(plant.archive))
    return error.value


def spoil_part(plant: Plant, batch: SealedBatch, data: bytes) -> SealedBatch:
    """The batch with other bytes for its first part, signed by its edge: authentic, and nonsense."""
    header = decode_header(batch.header)
    entry = header.parts[0]
    entry = PartEntry(entry.equipment, entry.rows, entry.from_us, entry.to_us, sha256_hex(data), len(data))
    encoded = encode_header(msgspec.structs.replace(header, parts=(entry, *header.parts[1:])))
    edge = plant.edges[header.edge]
    edge.prev = sha256_hex(encoded)
    return SealedBatch(encoded, edge.key.sign("batch", encoded), (data, *batch.parts[1:]))


def with_one_bad_part(plant: Plant, data: bytes) -> None:
    plant.run(T0 - 60 * SECOND_US, 120)
    plant.now.time_us = T0 + 61 * SECOND_US
    rows = readings_of("cnc-01", T0 + 60 * SECOND_US, 1)
    plant.commit(spoil_part(plant, plant.edges["edge-1"].seal(rows, plant.now()), data))
    plant.run(T0 + 60 * SECOND_US, 100)


@pytest.mark.parametrize("data", [b"CJP1nonsense", b"CJP1" + bytes(4), b"x"])
def test_a_malformed_but_authentic_part_counts_as_absent_and_is_named(plant: Plant, good: Good, tmp_path: Path, data: bytes) -> None:
    with_one_bad_part(plant, data)
    found = checked(plant, good, tmp_path / "b")
    assert "cannot be decoded" in found.steps[9].text and "cnc-01" in found.steps[9].text
    verdict = of(found, "defect-rate")
    assert verdict.outcome is Outcome.CONFIRMED  # the rest is judged; nothing was lost but one empty second
    assert "cannot be decoded" in verdict.reason and "无法解码" in verdict.reason_zh
    assert found.predicate is not None and [item.equipment for item in found.predicate.malformed] == ["cnc-01"]


def test_a_part_that_holds_other_rows_than_its_header_says_is_malformed_too(plant: Plant, good: Good, tmp_path: Path) -> None:
    good_part = plant.edges["edge-2"].seal(readings_of("robot-01", T0, 3), T0).parts[0]
    plant.edges["edge-2"].seq, plant.edges["edge-2"].prev = 0, "0" * 64
    assert good_part is not None
    with_one_bad_part(plant, good_part)
    assert len(checked(plant, good, tmp_path / "b").predicate.malformed) == 1  # type: ignore[union-attr]


def test_gateway_and_verifier_share_the_rule_for_malformed_parts(plant: Plant, good: Good) -> None:
    with_one_bad_part(plant, b"CJP1nonsense")
    batches = [item.batch for item in plant.archive.batches(0, plant.archive.data_size)]
    found = evaluate(plant.register, parts_of(batches, WINDOW), good.claims, load_packs(), WINDOW)
    epoch = plant.edges["edge-1"].epoch
    assert found.malformed == (PartName("edge-1", epoch, 7, "cnc-01"),)


def test_hiding_a_malformed_part_is_refused(plant: Plant, good: Good, tmp_path: Path) -> None:
    with_one_bad_part(plant, b"CJP1nonsense")
    checked(plant, good, tmp_path / "b")
    bundle = Spoiled(tmp_path / "b", plant.key)
    bundle.sign(lambda predicate: predicate["malformed"].clear())
    assert refusal(bundle.write(tmp_path / "c"), plant).step == 10


def test_withheld_equipment_is_visible_and_confirms_nothing(good: Good, tmp_path: Path) -> None:
    whole = checked(good.plant, good, tmp_path / "whole")
    found = checked(good.plant, good, tmp_path / "b", withhold=["cnc-01"])
    assert of(whole, "defect-rate").outcome is Outcome.CONFIRMED
    verdict = of(found, "defect-rate")
    assert verdict.outcome is Outcome.UNDETERMINED and "withheld" in verdict.reason and "被扣留" in verdict.reason_zh
    before, after = of(whole, "defect-rate").coverage, verdict.coverage
    assert before is not None and after is not None and after < before
    assert found.predicate is not None and found.predicate.withheld == ("cnc-01",)
    assert "cnc-01 withheld" in found.steps[8].text


def test_withholding_what_a_claim_does_not_rest_on_changes_nothing_for_it(good: Good, tmp_path: Path) -> None:
    verdict = of(checked(good.plant, good, tmp_path / "b", withhold=["robot-01"]), "defect-rate")
    assert verdict.outcome is Outcome.CONFIRMED and "withheld" not in verdict.reason


def test_only_what_is_in_the_register_can_be_withheld(good: Good, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no equipment 'cnc-99'"):
        export(good.plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b", withhold=["cnc-99"])


def test_pruned_batches_are_said_to_be_pruned_and_confirm_nothing(plant: Plant, good: Good, tmp_path: Path) -> None:
    plant.run_story()
    plant.archive.prune(T0 + 30 * SECOND_US, author="operator", reason="retention")
    found = checked(plant, good, tmp_path / "b")
    verdict = of(found, "defect-rate")
    assert verdict.outcome is Outcome.UNDETERMINED and "pruned" in verdict.reason
    assert "pruned" in found.steps[8].text


def test_a_part_that_the_edge_lost_and_declared_costs_coverage_alone(plant: Plant, good: Good, tmp_path: Path) -> None:
    plant.run(T0 - 60 * SECOND_US, 100)
    plant.now.time_us = T0 + 41 * SECOND_US
    rows = readings_of("lathe-01", T0 + 40 * SECOND_US, 1)
    names = tuple(sorted({row.signal for row in rows}))
    lost = plant.edges["edge-1"].seal(rows, plant.now())
    plant.commit(SealedBatch(lost.header, lost.signature, (None,)))
    gap = Gap(names, T0 + 40 * SECOND_US, T0 + 41 * SECOND_US, "damaged on disk")
    plant.commit(plant.edges["edge-1"].seal([], plant.now(), (gap,)))
    plant.run(T0 + 40 * SECOND_US, 100)
    verdict = of(checked(plant, good, tmp_path / "b"), "defect-rate")
    assert verdict.outcome is Outcome.CONFIRMED and "damaged at the edge" in verdict.reason


def test_a_part_that_is_gone_without_a_word_confirms_nothing(plant: Plant, good: Good, tmp_path: Path) -> None:
    plant.run(T0 - 60 * SECOND_US, 100)
    plant.now.time_us = T0 + 41 * SECOND_US
    lost = plant.edges["edge-1"].seal(readings_of("lathe-01", T0 + 40 * SECOND_US, 1), plant.now())
    plant.commit(SealedBatch(lost.header, lost.signature, (None,)))
    plant.run(T0 + 40 * SECOND_US, 100)
    verdict = of(checked(plant, good, tmp_path / "b"), "defect-rate")
    assert verdict.outcome is Outcome.UNDETERMINED and "nothing says why" in verdict.reason


def test_an_empty_window_says_so(good: Good, tmp_path: Path) -> None:
    window = Window(T0 + 30 * 24 * HOUR_US, T0 + 31 * 24 * HOUR_US)
    export(good.plant.archive, window=window, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    found = verify(tmp_path / "b", good.trust)
    assert "but the log ends before edge-1, edge-2 are heard beyond it" in found.steps[8].text
    verdict = of(found, "defect-rate")
    assert verdict.outcome is Outcome.UNDETERMINED and "the window is empty" in verdict.reason and "窗口为空" in verdict.reason_zh


def test_the_step_says_how_far_the_log_reaches(plant: Plant, good: Good, tmp_path: Path) -> None:
    plant.run(T0 - 60 * SECOND_US, 120)
    text = checked(plant, good, tmp_path / "early").steps[8].text
    assert "the range begins with the log" in text and "the log ends before edge-1, edge-2 are heard beyond it" in text
    rows = readings_of("robot-01", T0 + 60 * SECOND_US, 60)
    plant.now.time_us = WINDOW.end_us
    plant.commit(plant.edges["edge-2"].seal(rows, plant.now()))
    assert "the log ends before edge-1 is heard beyond it" in checked(plant, good, tmp_path / "half").steps[8].text
    assert "the range begins before it, and every edge is heard beyond it" in verify(good.folder, good.trust).steps[8].text


def announce(plant: Plant, from_seq: int, to_seq: int) -> None:
    body = Announcement("edge-1", plant.edges["edge-1"].epoch, from_seq, to_seq, T0, T0 + 60 * SECOND_US, "back-fill")
    plant.archive.add(body, author="edge:edge-1")


def late(plant: Plant) -> None:
    """A story, and long after it a batch about the window."""
    plant.run_story()
    plant.run(T0 + 600 * SECOND_US, 100)
    announce(plant, plant.edges["edge-1"].seq + 1, plant.edges["edge-1"].seq + 1)
    plant.now.time_us += SECOND_US
    rows = [row for row in readings_of("cnc-01", T0 + 500_000, 60) if row.signal.endswith("scrap_count")]
    plant.commit(plant.edges["edge-1"].seal(rows, plant.now()))
    plant.run(T0 + 900 * SECOND_US, 100)


def test_announced_late_data_comes_in_a_range_of_its_own(plant: Plant, good: Good, tmp_path: Path) -> None:
    late(plant)
    found = checked(plant, good, tmp_path / "b")
    assert found.predicate is not None and len(found.predicate.ranges) == 2
    assert found.predicate.undelivered == ()


def test_leaving_out_announced_late_data_is_refused(plant: Plant, good: Good, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late(plant)
    import evidence.bundle

    monkeypatch.setattr(evidence.bundle, "ranges_for", lambda archive, control, windows, size: [(2, 22)])
    export(plant.archive, window=WINDOW, claims=good.claims, packs=load_packs(), out=tmp_path / "b")
    verdict = of(verify(tmp_path / "b", trust_of(plant.archive)), "defect-rate")
    assert verdict.outcome is Outcome.UNDETERMINED and "late data announced" in verdict.reason  # admitted: nothing is confirmed
    bundle = Spoiled(tmp_path / "b", plant.key)
    bundle.sign(lambda predicate: predicate["undelivered"].clear())
    error = refusal(bundle.write(tmp_path / "c"), plant)
    assert error.step == 9 and "late data" in error.text


def test_window_and_baseline_are_two_ranges_and_are_compared(plant: Plant, good: Good, tmp_path: Path) -> None:
    plant.run(BASELINE.start_us, 160)
    plant.run(BASELINE.end_us + HOUR_US // 2, 40)
    plant.run(T0, 160)
    found = checked(plant, good, tmp_path / "b", baseline=BASELINE)
    assert found.predicate is not None and found.predicate.baseline is not None and found.predicate.baseline_results
    assert len(found.predicate.ranges) == 2
    assert "no baseline" not in of(found, "changsha-effect").reason
    assert "no baseline" in of(checked(plant, good, tmp_path / "alone"), "changsha-effect").reason
    bundle = Spoiled(tmp_path / "b", plant.key)
    name = min(name for name in bundle.files if name.endswith(".seg"))
    del bundle.files[name]
    bundle.sign(lambda predicate: predicate["ranges"].pop(0))
    assert refusal(bundle.write(tmp_path / "dropped"), plant).step == 5
    bundle = Spoiled(tmp_path / "b", plant.key)
    bundle.sign(lambda predicate: predicate.update(baseline=None))
    assert refusal(bundle.write(tmp_path / "silent"), plant).step in {7, 9}


def test_claims_are_needed(good: Good, tmp_path: Path) -> None:
    none: list[Claim] = []
    with pytest.raises(ConfigError, match="nothing to judge"):
        export(good.plant.archive, window=WINDOW, claims=none, packs=load_packs(), out=tmp_path / "b")
