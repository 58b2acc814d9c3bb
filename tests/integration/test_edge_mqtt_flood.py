"""A broker that sends more than the disk takes: the socket is left full, the memory is not."""

import asyncio
from pathlib import Path

import pytest

from benchmarks import mqtt_wire as wire
from edge.mqtt_access import BrokerOptions, access_of
from edge.mqtt_client import Connection
from tests.unit.edge.rig import now_us, until

HELLO = b"\x20\x02\x00\x00" + b"\x90\x03\x00\x01\x01"
"""CONNACK, and SUBACK of the first SUBSCRIBE."""


class Flood:
    """Says hello and then sends messages as fast as they are taken."""

    def __init__(self, size: int, count: int) -> None:
        self.ended = asyncio.Event()
        self.sent, self._size, self._count = 0, size, count

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(HELLO)
        message = wire.publish("3.1.1", "t", bytes(self._size), qos=1, mid=1)
        while self.sent < self._count:
            writer.write(message)
            await writer.drain()
            self.sent += 1
        await reader.read()
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        self.ended.set()


@pytest.mark.parametrize(("size", "limit", "most"), [(2**20, 10_000, 64), (10, 50, 50)])
async def test_no_more_is_read_than_may_wait(size: int, limit: int, most: int) -> None:
    flood = Flood(size, 4 * most)
    server = await asyncio.start_server(flood.serve, "127.0.0.1", 0)
    options = BrokerOptions(host="127.0.0.1", port=server.sockets[0].getsockname()[1], keepalive_s=60)
    connection = Connection(access_of(options, Path(), "w"), client_id="c", durable=True, limit=limit, clock=now_us)
    await connection.open(["t"])
    taken = 0
    while taken < 4 * most:
        await until(lambda: connection._paused or flood.sent == 4 * most, "held back or all sent")
        messages = await connection.read()
        taken += len(messages)
        assert len(messages) <= most
        connection.acknowledge(messages)
    await connection.close()
    await flood.ended.wait()
    server.close()
    await server.wait_closed()
