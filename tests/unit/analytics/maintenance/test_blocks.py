"""The blocks of ISO 13374, each alone: waveform, zones, detection, health, diagnosis, prognosis, advice, drift."""

import numpy as np
import pytest

from analytics.maintenance.advice import advise
from analytics.maintenance.detection import Forest, Normal, change_points, threshold_for, worth_of_rows
from analytics.maintenance.diagnosis import UNKNOWN, diagnose, least_probability
from analytics.maintenance.drift import drifted, outside, page_hinkley, psi, seen_of
from analytics.maintenance.health import health_of
from analytics.maintenance.prognosis import alpha_lambda, horizon
from analytics.maintenance.sound import Sound
from analytics.maintenance.table import Numbers
from analytics.maintenance.waveform import band_rms, shape_of, velocity_rms
from analytics.maintenance.zones import zone_of
from workshop.errors import Rejected

RATE_HZ = 5120.0


def sine(amplitude: float, frequency_hz: float) -> Numbers:
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(int(RATE_HZ)) / RATE_HZ)


def test_waveform_of_a_sine() -> None:
    shape = shape_of(sine(3.0, 50) + 7)
    assert (shape.rms, shape.peak, shape.crest) == pytest.approx((3 / np.sqrt(2), 3.0, np.sqrt(2)), rel=1e-3)
    assert shape.kurtosis == pytest.approx(1.5, rel=1e-3)
    both = sine(3.0, 50) + sine(1.0, 400)
    assert band_rms(both, RATE_HZ, 300, 500) == pytest.approx(1 / np.sqrt(2), rel=1e-3)


def test_velocity_from_acceleration_has_no_drift() -> None:
    # 1 m/s² at 50 Hz is 1000 / (2 pi 50) = 3.183 mm/s peak.
    assert velocity_rms(sine(1.0, 50) + 20.0, RATE_HZ) == pytest.approx(1000 / (2 * np.pi * 50) / np.sqrt(2), rel=1e-3)
    with pytest.raises(Rejected, match="2560 are needed"):
        velocity_rms(np.zeros(100), 1.0)
    with pytest.raises(Rejected, match="eight values"):
        shape_of(np.array([1.0, np.nan]))


@pytest.mark.parametrize(("velocity", "power", "support", "zone"), [
    (1.4, 55, "rigid", "A"), (1.41, 55, "rigid", "B"), (2.8, 55, "rigid", "B"), (4.5, 55, "rigid", "C"), (4.6, 55, "rigid", "D"),
    (4.6, 500, "rigid", "C"), (7.1, 500, "flexible", "B"), (12, 500, "flexible", "D"), (2.3, 300, "flexible", "A"),
])
def test_zones(velocity: float, power: float, support: str, zone: str) -> None:
    found = zone_of(velocity, power, support)
    assert found.zone == zone
    assert found.edition and found.source


@pytest.mark.parametrize(("power", "support"), [(15, "rigid"), (55, "soft")])
def test_zones_are_refused_where_the_standard_does_not_apply(power: float, support: str) -> None:
    with pytest.raises(Rejected):
        zone_of(1.0, power, support)


@pytest.mark.parametrize("width", [1, 2, 4, 12])
@pytest.mark.parametrize("seed", range(3))
def test_a_shift_is_detected_and_soundness_is_left_alone(width: int, seed: int) -> None:
    lots = np.random.default_rng(seed)
    values = lots.normal(size=(900, width)) @ np.triu(np.ones((width, width)))
    values[700:] += 5 * values[:300].std(axis=0) * (np.arange(width) == 0)
    normal = Normal(rate=0.02).fit(values[:300])
    alarm = normal.score(values) >= normal.threshold
    assert alarm[300:700].mean() < 0.1
    assert alarm[710:].mean() > 0.95


def test_detection_bears_missing_and_constant_inputs() -> None:
    lots = np.random.default_rng(0)
    values = np.column_stack([lots.normal(size=(400, 3)), np.ones(400), np.full(400, np.nan)])
    values[::7, 0] = np.nan
    normal = Normal().fit(values[:200])
    assert normal.kept == [0, 1, 2]
    assert np.isfinite(normal.score(values)).all()


def test_the_forest_keeps_its_false_alarm_rate() -> None:
    lots = np.random.default_rng(1)
    forest = Forest(rate=0.05).fit(lots.normal(size=(1000, 3)))
    assert (forest.score(lots.normal(size=(1000, 3))) > forest.threshold).mean() < 0.1
    assert (forest.score(lots.normal(size=(100, 3)) + 6) > forest.threshold).mean() > 0.95
    assert threshold_for(np.arange(99.0), 0.1) == 89
    assert threshold_for(np.arange(5.0), 0.01) == 4


