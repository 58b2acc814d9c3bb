"""The OPC UA source against a real asyncua server behind a relay that can be cut: promises 1, 4 and 5, and what is bad on one node."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua

from edge.check import check
from edge.config import source_context
from edge.source import Delivery, Source, open_source
from simulators.link import Relay
from tests.unit.edge.rig import Record, now_us, register_of, running_edge, settings_of, until
from tests.unit.edge.rig_opcua import URI, Machines
from workshop.errors import ConfigError, NotConnected
from workshop.reading import Quality

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Machines]:
    machines = Machines()
    await machines.start()
    yield machines
    await machines.server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def machines(server: Machines) -> AsyncIterator[Machines]:
    await server.scan()
    server.emitted.clear()
    await server.scan()  # the initial values of the test's first subscription
    server.relay = Relay(("127.0.0.1", 0), ("127.0.0.1", server.port), owner="test")
    await server.relay.start()
    yield server
    await server.relay.close()
    await until(lambda: not server.subscriptions(), "subscriptions of the test are gone", 70)


def relay_port(relay: Relay) -> int:
    assert relay._server is not None
    return int(relay._server.sockets[0].getsockname()[1])


def source_table(port: int, more: str = "", signals: str = "load parts program state", lifetime_s: float = 2.0) -> str:
    mapped = "\n".join(f'{name} = "nsu={URI};s={{equipment}}.{name}"' for name in signals.split())
    return f"""
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:{port}/"
security = "None"
publishing_ms = 50
keep_alive_count = 4
lifetime_s = {lifetime_s}
equipment = [{{ id = "cnc-01", map = "cnc" }}, {{ id = "cnc-02", map = "cnc" }}]
[source.map.cnc]
{mapped}
{more}
"""


def open_alone(port: int, signals: str = "load parts program state", equipment: str = "cnc-01") -> Source:
    settings = settings_of(source_table(port, signals=signals).replace(', { id = "cnc-02", map = "cnc" }', ""))
    block = settings.source[0]
    return open_source(block.protocol, block.options, source_context(settings, block, register_of(equipment), "edge-1.toml", clock=now_us))


async def test_a_killed_edge_goes_on_where_its_journal_ends(machines: Machines, tmp_path: Path) -> None:
    settings = settings_of(source_table(machines.port))
    for _ in range(3):
        async with running_edge(tmp_path, settings, register_of("cnc-01", "cnc-02")) as edge:
            await until(lambda: edge.stored("cell"), "readings")
            await machines.offer(15)
            await edge.kill()
        await machines.offer(5)
    async with running_edge(tmp_path, settings, register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell"), "readings")
        await machines.offer(3)
    record = Record(tmp_path)
    record.check(machines.emitted)
    assert {reason for _, _, _, reason in record.gaps} == {"edge was not running"}


async def test_an_end_with_the_link_down_declares_what_is_not_heard(machines: Machines, tmp_path: Path) -> None:
    relay = machines.relay
    assert relay is not None
    async with running_edge(tmp_path, settings_of(source_table(relay_port(relay))), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell"), "readings")
        await machines.offer(10)
        relay.cut()
        await machines.offer(10)
        await until(lambda: (status := edge.status()) and not status.ready, "noticed")
        await edge.end()
        assert (status := edge.status()) is not None and status.stopped
    record = Record(tmp_path)
    assert record.check(machines.emitted)["in_gaps"] >= 8 * 8
    assert {reason for _, _, _, reason in record.gaps} == {"link down"}


async def test_promise_1_nothing_is_acknowledged_before_it_is_committed(machines: Machines) -> None:
    source = open_alone(machines.port)
    await source.connect()
    try:
        waiting: list[Delivery] = []
        while not any(len(delivery.block) for delivery in waiting):
            waiting += await source.read()
        await machines.offer(10)
        for _ in range(6):  # enough round trips for an early acknowledgement to reach the server
            await machines.offer(3)
            waiting += await source.read()
        received = set(range(1, 1 + sum(delivery.on_committed is not None for delivery in waiting)))
        assert received <= set(machines.unacknowledged()), "acknowledged although nothing was committed"
        for delivery in waiting:
            if delivery.on_committed is not None:
                delivery.on_committed()
        for _ in range(3):
            await machines.scan()
            await source.read()
        assert not received & set(machines.unacknowledged())
    finally:
        await source.close()


async def test_a_hole_in_the_sequence_numbers_is_fetched_again_or_declared(machines: Machines) -> None:
    source = open_alone(machines.port)
    await source.connect()
    try:
        deliveries = [*await source.read(), *await source.read()]
        (subscription,) = machines.subscriptions()
        # A notification that never arrives: it is taken out of the server's hand between being numbered and being sent.
        await machines.scan()
        hidden = subscription._pop_publish_result()
        await machines.scan()
        deliveries = await source.read()
        times = {reading.source_time_us for delivery in deliveries for reading in delivery.block.readings()}
        assert len(times) == 2, "the missing notification was not fetched by Republish"
        assert not any(delivery.losses for delivery in deliveries)
        # And one that the server no longer has.
        await machines.scan()
        hidden = subscription._pop_publish_result()
        subscription._not_acknowledged_results.pop(hidden.NotificationMessage.SequenceNumber)
        await machines.scan()
        deliveries = await source.read()
        assert [loss.reason for delivery in deliveries for loss in delivery.losses] == ["notifications lost"]
        assert len({reading.source_time_us for delivery in deliveries for reading in delivery.block.readings()}) == 1
    finally:
        await source.close()


async def test_bad_values_stay_bad_and_odd_ones_go_to_quarantine(machines: Machines, tmp_path: Path) -> None:
    odd = {"load": ua.VariantType.Float, "parts": ua.VariantType.UInt64, "program": ua.VariantType.ByteString, "state": ua.VariantType.Boolean}
    start = {"load": 0.0, "parts": 0, "program": b"", "state": False}
    for machine in ("cnc-01", "cnc-02"):
        for name, kind in odd.items():
            await machines.server.nodes.objects.add_variable(machines.node(f"{machine}.odd_{name}"), f"{machine}.odd_{name}", start[name], kind)
    table = source_table(machines.port).replace("s={equipment}.", "s={equipment}.odd_")
    async with running_edge(tmp_path, settings_of(table), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell"), "readings")
        first = edge.stored("cell")
        base = now_us()
        cases: list[tuple[str, Any, int | None, int]] = [
            ("load", 1.5, base + 1, ua.StatusCodes.UncertainLastUsableValue),
            ("load", None, base + 2, ua.StatusCodes.BadSensorFailure),
            ("load", float("nan"), base + 3, 0),
            ("load", 0.1, base + 4, 0),
            ("load", None, None, ua.StatusCodes.BadWaitingForInitialData),
            ("parts", 2**63, base + 5, 0),
            ("parts", 2**63 - 1, base + 6, 0x480),
            ("program", b"x", base + 7, 0),
            ("state", True, base + 8, 0),
        ]
        for name, value, time_us, status in cases:
            variant = None if value is None else ua.Variant(value, odd[name])
            await machines.write(f"cnc-01.odd_{name}", variant, time_us, status)
        await machines.write("cnc-02.odd_load", ua.Variant(9.0, ua.VariantType.Float), None, server_us=base + 9)
        # Two empty byte strings at the start, 2^63 and one more byte string.
        await until(lambda: (status := edge.status()) and status.refused == 4 and edge.stored("cell") >= first + 7, "everything")
    record = Record(tmp_path)
    found = {reading.source_time_us - base: (reading.value, reading.quality, reading.status) for reading in record.readings}
    assert found[1] == (1.5, Quality.UNCERTAIN, "UncertainLastUsableValue")
    assert found[2] == (None, Quality.BAD, "BadSensorFailure")
    assert found[3] == (None, Quality.BAD, "NotFinite")
    assert found[4][0] == pytest.approx(0.1, rel=1e-7) and found[4][0] != 0.1, "a Float is kept as the Float it was"
    assert found[6] == (2**63 - 1, Quality.GOOD, "Overflow")
    assert found[8] == (1, Quality.GOOD, "")
    assert found[9] == (9.0, Quality.GOOD, "ServerTime")
    assert 5 not in found and 7 not in found
    assert record.quarantined == 4
    assert record.in_gap("cnc-01/parts", base + 5), "a quarantined value is declared missing"


async def test_one_bad_node_does_not_stop_the_others(machines: Machines, tmp_path: Path) -> None:
    table = source_table(machines.port).replace("s={equipment}.parts", "s={equipment}.nothing")
    async with running_edge(tmp_path, settings_of(table), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell") >= 6, "the others")
        status = edge.status()
    assert status is not None
    assert status.sources["cell"].problems["cnc-01/parts"].startswith("BadNodeIdUnknown")
    assert not Record(tmp_path).of("cnc-01/parts")


async def test_an_unknown_namespace_is_answered_with_the_servers_list(machines: Machines) -> None:
    settings = settings_of(source_table(machines.port).replace(URI, "urn:other"))
    block = settings.source[0]
    source = open_source("opcua", block.options, source_context(settings, block, register_of("cnc-01", "cnc-02"), "edge-1.toml", clock=now_us))
    with pytest.raises(ConfigError, match=rf"edge-1\.toml: source 'cell': cnc-01/load: .* has no namespace 'urn:other'; it has .*{URI}"):
        await source.connect()
    await source.close()


async def test_a_silent_server_is_noticed(machines: Machines) -> None:
    quiet: list[asyncio.StreamWriter] = []
    held = asyncio.Event()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event | None) -> None:
        while data := await reader.read(65536):
            if gate is not None and gate.is_set():
                await asyncio.Event().wait()  # a black hole: connected, and nothing comes any more
            writer.write(data)

    tasks: list[asyncio.Task[None]] = []

    async def passage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", machines.port)
        quiet.extend((writer, back_writer))
        tasks.extend((asyncio.create_task(pump(reader, back_writer, None)), asyncio.create_task(pump(back_reader, writer, held))))

    hole = await asyncio.start_server(passage, "127.0.0.1", 0)
    source = open_alone(hole.sockets[0].getsockname()[1])
    await source.connect()
    await source.read()
    held.set()
    with pytest.raises(NotConnected, match="not a sign of life"):
        while True:
            await source.read()
    await source.close()
    hole.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for writer in quiet:
        writer.close()


async def test_check_says_for_every_signal_what_it_gives(machines: Machines) -> None:
    table = source_table(machines.port).replace("s={equipment}.parts", "s={equipment}.nothing")
    rows = {row.signal: row for row in await check(settings_of(table), register_of("cnc-01", "cnc-02"), now_us, patience_s=3)}
    assert len(rows) == 8
    assert isinstance(rows["cnc-01/load"].value, float) and rows["cnc-01/load"].quality == "good" and not rows["cnc-01/load"].cause
    assert rows["cnc-02/parts"].cause.startswith("BadNodeIdUnknown")
    rows = {row.signal: row for row in await check(settings_of(source_table(9)), register_of("cnc-01", "cnc-02"), now_us, patience_s=3)}
    assert "opc.tcp://127.0.0.1:9/" in rows["cnc-01/load"].cause
