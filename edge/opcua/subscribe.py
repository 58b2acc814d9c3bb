"""Subscriptions: what is asked of the server, and what it grants."""

import msgspec
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from edge.opcua.connect import Connection
from edge.opcua.settings import OpcUaSettings
from edge.opcua.words import words

_MAX_ITEMS_PER_CALL = ua.NodeId(ua.Int32(11714))
_ITEMS_PER_CALL = 1000


class Terms(msgspec.Struct, frozen=True):
    """What the server granted for the subscription."""

    subscription: int
    publishing_s: float
    keep_alive_count: int


async def items_per_call(connection: Connection) -> int:
    """How many monitored items the server takes in one call."""
    with words(connection.url, "read the limits"):
        (limit,) = await connection.session.read_attributes([_MAX_ITEMS_PER_CALL], AttributeIds.Value)
    granted = limit.Value.Value if limit.Value is not None else None
    return min(granted, _ITEMS_PER_CALL) if isinstance(granted, int) and granted > 0 else _ITEMS_PER_CALL


async def subscribe(connection: Connection, settings: OpcUaSettings) -> Terms:
    """Creates the subscription."""
    parameters = ua.CreateSubscriptionParameters()
    parameters.RequestedPublishingInterval = float(settings.publishing_ms)
    parameters.RequestedMaxKeepAliveCount = ua.UInt32(settings.keep_alive_count)
    parameters.RequestedLifetimeCount = ua.UInt32(max(3 * settings.keep_alive_count, round(1000 * settings.lifetime_s / settings.publishing_ms)))
    parameters.MaxNotificationsPerPublish = ua.UInt32(0)
    parameters.PublishingEnabled = True
    with words(connection.url, "create a subscription"):
        result = await connection.session.create_subscription(parameters, lambda _: None)
    return Terms(result.SubscriptionId, result.RevisedPublishingInterval / 1000, result.RevisedMaxKeepAliveCount)


async def monitor(connection: Connection, terms: Terms, nodes: list[ua.NodeId], settings: OpcUaSettings, per_call: int) -> list[str]:
    """Asks for every value of these nodes; client handles are their places in the list. Returns a status name each, empty where it worked."""
    requests = [_item(node, handle, settings) for handle, node in enumerate(nodes)]
    answers: list[str] = []
    for start in range(0, len(requests), per_call):
        parameters = ua.CreateMonitoredItemsParameters()
        parameters.SubscriptionId = ua.IntegerId(terms.subscription)
        parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        parameters.ItemsToCreate = requests[start : start + per_call]
        with words(connection.url, "create monitored items"):
            results = await connection.session.create_monitored_items(parameters)
        answers += ["" if result.StatusCode.is_good() else result.StatusCode.name for result in results]
    return answers


def _item(node: ua.NodeId, handle: int, settings: OpcUaSettings) -> ua.MonitoredItemCreateRequest:
    # Every sample with a new source time counts, equal values too: a repeated value proves that the machine still says so.
    every = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp, DeadbandType=ua.UInt32(ua.DeadbandType.None_))
    parameters = ua.MonitoringParameters(ua.IntegerId(handle), float(settings.sampling_ms), every, ua.Counter(settings.queue), True)
    return ua.MonitoredItemCreateRequest(ua.ReadValueId(node, AttributeIds.Value), ua.MonitoringMode.Reporting, parameters)
