"""The watch over a bearing: it learns from the fit period alone, is silent on a sound machine and speaks on a worn one."""

import msgspec
import numpy as np
import pytest

from analytics.maintenance.bearing import INPUT_ROLES, THRESHOLD, Detector, alert_of, fit, score, watched
from tests.unit.analytics.plant import START_US, machine, window
from tests.unit.analytics.spindle import LATHE, spindle
from workshop.block import Block
from workshop.errors import Rejected
from workshop.window import SECOND_US

FEATURE_US = 10 * SECOND_US


def learned(block: Block, seconds: int = 600) -> Detector:
    return fit(block, LATHE, window(0, seconds), feature_us=FEATURE_US)


@pytest.mark.parametrize("seed", range(5))
def test_a_sound_bearing_gives_no_alert_and_few_high_scores(seed: int) -> None:
    block = spindle(3600, seed=seed)
    detector = learned(block)
    scores = score(detector, block, window(600, 3600))
    assert len(scores) > 250
    assert all(0 <= value < 1 for _, value in scores)
    assert sum(value >= THRESHOLD for _, value in scores) < 0.15 * len(scores)
    assert all(alert_of(detector, scores[:end]) is None for end in range(len(scores)))


@pytest.mark.parametrize("seed", range(5))
def test_a_worn_bearing_is_noticed_with_its_evidence(seed: int) -> None:
    block = spindle(2400, wear_from_s=1200, seed=seed)
    detector = learned(block)
    scores = score(detector, block, window(600, 2400))
    alert = alert_of(detector, scores)
    assert alert is not None
    assert (alert.equipment, alert.at_us) == ("lathe-01", START_US + 2400 * SECOND_US)
    assert START_US + 1200 * SECOND_US < alert.since_us < START_US + 1500 * SECOND_US
    assert set(alert.signals) == {f"lathe-01/{role}" for role in INPUT_ROLES}
    assert alert.score >= THRESHOLD
    assert alert.false_alarm_rate == detector.false_alarm_rate >= 1 / (detector.windows + 1)
    assert alert.advice_zh and alert.advice_en


def test_it_is_deterministic_and_looks_only_at_the_fit_period() -> None:
    block, later = spindle(1200, seed=3), spindle(1200, wear_from_s=600, seed=3)
    once, again, other = learned(block), learned(block), learned(later)
    assert once.limit == again.limit == other.limit
    assert once.scale.tolist() == other.scale.tolist()
    assert score(once, block, window(600, 1200)) == score(again, block, window(600, 1200))
    shuffled = block.take(np.random.default_rng(0).permutation(len(block)))
    assert score(learned(shuffled), shuffled, window(600, 1200)) == score(once, block, window(600, 1200))


def test_a_score_is_the_same_in_whatever_pieces_it_is_computed() -> None:
    block = spindle(1800, wear_from_s=900, seed=2)
    detector = learned(block)
    whole = score(detector, block, window(600, 1800))
    pieces = [one for start in range(600, 1800, 150) for one in score(detector, block, window(start, start + 150))]
    assert whole == pieces
    assert whole[0][0] == START_US + 610 * SECOND_US  # the end of its short window


def test_there_is_no_score_while_the_spindle_stands_still_or_an_input_is_missing() -> None:
    block = spindle(1200, still=(700, 900), seed=4)
    detector = learned(block)
    ends = {(end - START_US) // SECOND_US for end, _ in score(detector, block, window(600, 1200))}
    assert not ends & set(range(710, 901, 10))
    without_speed = block.take(block.signal != block.signals.index("lathe-01/spindle_speed"))
    assert score(detector, without_speed, window(600, 1200)) == []


def test_there_is_no_score_outside_what_the_fit_has_seen() -> None:
    detector = learned(spindle(600, seed=5))
    assert score(detector, spindle(1200, seed=6, load=240.0), window(600, 1200)) == []


def test_a_machine_that_stood_still_cannot_be_learned() -> None:
    with pytest.raises(Rejected, match="wait for more"):
        learned(spindle(600, still=(0, 560)))


def test_only_equipment_with_score_and_all_inputs_is_watched() -> None:
    assert watched(LATHE)
    assert not watched(machine())
    assert not watched(msgspec.structs.replace(LATHE, signals=LATHE.signals[1:]))
