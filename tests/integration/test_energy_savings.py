"""Savings from readings: fixed in the control log before the period, computed after it, from a gateway and from a bundle with a witness."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from chejian.cli import app, register_commands
from chejian.demo.client import GatewayClient
from store.note import cosign
from store.signing import SigningKey
from tests.unit.gateway.plant import REGISTER, Sender, admin_of, bearer, gateway_in_thread, until
from workshop.block import block_of
from workshop.errors import ConfigError
from workshop.reading import Reading
from workshop.window import HOUR_US

MIDNIGHT_US = 1_788_192_000_000_000
"""2026-09-01 in Shanghai."""
DAY_US, BASELINE, IDLE, REPORTED = 24 * HOUR_US, 28, 1, 12
SAVED = 0.2
DATES = ["--baseline", "2026-09-01", "2026-09-29", "--window", "2026-09-30", "2026-10-12"]
ASKED = [*DATES, "--equipment", "m-1", "--variables", "produced@m-1"]
WITNESS, KEY = "witness.example", SigningKey.create()


class Works(NamedTuple):
    url: str
    folder: Path
    client: GatewayClient
    sender: Sender
    clock: list[int]
    parts: np.ndarray[Any, Any]
    kwh: np.ndarray[Any, Any]
    """Of every day: as it was used, and what the same output would have used before."""


def register_text() -> str:
    meter = '  { name = "energy", role = "energy_import", kind = "counter", unit = "W.h", max_age_s = 3600 },\n'
    text = REGISTER.replace('kind = "counter", unit = "{part}" }', 'kind = "counter", unit = "{part}", max_age_s = 3600 }')
    text = text.replace('machine = [\n', 'machine = [\n' + meter)
    main = text[text.index('[[equipment]]\nid = "m-2"'):].replace("m-2", "site").replace('"machining_centre"', '"main_meter"')
    return text + "\n" + main.replace('serial_number = "2"', 'serial_number = "3"')


def uses() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Parts of every day, and kWh as used and as they would have been: 40 + 0.25 a part, with a scatter of 3 kWh; a fifth less in the period."""
    dice = np.random.default_rng(7)
    days = BASELINE + IDLE + REPORTED
    parts = dice.integers(100, 400, days)
    before = 40 + 0.25 * parts + dice.normal(0, 3, days)
    used = before * np.where(np.arange(days) >= BASELINE + IDLE, 1 - SAVED, 1.0)
    return parts, np.stack((used, before))


def deliver(works: Works, first: int, end: int) -> None:
    """The days [first, end): both counters every half hour, evenly over the day, and those of the site with 10 kWh of light a day."""
    half = HOUR_US // 2
    parts, wh = np.concatenate(([0], np.cumsum(works.parts))), np.concatenate(([0], np.cumsum(works.kwh[0]))) * 1000
    rows = []
    for day in range(first, end):
        for step in range(48):
            at, share = MIDNIGHT_US + day * DAY_US + step * half, (step + 1) / 48  # what a day made is told within it
            count, energy = parts[day] + share * works.parts[day], wh[day] + share * works.kwh[0][day] * 1000
            values = {"m-1/count": round(count), "m-1/energy": round(energy), "site/energy": round(energy + (day + share) * 10_000)}
            rows += [Reading(name, at, at + 1500, value) for name, value in values.items()]
    with httpx.Client(base_url=works.url) as client:
        answer = works.sender.post(client, works.sender.seal(block_of(rows)))
    assert answer.status_code == 200, answer.text
    wanted = 3 * 48 * end
    until(lambda: works.client.get("/v1/count")["rows"] == wanted, "indexed")


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    folder, clock = tmp_path_factory.mktemp("works"), [MIDNIGHT_US - DAY_US]
    register_commands()
    with gateway_in_thread(folder, lambda: clock[0], register_text=register_text()) as url:
        client, sender, admin = GatewayClient(url, admin_of(folder)), Sender(), admin_of(folder)
        with httpx.Client(base_url=url) as enrolling:
            sender.enrol(enrolling, admin)
        made = Works(url, folder, client, sender, clock, *uses())
        clock[0] = MIDNIGHT_US + BASELINE * DAY_US + HOUR_US
        deliver(made, 0, BASELINE)
        yield made
        client.close()