def test_change_points() -> None:
    lots = np.random.default_rng(2)
    series = lots.normal(size=600)
    assert change_points(series) == []
    series[200:] += 3
    series[450:] -= 5
    found = change_points(series)
    assert len(found) == 2
    assert np.abs(np.array(found) - [200, 450]).max() <= 3


def test_health_names_the_signal_that_moved() -> None:
    lots = np.random.default_rng(3)
    values = lots.normal(size=(500, 3))
    values[400:, 1] += 6
    found = health_of(Normal().fit(values[:250]), ["load", "heat", "sound"], values)
    assert np.mean([one.index for one in found[250:400]]) > 0.6
    assert all(one.index < 0.5 and one.alarm and one.reasons[0][0] == "heat" for one in found[420:])


def test_unknown_is_a_diagnosis() -> None:
    probability = np.array([[0.9, 0.1], [0.5, 0.5], [0.95, 0.05]])
    found = diagnose(probability, ("bearing", "tool"), 0.4, np.array([False, False, True]))
    assert [one.fault for one in found] == ["bearing", UNKNOWN, UNKNOWN]
    assert "told apart" in found[1].why and "outside" in found[2].why
    truth = np.zeros(99)
    assert least_probability(np.column_stack([np.arange(1, 100) / 100, np.zeros(99)]), truth) == pytest.approx(0.1)


def test_courses_of_forecasts() -> None:
    truth = np.arange(100.0, 0, -1)
    predicted = np.where(truth > 40, truth * 2, truth)
    assert horizon(predicted, truth) == 40
    assert alpha_lambda(predicted, truth) == pytest.approx(0.4)
    assert horizon(truth * 2, truth) == 0


def test_advice_weighs_waiting_against_acting() -> None:
    stops = [0.0, 8.0, 24.0, 72.0]
    urgent = advise(10, 5, 15, stops, cost_failure=20_000, cost_action=1_000, cost_per_life=5)
    assert urgent.within == 0
    assert urgent.cost_of_waiting > urgent.cost_of_acting
    assert advise(60, 40, 80, stops, cost_failure=20_000, cost_action=1_000, cost_per_life=5).within == 24
    assert advise(500, 400, 600, stops, cost_failure=20_000, cost_action=1_000, cost_per_life=5).within == 72


def test_drift_is_put_into_words() -> None:
    lots = np.random.default_rng(4)
    learned = lots.normal(size=(500, 2))
    seen = seen_of(("load", "heat"), learned)
    assert drifted(seen, lots.normal(size=(500, 2))) == []
    moved = lots.normal(size=(500, 2)) + np.array([0.0, 2.0])
    assert [text.split("'")[1] for text in drifted(seen, moved)] == ["heat"]
    assert outside(seen, np.array([[0.0, 0.0], [99.0, 0.0], [np.nan, -99.0]])).tolist() == [0, 0.5, 1]
    assert psi(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    residuals = lots.normal(size=400) * 0.5
    assert page_hinkley(residuals, 0.5, 10) is None
    assert 200 <= (page_hinkley(residuals + (np.arange(400) >= 200) * 2, 0.5, 10) or 0) < 220


@pytest.mark.parametrize("memory", [0.0, 0.9, 0.97])
def test_the_stated_rate_holds_for_rows_with_a_memory(memory: float) -> None:
    shares = []
    for seed in range(20):
        dice = np.random.default_rng(seed)
        values = dice.normal(size=(1000, 6)) * np.sqrt(1 - memory**2)
        for i in range(1, 1000):
            values[i] += memory * values[i - 1]
        detector = Sound(rate=0.02).fit(values[:400])
        shares.append(float((detector.score(values)[400:] >= detector.threshold).mean()))
    assert np.mean(shares) <= 0.03


def test_rows_with_a_memory_are_worth_fewer() -> None:
    dice = np.random.default_rng(0)
    plain = dice.normal(size=2000)
    slow = plain.copy()
    for i in range(1, 2000):
        slow[i] += 0.9 * slow[i - 1]
    assert worth_of_rows(plain) > 1400
    # (1 - φ) / (1 + φ) of them: one in nineteen.
    assert 40 < worth_of_rows(slow) < 220
    assert worth_of_rows(np.ones(50)) == 50.0


def test_a_shift_that_hides_in_a_wander_shows_in_the_moves() -> None:
    dice = np.random.default_rng(3)
    walk = np.cumsum(dice.normal(size=(900, 4)), axis=0) * 0.2 + dice.normal(size=(900, 4)) * 0.1
    walk[700:, 1] += dice.normal(size=200) * 3
    detector = Sound().fit(walk[:400])
    assert (detector.score(walk)[705:] >= 0).mean() > 0.8
    assert health_of(detector, ["a", "b", "c", "d"], walk)[-1].index < 1
