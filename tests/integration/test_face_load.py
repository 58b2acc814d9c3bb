"""The load face gives an ordinary client every value of its formula."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.client.client import Client

from simulators.settings import Load, Settings
from tests.integration.test_simulators import free_port, running

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def test_an_ordinary_client_gets_every_value(tmp_path: Any) -> None:
    port = free_port()
    url = f"opc.tcp://127.0.0.1:{port}/"
    got: dict[int, list[tuple[float, int]]] = {}
    numbers: list[int] = []
    enough = asyncio.Event()

    def received(result: ua.PublishResult) -> None:
        for notification in result.NotificationMessage.NotificationData or []:
            numbers.append(result.NotificationMessage.SequenceNumber)
            for item in notification.MonitoredItems if isinstance(notification, ua.DataChangeNotification) else []:
                time_us = (item.Value.SourceTimestamp - EPOCH) // timedelta(microseconds=1)
                got.setdefault(item.ClientHandle, []).append((item.Value.Value.Value, time_us))
        if len(got.get(24, [])) >= 100:
            enough.set()

    load = Load("load", url, signals=150, rate_hz=100.0, values_per_message=50)
    async with running(Settings(1, load=[load]), tmp_path), Client(url) as client:
        index = await client.get_namespace_index("urn:chejian:load")
        subscription = await client.uaclient.create_subscription(ua.CreateSubscriptionParameters(10.0, 1000, 10, 0, True, 0), received)
        requests = [
            ua.MonitoredItemCreateRequest(
                ua.ReadValueId(ua.NodeId(f"S{n + 100}", index), ua.AttributeIds.Value), ua.MonitoringMode.Reporting,
                ua.MonitoringParameters(n, 0.0, None, 10, True),
            )
            for n in range(25)
        ]
        results = await client.uaclient.create_monitored_items(
            ua.CreateMonitoredItemsParameters(subscription.SubscriptionId, ua.TimestampsToReturn.Both, requests)
        )
        assert all(result.StatusCode.is_good() for result in results)
        async with asyncio.timeout(10):
            await enough.wait()
    assert sorted(got) == list(range(25))
    start_us = got[0][0][1]
    for n, rows in got.items():
        assert rows == [(tick + (n + 100) * 2.0**-20, start_us + tick * 10_000) for tick in range(len(rows))]
    assert numbers == list(range(1, len(numbers) + 1))
