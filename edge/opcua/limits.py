"""What a server says that it can take (OPC 10000-5, 6.3.11 and 6.3.2); 0 and silence mean that no limit is stated."""

import msgspec
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from edge.opcua.connect import Connection
from edge.opcua.words import words

_USUAL = 1000
"""Where no limit is stated: servers in the field take about as much in one call."""


class Limits(msgspec.Struct, frozen=True):
    """Limits to keep to."""

    per_read: int = _USUAL
    """Attributes in one Read."""
    per_monitor: int = _USUAL
    """Monitored items created in one call."""
    per_history: int = _USUAL
    """Nodes in one HistoryRead."""
    per_subscription: int = 0
    """Monitored items in one subscription; 0: not stated."""
    subscriptions: int = 0
    """Subscriptions of one session; 0: not stated."""
    per_browse: int = _USUAL
    """Nodes in one Browse."""
    per_path: int = _USUAL
    """Browse paths followed in one call."""


_NODES = (
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
    ObjectIds.Server_ServerCapabilities_MaxMonitoredItemsPerSubscription,
    ObjectIds.Server_ServerCapabilities_MaxSubscriptionsPerSession,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
)


async def read_limits(connection: Connection) -> Limits:
    """The server's limits, made safe.

    Raises:
        NotConnected: the connection is gone.
    """
    nodes = [ua.NodeId(ua.Int32(number)) for number in _NODES]
    with words(connection.url, "read the limits"):
        values = await connection.session.read_attributes(nodes, AttributeIds.Value)
    stated = [value.Value.Value if value.Value is not None else None for value in values]
    read, monitor, history, items, subscriptions, browse, path = (number if isinstance(number, int) and number > 0 else 0 for number in stated)
    per_read, per_monitor, per_history, per_browse, per_path = (min(each or _USUAL, _USUAL) for each in (read, monitor, history, browse, path))
    return Limits(per_read, per_monitor, per_history, items, subscriptions, per_browse, per_path)


async def read_values(
    connection: Connection, limits: Limits, nodes: list[ua.NodeId], attribute: AttributeIds = AttributeIds.Value
) -> list[ua.DataValue]:
    """An attribute of these nodes, in as many calls as the server needs.

    Raises:
        NotConnected: the connection is gone.
    """
    values: list[ua.DataValue] = []
    for start in range(0, len(nodes), limits.per_read):
        with words(connection.url, "read"):
            values += await connection.session.read_attributes(nodes[start : start + limits.per_read], attribute)
    return values
