"""The OPC UA source and what servers do: outages, limits, histories, subscriptions that end, numbers that begin again."""

import asyncio
from pathlib import Path

import pytest
from asyncua import ua

from edge.opcua.publish import LAST_SEQUENCE
from tests.integration.test_edge_opcua import machines, open_alone, relay_port, server, source_table
from tests.unit.edge.rig import Record, RunningEdge, now_us, register_of, running_edge, settings_of, until
from tests.unit.edge.rig_opcua import Machines

__all__ = ["machines", "server"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_lost_connection_is_taken_up_again_and_nothing_is_missing(machines: Machines, tmp_path: Path) -> None:
    relay = machines.relay
    assert relay is not None
    settings = settings_of(source_table(relay_port(relay)))
    async with running_edge(tmp_path, settings, register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell"), "first readings")
        for _ in range(2):
            await cut_and_restore(machines, edge)
        assert (status := edge.status()) is not None and status.sources["cell"].terms["connected"] == "session resumed"
        before = edge.stored("cell")
        await machines.scan()
        await until(lambda: edge.stored("cell") > before, "the last scan")
    record = Record(tmp_path)
    counts = record.check(machines.emitted)
    assert counts["in_gaps"] == 0 and not record.gaps
    states = [reading.value for reading in record.of("cnc-01/link_state")]
    assert [state for state, before in zip(states, [None, *states], strict=False) if state != before][:5] == [0, 1, 0, 1, 0]


async def cut_and_restore(machines: Machines, edge: RunningEdge, forget: bool = False) -> None:
    """An outage of ten scans."""
    assert machines.relay is not None
    before = status.sources["cell"].failures if (status := edge.status()) is not None else 0
    await machines.offer(15)
    machines.relay.cut()
    await machines.offer(10)
    if forget:
        await machines.forget()
    machines.relay.restore()
    await until(lambda: (now := edge.status()) and now.ready == ["cell"] and now.sources["cell"].failures > before, "reconnected")
    await machines.offer(15)


async def test_a_session_that_the_server_forgot_leaves_a_declared_gap(machines: Machines, tmp_path: Path) -> None:
    relay = machines.relay
    assert relay is not None
    async with running_edge(tmp_path, settings_of(source_table(relay_port(relay))), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell"), "first readings")
        await cut_and_restore(machines, edge, forget=True)
        assert (status := edge.status()) is not None and status.sources["cell"].terms["connected"] == "anew"
        before = edge.stored("cell")
        await machines.scan()
        await until(lambda: edge.stored("cell") > before, "the last scan")
    record = Record(tmp_path)
    counts = record.check(machines.emitted)
    assert counts["in_gaps"] >= 8 * 8, counts
    assert {reason for _, _, _, reason in record.gaps} == {"connection lost"}


async def test_the_servers_history_fills_an_outage_and_nothing_comes_twice(machines: Machines, tmp_path: Path) -> None:
    relay = machines.relay
    assert relay is not None
    settings, register = settings_of(source_table(relay_port(relay))), register_of("cnc-01", "cnc-02")
    async with machines.history("load"):
        async with running_edge(tmp_path, settings, register) as edge:
            await until(lambda: edge.stored("cell"), "readings")
            await cut_and_restore(machines, edge, forget=True)
            await edge.kill()
        await machines.offer(5)
        async with running_edge(tmp_path, settings, register) as edge:
            offering = asyncio.create_task(machines.offer(20))  # while the history is read
            await offering
            before = edge.stored("cell")
            await machines.scan()
            await until(lambda: edge.stored("cell") > before, "the last scan")
    record = Record(tmp_path)
    assert record.check(machines.emitted)["in_gaps"] >= 6 * 13
    assert {signal for signal, *_ in record.gaps} == {f"cnc-{n:02}/{name}" for n in (1, 2) for name in ("parts", "program", "state")}


async def test_members_of_arrays_come_from_the_history_too(machines: Machines, tmp_path: Path) -> None:
    """An outage of an array is filled from the server's history, element by element, as the live way takes it apart."""
    relay = machines.relay
    assert relay is not None
    node = machines.node("cnc-01.axes")
    variable = await machines.server.nodes.objects.add_variable(node, "axes", [0.0, 0.0], ua.VariantType.Double)
    emitted: dict[tuple[str, int], float] = {}

    async def move(steps: int, first: int) -> None:
        for step in range(first, first + steps):
            time_us = now_us()
            await machines.write("cnc-01.axes", ua.Variant([step / 2, step / 4], ua.VariantType.Double), time_us)
            emitted["cnc-01/load", time_us] = step / 4
            await asyncio.sleep(0.02)

    table = source_table(relay_port(relay), signals="load").replace("s={equipment}.load", "s={equipment}.axes#[1]")
    settings = settings_of(table.replace(', { id = "cnc-02", map = "cnc" }', ""))
    await machines.server.historize_node_data_change([variable])
    try:
        await move(1, 0)
        async with running_edge(tmp_path, settings, register_of("cnc-01")) as edge:
            await until(lambda: edge.stored("cell"), "readings")
            await move(5, 1)
            relay.cut()
            await move(10, 6)
            await machines.forget()
            relay.restore()
            await until(lambda: edge.stored("cell") >= 16, "what was missed")
            await move(1, 16)
            await until(lambda: edge.stored("cell") >= 17, "the last")
    finally:
        await machines.server.dehistorize_node_data_change([variable])
    record = Record(tmp_path)
    assert record.check(emitted) == {"emitted": 17, "stored": 17, "in_gaps": 0} and not record.gaps


async def test_many_subscriptions_stay_within_the_limits_and_together_give_everything(machines: Machines, tmp_path: Path) -> None:
    table = source_table(machines.port).replace("lifetime_s", "items = 3\nnotifications = 2\nlifetime_s")
    async with running_edge(tmp_path, settings_of(table), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell") >= 8, "the first values of all")
        await machines.offer(20)
        await until(lambda: edge.stored("cell") >= 8 + 8 * 20, "everything")
        assert len(machines.subscriptions()) == 3
        status = edge.status()
    assert status is not None
    terms = status.sources["cell"].terms
    assert terms["subscriptions"] == "3" and terms["sampling_ms"] == "50 (asked for 0)" and terms["queue"] == "1000", terms
    assert Record(tmp_path).check(machines.emitted)["in_gaps"] == 0


async def test_a_node_that_appears_later_is_found(machines: Machines, tmp_path: Path) -> None:
    table = source_table(machines.port).replace("s={equipment}.parts", "s={equipment}.later").replace("lifetime_s", "retry_s = 0.2\nlifetime_s")
    async with running_edge(tmp_path, settings_of(table), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell") >= 6, "the others")
        await until(lambda: (now := edge.status()) and set(now.sources["cell"].problems) == {"cnc-01/parts", "cnc-02/parts"}, "said")
        for machine in ("cnc-01", "cnc-02"):
            await machines.server.nodes.objects.add_variable(machines.node(f"{machine}.later"), f"{machine}.later", 1, ua.VariantType.Int64)
        await until(lambda: (now := edge.status()) and not now.sources["cell"].problems, "found")
        await until(lambda: edge.stored("cell") >= 8, "their values")
        assert (status := edge.status()) is not None and not status.sources["cell"].failures
    assert {reading.value for reading in Record(tmp_path).of("cnc-02/parts")} == {1}


async def test_a_subscription_that_the_server_ends_is_made_anew_with_a_gap(machines: Machines, tmp_path: Path) -> None:
    async with running_edge(tmp_path, settings_of(source_table(machines.port)), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell") >= 8, "the first values")
        await machines.offer(5)
        (subscription,) = machines.subscriptions()
        await subscription.enqueue_statuschange(ua.StatusCode(ua.StatusCodes.BadTimeout))
        await machines.scan()
        await until(lambda: (now := edge.status()) and now.ready == ["cell"] and now.sources["cell"].failures, "reconnected")
        await machines.offer(5)
        before = edge.stored("cell")
        await machines.scan()
        await until(lambda: edge.stored("cell") > before, "the last scan")
    record = Record(tmp_path)
    record.check(machines.emitted)
    assert {reason for *_, reason in record.gaps} <= {"connection lost"}


async def test_an_overflow_at_the_server_is_counted_and_declared(machines: Machines, tmp_path: Path) -> None:
    async with running_edge(tmp_path, settings_of(source_table(machines.port)), register_of("cnc-01", "cnc-02")) as edge:
        await until(lambda: edge.stored("cell") >= 8, "the first values")
        first_us = now_us()
        await machines.write("cnc-01.load", ua.Variant(1.0, ua.VariantType.Double), first_us)
        await machines.write("cnc-01.load", ua.Variant(2.0, ua.VariantType.Double), first_us + 5000, 0x480)
        await until(lambda: edge.stored("cell") >= 10, "both")
        await until(lambda: (now := edge.status()) and now.sources["cell"].terms.get("overflows") == "1", "counted")
    gaps = [gap for gap in Record(tmp_path).gaps if gap[3] == "queue overflow at the server"]
    assert gaps == [("cnc-01/load", first_us + 1, first_us + 5000, "queue overflow at the server")]


async def test_sequence_numbers_begin_again_at_one(machines: Machines) -> None:
    source = open_alone(machines.port)
    await source.connect()
    try:
        while not any(len(delivery.block) for delivery in await source.read()):
            pass
        (subscription,) = machines.subscriptions()
        (ours,) = source._reader.subscriptions.values()  # type: ignore[attr-defined]
        # asyncua's server would count on beyond 32 bits: its number is set for each notification.
        for number, losses in ((LAST_SEQUENCE, []), (1, []), (3, ["notifications lost"])):
            subscription._notification_seq = number
            ours.expected = LAST_SEQUENCE if number == LAST_SEQUENCE else ours.expected
            await machines.scan()
            deliveries = []
            while not any(len(delivery.block) for delivery in deliveries):
                deliveries += await source.read()
            assert [loss.reason for delivery in deliveries for loss in delivery.losses] == losses, number
            assert ours.expected == number % LAST_SEQUENCE + 1
    finally:
        await source.close()
