"""`chejian maintenance`: evaluate, train, predict from files; exit codes, JSON, and words for every wrong input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from analytics.maintenance.table import Table
from chejian.commands.maintenance import maintenance
from tests.unit.analytics.maintenance.shop import fleet, pure_noise, signal, table
from workshop.errors import ConfigError

ROOT = Path(__file__).parents[2]


def chejian(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chejian", "maintenance", *map(str, arguments)]
    environment = {"COLUMNS": "200", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False, env=environment)


def kept(path: Path, shop: Table, mark: str = ",", header: bool = True) -> Path:
    lines = [mark.join(shop.columns)] if header else []
    for row in zip(*(column.tolist() for column in shop.columns.values()), strict=True):
        lines.append(mark.join("" if str(value) in {"None", "nan"} else str(value) for value in row))
    path.write_text("\n".join(lines) + "\n")
    return path


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("shop") / "shop.csv", table(**signal(rows=200)))


REGRESSION = ("--task", "regression", "--target", "wear", "--exclude", "broken,hour", "--group", "unit", "--protocol", "chronological")


def test_the_report_as_json(shop: Path) -> None:
    done = chejian("evaluate", "--data", shop, *REGRESSION, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["verdict"] == "deploy"
    assert {"metrics", "intervals", "folds", "baselines", "warnings", "verdict"} <= set(report)
    assert {"rmse", "mae", "r2", "interval_coverage"} <= set(report["metrics"])
    low, high = report["intervals"]["rmse"]
    assert low <= report["metrics"]["rmse"] <= high
    assert {"mean", "index only", "last value"} <= set(report["baselines"])
    assert [fold["fold"] for fold in report["folds"]] == ["later rows"]


def test_a_model_is_trained_and_asked(shop: Path, tmp_path: Path) -> None:
    done = chejian("train", "--data", shop, *REGRESSION, "--out", tmp_path / "m")
    assert done.returncode == 0, done.stdout + done.stderr
    fresh = kept(tmp_path / "new.csv", table(**{name: column[:40] for name, column in signal(seed=9, rows=200).items() if name != "wear"}))
    answered = json.loads(chejian("predict", tmp_path / "m", "--data", fresh, "--json").stdout)["answers"]
    assert len(answered) == 40
    assert all(one["low"] <= one["answer"] <= one["high"] for one in answered if one["determined"])
    (tmp_path / "m").write_bytes((tmp_path / "m").read_bytes()[:-9])
    refused(chejian("predict", tmp_path / "m", "--data", fresh), "damaged")
    refused(chejian("predict", shop, "--data", fresh), "no model")


def test_without_signal_no_model_is_written(tmp_path: Path) -> None:
    path = kept(tmp_path / "noise.csv", table(**pure_noise(3)))
    done = chejian("train", "--data", path, *REGRESSION, "--out", tmp_path / "m")
    assert done.returncode == 1
    assert "do not deploy: no better than" in done.stdout
    assert not (tmp_path / "m").exists()


def test_remaining_life_without_header_in_whitespace(tmp_path: Path) -> None:
    path = kept(tmp_path / "fleet.txt", fleet(units=5), mark="  ", header=False)
    done = chejian("evaluate", "--data", path, "--task", "rul", "--group", "0", "--time", "1", "--cap", "60", "--protocol", "grouped-kfold", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["metrics"]["rmse"] < 0.7 * report["baselines"]["index only"]["rmse"]
    assert "nasa_score" in report["metrics"]


def test_anomalies_over_several_files(tmp_path: Path) -> None:
    paths = []
    for seed in range(3):
        lots = np.random.default_rng(seed)
        values, label = lots.normal(size=(300, 4)), np.zeros(300)
        values[200:260, :2] += 4
        label[200:260] = 1
        columns = {f"s{i}": values[:, i] for i in range(4)}
        paths.append(kept(tmp_path / f"{seed}.csv", table(**columns, label=label), mark=";"))
    options = [word for path in paths for word in ("--data", str(path))]
    done = chejian("evaluate", *options, "--task", "anomaly", "--target", "label", "--protocol", "chronological", "--train-rows", "120", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads(done.stdout)["metrics"]
    assert {"f1", "false_alarm_rate", "missed_alarm_rate", "delay", "average_precision", "auc", "mcc"} <= set(metrics)
    assert metrics["f1"] > 0.8


@pytest.mark.parametrize(("protocol", "folds", "width"), [
    ("chronological", 1, 60), pytest.param("chronological", 1, 500, marks=pytest.mark.long),
    pytest.param("leave-one-group-out", 8, 500, marks=pytest.mark.long),
])
def test_difficult_tables_are_handled(tmp_path: Path, protocol: str, folds: int, width: int) -> None:
    lots = np.random.default_rng(0)
    columns: dict[str, Any] = {f"s{i}": lots.normal(size=40) for i in range(width)}
    columns["s3"][::3] = np.nan
    columns |= {
        "flat": np.ones(40), "void": np.full(40, np.nan), "word": np.array([None, "a"] * 20, object), "unit": np.repeat(np.arange(8.0), 5),
    }
    columns["y"] = columns["s0"] * 3 + 0.2 * lots.normal(size=40)
    path = kept(tmp_path / "wide.csv", table(**columns))
    done = chejian("evaluate", "--data", path, "--task", "regression", "--target", "y", "--group", "unit", "--protocol", protocol, "--json")
    assert done.returncode in {0, 1}, done.stderr
    assert len(json.loads(done.stdout)["folds"]) == folds


@pytest.mark.parametrize(("options", "words"), [
    (("--task", "rul", "--protocol", "grouped-kfold"), ("needs --group", "--time")),
    (("--task", "rul", "--group", "unit", "--time", "hour", "--target", "wear", "--protocol", "grouped-kfold"), ("no --target",)),
    (("--task", "regression", "--protocol", "grouped-kfold", "--group", "unit"), ("needs --target",)),
    (("--task", "regression", "--target", "wear", "--protocol", "grouped-kfold"), ("needs --group",)),
    (("--task", "regression", "--target", "waer", "--protocol", "chronological"), ("no column 'waer'", "--target", "force")),
    (("--task", "regression", "--target", "wear", "--inputs", "force,hot*", "--protocol", "chronological"), ("no column 'hot*'", "--inputs")),
    (("--task", "regression", "--target", "wear", "--exclude", "nothing", "--protocol", "chronological"), ("no column 'nothing'", "--exclude")),
    (("--task", "regression", "--target", "wear", "--exclude", "*", "--protocol", "chronological"), ("no input column is left",)),
    (("--task", "guess", "--target", "wear", "--protocol", "chronological"), ("guess", "classification")),
    (("--task", "regression", "--target", "wear", "--protocol", "loocv"), ("loocv", "leave-one-group-out")),
    (("--task", "regression", "--target", "wear", "--protocol", "official-test"), ("--test FILE",)),
    (("--task", "classification", "--target", "wear", "--protocol", "stratified-kfold"), ("no classes",)),
    (("--task", "regression", "--target", "wear", "--protocol", "chronological", "--train-share", "1.5"), ("--train-share",)),
    (("--task", "regression", "--target", "wear", "--protocol", "chronological", "--train-rows", "199"), ("need more",)),
    (("--task", "anomaly", "--target", "wear", "--protocol", "chronological"), ("an anomaly is 0 or 1",)),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else None)
def test_wrong_options_are_refused_in_words(shop: Path, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    found = CliRunner().invoke(maintenance, ["evaluate", "--data", str(shop), *options])
    assert isinstance(found.exception, ConfigError), found.output
    for word in words:
        assert word in str(found.exception)
    assert "\n" not in str(found.exception)


def test_a_wrong_option_is_one_line_and_exit_2(shop: Path) -> None:
    refused(chejian("evaluate", "--data", shop, "--task", "regression", "--target", "waer", "--protocol", "chronological"), "chejian: ", "waer")
