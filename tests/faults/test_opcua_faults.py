"""Fault classes 17 to 19 between an edge and a real OPC UA server: restarts, holes in the numbers and their roll-over, queues that overflowed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua

from simulators.link import Relay
from tests.integration.test_edge_opcua import relay_port, source_table
from tests.unit.edge.rig import Record, RunningEdge, now_us, register_of, running_edge, settings_of, until
from tests.unit.edge.rig_opcua import TYPES, Machines

pytestmark = pytest.mark.asyncio(loop_scope="module")

OVERFLOW = 0x480
"""OPC 10000-4, 7.39.1: the status is about a data value, and its queue overflowed."""


class UInt32(int):
    """A number that goes on with 1 after 2^32 - 1, as OPC 10000-4, 7.37 says of sequence numbers; asyncua's own would fail there."""

    def __add__(self, other: int) -> "UInt32":
        total = int(self) + other
        return UInt32(total if total < 2**32 else 1)


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
    await server.scan()
    server.relay = Relay(("127.0.0.1", 0), ("127.0.0.1", server.port), owner="test")
    await server.relay.start()
    yield server
    await server.relay.close()


@asynccontextmanager
async def edge_of(machines: Machines, folder: Path, last: Machines | None = None) -> AsyncIterator[RunningEdge]:
    """An edge at work; in the end one more scan, of `last` if that is given, shows that everything before has come."""
    assert machines.relay is not None
    settings = settings_of(source_table(relay_port(machines.relay)))
    async with running_edge(folder, settings, register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell"), "first readings")
        yield edge
        before = edge.stored("cell")
        await (last or machines).scan()
        await until(lambda: edge.stored("cell") >= before + 8, "the last scan")


def checked(folder: Path, emitted: dict[tuple[str, int], Any]) -> tuple[dict[str, int], set[str]]:
    record = Record(folder)
    return record.check(emitted), {reason for _, _, _, reason in record.gaps}


async def test_class_17_a_server_that_is_restarted(machines: Machines, tmp_path: Path) -> None:
    """Another server process in its place: no session, no subscription, and readings in between that nobody will send again."""
    successor = Machines()
    await successor.start()
    successor._count = 1000
    async with edge_of(machines, tmp_path, successor) as edge:
        await machines.offer(10)
        assert machines.relay is not None
        machines.relay.cut()
        await machines.offer(10)
        await successor.scan()
        machines.relay._target = ("127.0.0.1", successor.port)
        machines.relay.restore()
        stored = edge.stored("cell")
        await until(lambda: (now := edge.status()) and now.ready == ["cell"] and edge.stored("cell") > stored, "with the new one")
        await successor.offer(10)
    await successor.server.stop()
    counts, reasons = checked(tmp_path, machines.emitted | successor.emitted)
    assert counts["in_gaps"] >= 8 * 8 and reasons == {"connection lost"}


async def test_class_18_a_hole_in_the_numbers_without_a_reconnect(machines: Machines, tmp_path: Path) -> None:
    """A notification that is gone for good is declared; one that the server still has is fetched again."""
    lost = 0
    async with edge_of(machines, tmp_path) as edge:
        for is_kept in (True, False, True):
            (subscription,) = machines.server.iserver.subscription_service.subscriptions.values()
            await machines.offer(5)
            hidden = None
            while hidden is None or not hidden.NotificationMessage.NotificationData:
                await machines.scan()
                hidden = subscription._pop_publish_result()
            if not is_kept:
                subscription._not_acknowledged_results.pop(hidden.NotificationMessage.SequenceNumber)
                lost = sum(len(data.MonitoredItems) for data in hidden.NotificationMessage.NotificationData)  # a busy server: several scans in one
            await machines.offer(5)
        status = edge.status()
        assert status is not None and status.sources["cell"].failures == 0, "without a reconnect"
    counts, reasons = checked(tmp_path, machines.emitted)
    assert 0 < counts["in_gaps"] <= lost and reasons == {"notifications lost"}


async def test_class_18_numbers_roll_over_to_one(machines: Machines, tmp_path: Path) -> None:
    """Three large holes bring the numbers near their end, and are declared; that 1 follows 2^32 - 1 is no hole."""
    async with edge_of(machines, tmp_path) as edge:
        (subscription,) = machines.server.iserver.subscription_service.subscriptions.values()
        for number in (2**31 - 10, 3 * 2**30, 2**32 - 4):
            await machines.offer(3)
            subscription._notification_seq = UInt32(number)
            await machines.offer(3)
            await until(lambda n=number: subscription._notification_seq > n or subscription._notification_seq < 10, "numbered so")  # type: ignore[misc]
        rolling_us = now_us()
        while not 5 < subscription._notification_seq < 1000:
            await machines.offer(1)
        status = edge.status()
        assert status is not None and status.sources["cell"].failures == 0
    counts, reasons = checked(tmp_path, machines.emitted)
    gaps = Record(tmp_path).gaps
    assert counts["in_gaps"] <= 8 * 6 and reasons == {"notifications lost"}
    assert gaps and all(start < rolling_us for _, start, _, _ in gaps)


async def test_class_19_a_queue_that_overflowed_is_counted_and_declared(machines: Machines, tmp_path: Path) -> None:
    """What a full queue of the server has thrown away is between the last reading that came and the one with the mark."""
    async with edge_of(machines, tmp_path) as edge:
        await machines.offer(5)
        thrown_away = []
        for number in range(4):
            time_us = now_us()
            machines.emitted["cnc-01/load", time_us] = number + 0.5
            thrown_away.append(time_us)
            await asyncio.sleep(0.001)
        marked_us = now_us()
        await machines.write("cnc-01.load", ua.Variant(99.5, TYPES["load"]), marked_us, OVERFLOW)
        machines.emitted["cnc-01/load", marked_us] = 99.5
        await until(lambda: (now := edge.status()) and now.sources["cell"].terms.get("overflows") == "1", "counted")
        await machines.offer(5)
    counts, reasons = checked(tmp_path, machines.emitted)
    record = Record(tmp_path)
    assert counts["in_gaps"] == 4 and reasons == {"queue overflow at the server"}
    assert {signal for signal, *_ in record.gaps} == {"cnc-01/load"}, "the other signals are not in doubt"
    assert [reading.status for reading in record.of("cnc-01/load") if reading.value == 99.5] == ["Overflow"]


async def test_class_18_a_subscription_that_lives_and_reports_nothing(machines: Machines, tmp_path: Path) -> None:
    """Keep-alives go on coming, values change at the server, and not one of them is reported: found by reading, made anew, declared."""
    assert machines.relay is not None
    settings = settings_of(source_table(relay_port(machines.relay)).replace("lifetime_s", "watch_s = 0.1\nlifetime_s"))
    async with running_edge(tmp_path, settings, register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell") >= 8, "first readings")
        await machines.offer(5)
        (subscription,) = (one for one in machines.subscriptions() if one._publishing_enabled)
        await subscription.set_publishing_mode(False)
        await machines.offer(5)
        await until(lambda: (now := edge.status()) and "silences" in now.sources["cell"].terms and now.ready == ["cell"], "made anew")
        await machines.offer(5)
        stored = edge.stored("cell")
        await machines.scan()
        await until(lambda: edge.stored("cell") >= stored + 8, "the last scan")
        status = edge.status()
        assert status is not None and status.sources["cell"].failures == 1
    counts, reasons = checked(tmp_path, machines.emitted)
    assert counts["in_gaps"] and reasons == {"changed values were not reported"}


async def test_class_18_silence_of_values_that_do_not_change_is_no_silence(machines: Machines, tmp_path: Path) -> None:
    """Many looks at signals that stand still, and at values that came between two looks, find nothing."""
    settings = settings_of(source_table(machines.port).replace("lifetime_s", "watch_s = 0.05\nlifetime_s"))
    async with running_edge(tmp_path, settings, register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell") >= 8, "first readings")
        await asyncio.sleep(2)  # thirteen looks or so; nothing is asserted about how many
        await machines.offer(20)
        await until(lambda: edge.stored("cell") >= 8 * 21, "all scans")
        status = edge.status()
        assert status is not None and not status.sources["cell"].failures and "silences" not in status.sources["cell"].terms
    assert checked(tmp_path, machines.emitted)[0]["in_gaps"] == 0
