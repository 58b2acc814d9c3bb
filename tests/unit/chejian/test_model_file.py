"""Model files: kept without pickle, the same answers after reading, and words for what is damaged or of another version."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

import chejian.model_file
from analytics.maintenance.anomaly import evaluate_anomaly
from analytics.maintenance.evaluate import evaluate
from analytics.maintenance.model import Model, predict, train
from analytics.maintenance.task import Task
from chejian.model_file import read_model, write_model
from tests.unit.analytics.maintenance.shop import signal, table
from workshop.errors import ConfigError

ROOT = Path(__file__).parents[3]
TASK = Task("regression", "grouped-kfold", target="wear", group="unit", time="hour", exclude=("broken",), effort="quick")


@pytest.fixture(scope="module")
def model() -> Model:
    shop = table(**signal())
    return train(TASK, [shop], evaluate(TASK, shop))


@pytest.fixture
def file(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "wear.model"
    write_model(path, model)
    return path


def rewritten(content: bytes, old: bytes, new: bytes) -> bytes:
    """The content with something else inside and a digest that fits again."""
    rest = content.partition(b"\n")[2].replace(old, new, 1)
    return f"chejian-model 1 {hashlib.sha256(rest).hexdigest()}\n".encode() + rest


def test_it_answers_the_same_after_reading_and_has_a_card(model: Model, file: Path) -> None:
    again = read_model(file)
    shop = table(**signal(seed=5))
    assert predict(again, shop) == predict(model, shop)
    assert again.card == model.card
    assert again.learner.digest() == model.card.model_digest
    card = file.with_name("wear.model.card.json").read_text()
    for word in ("data_digest", "grouped-kfold", "interval_coverage", "limits", "baselines"):
        assert word in card


def test_a_detector_says_which_inputs_are_strange_also_after_reading(tmp_path: Path) -> None:
    lots = np.random.default_rng(0)
    values, label = lots.normal(size=(300, 4)), np.zeros(300)
    values[200:260, :2] += 4
    label[200:260] = 1
    shop = table(**{f"s{i}": values[:, i] for i in range(4)}, label=label)
    task = Task("anomaly", "chronological", target="label", train_rows=120)
    made = train(task, [shop], evaluate_anomaly(task, [shop]))
    write_model(tmp_path / "d.model", made)
    found = predict(read_model(tmp_path / "d.model"), shop)
    assert found == predict(made, shop)
    event = [one for one in found.answers[205:255] if one.answer == "anomaly"]
    assert len(event) > 40
    assert {name for one in event for name, _ in one.reasons[:2]} <= {"s0", "s1"}
    assert all(one.reasons == () for one in found.answers if one.answer == "normal")


def test_a_row_outside_what_was_learned_from_is_undetermined(model: Model) -> None:
    columns = signal(seed=6)
    columns["force"][3] = 1e6
    columns["heat"][4] = np.nan
    found = predict(model, table(**columns))
    assert [i for i, one in enumerate(found.answers) if not one.determined] == [3, 4]
    assert found.answers[3].answer is None
    moved = predict(model, table(**(columns | {"idle": columns["idle"] * 0.1 + 1.5})))
    assert any("idle" in text for text in moved.drift)


@pytest.mark.parametrize("place", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_damaged_file_is_refused_in_words(file: Path, place: float) -> None:
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 0x41
    file.write_bytes(bytes(content))
    with pytest.raises(ConfigError, match=r"damaged|no model|format") as refusal:
        read_model(file)
    assert "wear.model" in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04\x95", b"chejian-model 1\n", b"PK\x03\x04" * 9])
def test_what_is_no_model_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ConfigError, match="no model"):
        read_model(tmp_path / "m")


def test_a_truncated_file_is_refused_in_words(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ConfigError, match="damaged"):
        read_model(file)


def test_another_version_is_refused_in_words(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(file.read_bytes().replace(b"chejian-model 1", b"chejian-model 2", 1))
    with pytest.raises(ConfigError, match="format 2, this version reads format 1; train it again"):
        read_model(file)
    file.write_bytes(file.read_bytes().replace(b"chejian-model 2", b"chejian-model 1", 1))
    monkeypatch.setattr(chejian.model_file, "__version__", "9.9.0")
    with pytest.raises(ConfigError, match=r"learned with chejian .*, here is 9\.9\.0.*train it again"):
        read_model(file)
    monkeypatch.undo()
    monkeypatch.setattr("sklearn.__version__", "9.9.0")
    with pytest.raises(ConfigError, match=r"learned with scikit-learn .*, here is 9\.9\.0"):
        read_model(file)


def test_a_card_of_another_shape_is_refused_in_words(file: Path) -> None:
    file.write_bytes(rewritten(file.read_bytes(), b'"units":', b'"unitz":'))
    with pytest.raises(ConfigError, match="another version"):
        read_model(file)


def test_an_archive_with_a_strange_type_is_refused_in_words(file: Path) -> None:
    import skops.io

    head = file.read_bytes().split(b"\n", 2)[1]
    rest = head + b"\n" + skops.io.dumps({"learner": Path("x")})
    file.write_bytes(f"chejian-model 1 {hashlib.sha256(rest).hexdigest()}\n".encode() + rest)
    with pytest.raises(ConfigError, match="no model of this version"):
        read_model(file)


def test_a_tree_that_leads_outside_itself_is_refused(model: Model, tmp_path: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    lots = np.random.default_rng(0)
    forest = HistGradientBoostingRegressor(max_iter=2).fit(lots.normal(size=(200, 2)), lots.normal(size=200))
    forest._predictors[0][0].nodes["left"][0] = 10**6
    learner = type(model.learner)("regression", 0, None)
    learner.members = [(1.0, "boosting/plain", "plain", forest)]
    write_model(tmp_path / "m", Model(model.card, learner))
    with pytest.raises(ConfigError, match="leads outside itself"):
        read_model(tmp_path / "m")


def test_there_is_no_pickle_anywhere() -> None:
    houses = ("workshop", "store", "analytics", "evidence", "edge", "gateway", "simulators", "chejian")
    files = [file for house in houses for file in (ROOT / house).rglob("*.py")]
    assert len(files) > 100
    assert [file for file in files if re.search(r"\b(import|from) (pickle|joblib|dill|shelve|marshal)\b", file.read_text())] == []
