"""From addresses to nodes, after every connect: an index of a namespace holds only for one run of one server."""

from asyncua import ua

from edge.opcua.address import NodeAddress
from edge.opcua.connect import Connection
from edge.source import MappedSignal
from workshop.errors import ConfigError


async def resolve(connection: Connection, signals: tuple[MappedSignal, ...], addresses: list[NodeAddress], where: str) -> list[ua.NodeId | str]:
    """For each signal its node on this server, or in words why it has none.

    Raises:
        ConfigError: a namespace that the server does not have.
        NotConnected: the connection is gone.
    """
    namespaces = await connection.namespaces()
    nodes: list[ua.NodeId | str] = []
    for signal, address in zip(signals, addresses, strict=True):
        node = address.resolve(namespaces)
        if node is None:
            raise ConfigError(f"{where}: {signal.id}: {connection.url} has no namespace '{address.uri}'; it has {', '.join(namespaces)}")
        nodes.append(node)
    return nodes
