"""The OPC UA source against a server that is not asyncua: deadbands, and subscriptions that outlive their session."""

import json
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from edge.opcua.own import make_own
from simulators.link import Relay
from tests.integration.node_opcua import install, serving
from tests.integration.test_edge_opcua import relay_port
from tests.unit.edge.rig import EQUIPMENT, REGISTER, Record, RunningEdge, now_us, running_edge, settings_of, until
from tests.unit.edge.rig_pki import put
from workshop.register import Workshop
from workshop.register_file import parse_register

SCRIPT = "node_opcua_ramp.js"
RAMP = 200

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where node-opcua runs, and its certificate is."""
    return tmp_path_factory.mktemp("node")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ramp(node: Path) -> AsyncIterator[tuple[Process, int]]:
    """A running node-opcua server, and its port."""
    await install(node, SCRIPT)
    async with serving(node, SCRIPT) as running:
        yield running


async def tell(server: Process, command: str) -> Any:
    """What the server answers to this command."""
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(f"{command}\n".encode())
    while not (line := await server.stdout.readline()).startswith(b"answer "):  # what node-opcua says between
        assert line, "the server ended"
    return json.loads(line.removeprefix(b"answer "))


def register(deadband: str = "") -> Workshop:
    more = f', deadband = "{deadband}"' if deadband else ""
    return parse_register(REGISTER.replace('unit = "%"', f'unit = "%"{more}') + EQUIPMENT.replace("{id}", "cnc-01"), "workshop.toml")


def source(port: int, security: str = "None") -> str:
    return f"""
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:{port}/"
security = "{security}"
publishing_ms = 50
equipment = [{{ id = "cnc-01", map = "cnc" }}]
[source.map.cnc]
load = "nsu=urn:test:cnc;s=cnc-01.load"
"""


async def more(edge: RunningEdge, count: int) -> None:
    """Waits for so many readings more."""
    before = edge.stored("cell")
    await until(lambda: edge.stored("cell") >= before + count, f"{count} readings more")


async def ready_again(edge: RunningEdge, failures: int = 0) -> dict[str, str]:
    """Waits until the source has failed more often than that and works; how it was connected."""
    await until(lambda: (now := edge.status()) and now.ready == ["cell"] and now.sources["cell"].failures > failures, "connected again")
    status = edge.status()
    assert status is not None
    return status.sources["cell"].terms


async def compare(server: Process, folder: Path) -> tuple[Record, dict[str, int]]:
    """The record, held against all that the server had between the first and the last reading."""
    record = Record(folder)
    times = [reading.source_time_us for reading in record.of("cnc-01/load")]
    emitted = {("cnc-01/load", ms * 1000): float(value) for ms, value in await tell(server, "emitted") if min(times) <= ms * 1000 <= max(times)}
    return record, record.check(emitted)


@pytest.mark.parametrize(("deadband", "step"), [("5", 6.0), ("10%", 21.0)])
async def test_a_deadband_filters_at_the_server(ramp: tuple[Process, int], tmp_path: Path, deadband: str, step: float) -> None:
    """A ramp in steps of 1 with the range 0..200: the first value that is further than the deadband is 6, or 20 + 1, away (OPC 10000-8, 6.2)."""
    async with running_edge(tmp_path, settings_of(source(ramp[1])), register(deadband)) as edge:
        await until(lambda: edge.stored("cell") >= 12, "values")
        assert (status := edge.status()) is not None and not status.sources["cell"].problems
        assert "no deadband at the server" not in status.sources["cell"].terms
    record = Record(tmp_path)
    values = [reading.value for reading in record.of("cnc-01/load")]
    steps = [(after - before) % RAMP for before, after in pairwise(values) if after > before]  # type: ignore[operator]
    assert len(steps) >= 8 and set(steps) == {step} and not record.gaps


@pytest.mark.parametrize("security", ["None", "Basic256Sha256"])
async def test_a_session_that_the_server_ends_passes_its_subscriptions_on(
    ramp: tuple[Process, int], node: Path, tmp_path: Path, security: str,
) -> None:
    """Twice: the second time it is a transferred subscription that loses its session. What is said of the transfer reaches us once more, late."""
    server, port = ramp
    make_own(tmp_path / "run" / "pki", "edge-1", "box.example", now_us)
    put(tmp_path / "run" / "pki", trusted__ramp_pem=(node / "state" / "server.pem").read_bytes())
    async with running_edge(tmp_path, settings_of(source(port, security)), register(), str(tmp_path / "edge.toml")) as edge:
        await more(edge, 20)
        for failures in range(2):
            assert await tell(server, "close") >= 1
            terms = await ready_again(edge, failures)
            assert terms["connected"] == "subscriptions transferred", terms
            assert await tell(server, "farewell") >= 1
            await more(edge, 30)
            assert (status := edge.status()) is not None and status.sources["cell"].failures == failures + 1
    record, counts = await compare(server, tmp_path)
    assert not record.gaps and counts["in_gaps"] == 0 and counts["stored"] >= 80


@pytest.mark.parametrize(("ended", "how"), [(False, "session resumed"), (True, "subscriptions transferred")])
async def test_a_cut_of_the_network_loses_nothing(ramp: tuple[Process, int], tmp_path: Path, ended: bool, how: str) -> None:
    """With and without the end of the session meanwhile; what the server sent into the void is fetched by its numbers."""
    server, port = ramp
    relay = Relay(("127.0.0.1", 0), ("127.0.0.1", port), owner="test")
    await relay.start()
    try:
        async with running_edge(tmp_path, settings_of(source(relay_port(relay))), register()) as edge:
            await more(edge, 20)
            relay.cut()
            count = len(await tell(server, "emitted"))
            await until(lambda: (now := edge.status()) and not now.ready, "noticed")
            while len(await tell(server, "emitted")) < count + 50:
                pass
            if ended:
                assert await tell(server, "close") >= 1
            relay.restore()
            terms = await ready_again(edge)
            assert terms["connected"] == how, terms
            await more(edge, 100)
    finally:
        await relay.close()
    record, counts = await compare(server, tmp_path)
    assert not record.gaps and counts["in_gaps"] == 0 and counts["stored"] >= 150


@pytest.mark.parametrize("command", ["take", "remove"])
async def test_a_session_without_its_subscription_gets_a_new_one(ramp: tuple[Process, int], tmp_path: Path, command: str) -> None:
    """The session lives: what another client took is left to it, what was removed is gone, and what may be missing is declared."""
    server, port = ramp
    async with running_edge(tmp_path, settings_of(source(port)), register()) as edge:
        await more(edge, 20)
        assert await tell(server, command) >= 1
        terms = await ready_again(edge)
        assert terms["connected"] == "anew", terms
        await more(edge, 20)
        status = edge.status()
        assert status is not None and status.sources["cell"].failures == 1
    record, _ = await compare(server, tmp_path)
    assert {reason for *_, reason in record.gaps} <= {"connection lost"}
