"""`chejian quality` on a bundle, and what it answers to wrong input."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from chejian.cli import app, register_commands
from evidence.bundle import export
from evidence.claim import parse_claims
from evidence.packs import load_packs
from tests.tamper.workbench import REPOSITORY, WINDOW, Plant
from workshop.errors import ChejianError, ConfigError, Rejected

BASE = ("--base", "2026-01-05T10:00", "2026-01-05T10:01")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quality")
    plant = Plant(folder)
    plant.run_story()
    claims = parse_claims((REPOSITORY / "config/demo/claims.toml").read_bytes(), "claims.toml")
    export(plant.archive, window=WINDOW, claims=claims, packs=load_packs(), out=folder / "bundle")
    plant.archive.close()
    register_commands()
    return folder / "bundle"


def run(*arguments: str) -> Result:
    register_commands()
    return CliRunner().invoke(app, ["quality", *arguments])


@pytest.mark.parametrize(
    ("after", "code", "outcome", "word"),
    [(("180", "15000"), 0, "confirmed", "成立"), (("400", "20000"), 1, "refuted", "不成立"), (("120", "10000"), 4, "undetermined", "无法判定")],
)
def test_the_exit_code_of_a_reduction_says_what_came_out(after: tuple[str, str], code: int, outcome: str, word: str) -> None:
    arguments = ("reduction", "--counts", "--before", "300", "15000", "--after", *after)
    answer = run(*arguments, "--json")
    found = msgspec.json.decode(answer.output)
    assert (answer.exit_code, found["outcome"]) == (code, outcome)
    assert run(*arguments, "--lang", "zh").output.startswith(f"{word}:")
    if outcome == "confirmed":
        assert (found["high"], found["parts_needed"]["0.5"]) == ("0.699832", 14_954)


def test_a_reduction_between_periods_of_a_bundle_needs_data(bundle: Path) -> None:
    whole = msgspec.json.decode(run("reduction", "--bundle", str(bundle), *PERIODS, "--json").output)
    assert whole["before"]["total"] > 0 and whole["outcome"] in ("confirmed", "refuted", "undetermined")


PERIODS = ("--before", "2026-01-05T10:00", "2026-01-05T10:01", "--after", "2026-01-05T10:01", "2026-01-05T10:02")


def test_a_sample_of_a_lot_by_enumeration() -> None:
    answer = run("lot", "--lot", "20", "--sampled", "5", "--found", "1", "--json")
    # P(X <= 1 | D of 20, 5 drawn) = (C(20 − D, 5) + D · C(20 − D, 4)) / C(20, 5): 5.8 % for D = 12, 3.1 % for 13, 1.4 % for 14.
    assert msgspec.json.decode(answer.output) == {"lot": 20, "sampled": 5, "found": 1, "low": 1, "high": 13, "at_most": 12}
    # None of 1 among 20 is missed by 19 with 5 %: 19/20 holds it with 95 %.
    assert msgspec.json.decode(run("lot", "--lot", "20", "--find", "1", "--json").output) == {"lot": 20, "defective": 1, "sample": 19}
    assert run("lot", "--lot", "20", "--find", "1", "--lang", "zh").output == "批量20,其中不合格1件:以95 %把握至少抽到一件,须随机抽19件\n"
    assert "1 … 13 in the lot" in run("lot", "--lot", "20", "--sampled", "5", "--found", "1", "--lang", "en").output


@pytest.mark.parametrize(("arguments", "message"), [
    ((), "one of the two"), (("--find", "21"), "more than the lot"), (("--sampled", "5", "--find", "2"), "one of the two"),
    (("--sampled", "5", "--found", "6"), "each must be at most the next"), (("--sampled", "21"), "each must be at most the next"),
])
def test_a_sample_that_cannot_be_is_refused_in_words(arguments: tuple[str, ...], message: str) -> None:
    answer = run("lot", "--lot", "20", *arguments)
    assert isinstance(answer.exception, ConfigError) and message in str(answer.exception)


def test_a_chart_has_limits_from_the_base_alone(bundle: Path) -> None:
    answer = run("chart", "--bundle", str(bundle), *BASE, "--every", "1min")
    assert isinstance(answer.exception, Rejected) and "1 samples" in str(answer.exception)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_capability_of_a_bundle_without_a_toleranced_dimension_says_so(bundle: Path, language: str) -> None:
    answer = run("capability", "--bundle", str(bundle), "--lang", language)
    assert answer.exit_code == 0 and "undefined: no " in answer.output
    assert msgspec.json.decode(run("capability", "--bundle", str(bundle), "--json").output)["stations"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chart", *BASE, "--figure", "oee"), "--figure oee: there are defect_rate"),
        (("chart", *BASE, "--chart", "x"), "--chart x: there are p, exact, laney, u"),
        (("chart", *BASE, "--chart", "u"), "--chart u is for"),
        (("chart", *BASE, "--every", "0min"), "--every 0min"), (("chart", *BASE, "--every", "周"), "--every 周"),
        (("chart", *BASE, "--window", "2026-01-05T10:00", "2026-01-05T10:02"), "must not meet"),
        (("chart", "--base", "x", "y"), "--base: 'x' is no time"), (("capability", "--window", "2020-01-01", "2020-01-02"), "beyond the bundle"),
        (("reduction", *PERIODS, "--at-most", "nan"), "--at-most nan"), (("reduction", *PERIODS, "--at-most", "0"), "--at-most 0"),
        (("reduction", "--counts", "--before", "3", "2", "--after", "1", "2"), "--before 3 2"),
        (("reduction", "--counts", "--before", "0", "0", "--after", "1", "2"), "--before 0 0"),
        (("reduction", "--counts", "--before", "1", "2", "--after", "-1", "2"), "--after -1 2"),
        (("reduction", *PERIODS, "--figure", "defects_per_opportunity"), "not independent"),
    ],
)
def test_wrong_input_is_refused_in_words(bundle: Path, arguments: tuple[str, ...], message: str) -> None:
    answer = run(*arguments, "--bundle", str(bundle))
    assert isinstance(answer.exception, ConfigError) and answer.exception.exit_code == 2, answer.output
    assert message in str(answer.exception)


def test_without_bundle_and_gateway_the_command_says_what_is_missing(tmp_path: Path) -> None:
    answer = run("capability", "--token-file", str(tmp_path / "none.token"))
    assert isinstance(answer.exception, ChejianError) and "none.token" in str(answer.exception)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_reasons_of_a_bundle_without_an_inspection_say_so(bundle: Path, language: str) -> None:
    answer = run("pareto", "--bundle", str(bundle), "--lang", language)
    assert answer.exit_code == 0 and "undefined: no " in answer.output
    assert msgspec.json.decode(run("pareto", "--bundle", str(bundle), "--json").output)["reasons"] == []
