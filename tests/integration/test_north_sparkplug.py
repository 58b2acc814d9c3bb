"""The gateway as a Sparkplug edge node: at a real mosquitto, for a host written from the specification's checklist and for our own edge's source."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.settings import parse_gateway
from tests.integration.mqtt_plant import Broker
from tests.integration.sparkplug_host import Host
from tests.integration.test_northbound import LINKED, broker
from tests.unit.edge.rig import Record, running_edge, settings_of
from tests.unit.edge.rig import until as soon
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, gateway_in_thread, ramp, until
from workshop.batch import Gap
from workshop.errors import ConfigError
from workshop.reading import Quality
from workshop.register_file import parse_register

__all__ = ["broker"]
GOOD, BAD = int(Quality.GOOD), int(Quality.BAD)


def table(port: int, **more: Any) -> str:
    given = {"host": "127.0.0.1", "port": port, "tls": False, "form": "sparkplug", "every_s": 0.2, "provenance": "simulated"} | more
    return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in given.items()) + " }"


class Plant:
    """A gateway's client who plays the edge of m-1 and m-2."""

    def __init__(self, client: httpx.Client, folder: Path) -> None:
        self.client, self.edge = client, Sender()
        client.headers.update(bearer(admin_of(folder)))
        self.edge.enrol(client, admin_of(folder))
        self.sent: list[tuple[str, str, int, Any]] = []

    def now_us(self) -> int:
        return int(self.client.get("/readyz").json()["time_us"])

    def say(self, equipment: str, *, link: int = 1, quality: int = GOOD, **values: Any) -> None:
        time_us = self.now_us() // 1000 * 1000
        rows = {**values, "link_state": link}
        self.sent += [(equipment, name, time_us, value) for name, value in rows.items()]
        readings = [
            {"signal": f"{equipment}/{name}", "source_time_us": time_us, "value": value, "quality": GOOD if name == "link_state" else quality}
            for name, value in rows.items()
        ]
        answer = self.client.post("/v1/latest", json={"edge": "edge-1", "readings": readings}, headers=bearer(self.edge.token))
        assert answer.status_code == 204, answer.text

    def connected_us(self) -> dict[str, int]:
        now_us = self.now_us()
        answer = self.client.get("/v1/northbound", params={"from_us": now_us - 10**9, "to_us": now_us})
        return {row["equipment"]: row["connected_us"] for row in answer.json()}

    def links(self) -> list[int]:
        now_us = self.now_us()
        query: dict[str, Any] = {"signal": "m-1/platform", "from_us": now_us - 10**9, "to_us": now_us + 10**9}
        return list(self.client.get("/v1/readings", params=query).json()["value"])


@contextmanager
def plant(folder: Path, port: int, **more: Any) -> Iterator[Plant]:
    with gateway_in_thread(folder, register_text=LINKED, northbound=table(port, **more)) as url, httpx.Client(base_url=url) as client:
        yield Plant(client, folder)


@contextmanager
def host_of(port: int, node: str = "chejian") -> Iterator[Host]:
    host = Host(port, "test", node, set(), frozenset({"m-1", "m-2"}))
    host.client.loop_start()
    until(host.client.is_connected, "the host is there")
    yield host
    host.client.disconnect()
    host.client.loop_stop()


def test_births_data_deaths_and_the_time_that_the_platform_had_a_machine(broker: Broker, tmp_path: Path) -> None:
    with host_of(broker.port) as host:
        with plant(tmp_path, broker.port, indicators=["networking_rate_all"], indicators_every_s=1) as here:
            until(lambda: host.online == {"chejian"}, "a node without machines")
            assert host.node_values["origin"] == here.client.get("/v1/trust").json()["origin"]
            here.say("m-1", gauge=1.5, count=7, text="O1234 轴 <b>")
            until(lambda: "m-1" in host.online, "m-1 is born")

            def grown(least_us: int) -> bool:
                here.say("m-1", gauge=here.now_us() % 997 / 7)
                return here.connected_us()["m-1"] > least_us

            until(lambda: grown(300_000), "connected time of m-1")
            assert here.connected_us()["m-2"] == 0, "of m-2 the platform has nothing"
            until(lambda: host.node_values["indicators/networking_rate_all/coverage"] is not None, "an indicator")
            lossy = here.edge.seal(ramp("m-1/gauge", 0, 3), gaps=[Gap(("m-1/gauge",), START_US, START_US + 1, "test")])
            assert here.edge.post(here.client, lossy).status_code == 200
            until(lambda: [host.node_values[f"alarms/{name}"] for name in ("kind", "count", "over")] == ["gap", 1, False], "an alarm")
            births = host.kinds.count("NBIRTH")
            host.command_rebirth()
            until(lambda: grown(0) and host.kinds.count("NBIRTH") > births, "reborn by command")
            assert len(set(host.bd_seqs)) == 1 and host.online == {"chejian"} | ({"m-1"} & host.online)
            until(lambda: grown(0) and "m-1" in host.online, "its machine, too")
            here.say("m-1", link=0, quality=BAD, gauge=None)
            until(lambda: "m-1" not in host.online and "DDEATH" in host.kinds, "a machine that the edge does not hear dies")
            until(lambda: grown(0) and "m-1" in host.online, "and is born again")
            until(lambda: here.links()[-1:] == [1], "the link is in the journal")
            first = host.bd_seqs[-1]
            broker.stop()
            until(lambda: here.links()[-1] == 0, "the loss of the platform, too")
            lost = here.connected_us()["m-1"]
            broker.start()
            until(lambda: grown(lost + 200_000) and "m-1" in host.online, "connected again")
            assert host.bd_seqs[-1] == first + 1
        until(lambda: host.online == set(), "the gateway says that it goes")
    assert host.wrong == []
    told = {(device, name, time_us): value for device, name, time_us, value, _ in host.rows if value is not None}
    said = {(device, name, time_us): value for device, name, time_us, value in here.sent}
    assert {key: value for key, value in told.items() if said.get(key) != value} == {}, "nothing was told that was not said"


