"""The OPC UA source within what a server takes: stated limits, limits that show only by a refusal, publish requests; and what makes it report."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError

from tests.integration.test_edge_opcua import machines, server, source_table
from tests.unit.edge.rig import EQUIPMENT, REGISTER, Record, now_us, register_of, running_edge, settings_of, until
from tests.unit.edge.rig_opcua import Machines
from workshop.reading import Quality
from workshop.register_file import parse_register

__all__ = ["machines", "server"]

pytestmark = pytest.mark.asyncio(loop_scope="module")
CAPABILITIES = "Server_ServerCapabilities_"


@contextmanager
def watched(machines: Machines, per_call: int = 1000, per_subscription: int = 1000) -> Iterator[Counter[str]]:
    """The largest call of each kind; calls and subscriptions beyond these numbers are refused, as servers do."""
    iserver, largest = machines.server.iserver, Counter[str]()
    create, read = iserver.subscription_service.create_monitored_items, iserver.attribute_service.read

    async def limited(parameters: Any) -> Any:
        asked = parameters.ItemsToCreate
        largest["monitor"] = max(largest["monitor"], len(asked))
        if len(asked) > per_call:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        there = len(iserver.subscription_service.subscriptions[parameters.SubscriptionId].monitored_item_srv._monitored_items)
        parameters.ItemsToCreate = asked[: max(0, per_subscription - there)]
        results = await create(parameters)
        refused = ua.MonitoredItemCreateResult(ua.StatusCode(ua.UInt32(ua.StatusCodes.BadTooManyMonitoredItems)))
        return results + [refused] * (len(asked) - len(results))

    def counted(parameters: Any) -> Any:
        largest["read"] = max(largest["read"], len(parameters.NodesToRead))
        return read(parameters)

    iserver.subscription_service.create_monitored_items, iserver.attribute_service.read = limited, counted  # type: ignore[method-assign]
    try:
        yield largest
    finally:
        iserver.subscription_service.create_monitored_items, iserver.attribute_service.read = create, read  # type: ignore[method-assign]


@asynccontextmanager
async def stating(machines: Machines, **limits: int) -> AsyncIterator[None]:
    """The server states these of its capabilities."""
    nodes = {machines.server.get_node(ua.NodeId(ua.Int32(getattr(ua.ObjectIds, CAPABILITIES + name)))): value for name, value in limits.items()}
    before = {node: await node.read_value() for node in nodes}
    for node, value in nodes.items():
        await node.write_value(ua.Variant(value, ua.VariantType.UInt32))
    try:
        yield
    finally:
        for node, value in before.items():
            await node.write_value(ua.Variant(value or 0, ua.VariantType.UInt32))


def requests_at(machines: Machines) -> int:
    """Publish requests that wait at the server."""
    return sum(len(client.processor._publish_requests) for client in machines.server.bserver.clients if client.processor is not None)


async def test_stated_limits_are_kept(machines: Machines, tmp_path: Path) -> None:
    limits = {"OperationLimits_MaxNodesPerRead": 7, "OperationLimits_MaxMonitoredItemsPerCall": 2, "MaxMonitoredItemsPerSubscription": 3}
    async with stating(machines, **limits):
        with watched(machines, per_call=2, per_subscription=3) as largest:
            async with running_edge(tmp_path, settings_of(source_table(machines.port)), register_of("cnc-01", "cnc-02")) as edge:
                await until(lambda: edge.stored("cell") >= 8, "the first values")
                await machines.offer(5)
                await until(lambda: edge.stored("cell") >= 8 + 8 * 5, "everything")
                assert len(machines.subscriptions()) == 3
    assert largest == {"monitor": 2, "read": 7}
    assert Record(tmp_path).check(machines.emitted)["in_gaps"] == 0


async def test_limits_that_nobody_states_are_found_out(machines: Machines, tmp_path: Path) -> None:
    with watched(machines, per_call=3, per_subscription=5):
        async with running_edge(tmp_path, settings_of(source_table(machines.port)), register_of("cnc-01", "cnc-02")) as edge:
            await until(lambda: edge.stored("cell") >= 8, "the first values")
            await machines.offer(5)
            await until(lambda: edge.stored("cell") >= 8 + 8 * 5, "everything")
            assert len(machines.subscriptions()) == 2
            assert (status := edge.status()) is not None and not status.sources["cell"].problems and not status.sources["cell"].failures
    assert Record(tmp_path).check(machines.emitted)["in_gaps"] == 0


async def test_a_server_that_takes_no_more_subscriptions_gives_what_it_can(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the rest when it has room again, without a new connection; meanwhile nothing piles up at the server."""
    there = len(machines.server.iserver.subscription_service.subscriptions)
    monkeypatch.setattr(machines.server.iserver, "max_subscriptions", there + 1)
    table = source_table(machines.port).replace("lifetime_s", "retry_s = 0.2\nlifetime_s")
    with watched(machines, per_subscription=3):
        async with running_edge(tmp_path, settings_of(table), register_of("cnc-01", "cnc-02")) as edge:
            await until(lambda: edge.stored("cell") >= 3, "the first values")
            await machines.offer(20)
            await until(lambda: edge.stored("cell") >= 3 + 3 * 20, "those that found room")
            status = edge.status()
            assert status is not None and len(status.sources["cell"].problems) == 5 and not status.sources["cell"].failures
            assert all(cause.startswith("BadTooMany") for cause in status.sources["cell"].problems.values()), status.sources["cell"].problems
            monkeypatch.setattr(machines.server.iserver, "max_subscriptions", there + 2)
            await until(lambda: (now := edge.status()) and len(now.sources["cell"].problems) == 2, "room for three more")
            monkeypatch.setattr(machines.server.iserver, "max_subscriptions", there + 9)
            await until(lambda: (now := edge.status()) and not now.sources["cell"].problems, "room for all")
            before = edge.stored("cell")
            await machines.offer(5)
            await until(lambda: edge.stored("cell") >= before + 8 * 5, "everything")
            assert len(machines.subscriptions()) == 3 and requests_at(machines) == 6
            status = edge.status()
            assert status is not None and not status.sources["cell"].failures and status.sources["cell"].terms["subscriptions"] == "3"


