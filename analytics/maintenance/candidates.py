"""The models that compete: gradient boosting, trees, linear, nearest neighbours, and the naive one that they have to beat."""

from collections.abc import Callable
from typing import Any

import msgspec
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analytics.maintenance.inputs import HISTORY, PAIRS, PLAIN

Make = Callable[[int, int], Any]
"""(rows, seed) -> an estimator that is not fitted yet."""


class Candidate(msgspec.Struct, frozen=True):
    """A kind of model on a kind of inputs."""

    name: str
    inputs: str
    make: Make


def candidates(*, classes: bool, life: bool, histories: bool, numeric: int, quick: bool) -> list[Candidate]:
    """The candidates for a task; the naive one first.

    Args:
        life: the target is a remaining life: only the history of a unit is read.
        histories: units and times are known.
        numeric: number of numeric inputs.
        quick: few and small ones.
    """
    boosting, trees, linear, near, naive = _CLASSES if classes else _REGRESSION
    plain = HISTORY if life else PLAIN
    found = [Candidate("naive", plain, naive), Candidate(f"linear/{plain}", plain, linear)]
    if quick:
        return [*found, Candidate(f"trees/{plain}", plain, trees)]
    found += [Candidate(f"{name}/{plain}", plain, make) for name, make in (("neighbours", near), ("trees", trees), ("boosting", boosting))]
    if not life and numeric >= 2:
        found.append(Candidate("boosting/pairs", PAIRS, boosting))
    if not life and histories and numeric:
        found += [Candidate(f"{name}/history", HISTORY, make) for name, make in (("linear", linear), ("trees", trees), ("boosting", boosting))]
    return found


def _leaf(rows: int, most: int) -> int:
    return max(3, min(most, rows // 40))


def _boosting_regressor(rows: int, seed: int) -> Any:
    return HistGradientBoostingRegressor(
        max_iter=250 if rows > 1000 else 120, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=_leaf(rows, 40), l2_regularization=5.0,
        max_features=0.3, early_stopping=False, random_state=seed,
    )


def _boosting_classifier(rows: int, seed: int) -> Any:
    return HistGradientBoostingClassifier(
        max_iter=150 if rows > 1000 else 80, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=_leaf(rows, 10), l2_regularization=1.0,
        max_features=0.3, early_stopping=False, random_state=seed,
    )


def _trees_regressor(rows: int, seed: int) -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), ExtraTreesRegressor(
        100, min_samples_leaf=max(2, min(5, rows // 100)), max_features=0.4, random_state=seed))


def _trees_classifier(rows: int, seed: int) -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), ExtraTreesClassifier(
        100, min_samples_leaf=max(2, min(5, rows // 100)), max_features=0.5, random_state=seed))


def _linear_regressor(rows: int, seed: int) -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), RidgeCV([1.0, 10.0, 100.0, 1000.0, 10000.0]))


def _linear_classifier(rows: int, seed: int) -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(C=0.3, max_iter=300))


def _near_regressor(rows: int, seed: int) -> Any:
    nearest = KNeighborsRegressor(max(3, min(25, rows // 20)), weights="distance")
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), nearest)


def _near_classifier(rows: int, seed: int) -> Any:
    nearest = KNeighborsClassifier(max(3, min(25, rows // 20)), weights="distance")
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), nearest)


_REGRESSION = (_boosting_regressor, _trees_regressor, _linear_regressor, _near_regressor, lambda rows, seed: DummyRegressor())
_CLASSES = (_boosting_classifier, _trees_classifier, _linear_classifier, _near_classifier, lambda rows, seed: DummyClassifier())
