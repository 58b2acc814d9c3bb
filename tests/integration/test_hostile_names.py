"""Names with HTML and path tricks through a real broker, edge and gateway up to the page: set aside or shown as text, nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from chejian.enrolment import enrol_folder
from tests.integration.mqtt_plant import MOSQUITTO, Broker, Devices, broker, devices
from tests.unit.edge.rig import EQUIPMENT, REGISTER, now_us
from tests.unit.gateway.plant import admin_of, bearer, gateway_in_thread, until
from tests.web.browser import Browser, needs_chromium
from tests.web.conftest import browser, serve_page

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
__all__ = ["broker", "browser", "devices", "serve_page"]
HOSTILE = "<img src=x onerror='document.title=1'>../../etc/passwd"
NAMES = ("<script>document.title=1<", "..", "%2e%2e", "C:\\\\windows", "\u202ecnc-01", "cnc-01;rm -rf ~", "' OR 1=1 --", "x" * 2000)
EDGE = """
edge = "edge-1"
provenance = "simulated"
register = "workshop.toml"
data = "edge"
[gateway]
url = "{url}"
[seal]
every_s = 0.2
[[source]]
name = "broker"
protocol = "mqtt"
host = "127.0.0.1"
port = {port}
equipment = [{{ id = "*", map = "robot" }}]
[source.map.robot]
load = "plant/{{equipment}}/state#load"
program = "plant/{{equipment}}/state#prog"
alarm = "plant/{{equipment}}/state#alarm"
[source.payload.robot]
time = "ts"
time_format = "us"
link = "plant/{{equipment}}/link"
"""


@pytest.fixture
def register() -> str:
    alarm = '  { name = "alarm", role = "alarm", kind = "text", max_age_s = 600 },\n'
    return (REGISTER + EQUIPMENT.replace("{id}", "cnc-01")).replace("cnc = [\n", "cnc = [\n" + alarm)


@pytest.fixture
def edge(broker: Broker, register: str, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(url: str) -> subprocess.Popen[bytes]:
        (tmp_path / "edge.toml").write_text(EDGE.format(url=url, port=broker.port))
        with (tmp_path / "edge.log").open("wb") as log:
            command = [sys.executable, "-m", "chejian", "edge", "run", str(tmp_path / "edge.toml")]
            running.append(subprocess.Popen(command, stdout=log, stderr=log))
        return running[0]

    yield start
    for process in running:
        process.terminate()
        process.wait(30)


@needs_chromium
def test_hostile_names_and_values_from_mqtt_reach_the_page_as_text(
    edge: Callable[[str], subprocess.Popen[bytes]], devices: Devices, register: str, tmp_path: Path, serve_page: Callable[..., str], browser: Browser,
) -> None:
    with gateway_in_thread(tmp_path, register_text=register) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
        invited = client.post("/v1/edges", json={"edge": "edge-1", "provenance": "simulated"}).json()["token"]
        enrol_folder(url, invited, "edge-1", tmp_path / "edge")
        process, status = edge(url), tmp_path / "edge" / "status.json"
        until(lambda: status.exists() and json.loads(status.read_bytes())["ready"] == ["broker"], "connected")
        before = {file.name for file in tmp_path.rglob("*")}
        payload = {"load": 7.5, "prog": HOSTILE, "alarm": HOSTILE}
        for name in NAMES:
            devices.send(f"plant/{name}/state", json.dumps(payload | {"ts": now_us()}).encode())
        devices.send("plant/cnc-01/state", json.dumps(payload | {"ts": now_us(), "../../x": 1, "load": HOSTILE}).encode())
        devices.send("plant/cnc-01/state", json.dumps(payload | {"ts": now_us(), "<b>": {"__proto__": 1}}).encode())
        window = {"from_us": now_us() - 10**9, "to_us": now_us() + 10**9}

        def stored(signal: str) -> list[object]:
            found: list[object] = client.get("/v1/readings", params={"signal": signal} | window).json()["value"]
            return found

        until(lambda: 7.5 in stored("cnc-01/load"), "the good values are stored")
        assert set(stored("cnc-01/program")) == {HOSTILE}, "a text is what it is, to the letter"
        told = until(lambda: (found := json.loads(status.read_bytes())["sources"]["broker"]["unmatched"])["count"] >= len(NAMES) and found, "counted")
        assert all(len(topic) <= 2100 for topic in told["topics"])
        shown = subprocess.run([sys.executable, "-m", "chejian", "edge", "status", str(tmp_path / "edge.toml")], capture_output=True, text=True,
                               check=True, timeout=60).stdout
        assert "\u202e" not in shown
        assert {row["signal"].partition("/")[0] for row in client.get("/v1/latest").json()["readings"]} == {"cnc-01"}
        assert process.poll() is None and client.get("/readyz").json()["ready"] is True
        new = {file.name for file in tmp_path.rglob("*")} - before
        assert not [name for name in new if any(word in name for word in ("passwd", "windows", "img", "script"))]
        browser.open(serve_page(url, token=admin_of(tmp_path)) + "/en")
        browser.wait_for("Machine", HOSTILE)
        assert browser.evaluate("document.title") != "1"
        assert browser.evaluate("document.querySelectorAll('img[src=x], .cj-main script').length") == 0
