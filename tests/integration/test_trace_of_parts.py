"""A part traced at a real gateway, from a bundle of it, and by the command; the simulator's truth says what must be found."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from simulators.cnc import Cnc
from simulators.genealogy import Genealogy, live_genealogy
from simulators.settings import Equipment
from tests.unit.analytics.plant import START_US
from tests.unit.analytics.running import Running
from tests.unit.gateway.plant import until as wait_for
from workshop.block import block_of
from workshop.reading import Quality, Reading
from workshop.window import SECOND_US

LENGTH_US, STEP_US = 60 * SECOND_US, 100_000
NOW_US = START_US + LENGTH_US + SECOND_US
TOLD = {
    "part_serial": ("text", "part_serial", ""), "order": ("text", "order", ""), "material_lot": ("text", "material_lot", ""),
    "program": ("text", "program", ""), "operation_number": ("state", "operation_number", ""), "tool_number": ("state", "tool_number", ""),
    "spindle_load": ("gauge", "spindle_load", "%"), "energy_import": ("counter", "energy_import", "W.h"),
}
REGISTER = """
[workshop]
id = "w"
title_zh = "车间"
title_en = "Workshop"
enterprise = "e"
site = "s"
area = "a"
time_zone = "Asia/Shanghai"
identifier_prefix = "88.118.1"

[[processes]]
id = "milling"
title_zh = "铣削"
title_en = "Milling"

