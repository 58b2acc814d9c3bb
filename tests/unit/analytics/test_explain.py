"""Explanations: every indicator has its numbers put in, in both languages; sensitivities are real; windows are as people write them."""

import re
from decimal import Decimal
from pathlib import Path
from string import Formatter

import msgspec
import pytest
from typer.testing import CliRunner

from analytics.compute import compute
from analytics.explain import explain, sensitivities
from analytics.indicator import load_indicators
from chejian.cli import app, register_commands
from chejian.commands.windows import parse_window
from evidence.bundle import export
from evidence.claim import parse_claims
from evidence.packs import load_packs
from tests.tamper.workbench import REPOSITORY, T0, WINDOW, Plant
from tests.unit.analytics.plant import block, every, machine, window, workshop
from workshop.block import empty_block
from workshop.errors import ConfigError

KNOWN = load_indicators()
REGISTER = workshop(machine(), machine("cnc-02"))
UNDER_TEST = window(0, 100)


@pytest.mark.parametrize("identifier", list(KNOWN))
def test_every_indicator_is_explained_in_both_languages(identifier: str) -> None:
    indicator = KNOWN[identifier]
    found = compute(indicator, REGISTER, block(every("cnc-01/state", range(0, 100, 5), 3)), UNDER_TEST)
    assert {name for _, name, _, _ in Formatter().parse(indicator.numbers) if name} <= set(found.counts)
    texts = {language: explain(indicator, found, REGISTER, UNDER_TEST, language).text for language in ("zh", "en")}
    for text in texts.values():
        assert indicator.formula in text
        assert indicator.source in text
        assert REGISTER.digest in text
        assert found.why in text
    assert indicator.title_zh in texts["zh"]
    assert indicator.notes_zh in texts["zh"]
    assert indicator.notes_en in texts["en"]
    assert not re.search("[\u4e00-\u9fff]", texts["en"].replace(indicator.source, "").replace(found.why, ""))


def test_networking_is_sensitive_to_threshold_freshness_and_machines() -> None:
    # cnc-01 is up all the time and heard every 9 s with a maximum age of 5 s: connected for 60 of 100 s.
    readings = block(every("cnc-01/link", range(0, 100), 1), every("cnc-01/good", range(0, 100, 9), 7), every("cnc-02/link", range(0, 100), 1))
    indicator = KNOWN["networking_rate_all"]
    found = compute(indicator, REGISTER, readings, UNDER_TEST)
    assert found.value == 0
    changes = {item.what_en: item.value for item in sensitivities(indicator, found, REGISTER, lambda register: compute(
        indicator, register, readings, UNDER_TEST))}
    assert changes["networked from 50% of the watched time on"] == Decimal("0.500000")
    assert changes["networked from 90% of the watched time on"] == 0
    assert changes["maximum age of readings × 2"] == Decimal("0.500000")
    assert changes["without cnc-02"] == 0


def test_without_readings_the_explanation_says_so() -> None:
    indicator = KNOWN["oee"]
    text = explain(indicator, compute(indicator, REGISTER, empty_block(), UNDER_TEST), REGISTER, UNDER_TEST, "en").text
    assert "value: undefined or unknown" in text
    assert "coverage 0.000000 is below 0.9" in text


def test_windows_as_people_write_them() -> None:
    assert parse_window(("2026-01-05T10:00", "2026-01-05T10:02"), REGISTER) == WINDOW
    assert parse_window((str(T0), "2026-01-05T02:02:00Z"), REGISTER) == WINDOW
    for texts in (("soon", "later"), ("2026-01-05", "2026-01-05")):
        with pytest.raises(ConfigError, match="--window"):
            parse_window(texts, REGISTER)


def test_the_command_explains_a_bundle(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.run_story()
    claims = parse_claims((REPOSITORY / "config/demo/claims.toml").read_bytes(), "claims.toml")
    export(plant.archive, window=WINDOW, claims=claims, packs=load_packs(), out=tmp_path / "bundle")
    plant.archive.close()
    register_commands()
    arguments = ["indicators", "explain", "defect_rate", "--bundle", str(tmp_path / "bundle")]
    whole = CliRunner().invoke(app, [*arguments, "--lang", "zh"])
    assert whole.exit_code == 0, whole.output
    for text in ("不良品率", "代入数值", "cnc-01: ", "读数最大时效×2", "Clopper", "须一并看: inspection_coverage "):
        assert text in whole.output
    part = CliRunner().invoke(app, [*arguments, "--window", "2026-01-05T10:00", "2026-01-05T10:01", "--json"])
    answer = msgspec.json.decode(part.output)
    assert answer["window"]["end_us"] - answer["window"]["start_us"] == 60_000_000
    assert answer["result"]["indicator"] == "defect_rate"
    shared = CliRunner().invoke(app, ["indicators", "groups", "defect_rate", "--by", "equipment", "--bundle", str(tmp_path / "bundle"), "--json"])
    assert shared.exit_code == 0, shared.output
    groups = {item["group"]: item["result"] for item in msgspec.json.decode(shared.output)}
    assert set(groups) == {"cnc-01", "lathe-01"} and groups["cnc-01"]["counts"]["inspected"] > 50
    beyond = CliRunner().invoke(app, [*arguments, "--window", "2026-01-05T10:00", "2026-01-05T11:01"])
    assert isinstance(beyond.exception, ConfigError)
