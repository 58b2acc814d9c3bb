"""The uplink to a platform against a real mosquitto: what arrives there, and the connected time per machine over a loss of the platform."""

import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gateway.north_log import ConnectedTimes
from gateway.settings import parse_gateway
from tests.integration.mqtt_plant import MOSQUITTO, Broker
from tests.unit.gateway.plant import PATIENCE_S, REGISTER, START_US, Sender, admin_of, bearer, gateway_in_thread, ramp, until
from workshop.errors import ConfigError
from workshop.window import Window

LINKED = REGISTER.replace('{ name = "text"', '{ name = "platform", role = "platform_link_state", kind = "state" },\n  { name = "text"')


class Platform:
    """Whoever subscribes at the broker above."""

    def __init__(self, port: int) -> None:
        self.messages = queue.Queue[tuple[str, Any]]()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("up/#", 1)
        self._client.on_message = lambda _, __, message: self.messages.put((message.topic, json.loads(message.payload)))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def find(self, topic: str) -> Any:
        """The next message of this topic."""
        while True:
            found, body = self.messages.get(timeout=PATIENCE_S)
            if found == topic:
                return body

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    (tmp_path / "mosquitto").mkdir()
    (tmp_path / "mosquitto").chmod(0o777)
    made = Broker(tmp_path / "mosquitto")
    made.start()
    yield made
    made.stop()


def table(port: int) -> str:
    return (f'{{ host = "127.0.0.1", port = {port}, tls = false, topic = "up", every_s = 0.2, provenance = "simulated", '
            'indicators = ["networking_rate_all"], indicators_every_s = 1 }')


def test_a_platform_gets_values_and_what_it_had_is_measured(broker: Broker, tmp_path: Path) -> None:
    platform = Platform(broker.port)
    with gateway_in_thread(tmp_path, register_text=LINKED, northbound=table(broker.port)) as url, httpx.Client(base_url=url) as client:
        client.headers.update(bearer(admin_of(tmp_path)))
        assert platform.find("up/test/state") == {"v": 1, "online": True, "origin": client.get("/v1/trust").json()["origin"]}
        edge, value = Sender(), iter(range(10**6))
        edge.enrol(client, admin_of(tmp_path))
        assert edge.post(client, edge.seal(ramp("m-1/gauge", 0, 10))).status_code == 200

        def live(*machines: str) -> None:
            now_us, number = client.get("/readyz").json()["time_us"], next(value)
            readings = [{"signal": f"{name}/gauge", "source_time_us": now_us, "value": number, "quality": 0} for name in machines]
            body = {"edge": "edge-1", "time_us": now_us, "readings": readings}
            assert client.post("/v1/latest", json=body, headers=bearer(edge.token)).status_code == 204

        def times() -> dict[str, int]:
            now_us = client.get("/readyz").json()["time_us"]
            answer = client.get("/v1/northbound", params={"from_us": now_us - 10**9, "to_us": now_us})
            return {row["equipment"]: row["connected_us"] for row in answer.json()}

        def links() -> list[int]:
            now_us = client.get("/readyz").json()["time_us"]
            query = {"signal": "m-1/platform", "from_us": now_us - 10**9, "to_us": now_us + 10**9}
            return list(client.get("/v1/readings", params=query).json()["value"])

        def grown(least_us: int) -> bool:
            live("m-1")
            return times()["m-1"] > least_us

        live("m-1")
        assert platform.find("up/test/m-1/latest")["values"]["gauge"]["value"] == 0
        until(lambda: grown(300_000), "connected time of m-1")
        assert times()["m-2"] == 0, "of m-2 the platform has nothing"
        assert platform.find("up/test/indicators/networking_rate_all")["result"]["indicator"] == "networking_rate_all"
        until(lambda: grown(0) and links()[-1:] == [1], "the link is in the journal")
        broker.stop()
        until(lambda: links()[-1] == 0, "its loss, too")
        lost = times()["m-1"]
        live("m-1")
        broker.start()
        until(lambda: grown(lost + 200_000), "connected again")
        until(lambda: grown(0) and links()[-2:] == [0, 1], "in the journal, too")
        row = next(one for one in client.get("/v1/edges").json() if one["edge"] == "northbound")
        assert row["provenance"] == "simulated"
        again = Platform(broker.port)
        assert again.find("up/test/state")["online"] is True
    assert again.find("up/test/state")["online"] is False, "the gateway says that it goes"
    again.close()
    platform.close()


def test_spans_are_kept_over_a_restart_and_cut_at_windows(tmp_path: Path) -> None:
    times = ConnectedTimes(tmp_path / "n.sqlite", gap_us=10)
    for at in (100, 105, 112, 200, 205):
        times.acknowledged("m-1", at)
    assert [times.lapsed(210), times.lapsed(216)] == [[], ["m-1"]]
    times.acknowledged("m-1", 300)
    times.acknowledged("m-1", 308)
    times.close()
    times = ConnectedTimes(tmp_path / "n.sqlite", gap_us=10)
    found = times.times(Window(0, 1000), ["m-1", "m-2"])
    assert [(row.connected_us, row.last_us) for row in found] == [(12 + 5 + 8, 308), (0, None)]
    assert [row.connected_us for row in times.times(Window(104, 203), ["m-1"])] == [8 + 3]
    times.close()


@pytest.mark.parametrize(("given", "words"), [
    ('host = "h"\nuser = "u"\ntls = false\npassword_file = "p"', "in the clear"), ('host = "h"\ntopic = "a/#"', "neither"),
    ('host = "h"\nprovenance = "derived"', "plant or simulated"), ('host = "h"\nevery_s = 0', "every_s"),
])
def test_settings_that_cannot_be_are_refused_in_words(tmp_path: Path, given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_gateway(f'register = "w.toml"\n[northbound]\n{given}\n', tmp_path / "gateway.toml")


def test_without_a_platform_there_is_no_figure(tmp_path: Path) -> None:
    with gateway_in_thread(tmp_path) as url:
        answer = httpx.get(f"{url}/v1/northbound", params={"from_us": START_US, "to_us": START_US + 1}, headers=bearer(admin_of(tmp_path)))
        assert answer.status_code == 404
