"""Modbus TCP and MTConnect: what a client reads is the truth."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

pytest.importorskip("pymodbus", reason="pymodbus is not installed: the extra [simulators] brings it")

from pymodbus.client import AsyncModbusTcpClient

from simulators.clock import Clock
from simulators.errors import SimulatorError
from simulators.run import run
from simulators.settings import Device, Equipment, Settings
from tests.integration.test_simulators import EPOCH, bits, eventually, free_port, running

STATES = {"UNAVAILABLE": 0, "INTERRUPTED": 1, "READY": 2, "ACTIVE": 3}
MODES = {"UNAVAILABLE": 0, "MAINTENANCE": 1, "SETUP": 2, "PRODUCTION": 3}


def settings(face: str, port: int, kind: str = "lathe", period_ms: int = 50) -> Settings:
    one = Equipment("old-01", kind, 15000, period_ms=period_ms, ideal_cycle_ms=700, stop_every_s=2.0)  # type: ignore[arg-type]
    return Settings(5, device=[Device("old", face, "127.0.0.1", port, [one])])


async def test_registers_of_a_compressor_are_scans_of_the_truth(tmp_path: Path) -> None:
    port = free_port()
    scans: dict[int, tuple[int, float, float, float, int]] = {}
    async with running(settings("modbus", port, "compressor"), tmp_path) as here, AsyncModbusTcpClient("127.0.0.1", port=port) as client:
        async def read() -> None:
            words = (await client.read_input_registers(0, count=11, device_id=1)).registers
            assert words[0] in range(4)
            energy = sum(word << 16 * (3 - n) for n, word in enumerate(words[5:9]))
            scans[words[9] << 16 | words[10]] = (words[0], words[1] / 100, words[2] / 10, float(words[3] << 16 | words[4]), energy)

        async with asyncio.timeout(5):
            while len(scans) < 20:
                await read()
        assert (await client.read_holding_registers(0, count=1, device_id=1)).registers
        assert (await client.write_register(0, 1, device_id=1)).exception_code == 1
        assert (await client.read_input_registers(11, count=1, device_id=1)).exception_code == 2
    truth = here.truth()
    names = ("item_state", "pressure", "oil_temperature", "power", "energy_import")
    told: dict[int, dict[str, Any]] = {}
    for _, name, time_us, value in truth.rows():
        told.setdefault(time_us, {})[name] = value
    rows = [tuple(told[time_us][name] for name in names) for time_us in sorted(told)]
    # The count of scans begins at 1 with the first row of the truth.
    assert {number: rows[number - 1] for number in scans} == scans


async def test_samples_of_a_lathe_are_its_truth_without_a_hole(tmp_path: Path) -> None:
    port = free_port()
    got: list[tuple[str, int, Any]] = []
    sequences: list[int] = []

    def take(document: ET.Element) -> int:
        for one in document.iter():
            if "sequence" in one.attrib:
                sequences.append(int(one.attrib["sequence"]))
                time_us = (datetime.fromisoformat(one.attrib["timestamp"]) - EPOCH) // timedelta(microseconds=1)
                value = read_as_documented(one)
                if value is not None:
                    got.append((one.attrib["name"], time_us, value))
        header = document.find("{*}Header")
        assert header is not None
        return int(header.attrib["nextSequence"])

    async with running(settings("mtconnect", port), tmp_path) as here, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        probe = ET.fromstring((await client.get("/probe")).content)  # noqa: S314 – of our own making
        assert len(list(probe.iter("{urn:mtconnect.org:MTConnectDevices:2.0}DataItem"))) == 15
        following = 1
        async with asyncio.timeout(10):
            while len(got) < 400:
                following = take(ET.fromstring((await client.get(f"/old-01/sample?from={following}&count=50")).content))  # noqa: S314
        current = ET.fromstring((await client.get("/current")).content)  # noqa: S314
        assert len([one for one in current.iter() if "sequence" in one.attrib]) == 15
        here.pause.set()
        await eventually(lambda: any(event["event"] == "paused" for event in here.truth().events))
        for _ in range(20):
            following = take(ET.fromstring((await client.get(f"/sample?from={following}")).content))  # noqa: S314
        for target, code in (("/sample?from=999999", 404), ("/nobody/current", 404), ("/sample?count=x", 400), ("/current?at=1", 400)):
            answer = await client.get(target)
            assert (answer.status_code, b"errorCode" in answer.content) == (code, True)
    assert sorted(sequences) == list(range(1, len(sequences) + 1))
    shown = {(name, time_us, bits(value)) for _, name, time_us, value in here.truth().rows()}
    assert {(name, time_us, bits(value)) for name, time_us, value in got} == shown


async def test_an_agent_streams_by_number_with_heartbeats(tmp_path: Path) -> None:
    port = free_port()
    async with running(settings("mtconnect", port), tmp_path) as here, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        sequences: list[int] = []
        empty = 0
        async with asyncio.timeout(20), client.stream("GET", "/old-01/sample?from=1&count=50&interval=10&heartbeat=100") as answer:
            boundary = answer.headers["content-type"].partition("boundary=")[2]
            assert answer.headers["content-type"].startswith("multipart/x-mixed-replace;") and boundary
            text = b""
            async for piece in answer.aiter_bytes():
                text += piece
                while len(found := text.split(f"--{boundary}\r\n".encode(), 2)) == 3:
                    head, _, body = found[1].partition(b"\r\n\r\n")
                    assert f"Content-length: {len(body) - 2}".encode() in head
                    numbers = [int(one.attrib["sequence"]) for one in ET.fromstring(body).iter() if "sequence" in one.attrib]  # noqa: S314
                    assert len(numbers) <= 50
                    sequences += sorted(numbers)
                    empty += not numbers
                    text = f"--{boundary}\r\n".encode() + found[2]
                if len(sequences) > 400 and not here.pause.is_set():
                    here.pause.set()
                    empty = 0  # a slow machine may have had nothing new before
                if here.pause.is_set() and empty > 2:
                    break
        assert sequences == list(range(1, len(sequences) + 1)) and len(sequences) > 400
        for target, code in (("/sample?interval=x", 400), ("/sample?from=999999999&interval=10", 404), ("/sample?interval=10&heartbeat=0", 400)):
            refused = await client.get(target)
            assert (refused.status_code, b"errorCode" in refused.content) == (code, True)


def read_as_documented(one: ET.Element) -> Any:
    name, text, kind = one.attrib["name"], one.text or "", one.tag.rpartition("}")[2]
    if kind == "Availability":
        return None
    if kind in ("Execution", "FunctionalMode"):
        return (STATES if kind == "Execution" else MODES)[text]
    if kind in ("Normal", "Fault"):
        return int(one.attrib.get("nativeCode", 0))
    if kind == "ElectricalEnergy":
        return int(text) // 3600
    return text if kind == "Program" else int(text) if name.endswith("_count") else float(text)


@pytest.mark.parametrize("face", ["modbus", "mtconnect"])
async def test_other_kinds_and_used_ports_are_refused(face: str) -> None:
    stop, pause = asyncio.Event(), asyncio.Event()
    with pytest.raises(SimulatorError, match="old-01 is a robot"):
        await run(settings(face, free_port(), "robot"), clock=Clock(), truth_dir=None, stop=stop, pause=pause)
    used = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    with pytest.raises(SimulatorError, match="is in use"):
        await run(settings(face, used.sockets[0].getsockname()[1]), clock=Clock(), truth_dir=None, stop=stop, pause=pause)
    used.close()
    await used.wait_closed()
