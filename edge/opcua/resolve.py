"""From addresses to nodes, after every connect: an index of a namespace holds only for one run of one server."""

from typing import Any

from asyncua import ua

from edge.opcua.address import NodeAddress
from edge.opcua.connect import Connection
from edge.opcua.limits import Limits
from edge.opcua.words import words
from edge.source import MappedSignal
from workshop.errors import ConfigError

_HIERARCHICAL = ua.NodeId(ua.Int32(33))


async def resolve(
    connection: Connection, limits: Limits, signals: tuple[MappedSignal, ...], addresses: list[NodeAddress], where: str
) -> list[ua.NodeId | str]:
    """For each signal its node on this server, or in words why it has none.

    Raises:
        ConfigError: a namespace that the server does not have.
        NotConnected: the connection is gone.
    """
    namespaces = await connection.namespaces()
    nodes: list[ua.NodeId | str] = []
    for signal, address in zip(signals, addresses, strict=True):
        missing = [uri for uri in address.uris if uri not in namespaces]
        node = address.resolve(namespaces)
        if missing or node is None:
            raise ConfigError(f"{where}: {signal.id}: {connection.url} has no namespace '{missing[0]}'; it has {', '.join(namespaces)}")
        nodes.append(node)
    paths = [place for place, address in enumerate(addresses) if address.steps]
    asked = [browse_path(nodes[place], addresses[place].steps, namespaces) for place in paths]
    for place, found in zip(paths, await follow(connection, limits, asked), strict=True):
        nodes[place] = found
    return nodes


def browse_path(start: Any, steps: tuple[tuple[str, str], ...], namespaces: list[str]) -> ua.BrowsePath:
    """The request for the node at the end of these steps, along references of any hierarchical type."""
    path = ua.BrowsePath()
    path.StartingNode = start
    for uri, name in steps:
        step = ua.RelativePathElement()
        step.ReferenceTypeId = _HIERARCHICAL
        step.IsInverse, step.IncludeSubtypes = False, True  # type: ignore[assignment]
        step.TargetName = ua.QualifiedName(name, namespaces.index(uri) if uri else 0)
        path.RelativePath.Elements.append(step)
    return path


async def follow(connection: Connection, limits: Limits, paths: list[ua.BrowsePath]) -> list[ua.NodeId | str]:
    """The node at the end of each path, or the status that says why there is none.

    Raises:
        NotConnected: the connection is gone.
    """
    results: list[ua.BrowsePathResult] = []
    for start in range(0, len(paths), limits.per_path):
        with words(connection.url, "follow browse paths"):
            results += await connection.session.translate_browsepaths_to_nodeids(paths[start : start + limits.per_path])
    found: list[ua.NodeId | str] = []
    for result in results:
        # An index that is not 2^32 - 1 says that the path leads on to another server.
        ends = {target.TargetId for target in result.Targets or () if target.RemainingPathIndex == 2**32 - 1}
        if not result.StatusCode.is_good():
            found.append(str(result.StatusCode.name))
        elif len(ends) != 1:
            found.append("BadTooManyMatches" if ends else "BadNoMatch")
        else:
            found.append(plain_id(ends.pop()))
    return found


def plain_id(node: Any) -> ua.NodeId:
    """The id of a node on this server, from the form in which services name ends of references."""
    return ua.NodeId(node.Identifier, ua.Int16(node.NamespaceIndex), node.NodeIdType)
