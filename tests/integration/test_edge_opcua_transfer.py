"""Subscriptions that outlive their session, over an encrypted channel: taken over whole, in part, and acknowledged only where they came."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from edge.config import source_context
from edge.opcua.own import make_own
from edge.source import Delivery, open_source
from simulators.link import Relay
from tests.integration.test_edge_opcua import relay_port
from tests.unit.edge.rig import Record, RunningEdge, now_us, register_of, running_edge, settings_of, until
from tests.unit.edge.rig_opcua import URI, Guarded
from tests.unit.edge.rig_pki import der, put
from workshop.errors import NotConnected

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def machines() -> AsyncIterator[Guarded]:
    machines = Guarded()
    await machines.start()
    machines.pass_on()
    await machines.scan()
    machines.emitted.clear()
    await machines.scan()
    machines.relay = Relay(("127.0.0.1", 0), ("127.0.0.1", machines.port), owner="test")
    await machines.relay.start()
    yield machines
    await machines.relay.close()
    await machines.server.stop()


def table(port: int, more: str) -> str:
    mapped = "\n".join(f'{name} = "nsu={URI};s={{equipment}}.{name}"' for name in ("load", "parts", "program", "state"))
    return f"""
[[source]]
name = "cell"
protocol = "opcua"
url = "opc.tcp://127.0.0.1:{port}/"
security = "Basic256Sha256"
publishing_ms = 50
keep_alive_count = 4
{more}
equipment = [{{ id = "cnc-01", map = "cnc" }}, {{ id = "cnc-02", map = "cnc" }}]
[source.map.cnc]
{mapped}
"""


def trusting(machines: Guarded, folder: Path) -> None:
    """An edge's folder with a certificate of its own, and trust in the server's."""
    pki = folder / "run" / "pki"
    make_own(pki, "edge-1", "box.example", now_us)
    assert machines.server.iserver.certificate is not None
    put(pki, trusted__cell_der=der(machines.server.iserver.certificate))


async def cut(machines: Guarded, edge: RunningEdge, lost: int) -> None:
    """An outage of twenty scans in which the server ends the session, and so many of its subscriptions."""
    assert machines.relay is not None
    await machines.offer(10)
    machines.relay.cut()
    await until(lambda: (now := edge.status()) and not now.ready, "noticed")
    await machines.offer(10)
    await machines.leave(lost=lost)
    await machines.offer(10)
    machines.relay.restore()
    await until(lambda: (now := edge.status()) and now.ready == ["cell"] and now.sources["cell"].failures, "connected again")
    await machines.offer(10)
    before = edge.stored("cell")
    await machines.scan()
    await until(lambda: edge.stored("cell") >= before + 8, "the last scan")


@pytest.mark.parametrize(("more", "lost"), [("", 0), ("items = 3", 0), ("items = 3", 1), ("items = 3", 2)])
async def test_what_the_server_still_has_is_taken_over_and_the_rest_is_made_anew(machines: Guarded, tmp_path: Path, more: str, lost: int) -> None:
    """Of one or three subscriptions: nothing of those that moved is missing, what the lost ones would have said is a gap."""
    assert machines.relay is not None
    settings = settings_of(table(relay_port(machines.relay), more))
    trusting(machines, tmp_path)
    async with running_edge(tmp_path, settings, register_of("cnc-01", "cnc-02"), str(tmp_path / "edge.toml")) as edge:
        await until(lambda: edge.stored("cell") >= 8, "the first values")
        await cut(machines, edge, lost)
        status = edge.status()
        assert status is not None and not status.sources["cell"].problems
        assert status.sources["cell"].terms["connected"] == "subscriptions transferred"
        assert status.sources["cell"].terms["subscriptions"] == ("3" if more else "1")
        assert len(machines.subscriptions()) == (3 if more else 1), "nothing is left behind at the server"
    record = Record(tmp_path)
    counts = record.check(machines.emitted)
    signals = [f"{machine}/{name}" for machine in ("cnc-01", "cnc-02") for name in ("load", "parts", "program", "state")]
    assert {signal for signal, *_ in record.gaps} == set(signals[: 3 * lost])
    assert {reason for *_, reason in record.gaps} <= {"connection lost"} and (counts["in_gaps"] >= 3 * lost * 10)


@pytest.mark.parametrize("late", [False, True])
async def test_only_what_came_over_this_connection_is_acknowledged(machines: Guarded, tmp_path: Path, late: bool) -> None:
    """Some servers end a connection on which a number is acknowledged that they no longer know: a loop without end."""
    assert machines.relay is not None
    settings = settings_of(table(relay_port(machines.relay), ""))
    trusting(machines, tmp_path)
    block, service = settings.source[0], machines.server.iserver.subscription_service
    context = source_context(settings, block, register_of("cnc-01", "cnc-02"), str(tmp_path / "edge.toml"), clock=now_us)
    source = open_source(block.protocol, block.options, context)
    publish, acknowledged = service.publish, list[int]()

    def listen(acks: Any) -> Any:
        acknowledged.extend(int(ack.SequenceNumber) for ack in acks)
        return publish(acks)

    async def rows() -> Delivery:
        while True:
            for delivery in await source.read():
                if len(delivery.block):
                    return delivery

    await source.connect()
    try:
        first = await rows()
        (subscription,) = machines.subscriptions()
        before = set(range(1, subscription._notification_seq))
        assert before and first.on_committed is not None
        service.publish = listen  # type: ignore[method-assign]
        if not late:
            first.on_committed()
        machines.relay.cut()
        with pytest.raises(NotConnected):
            while True:
                await rows()
        await source.close()
        acknowledged.clear()
        machines.relay.restore()
        await source.connect()
        assert source.terms["connected"] == "session resumed"  # type: ignore[attr-defined]
        if late:
            first.on_committed()
        for _ in range(3):
            await machines.scan()
            delivery = await rows()
            assert delivery.on_committed is not None
            delivery.on_committed()
        await until(lambda: acknowledged, "acknowledged")
        assert not before & set(acknowledged), (before, acknowledged)
    finally:
        await source.close()
