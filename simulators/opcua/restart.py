"""The fault `server_restart`: the OPC UA server ends without a word, and is back when the fault is over; what clients had made is gone."""

import asyncio
from collections.abc import Sequence

from asyncua.server.server import Server

from simulators.clock import Clock
from simulators.schedule import Schedule

_LOOK_S = 0.05


async def follow_restarts(server: Server, schedule: Schedule, clock: Clock, equipment: Sequence[str]) -> None:
    """Stop and start listening as the schedule says for any of this equipment, until cancelled."""
    listening = True
    while True:
        now_us = clock()
        wanted = not any(schedule.active("server_restart", one, now_us) for one in equipment)
        if wanted != listening:
            listening = wanted
            binary = server.bserver
            assert binary is not None  # noqa: S101 – start() made it
            if wanted:
                await binary.start()
            else:
                cut(server)
                await binary.stop()
                for session in tuple(server.iserver._external_sessions.values()):
                    await session.close_session(True)
        await asyncio.sleep(_LOOK_S)


def cut(server: Server) -> None:
    """Break every connection."""
    for transport in tuple(server.iserver.asyncio_transports):
        transport.abort()