async def test_a_subscription_in_which_nothing_found_room_is_not_left_behind(machines: Machines, tmp_path: Path) -> None:
    table = source_table(machines.port).replace("lifetime_s", "retry_s = 0.1\nlifetime_s")
    with watched(machines, per_subscription=0):
        async with running_edge(tmp_path, settings_of(table), register_of("cnc-01", "cnc-02")) as edge:
            await until(lambda: (now := edge.status()) and len(now.sources["cell"].problems) == 8, "nothing found room")
            for _ in range(10):
                await machines.offer(10)
                assert len(machines.subscriptions()) <= 2


@pytest.mark.parametrize(("more", "waiting"), [("requests = 4", 4), ("requests = 4\nitems = 3", 6), ("requests = 20", 11)])
async def test_several_publish_requests_are_under_way(machines: Machines, tmp_path: Path, more: str, waiting: int) -> None:
    """As many as are asked for, one more for each further subscription; asyncua's server takes ten more than it has subscriptions."""
    table = source_table(machines.port).replace("lifetime_s", f"{more}\nlifetime_s")
    async with running_edge(tmp_path, settings_of(table), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell") >= 8, "the first values")
        await until(lambda: requests_at(machines) == waiting, f"{waiting} requests, not {requests_at(machines)}")
        await machines.offer(10)
        await until(lambda: edge.stored("cell") >= 8 + 8 * 10, "everything")
        assert (status := edge.status()) is not None and not status.sources["cell"].failures
    assert Record(tmp_path).check(machines.emitted)["in_gaps"] == 0


@pytest.mark.parametrize(("trigger", "expected"), [
    ("timestamp", [(0, 1.0), (1, 1.0), (2, 2.0), (3, None)]), ("value", [(0, 1.0), (2, 2.0), (3, None)]), ("status", [(0, 1.0), (3, None)]),
])
async def test_what_makes_the_server_report(machines: Machines, tmp_path: Path, trigger: str, expected: list[tuple[int, float | None]]) -> None:
    base = now_us()
    await machines.write("cnc-01.load", ua.Variant(1.0, ua.VariantType.Double), base)
    table = source_table(machines.port, signals="load").replace("lifetime_s", f'trigger = "{trigger}"\nlifetime_s')
    table = table.replace(', { id = "cnc-02", map = "cnc" }', "")
    async with running_edge(tmp_path, settings_of(table), register_of("cnc-01")) as edge:
        await until(lambda: edge.stored("cell") == 1, "the first value")
        await machines.write("cnc-01.load", ua.Variant(1.0, ua.VariantType.Double), base + 1)
        await machines.write("cnc-01.load", ua.Variant(2.0, ua.VariantType.Double), base + 2)
        await machines.write("cnc-01.load", None, base + 3, ua.StatusCodes.BadSensorFailure)
        await until(lambda: edge.stored("cell") >= len(expected), "what is reported")
    found = [(reading.source_time_us - base, reading.value) for reading in Record(tmp_path).of("cnc-01/load")]
    assert found == expected and Quality.BAD in {reading.quality for reading in Record(tmp_path).of("cnc-01/load")}


async def test_each_signal_has_its_own_deadband(machines: Machines, tmp_path: Path) -> None:
    """Absolute, in the signal's unit; one signal without, which gives every value. asyncua compares with the value before, not the last reported."""
    load = '{ name = "load", role = "spindle_load", kind = "gauge", unit = "%" }'
    wide = load.replace(' }', ', deadband = "2.5" }')
    speed = '{ name = "speed", role = "spindle_speed", kind = "gauge", unit = "{rev}/min", deadband = "0.5" }'
    power = '{ name = "power", role = "active_power", kind = "gauge", unit = "W" }'
    text = REGISTER.replace(load, f"{wide},\n  {speed},\n  {power}") + EQUIPMENT.replace("{id}", "cnc-01")
    steps = [0.0, 0.4, 1.4, 4.0, 4.4, 8.0]
    for name in ("speed", "power"):
        await machines.server.nodes.objects.add_variable(machines.node(f"cnc-01.{name}"), f"cnc-01.{name}", 0.0, ua.VariantType.Double)
    await machines.write("cnc-01.load", ua.Variant(0.0, ua.VariantType.Double), now_us())
    table = source_table(machines.port, signals="load speed power").replace(', { id = "cnc-02", map = "cnc" }', "")
    async with running_edge(tmp_path, settings_of(table), parse_register(text, "workshop.toml")) as edge:
        await until(lambda: edge.stored("cell") == 3, "the first values")
        for step in steps[1:]:
            for name in ("load", "speed", "power"):
                await machines.write(f"cnc-01.{name}", ua.Variant(step, ua.VariantType.Double), now_us())
        await until(lambda: edge.stored("cell") >= 3 + 2 + 3 + 5, "what is reported")
    record = Record(tmp_path)
    assert {name: [reading.value for reading in record.of(f"cnc-01/{name}")] for name in ("load", "speed", "power")} == {
        "load": [0.0, 4.0, 8.0], "speed": [0.0, 1.4, 4.0, 8.0], "power": steps,
    }
