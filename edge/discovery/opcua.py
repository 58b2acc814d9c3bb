"""What an OPC UA server has to tell: connects once, walks, listens a few seconds, and lets go."""

import asyncio
from typing import Any

from asyncua import ua

from edge.discovery.found import Machine, merge
from edge.discovery.opcua_machines import machines_of, variables_of
from edge.discovery.opcua_walk import walk
from edge.discovery.vocabulary import role_named
from edge.opcua.connect import Connection, check_url
from edge.opcua.limits import Limits, read_limits, read_values
from edge.opcua.security import Guard
from edge.opcua.settings import OpcUaSettings
from edge.opcua.units import read_units
from edge.opcua.values import time_us
from edge.source import SourceContext
from workshop.errors import NotConnected

_LOOKS = 4


async def discover_opcua(settings: OpcUaSettings, context: SourceContext, *, listen_s: float = 3.0) -> tuple[list[Machine], list[str]]:
    """The machines of a server, and remarks.

    Args:
        listen_s: how long to look whether values come regularly or when they change.
    Raises:
        NotConnected: nobody answers, or the server does not let us browse.
        ConfigError: it is not trusted, or the settings are wrong.
    """
    check_url(settings.url, context.where)
    guard = Guard(settings, context)
    connection = Connection(settings, guard, name=f"chejian-{context.edge}-discover")
    try:
        await connection.open()
        limits = await read_limits(connection)
        space = await walk(connection, limits)
        nodes = [node.id for node in variables_of(space)]
        first = await read_values(connection, limits, nodes)
        values = {node: _content(value) for node, value in zip(nodes, first, strict=True)}
        numbers = [node for node in nodes if isinstance(values[node], (int, float)) and not isinstance(values[node], bool)]
        stated = dict(zip(numbers, await read_units(connection, limits, numbers), strict=True))
        looked = [node.id for node in variables_of(space) if role_named(node.name) or node.name == "Number"]
        periods = await _listen(connection, limits, looked, listen_s)
    except NotConnected as error:
        raise NotConnected(f"{error}; is the server running, and may this user browse it?") from error
    finally:
        await connection.close()
    remarks = list(guard.warnings)
    if not space.is_whole:
        remarks.append("the server has more nodes than were looked at: only the first were; give it its own folder of what matters")
    return merge(machines_of(space, values, stated, periods)), remarks


async def _listen(connection: Connection, limits: Limits, nodes: list[ua.NodeId], listen_s: float) -> dict[ua.NodeId, float]:
    """How often each of these came with a new source time, s; what did not in this time is left out."""
    seen: dict[ua.NodeId, set[int]] = {node: set() for node in nodes}
    for _ in range(_LOOKS):
        for node, value in zip(nodes, await read_values(connection, limits, nodes), strict=True):
            if value.SourceTimestamp is not None:
                seen[node].add(time_us(value.SourceTimestamp))
        await asyncio.sleep(listen_s / _LOOKS)
    # A value that changed once may change seldom; one that is new at nearly every look comes regularly.
    return {node: listen_s / (len(times) - 1) for node, times in seen.items() if len(times) >= _LOOKS - 1}


def _content(value: ua.DataValue) -> Any:
    return value.Value.Value if value.Value is not None and (value.StatusCode is None or not value.StatusCode.is_bad()) else None