def run(works: Works, *arguments: str) -> Result:
    return CliRunner().invoke(
        app, ["energy", "savings", *arguments, "--url", works.url, "--token-file", str(works.folder / "data" / "admin.token")])


def ask(works: Works, *arguments: str, code: int = 0) -> Any:
    done = run(works, *arguments, "--json")
    assert done.exit_code == code, done.output or done.exception
    return msgspec.json.decode(done.output)


@pytest.fixture(scope="module")
def committed(works: Works) -> Any:
    """The baseline on record, and a witness that saw it, an hour after the baseline ended; then the days up to the end of the period."""
    answer = ask(works, *ASKED, "--commit")
    works.clock[0] += HOUR_US
    note = cosign(works.client.get("/v1/checkpoint")["control"], WITNESS, KEY, works.clock[0] // 1_000_000)
    works.client.post("/v1/checkpoint/cosignatures", {"witness": WITNESS, "key": KEY.public, "notes": [note]})
    works.clock[0] = MIDNIGHT_US + (BASELINE + IDLE + REPORTED) * DAY_US + HOUR_US
    deliver(works, BASELINE, BASELINE + IDLE + REPORTED)
    return answer


def test_the_commitment_is_an_entry_with_machines_and_period(works: Works, committed: Any) -> None:
    (row,) = works.client.get("/v1/commitments")
    period = MIDNIGHT_US + (BASELINE + IDLE) * DAY_US, MIDNIGHT_US + (BASELINE + IDLE + REPORTED) * DAY_US
    assert row["body"] == {
        "claim": "energy-savings", "indicator": "energy_savings", "from_us": period[0], "to_us": period[1], "equipment": ["m-1"],
        "digest": committed["digest"], "claimant_key": "", "claimant_signature": ""}
    assert committed["commitment"]["entry"] == row["index"]
    assert committed["commitment"]["before"] is True
    assert committed["baseline"]["quality"]["within_limits"] is True


def test_savings_hold_the_truth_and_name_the_commitment(works: Works, committed: Any) -> None:
    answer = ask(works, *ASKED)
    assert answer["digest"] == committed["digest"]
    assert answer["commitment"] == {**committed["commitment"], "seen_by": ""}
    saved, inside = answer["baseline"]["savings"], slice(BASELINE + IDLE, None)
    # What the last half hour of a day made is read within it, and the first reading of all has none before it.
    assert saved["intervals"] == REPORTED
    assert saved["measured"] == pytest.approx(works.kwh[0][inside].sum(), abs=0.1)
    truth = (works.kwh[1] - works.kwh[0])[inside].sum()
    # The interval holds it in nine draws of ten (tests/unit/analytics/test_energy_baseline.py); this is one draw.
    assert abs(saved["savings"] - truth) < saved["high"] - saved["low"]
    assert saved["low"] > 0
    assert answer["baseline"]["coefficients"]["produced@m-1"] == pytest.approx(0.25, abs=0.03)
    said = " ".join(answer["warnings"])
    assert "gateway's word alone" in said
    assert "no digest was given" not in said
    shown = run(works, *ASKED).output
    assert "savings 节能量" in shown
    assert "控制日志" in shown


def test_from_a_bundle_a_known_witness_shows_that_it_was_before(works: Works, committed: Any, tmp_path: Path) -> None:
    wanted = {"from_us": MIDNIGHT_US, "to_us": MIDNIGHT_US + (BASELINE + IDLE + REPORTED) * DAY_US}
    answer = httpx.post(f"{works.url}/v1/bundles", json=wanted, headers=bearer(admin_of(works.folder)), timeout=60)
    assert answer.status_code == 200, answer.text
    (tmp_path / "bundle.zip").write_bytes(answer.content)
    trust = works.client.get("/v1/trust")
    (tmp_path / "trust.json").write_bytes(msgspec.json.encode({**trust, "witnesses": [KEY.public]}))
    bundle = [*ASKED, "--bundle", str(tmp_path / "bundle.zip")]
    alone = msgspec.json.decode(CliRunner().invoke(app, ["energy", "savings", *bundle, "--json"]).output)
    assert alone["digest"] == committed["digest"]
    assert alone["commitment"]["seen_by"] == ""
    known = CliRunner().invoke(app, ["energy", "savings", *bundle, "--trust", str(tmp_path / "trust.json"), "--json"])
    assert known.exit_code == 0, known.output or known.exception
    seen = msgspec.json.decode(known.output)
    assert seen["commitment"]["seen_by"].startswith(f"witness '{WITNESS}' at ")
    assert "word alone" not in " ".join(seen["warnings"])
    here = ask(works, *ASKED)["baseline"]["savings"]
    assert seen["baseline"]["savings"] == here
    outside = CliRunner().invoke(app, ["energy", "savings", *bundle, "--commit"])
    assert isinstance(outside.exception, ConfigError)


def test_another_variable_boundary_or_period_is_not_what_was_committed_to(works: Works, committed: Any, tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text("day,degree_days\n" + "\n".join(
        f"{np.datetime64('2026-09-01') + n},{10 + n % 5}" for n in range(BASELINE + IDLE + REPORTED)))
    other = [*DATES, "--equipment", "m-1", "--variables", "produced@m-1,degree_days", "--with", str(tmp_path / "days.csv")]
    shorter = [*DATES[:-1], "2026-10-11", "--equipment", "m-1", "--variables", "produced@m-1"]
    site = [*DATES, "--option", "C", "--variables", "produced@m-1"]
    for asked in (other, shorter, site):
        answer = ask(works, *asked)
        assert answer["commitment"] is None, asked
        assert "no entry of the control log commits to" in " ".join(answer["warnings"])
    whole = ask(works, *site)
    assert whole["equipment"] == ["site"]
    assert whole["baseline"]["savings"]["measured"] == pytest.approx(works.kwh[0][BASELINE + IDLE:].sum() + 10 * REPORTED, abs=0.5)
    # Now it is too late, and whoever commits to many is told of.
    late = ask(works, *other, "--commit", code=1)
    assert late["commitment"]["before"] is False
    assert "fixes nothing beforehand" in " ".join(late["warnings"])
    assert "1 other baselines were committed to" in " ".join(ask(works, *ASKED)["warnings"])


@pytest.mark.parametrize(("arguments", "message"), [
    ((*DATES, "--variables", "produced"), "--option B: name the machines"),
    ((*DATES, "--variables", "produced", "--option", "D"), "--option D: B, the meters"),
    ((*DATES, "--variables", "produced", "--option", "C", "--equipment", "m-1"), "--equipment belongs to option B"),
    ((*DATES, "--variables", "produced@x-9", "--equipment", "m-1"), "'x-9' has no such signal"),
    ((*DATES, "--variables", "weather", "--equipment", "m-1"), "'weather': there are produced, good, executing_h"),
    ((*DATES, "--variables", "produced", "--equipment", "press"), "--equipment: 'press' has no such signal"),
    ((*DATES[:2], "2026-09-29T12:00", *DATES[3:], "--variables", "produced", "--equipment", "m-1"), "--baseline: give whole local days"),
    ((*DATES[:2], "2026-10-03", *DATES[3:], "--variables", "produced", "--equipment", "m-1"), "must begin after"),
    ((*DATES, "--variables", "produced", "--equipment", "m-1"), "0 intervals are too few"),
])
def test_wrong_questions_are_refused_in_words(works: Works, arguments: tuple[str, ...], message: str) -> None:
    answer = run(works, *arguments)
    assert isinstance(answer.exception, ConfigError), answer.output
    assert message in str(answer.exception)


def test_days_of_which_too_little_is_known_are_left_out_and_named(works: Works, committed: Any) -> None:
    answer = ask(works, "--baseline", "2026-08-30", "2026-09-29", *DATES[3:], "--equipment", "m-1", "--variables", "produced@m-1")
    assert "left out, too little known or a counter reset: 2026-08-30, 2026-08-31" in answer["warnings"]
    assert answer["baseline"]["quality"]["intervals"] == BASELINE
    assert answer["commitment"] is None  # other rows than those that were fixed
