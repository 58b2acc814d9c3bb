"""Figures against vectors worked out elsewhere, and against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from analytics.maintenance.conformal import Conformal
from analytics.maintenance.measures import best_threshold, class_metrics, delays, nasa_score, regression_metrics


@pytest.mark.parametrize(("errors", "score"), [
    ([-13], 1.718282), ([10], 1.718282), ([-10, 10], 2.876387), ([5, -5, 20, -20], 11.164246), ([0], 0.0),
])
def test_nasa_score(errors: list[float], score: float) -> None:
    assert nasa_score(np.array(errors, float)) == pytest.approx(score, abs=1e-6)


def test_regression() -> None:
    found = regression_metrics(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0]), life=True)
    assert found["rmse"] == pytest.approx(np.sqrt(4 / 3))
    assert found["mae"] == pytest.approx(2 / 3)
    assert found["r2"] == pytest.approx(-1.0)


@pytest.mark.parametrize("seed", range(5))
def test_two_classes_as_scikit_learn_says(seed: int) -> None:
    lots = np.random.default_rng(seed)
    truth = (lots.random(200) < 0.2).astype(float)
    score = np.round(lots.random(200) + truth * 0.4, 1)  # many ties
    decided = (score > 0.8).astype(float)
    found = class_metrics(truth, decided, np.column_stack([1 - score, score]), 2)
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, decided))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, decided))
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, score))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(truth, score))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, decided))


def test_three_classes() -> None:
    truth, decided = np.array([0, 0, 1, 1, 2, 2.0]), np.array([0, 0, 1, 2, 2, 2.0])
    found = class_metrics(truth, decided, np.eye(3)[decided.astype(int)], 3)
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, decided, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, decided))


def test_delay_and_threshold() -> None:
    truth, alarm = np.array([0, 1, 1, 1, 0, 1, 1, 0.0]), np.array([1, 0, 0, 1, 0, 0, 0, 1.0])
    assert delays(truth, alarm) == [2, 2]
    assert 0.4 < best_threshold(np.array([0, 0, 1, 1.0]), np.array([0.1, 0.4, 0.6, 0.9])) < 0.6


def test_conformal_intervals_cover_as_stated_where_the_noise_differs() -> None:
    lots = np.random.default_rng(0)
    predicted = lots.uniform(0, 100, 4000)
    truth = predicted + lots.normal(size=4000) * (1 + predicted / 20)
    low, high = Conformal().fit(predicted[:2000], truth[:2000]).interval(predicted[2000:])
    inside = (truth[2000:] >= low) & (truth[2000:] <= high)
    assert 0.87 <= inside.mean() <= 0.93
    assert 0.85 <= inside[predicted[2000:] < 30].mean() <= 0.96
    assert (high - low)[predicted[2000:] > 80].mean() > 2 * (high - low)[predicted[2000:] < 20].mean()