[[equipment]]
id = "cnc-01"
title_zh = "加工中心"
title_en = "Machining centre"
equipment_class = "machining_centre"
work_center = "c"
serial_number = "1"
digital = true
numerically_controlled = true
process = "milling"
rated_power_w = 19000
in_service_from = "2020-01-01"
signals = [
""" + "".join(f'  {{ name = "{name}", role = "{role}", kind = "{kind}", unit = "{unit}" }},\n' for name, (kind, role, unit) in TOLD.items()) + "]\n"


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, list[dict[str, Any]]]]:
    folder = tmp_path_factory.mktemp("trace")
    (folder / "workshop.toml").write_text(REGISTER, encoding="utf-8")
    cnc, told, events = Cnc(Equipment(id="cnc-01", kind="machining_centre", rated_power_w=19000, ideal_cycle_ms=2500), 7), [], []
    for now_us in range(START_US, START_US + LENGTH_US, STEP_US):
        values = {**cnc.scan(now_us), **cnc.detail()}
        told += [Reading(f"cnc-01/{name}", now_us, now_us, values[name], Quality.GOOD) for name in TOLD]
        events += [{"event": event.name, "t": event.time_us, "e": "cnc-01", **event.details} for event in cnc.take_events()]
    claims = '[[claims]]\nid = "n"\nindicator = "networking_rate_all"\nat_least = "0.5"\ntitle_zh = "联网"\ntitle_en = "networked"\n'
    (folder / "claims.toml").write_text(claims, encoding="utf-8")
    clock = [START_US]
    gateway = Running(folder, folder / "workshop.toml", lambda: clock[0], claims=str(folder / "claims.toml"))
    gateway.start()
    clock[0] = NOW_US
    try:
        gateway.deliver(block_of(told))
        wait_for(lambda: gateway.get("/readyz")["indexed_batches"] == 1, "indexed")
        yield gateway, events
    finally:
        gateway.close()


def truths(events: list[dict[str, Any]]) -> list[Genealogy]:
    return [live_genealogy(events, event["serial"]) for event in events if event["event"] == "part"]


def agrees(passage: dict[str, Any], truth: Genealogy) -> None:
    assert [passage[name] for name in ("equipment", "order", "lot", "program")] == [truth.equipment, truth.order, truth.lot, truth.program]
    assert [step["tool"] for step in passage["operations"]] == [step.tool for step in truth.steps]
    assert 0 <= passage["to_us"] - truth.end_us <= STEP_US and passage["energy_mwh"] is not None


def test_every_part_is_resolved_at_the_gateway(works: tuple[Running, list[dict[str, Any]]]) -> None:
    gateway, events = works
    parts = truths(events)
    assert len(parts) > 10
    for truth in parts:
        answer = gateway.get(f"/v1/trace/88.118.1/{truth.serial}")
        assert (answer["serial"], answer["next"], len(answer["passages"])) == (truth.serial, None, 1)
        agrees(answer["passages"][0], truth)
    assert gateway.get(f"/v1/trace/88.118.1%2F{parts[0].serial}", limit=1)["passages"], "a slash may be escaped"


@pytest.mark.parametrize(
    ("path", "status", "what"),
    [
        ("88.118.1/cnc-01-999999", 404, "no reading told"), ("88.118.2/cnc-01-000001", 404, "it is 88.118.1"), ("86.1.1/x", 400, "must be 88."),
        ("nothing", 400, "must be 88."), ("88.118.1/", 400, "1 to 200"), ("88.118.1/" + "x" * 201, 400, "1 to 200"),
        ("88.118.1/x?from_us=5&to_us=5", 400, "from_us"), ("88.118.1/%E7%A6%8F", 404, "福"), ("88.118.1/a%09b", 400, "control"),
        ("88.118.1/x?from_us=0&to_us=9007199254740991", 400, "31 days"),
    ],
)
def test_what_cannot_be_resolved_is_refused_in_words(works: tuple[Running, list[dict[str, Any]]], path: str, status: int, what: str) -> None:
    answer = works[0].client.get(f"/v1/trace/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert what in answer.json()["detail"]


def test_energy_by_order_is_the_same_from_the_gateway_and_from_a_bundle(works: tuple[Running, list[dict[str, Any]]], tmp_path: Path) -> None:
    gateway, events = works
    window = {"from_us": START_US, "to_us": START_US + LENGTH_US}
    (tmp_path / "bundle.zip").write_bytes(gateway.client.post("/v1/bundles", json=window, timeout=60).content)
    command = [sys.executable, "-m", "chejian", "indicators", "groups", "energy_total", "--bundle", str(tmp_path / "bundle.zip"), "--json", "--by"]
    for by, names in (("order", {truth.order for truth in truths(events)}), ("program", {truth.program for truth in truths(events)})):
        answer = gateway.get("/v1/indicators/energy_total/groups", by=by, **window)
        done = run([*command, by], capture_output=True, text=True, check=False, encoding="utf-8")
        assert done.returncode == 0 and json.loads(done.stdout) == answer, done.stderr
        energy = {row["group"]: row["result"]["counts"]["energy_mwh"] for row in answer}
        assert names <= set(energy) and len(names) > 1 and min(energy[name] for name in names) > 0
        assert sum(energy.values()) == gateway.get("/v1/indicators/energy_total", **window)["counts"]["energy_mwh"]
    assert gateway.client.get("/v1/indicators/digitalisation_rate/groups", params={"by": "order", **window}).status_code == 400
    assert run([*command[:4], "digitalisation_rate", *command[5:], "order"], capture_output=True, check=False).returncode == 2


def test_the_command_says_the_same_from_the_gateway_and_from_a_bundle(works: tuple[Running, list[dict[str, Any]]], tmp_path: Path) -> None:
    gateway, events = works
    truth = truths(events)[4]
    answer = gateway.client.post("/v1/bundles", json={"from_us": START_US, "to_us": START_US + LENGTH_US}, timeout=60)
    assert answer.status_code == 200, answer.text
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(answer.content)

    def ask(*options: str) -> tuple[int, str]:
        done = run([sys.executable, "-m", "chejian", "trace", *options], capture_output=True, text=True, check=False, encoding="utf-8")
        return done.returncode, done.stdout + done.stderr

    live = ("--url", gateway.url, "--token-file", str(gateway.admin_token))
    found = []
    for options in (live, ("--bundle", str(bundle))):
        code, text = ask(f"88.118.1/{truth.serial}", *options, "--json")
        assert code == 0, text
        found.append(json.loads(text)["passages"])
        agrees(found[-1][0], truth)
    assert found[0] == found[1]
    code, text = ask(truth.serial, "--bundle", str(bundle))
    assert code == 0 and truth.order in text and truth.lot in text and "工序 1" in text
    code, text = ask("cnc-01-999999", "--bundle", str(bundle))
    assert code == 1 and "未找到" in text
    assert ask("88.1.1/x", "--bundle", str(bundle))[0] == 2
    code, text = ask("88.118.1/cnc-01-999999", *live)
    assert code == 1, text
