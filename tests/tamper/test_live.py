"""What a gateway says of a window while the line runs is what its bundle of the window says, byte for byte."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from analytics.indicator import load_indicators
from evidence.archived import Live
from evidence.bundle import export
from evidence.claim import Claim
from evidence.packs import load_packs
from evidence.verify import verify
from store.control_kinds import Challenge
from tests.tamper.conftest import Good
from tests.tamper.story import BASELINE, Story
from tests.tamper.workbench import T0, WINDOW, Plant
from workshop.canonical import canonical_json
from workshop.errors import ConfigError
from workshop.statements import Question
from workshop.window import HOUR_US, SECOND_US, Window


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, demo_claims: list[Claim]) -> Iterator[Story]:
    made = Story(tmp_path_factory.mktemp("story"), demo_claims)
    yield made
    made.plant.archive.close()


def live(plant: Plant, claims: list[Claim], window: Window, baseline: Window | None = None) -> bytes:
    found = Live(plant.archive).judge(window, claims, load_packs(), indicators=load_indicators(), baseline=baseline)
    return canonical_json(msgspec.to_builtins(found.verdicts))


def stated(plant: Plant, claims: list[Claim], out: Path, window: Window, baseline: Window | None = None) -> bytes:
    export(plant.archive, window=window, claims=claims, packs=load_packs(), out=out, baseline=baseline)
    predicate = verify(out, None).predicate
    assert predicate is not None
    return canonical_json(predicate.verdicts)


WINDOWS = {
    "alone": (WINDOW, None), "with a baseline": (WINDOW, BASELINE), "in the middle": (Window(T0 + SECOND_US, T0 + 55 * SECOND_US), None),
    "empty": (Window(T0 + 48 * HOUR_US, T0 + 49 * HOUR_US), None), "not over": (Window(T0, T0 + HOUR_US), None),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_live_and_bundle_say_the_same(story: Story, tmp_path: Path, name: str) -> None:
    window, baseline = WINDOWS[name]
    found = live(story.plant, story.claims, window, baseline)
    assert found == stated(story.plant, story.claims, tmp_path / "b", window, baseline)
    if name == "with a baseline":
        for words in (b"committed to in control entry", b"pruned", b"late data announced", b"spot challenge of control entry", b"cannot be decoded"):
            assert words in found
    if name == "empty":
        assert b"the window is empty" in found


def test_live_verdicts_follow_the_control_log(good: Good, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.run_story()
    asked = Live(plant.archive)

    def reasons() -> str:
        found = asked.judge(WINDOW, good.claims, load_packs(), indicators=load_indicators())
        return next(item.reason for item in found.verdicts if item.claim == "defect-rate")

    assert "spot challenge" not in reasons()
    plant.archive.add(Challenge(Question("q", "edge-1", "cnc-01/power", "", T0, T0 + SECOND_US)), author="evaluator:Li Na")
    assert "was not answered" in reasons()
    plant.archive.close()


def test_a_baseline_that_is_not_before_the_window_is_refused(good: Good) -> None:
    with pytest.raises(ConfigError, match="must end before"):
        live(good.plant, good.claims, WINDOW, WINDOW)
