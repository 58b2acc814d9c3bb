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


_NODES = (
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
    ObjectIds.Server_ServerCapabilities_MaxMonitoredItemsPerSubscription,
    ObjectIds.Server_ServerCapabilities_MaxSubscriptionsPerSession,
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
    read, monitor, history, items, subscriptions = (number if isinstance(number, int) and number > 0 else 0 for number in stated)
    return Limits(min(read or _USUAL, _USUAL), min(monitor or _USUAL, _USUAL), min(history or _USUAL, _USUAL), items, subscriptions)
