"""The MQTT source against a real mosquitto, skipped where that is missing: kills, restarts, quarantine, links."""

import asyncio
import json
import signal
import socket
from pathlib import Path

import pytest

from edge.check import check
from simulators.link import Relay
from tests.integration.mqtt_plant import MACHINES, MOSQUITTO, Broker, Devices, broker, devices, edge_folder, scans, table
from tests.unit.edge.rig import Record, now_us, register_of, running_edge, settings_of, until

__all__ = ["broker", "devices"]
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


async def test_promise_1_a_killed_edge_loses_nothing_that_the_broker_keeps(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder, settings, register = edge_folder(tmp_path), settings_of(table(broker.port)), register_of(*MACHINES)
    for _ in range(3):
        async with running_edge(folder, settings, register) as edge:
            await until(lambda: (status := edge.status()) and status.ready, "connected")
            await scans(devices, 12)
            await edge.kill()
        await scans(devices, 8)
    async with running_edge(folder, settings, register) as edge:
        await scans(devices, 2)
        await until(lambda: (status := edge.status()) and status.sources["broker"].readings >= 8 * 8, "the rest")
    record = Record(folder)
    assert record.check(devices.emitted)["in_gaps"] == 0
    assert not record.gaps, "nothing was lost, so nothing may be declared"


async def test_a_broker_that_is_away_and_a_machine_that_is_off(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder = edge_folder(tmp_path)
    async with running_edge(folder, settings_of(table(broker.port)), register_of(*MACHINES)) as edge:
        await until(lambda: (status := edge.status()) and all(status.links.values()), "both online")
        await scans(devices, 5)
        devices.link("cnc-01", "offline")
        await until(lambda: (status := edge.status()) and status.links == {"cnc-01": False, "cnc-02": True}, "one offline")
        devices.link("cnc-01", "online")
        await until(lambda: (status := edge.status()) and all(status.links.values()), "both online again")
        await scans(devices, 5)
        await until(lambda: edge.stored("broker") == 80, "everything before the restart")
        await asyncio.to_thread(devices.stop)
        broker.stop()
        await until(lambda: (status := edge.status()) and not status.ready and not any(status.links.values()), "broker lost")
        broker.start()
        devices.start()
        await until(lambda: (status := edge.status()) and status.ready, "broker back")
        await scans(devices, 5)
        await until(lambda: edge.stored("broker") == 120, "everything after it")
    record = Record(folder)
    assert record.check(devices.emitted) == {"emitted": 120, "stored": 120, "in_gaps": 0}
    assert not record.gaps


async def test_a_hole_in_the_numbers_and_a_restarted_device_are_declared(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder = edge_folder(tmp_path)
    async with running_edge(folder, settings_of(table(broker.port)), register_of(*MACHINES)) as edge:
        await until(lambda: (status := edge.status()) and status.ready, "connected")
        await scans(devices, 3)
        for _ in range(2):
            devices.keep("cnc-01", devices.payload("cnc-01"))  # never sent
        await scans(devices, 3)
        devices.keep("cnc-02", devices.payload("cnc-02"))
        devices.boot, devices.seq["cnc-01"], devices.seq["cnc-02"] = now_us(), -1, -1
        await scans(devices, 3)
        await until(lambda: edge.stored("broker") == 72, "readings")
    record = Record(folder)
    assert record.check(devices.emitted)["in_gaps"] == 12
    assert {(signal.split("/")[0], reason) for signal, _, _, reason in record.gaps} == {
        ("cnc-01", "messages lost"), ("cnc-01", "device restarted"), ("cnc-02", "device restarted"),
    }


async def test_what_was_sent_before_the_first_contact_is_declared_since_the_device_began(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder = edge_folder(tmp_path)
    await scans(devices, 3)
    async with running_edge(folder, settings_of(table(broker.port)), register_of(*MACHINES)) as edge:
        await until(lambda: (status := edge.status()) and status.ready, "connected")
        await scans(devices, 2)
        await until(lambda: edge.stored("broker") == 16, "readings")
    record = Record(folder)
    assert record.check(devices.emitted)["in_gaps"] == 24
    assert {(start, reason) for _, start, _, reason in record.gaps} == {(devices.boot, "first contact")}


async def test_malformed_payloads_go_to_quarantine_and_the_rest_flows(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder = edge_folder(tmp_path)
    async with running_edge(folder, settings_of(table(broker.port, "")), register_of(*MACHINES)) as edge:
        await until(lambda: (status := edge.status()) and status.ready, "connected")
        await scans(devices, 2)
        good = devices.payload("cnc-01")
        bad = [
            b"not json", b"\xff\xfe", b"[" * 5000, json.dumps({**good, "ts": float("nan")}).encode(), json.dumps({**good, "ts": "noon"}).encode(),
            json.dumps({**good, "ts": 5}).encode(), b"{}", b"null",
        ]
        for payload in bad:
            devices.send("plant/cnc-01/state", payload)
        later = devices.payload("cnc-01")
        del later["v"]
        later["st"] = "three"
        devices.send("plant/cnc-01/state", json.dumps(later).encode())
        await scans(devices, 2)
        await until(lambda: edge.stored("broker") == 34, "the good ones")
        status = edge.status()
    assert status is not None
    record = Record(folder)
    # One refusal a payload; the payload with the impossible time of 5 µs has four values, the last one two bad fields.
    assert record.quarantined == status.refused == len(bad) - 1 + 4 + 2
    assert len(record.of("cnc-01/parts")) == len(record.of("cnc-01/load")) + 1
    assert record.in_gap("cnc-01/load", later["ts"]) and not record.in_gap("cnc-01/parts", later["ts"])


async def test_redelivered_messages_count_once(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder = edge_folder(tmp_path)
    async with running_edge(folder, settings_of(table(broker.port)), register_of(*MACHINES)) as edge:
        await until(lambda: (status := edge.status()) and status.ready, "connected")
        for _ in range(3):
            payload = devices.payload("cnc-01")
            devices.keep("cnc-01", payload)
            for _ in range(2):
                devices.send("plant/cnc-01/state", json.dumps(payload).encode())
        await scans(devices, 1)
        await until(lambda: edge.stored("broker") == 20, "readings")
    assert Record(folder).check(devices.emitted)["stored"] == 20


@pytest.mark.parametrize("numbers", [True, False])
async def test_messages_out_of_order_are_kept_or_lie_in_a_declared_gap(broker: Broker, devices: Devices, tmp_path: Path, numbers: bool) -> None:
    """By their own time. Where they are numbered, the hole is declared when the next number comes: what comes later for it stays out."""
    folder = edge_folder(tmp_path)
    settings = settings_of(table(broker.port) if numbers else table(broker.port, ""))
    async with running_edge(folder, settings, register_of(*MACHINES)) as edge:
        await until(lambda: (status := edge.status()) and status.ready, "connected")
        await scans(devices, 3)
        await until(lambda: edge.stored("broker") == 24, "the first")
        payloads = [devices.payload("cnc-01") for _ in range(4)]
        for payload in payloads:
            devices.keep("cnc-01", payload)
        for number in (1, 0, 3, 2):
            devices.send("plant/cnc-01/state", json.dumps(payloads[number]).encode())
        await scans(devices, 1)
        await until(lambda: edge.stored("broker") == (40 if numbers else 48), "all that is kept")
    record = Record(folder)
    assert record.check(devices.emitted)["in_gaps"] == (8 if numbers else 0)
    assert {reason for *_, reason in record.gaps} == ({"messages lost"} if numbers else set())


async def test_check_does_not_disturb_the_running_edge(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder, settings, register = edge_folder(tmp_path), settings_of(table(broker.port)), register_of(*MACHINES)
    async with running_edge(folder, settings, register) as edge:
        await until(lambda: (status := edge.status()) and status.ready, "connected")
        looking = asyncio.create_task(check(settings, register, now_us, patience_s=10))
        while not looking.done():
            await scans(devices, 1)
        rows = await looking
        await until(lambda: edge.stored("broker") == len(devices.emitted), "everything")
        status = edge.status()
    assert status is not None and status.sources["broker"].failures == 0
    assert len(rows) == 8 and all(row.quality == "good" and not row.cause for row in rows)
    assert Record(folder).check(devices.emitted)["in_gaps"] == 0


async def test_a_cut_between_commit_and_acknowledgement_makes_no_second_reading(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    relay = Relay(("127.0.0.1", port), ("127.0.0.1", broker.port), owner="test")
    await relay.start()
    folder = edge_folder(tmp_path)
    async with running_edge(folder, settings_of(table(port, "")), register_of(*MACHINES)) as edge:
        for _ in range(2):
            await until(lambda: (status := edge.status()) and status.ready, "connected")
            await scans(devices, 6)
            relay.cut()
            await until(lambda: (status := edge.status()) and not status.ready, "cut")
            await scans(devices, 2)
            relay.restore()
        await until(lambda: edge.stored("broker") == len(devices.emitted), "everything")
    await relay.close()
    record = Record(folder)
    assert record.check(devices.emitted)["in_gaps"] == 0 and not record.gaps, "unnumbered, and yet each once"


@pytest.mark.long
async def test_a_broker_that_says_nothing_is_found_out(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder = edge_folder(tmp_path)
    async with running_edge(folder, settings_of(table(broker.port)), register_of(*MACHINES)) as edge:
        await until(lambda: (status := edge.status()) and status.ready, "connected")
        await scans(devices, 2)
        broker.signal(signal.SIGSTOP)
        await until(lambda: (status := edge.status()) and not status.ready, "silence noticed")
        status = edge.status()
        assert status is not None
        assert "nothing heard for" in status.sources["broker"].error or "no answer within" in status.sources["broker"].error
        broker.signal(signal.SIGCONT)
        await until(lambda: (status := edge.status()) and status.ready, "back")
        await scans(devices, 2)
        await until(lambda: edge.stored("broker") == 32, "everything")
    assert not Record(folder).gaps


async def test_large_and_retained_messages(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder = edge_folder(tmp_path)
    settings = settings_of(table(broker.port, "").replace("keepalive_s = 1", "keepalive_s = 1\nmax_payload_bytes = 2000"))
    kept = devices.payload("cnc-01")
    devices.keep("cnc-01", kept)
    devices.send("plant/cnc-01/state", json.dumps(kept).encode(), retain=True)
    for turn in range(2):
        async with running_edge(folder, settings, register_of(*MACHINES)) as edge:
            await until(lambda: (status := edge.status()) and status.ready, "connected")
            if turn:
                devices.send("plant/cnc-02/state", json.dumps({"prog": "x" * 3_000_000}).encode())
            await scans(devices, 2)
            await until(lambda: edge.stored("broker") >= 16, "readings")
            status = edge.status()
    assert status is not None and status.refused == 1
    record = Record(folder)
    # The retained message came with the first subscription, and with the second again.
    counted = record.check(devices.emitted)
    assert counted["stored"] == len(devices.emitted) == 36 and record.quarantined == 1
    assert {name.split("/")[0] for name, _, _, _ in record.gaps} <= {"cnc-01", "cnc-02"}


async def test_one_declaration_for_many_machines(broker: Broker, devices: Devices, tmp_path: Path) -> None:
    folder = edge_folder(tmp_path)
    text = table(broker.port).replace('[{ id = "cnc-01", map = "robot" }, { id = "cnc-02", map = "robot" }]', '[{ id = "cnc-*", map = "robot" }]')
    text = text.replace("plant/{equipment}/state", "factory/{area}/{equipment}/state")
    async with running_edge(folder, settings_of(text), register_of(*MACHINES)) as edge:
        await until(lambda: (status := edge.status()) and all(status.links.values()) and len(status.links) == 2, "both online")
        for number in range(20):
            for machine in MACHINES:
                payload = devices.payload(machine)
                devices.keep(machine, payload)
                await asyncio.to_thread(devices.send, f"factory/hall-{machine[-1]}/{machine}/state", json.dumps(payload).encode())
            await asyncio.to_thread(devices.send, f"factory/hall-1/guest-{number % 2}/state", b"{}")
        await until(lambda: edge.stored("broker") == 160, "everything of both")
        await until(lambda: (status := edge.status()) and status.sources["broker"].unmatched.count == 20, "guests are counted")
        status = edge.status()
        assert status is not None
        assert status.sources["broker"].unmatched.topics == {f"factory/hall-1/guest-{number}/state": 10 for number in range(2)}
        await edge.kill()
        payload = devices.payload("cnc-01")
        devices.keep("cnc-01", payload)
        await asyncio.to_thread(devices.send, "factory/hall-1/cnc-01/state", json.dumps(payload).encode())
    async with running_edge(folder, settings_of(text), register_of(*MACHINES)) as edge:
        await until(lambda: edge.stored("broker") == 4, "what came in between")
    record = Record(folder)
    assert record.check(devices.emitted) == {"emitted": 164, "stored": 164, "in_gaps": 0} and not record.gaps
