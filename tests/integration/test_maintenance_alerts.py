"""`chejian maintenance alerts | lead-times | feedback | tools` against a real gateway, and offline from its bundle."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

import chejian.commands.maintenance_alerts  # noqa: F401 - adds its commands
from analytics.maintenance.watch.finding import Finding
from analytics.maintenance.watch.record import prediction_of
from chejian.commands.maintenance import maintenance
from chejian.demo.client import GatewayClient
from chejian.service_api import ServiceApi
from store.signing import SigningKey
from tests.unit.analytics.plant import START_US, block, every
from tests.unit.analytics.running import Running
from workshop.batch import Provenance
from workshop.errors import ChejianError, ConfigError, VerificationError
from workshop.window import HOUR_US

REGISTER = Path(__file__).parents[2] / "config" / "demo" / "workshop.toml"


class Shop(msgspec.Struct):
    """A gateway with two alerts on record: a right one of hour 10, a wrong one of hour 20."""

    gateway: Running
    now: list[int]

    def run(self, *arguments: str | Path) -> str:
        done = CliRunner(env={"COLUMNS": "200"}).invoke(maintenance, [str(one) for one in arguments])
        if isinstance(done.exception, ChejianError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    def asked(self, command: str, *arguments: str | Path) -> Any:
        return json.loads(self.run(command, *arguments, "--url", self.gateway.url, "--token-file", self.gateway.admin_token, "--json"))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    now = [START_US]
    gateway = Running(tmp_path, REGISTER, lambda: now[0], claims=str(REGISTER.with_name("claims.toml")),
                      packs=("changsha-2015", "yancheng-2022"))
    gateway.start()
    token = gateway.enrol("analytics", Provenance.DERIVED, SigningKey.create())
    api = ServiceApi(gateway.url, token)
    for hour, what in ((10, "bearing_wear"), (20, "coolant_loss")):
        now[0] = START_US + hour * HOUR_US
        api.predict(prediction_of(Finding("cnc-01", what, now[0] - HOUR_US, now[0], 0.6, ("spindle_vibration",), {"deviation": 0.1}, "", "", 24.0)))
    now[0] = START_US + 40 * HOUR_US
    api.close()
    yield Shop(gateway, now)
    gateway.close()


def failed(file: Path) -> Path:
    file.write_text(f"equipment,what,from,to\ncnc-01,bearing_wear,{START_US + 5 * HOUR_US},{START_US + 30 * HOUR_US}\n", encoding="utf-8")
    return file


def window(*more: str | Path) -> tuple[str | Path, ...]:
    return ("--from", str(START_US), "--to", str(START_US + 40 * HOUR_US), *more)


def test_lead_times_from_the_gateway_and_the_same_from_a_bundle(shop: Shop, tmp_path: Path) -> None:
    failures = failed(tmp_path / "failures.csv")
    found = shop.asked("lead-times", *window("--failures", failures))
    assert shop.asked("lead-times", *window("--failures", failures, "--replay"))["kinds"] == found["kinds"]
    wear, everything = found["kinds"]["bearing_wear"], found["kinds"]["all"]
    assert (wear["recall"], wear["median_lead_h"]) == (1.0, 20.0)
    assert (everything["precision"], everything["false_alarms"]) == (0.5, 1)
    # Twelve machines of the demo send gauges; the manual press has none.
    assert found["machines"] == 12
    assert everything["false_alarms_per_machine_month"] == pytest.approx(1 / (12 * 40 / 720))

    shop.gateway.deliver(block(every("cnc-01/item_state", range(0, 3600, 4), 3)))
    admin = GatewayClient(shop.gateway.url, shop.gateway.admin_token.read_text().strip())
    admin.download("/v1/bundles", {"from_us": START_US, "to_us": START_US + HOUR_US}, tmp_path / "b.zip")
    (tmp_path / "trust.json").write_text(json.dumps(admin.get("/v1/trust")))
    admin.close()
    offline = json.loads(shop.run("lead-times", "--bundle", tmp_path / "b.zip", "--trust", tmp_path / "trust.json", "--json",
                                  *window("--failures", failures)))
    assert offline["kinds"] == found["kinds"]
    assert offline["shown_before_by_witness"] == 0
    assert len(json.loads(shop.run("alerts", "--bundle", tmp_path / "b.zip", "--json"))) == 2
    # A log that was changed shows nothing.
    spoiled = bytearray((tmp_path / "b.zip").read_bytes())
    place = spoiled.index(b"bearing_wear") if b"bearing_wear" in spoiled else len(spoiled) // 2
    spoiled[place] ^= 1
    (tmp_path / "bad.zip").write_bytes(bytes(spoiled))
    with pytest.raises(VerificationError):
        shop.run("lead-times", "--bundle", tmp_path / "bad.zip", *window("--failures", failures))


def test_feedback_and_failures_on_record(shop: Shop) -> None:
    rows = shop.asked("alerts")
    assert [(row["what"], row["feedback"]) for row in rows] == [("bearing_wear", None), ("coolant_loss", None)]
    token = ("--url", shop.gateway.url, "--token-file", shop.gateway.admin_token)
    shop.run("feedback", str(rows[0]["index"]), "--confirmed", "--note", "outer ring", *token)
    shop.run("feedback", str(rows[1]["index"]), "--false-alarm", *token)
    shop.run("feedback", "--failure", "cnc-01", "--what", "bearing_wear", *window(), *token)
    assert [row["feedback"] for row in shop.asked("alerts")] == ["confirmed", "false alarm"]
    found = shop.asked("lead-times", *window())
    assert found["feedback"] == {"confirmed": 1, "false alarm": 1}
    assert found["kinds"]["bearing_wear"]["lead_h"] == [30.0]
    assert "bearing_wear" in shop.run("lead-times", *window(), *token)
    assert "coolant_loss" in shop.run("alerts", *token)
    assert shop.asked("tools") == {}


def test_wrong_input_in_words(shop: Shop, tmp_path: Path) -> None:
    token = ("--url", shop.gateway.url, "--token-file", shop.gateway.admin_token)
    wrong: list[tuple[tuple[str | Path, ...], str]] = [
        (("feedback", *token), "give an alert's number"), (("feedback", "1", "--confirmed", "--false-alarm", *token), "give an alert's number"),
        (("feedback", "0", "--confirmed", *token), "is no alert"), (("feedback", "--failure", "cnc-01", *token), "needs --what"),
        (("lead-times", "--from", "yesterday", *token), "--from 'yesterday'"),
        (("lead-times", "--trust", tmp_path / "t", *token), "belongs to --bundle"),
        (("lead-times", "--from", "5", "--to", "5", *token), "must be before"), (("alerts", "--bundle", tmp_path / "none.zip"), "no such bundle"),
        (("lead-times", "--from", "5", "--to", "9", *token), "neither failures nor alerts"),
    ]
    for arguments, words in wrong:
        with pytest.raises(ConfigError, match=words):
            shop.run(*arguments)
    strange = tmp_path / "f.csv"
    strange.write_text(failed(strange).read_text().replace("cnc-01", "cnc-77"))
    with pytest.raises(ConfigError, match="no equipment 'cnc-77'"):
        shop.run("lead-times", *window("--failures", strange), *token)
