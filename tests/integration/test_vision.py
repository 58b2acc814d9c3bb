"""The first vision check on pictures of the simulated inspection station, through the commands; and pictures that are none."""

import csv
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from analytics.pictures import looks
from chejian.cli import app, register_commands
from simulators.images import DEFECTS, surface, write_image
from workshop.errors import ConfigError


def run(*arguments: str) -> Result:
    register_commands()
    return CliRunner().invoke(app, ["quality", "vision", *arguments])


def station(folder: Path, count: int, seed: int, *, shuffled: bool = False) -> Path:
    """So many pictures as the station writes them, a tenth of them defective, and the list with its verdicts."""
    dice = np.random.default_rng(seed)
    defects = [str(dice.choice(DEFECTS[1:])) if dice.random() < 0.1 else "" for _ in range(count)]
    names = [write_image(folder, seed, f"EP-{number:05d}", defect).name for number, defect in enumerate(defects)]
    if shuffled:
        dice.shuffle(defects)
    path = folder / "list.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(("image", "verdict"))
        out.writerows((name, defect or "OK") for name, defect in zip(names, defects, strict=True))
    return path


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("vision")
    answer = run("train", "--data", str(station(folder, 400, 1)), "--out", str(folder / "model"), "--json")
    assert answer.exit_code == 0, answer.output
    return folder / "model", msgspec.json.decode(answer.output)


def test_a_model_that_sees_defects_is_deployed_with_naive_answers_beside_it(learned: tuple[Path, dict[str, object]]) -> None:
    _, report = learned
    assert (report["verdict"], report["protocol"], report["rows"]) == ("deploy", "chronological", 400)
    assert report["metrics"]["f1"] > 0.9 > max(figures["f1"] for figures in report["baselines"].values())  # type: ignore[index,attr-defined]


def test_derived_records_stand_beside_the_stations_verdict(learned: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    answer = run("score", str(learned[0]), "--data", str(station(tmp_path, 120, 2)), "--json")
    records = msgspec.json.decode(answer.output)["records"]
    assert len(records) == 120 and {record["provenance"] for record in records} == {"derived"}
    sure = [record for record in records if record["determined"]]
    assert len(sure) > 100 and sum(record["agrees"] for record in sure) / len(sure) > 0.95
    assert {record["station"] for record in records} == {"OK", "NG"}


def test_shuffled_verdicts_teach_nothing_and_no_model_is_written(tmp_path: Path) -> None:
    answer = run("train", "--data", str(station(tmp_path, 300, 3, shuffled=True)), "--out", str(tmp_path / "model"), "--json")
    assert answer.exit_code == 1 and msgspec.json.decode(answer.output)["verdict"].startswith("do not deploy")
    assert not (tmp_path / "model").exists()


def test_a_scratch_shows_in_the_rest_and_feed_marks_do_not() -> None:
    good, scratch = looks(surface(1, "EP-1")), looks(surface(1, "EP-1", "SCRATCH"))
    assert scratch["rest_max"] > 2 * good["rest_max"]
    assert looks(surface(1, "EP-1", "BURR"))["edge_bottom"] > 20 > abs(good["edge_bottom"])
    assert looks(np.full((9, 30), 7, np.uint8))["rest_std"] == 0
    for shape in ((7, 30), (8,), (8, 8, 3)):
        with pytest.raises(ValueError, match="picture of"):
            looks(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("none.png", None, "no picture"), ("text.png", b"hello", "cannot be read as a picture"), ("../out.png", b"", "does not lie below"),
        ("cut.png", "cut", "cannot be read as a picture"), ("tiny.png", "tiny", "at least 8"),
    ],
)
def test_pictures_that_are_none_are_refused_in_words(tmp_path: Path, name: str, content: bytes | str | None, what: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    if content == "tiny":
        Image.new("L", (4, 4)).save(folder / name)
    elif content == "cut":
        whole = write_image(folder, 1, "whole", "").read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    elif isinstance(content, bytes):
        (folder / name).write_bytes(content)
    (folder / "list.csv").write_text(f"image,verdict\n{name},OK\n", encoding="utf-8")
    answer = run("evaluate", "--data", str(folder / "list.csv"))
    assert isinstance(answer.exception, ConfigError) and what in str(answer.exception), answer.exception
    assert "row 1" in str(answer.exception)


def test_a_list_without_the_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("picture,verdict\na.png,OK\n", encoding="utf-8")
    answer = run("evaluate", "--data", str(tmp_path / "list.csv"))
    assert isinstance(answer.exception, ConfigError) and "no column 'image'" in str(answer.exception)
