"""What a run refuses, and the relay of a bad link."""

import asyncio
import socket
from pathlib import Path

import pytest

from simulators.clock import Clock
from simulators.errors import SimulatorError
from simulators.link import Relay
from simulators.run import run
from simulators.settings import Broker, Equipment, Server, Settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def refusal(settings: Settings, only: list[str] | None = None) -> SimulatorError:
    with pytest.raises(SimulatorError) as caught:
        await run(settings, clock=Clock(), truth_dir=None, only=only, stop=asyncio.Event(), pause=asyncio.Event())
    assert "\n" not in str(caught.value)
    return caught.value


def one_server(port: int) -> Settings:
    return Settings(1, server=[Server("cell", f"opc.tcp://127.0.0.1:{port}/", "None", [Equipment("cnc-01", "machining_centre", 1000)])])


async def test_port_in_use_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = await refusal(one_server(port))
    assert f"port {port} of 127.0.0.1 is in use" in str(error)
    assert error.exit_code == 3


async def test_unknown_name_lists_those_that_there_are() -> None:
    error = await refusal(one_server(1), only=["cnc-09"])
    assert str(error) == "--only cnc-09: there is no such server or broker; there are cell"
    assert error.exit_code == 2


async def test_kind_without_a_payload_is_said() -> None:
    error = await refusal(Settings(1, broker=[Broker("b", "127.0.0.1", 1, [Equipment("lathe-01", "lathe", 1000)])]))
    assert "lathe-01 is a lathe; by MQTT there are compressor, inspection_station, robot" in str(error)


async def test_unknown_face_is_said() -> None:
    error = await refusal(Settings(1, broker=[Broker("b", "127.0.0.1", 1, [Equipment("robot-01", "robot", 1000)], face="modbuss")]))
    assert "no face 'modbuss'; there are load, modbus, mqtt, mtconnect, opcua, sparkplug" in str(error)


async def test_no_broker_is_said_and_truth_is_closed(tmp_path: Path) -> None:
    settings = Settings(1, broker=[Broker("b", "127.0.0.1", free_port(), [Equipment("robot-01", "robot", 1000)])])
    with pytest.raises(SimulatorError, match="no MQTT broker lets us in") as caught:
        await run(settings, clock=Clock(), truth_dir=tmp_path, stop=asyncio.Event(), pause=asyncio.Event())
    assert caught.value.exit_code == 3
    assert '"event":"stopped"' in (tmp_path / "truth-all.jsonl").read_text()


async def test_relay_passes_bytes_resets_when_cut_and_passes_again() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = free_port()
    relay = Relay(("127.0.0.1", port), ("127.0.0.1", server.sockets[0].getsockname()[1]), owner="test")
    await relay.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    big = bytes(range(256)) * 20_000
    writer.write(big)
    assert await reader.readexactly(len(big)) == big
    relay.cut()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()
    with pytest.raises(ConnectionResetError):
        await read_one(port)
    relay.restore()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"again")
    assert await reader.readexactly(5) == b"again"
    writer.close()
    await writer.wait_closed()
    await relay.close()
    server.close()
    await server.wait_closed()


async def read_one(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await reader.readexactly(1)
    finally:
        writer.close()


async def test_relay_says_that_its_port_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SimulatorError, match=r"server 'cnc-05': port .* is in use"):
            await Relay(taken.getsockname(), ("127.0.0.1", 1), owner="server 'cnc-05'").start()