def test_a_restart_is_a_new_connection(broker: Broker, tmp_path: Path) -> None:
    with host_of(broker.port) as host:
        for _ in range(2):
            with plant(tmp_path, broker.port):
                until(lambda: host.online == {"chejian"}, "born")
            until(lambda: host.online == set(), "dead")
    assert (host.bd_seqs, host.deaths, host.wrong) == ([0, 1], [0, 1], [])


def test_a_primary_host_is_waited_for_and_followed(broker: Broker, tmp_path: Path) -> None:
    with plant(tmp_path, broker.port, primary_host="host", node="cell") as here:
        here.say("m-1", gauge=1.0)
        with host_of(broker.port, "cell") as host:
            until(lambda: {"cell", "m-1"} <= host.online, "born for the host")
            births = host.kinds.count("NBIRTH")

            def state(online: bool, stamp: int) -> None:
                host.client.publish("spBv1.0/STATE/host", json.dumps({"online": online, "timestamp": stamp}), 1, retain=True).wait_for_publish(10)

            state(False, 0)
            here.say("m-1", gauge=2.0)
            until(lambda: ("m-1", "gauge") in {(row[0], row[1]) for row in host.rows if row[3] == 2.0}, "an older word is not believed")
            state(False, 2)
            until(lambda: host.online == set() and host.deaths == [host.bd_seqs[-1]], "it dies with its host")
            before = here.connected_us()["m-1"]
            state(True, 3)
            until(lambda: host.kinds.count("NBIRTH") > births, "born again")
            here.say("m-1", gauge=3.0)
            until(lambda: here.say("m-1", gauge=here.now_us() / 1e6) or here.connected_us()["m-1"] > before, "counted again")
            assert host.bd_seqs[-1] == host.bd_seqs[0] + 1
        assert host.wrong == []


async def test_our_own_edge_reads_it(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    source = f"""
[[source]]
name = "north"
protocol = "sparkplug"
host = "127.0.0.1"
port = {broker.port}
keepalive_s = 1
equipment = [{{ id = "m-1", map = "machine" }}]
[source.map.machine]
gauge = "test/chejian/{{equipment}}#gauge"
count = "test/chejian/{{equipment}}#count"
text = "test/chejian/{{equipment}}#text"
"""
    async with running_edge(tmp_path / "edge", settings_of(source), parse_register(LINKED, "workshop.toml")) as edge:
        await soon(lambda: (status := edge.status()) and status.ready, "connected")
        with plant(tmp_path, broker.port) as here:
            for number in range(5):
                before = edge.stored("north")
                await asyncio.to_thread(here.say, "m-1", gauge=number / 3, count=2**62 + number, text=f"程序 {number}")
                await soon(_more(edge.stored, before), f"values {number}")
            await asyncio.to_thread(here.say, "m-1", quality=BAD, gauge=None)
            await soon(lambda: edge.stored("north") >= 16, "the bad value")
    record = Record(tmp_path / "edge")
    got = {(f"m-1/{name}", value) for name, value in ((row.signal.partition("/")[2], row.value) for row in record.readings) if value is not None}
    said = {(f"{equipment}/{name}", value) for equipment, name, _, value in here.sent if value is not None}
    assert {pair for pair in said if not pair[0].endswith("link_state")} == {pair for pair in got if not pair[0].endswith("link_state")}
    assert any(row.signal == "m-1/gauge" and row.quality is Quality.BAD for row in record.readings) and record.quarantined == 0


def _more(stored: Callable[[str], int], before: int) -> Callable[[], bool]:
    return lambda: stored("north") >= before + 3


@pytest.mark.parametrize(("given", "words"), [
    ('node = "a/b"', "without"), ('node = ""', "short name"), ('primary_host = "x"', "form = "), ('form = "sparkplug"\ngroup = "a#"', "without"),
    ('form = "xml"', "xml"),
])
def test_settings_that_cannot_be_are_refused_in_words(tmp_path: Path, given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_gateway(f'register = "w.toml"\n[northbound]\nhost = "h"\n{given}\n', tmp_path / "gateway.toml")
