"""Declared figures from the command to a gateway's figure and, offline, to a verdict that names them."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx

from analytics.indicator import load_indicators
from evidence.bundle import export
from evidence.claim import Claim
from evidence.packs import load_packs
from evidence.replay import replay
from evidence.trust import trust_of
from evidence.verdict import Outcome
from evidence.verify import verify
from store.control_kinds import Declaration, Orders
from tests.tamper.workbench import WINDOW, Plant
from tests.unit.gateway.plant import admin_of, bearer, gateway_in_thread
from workshop.batch import Provenance
from workshop.canonical import sha256_hex
from workshop.order import Order

CLAIM = Claim("labour", "劳动生产率", "labour productivity", indicator="labour_productivity", at_least="300")


def declare(plant: Plant, name: str, value: str, unit: str) -> None:
    plant.archive.add(Declaration(name, value, unit, WINDOW.start_us, WINDOW.end_us, "ab" * 32), author="engineer:Li Na")


def test_a_verdict_on_declared_figures_says_so_and_is_recomputed_offline(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.run_story()
    declare(plant, "value_added", "9000", "{currency}")
    declare(plant, "headcount", "40", "{person}")
    declare(plant, "headcount", "30", "{person}")
    order = Order("A-1", "shaft", 10, "cnc-01", WINDOW.end_us - 1, WINDOW.start_us, WINDOW.end_us)
    plant.archive.add(Orders((order,)), author="engineer:Li Na")
    export(plant.archive, window=WINDOW, claims=[CLAIM], packs={}, out=tmp_path / "bundle.zip")
    found = verify(tmp_path / "bundle.zip", trust_of(plant.archive))
    assert found.ok, found.steps
    [verdict] = found.verdicts
    assert (verdict.outcome, verdict.value, verdict.provenance) == (Outcome.CONFIRMED, Decimal("300.00"), (Provenance.DECLARED,))
    assert "declared data, not plant data" in verdict.reason
    assert f"headcount = 30 {{person}} by engineer:Li Na on 2026-01-05 (UTC), document sha256 {'ab' * 32}" in verdict.reason
    assert "headcount = 40" not in verdict.reason  # of two declarations the later entry holds
    replayed = replay(tmp_path / "bundle.zip")
    again = replayed.result(load_indicators()["labour_productivity"], replayed.register, WINDOW)
    assert again == found.results[0]
    assert [(item.name, item.value, item.author) for item in again.declared] == [
        ("value_added", Decimal(9000), "engineer:Li Na"), ("headcount", Decimal(30), "engineer:Li Na")]
    assert replayed.facts.orders == (order,)
    losses = json.loads(chejian("indicators", "losses", "--bundle", tmp_path / "bundle.zip", "--json"))["losses"]["total"]
    assert losses["calendar_us"] - sum(losses["losses_us"].values()) == losses["value_adding_us"] > 0
    assert "= 增值时间" in chejian("indicators", "losses", "--bundle", tmp_path / "bundle.zip", "--lang", "zh")
    explained = chejian("indicators", "explain", "labour_productivity", "--bundle", tmp_path / "bundle.zip", "--lang", "en")
    assert "declared inputs, not measured" in explained
    plant.archive.close()


def test_a_clause_on_declared_figures_is_recomputed_offline_and_names_them(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.run_story()
    declare(plant, "integration_index", "73", "{point}")
    plant.archive.add(Declaration("digital_management", "1", "1", WINDOW.start_us, WINDOW.end_us), author="engineer:Li Na")
    claims = [Claim("yancheng", "盐城", "Yancheng", pack="yancheng-2022", clause="YC-T4")]
    export(plant.archive, window=WINDOW, claims=claims, packs=load_packs(), out=tmp_path / "bundle.zip")
    found = verify(tmp_path / "bundle.zip", trust_of(plant.archive))
    assert found.ok, found.steps
    [verdict] = found.verdicts
    assert verdict.outcome is Outcome.NOT_APPLICABLE and Provenance.DECLARED in verdict.provenance
    assert "this workshop contributes declared:integration_index (version 1) = 73.000000" in verdict.reason
    assert f"integration_index = 73 {{point}} by engineer:Li Na on 2026-01-05 (UTC), document sha256 {'ab' * 32}" in verdict.reason
    assert "digital_management = 1 1 by engineer:Li Na on 2026-01-05 (UTC), no document" in verdict.reason
    assert "contribution to share of enterprises with digital design tools: unknown" in verdict.reason
    plant.archive.close()


def test_without_a_declaration_the_claim_is_undetermined(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.run_story()
    declare(plant, "value_added", "9000", "{currency}")
    declare(plant, "headcount", "1", "furlong")
    export(plant.archive, window=WINDOW, claims=[CLAIM], packs={}, out=tmp_path / "bundle.zip")
    [verdict] = verify(tmp_path / "bundle.zip", trust_of(plant.archive)).verdicts
    assert verdict.outcome is Outcome.UNDETERMINED
    assert "headcount (从业人员数) is declared for 0.000000 of the window" in verdict.reason
    plant.archive.close()


def chejian(*words: object, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "chejian", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_the_command_puts_a_figure_on_record_and_the_gateways_figure_follows(tmp_path: Path) -> None:
    with gateway_in_thread(tmp_path) as url:
        admin = admin_of(tmp_path)
        (tmp_path / "token").write_text(admin, encoding="utf-8")
        (tmp_path / "payroll.pdf").write_bytes("工资单".encode())
        options = ("--from", "2026-01-05", "--to", "2026-01-06", "--url", url, "--token-file", tmp_path / "token")
        said = chejian("declare", "headcount", "20", *options, "--attachment", tmp_path / "payroll.pdf", "--note", "月均")
        assert "declares headcount = 20 {person}" in said and sha256_hex("工资单".encode()) in said
        with httpx.Client(base_url=url, headers=bearer(admin)) as works:
            [entry] = works.get("/v1/declarations").json()
            window = {"from_us": entry["body"]["from_us"], "to_us": entry["body"]["to_us"]}
            assert works.get("/v1/indicators/labour_productivity", params=window).json()["value"] is None
            chejian("declare", "value_added", "0.4", "--unit", "10000.{currency}", *options)
            found = works.get("/v1/indicators/labour_productivity", params=window).json()
            assert found["value"] == "200.00" and [item["name"] for item in found["declared"]] == ["value_added", "headcount"]
            wrong = entry["body"] | {"unit": "1"}
            assert "must be {person}" in works.post("/v1/declarations", json=wrong).json()["detail"]
        for words, reason in (
            (("headcont", "20"), "did you mean headcount?"), (("headcount", "1,000"), "without thousands separators"),
            (("has_mes", "2"), "0 or 1"), (("our own", "3", "--other"), "--unit is needed"),
        ):
            assert reason in chejian("declare", *words, *options, code=2)
        assert "not after the start" in chejian("declare", "headcount", "3", "--from", "2026-01-02", "--to", "2026-01-01", *options[4:], code=2)
        assert "missing.pdf" in chejian("declare", "headcount", "3", *options, "--attachment", tmp_path / "missing.pdf", code=2)
