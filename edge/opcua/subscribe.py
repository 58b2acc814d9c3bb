"""Subscriptions: what is asked of the server, within its limits, and what it grants."""

from time import monotonic
from typing import NamedTuple

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import BadTooManyOperations, BadTooManySubscriptions

from edge.opcua.connect import Connection
from edge.opcua.limits import Limits
from edge.opcua.settings import OpcUaSettings
from edge.opcua.words import words

_TRIGGERS = {
    "timestamp": ua.DataChangeTrigger.StatusValueTimestamp, "value": ua.DataChangeTrigger.StatusValue, "status": ua.DataChangeTrigger.Status,
}
_FILTER_REFUSED = {"BadMonitoredItemFilterUnsupported", "BadMonitoredItemFilterInvalid", "BadFilterNotAllowed", "BadDeadbandFilterInvalid"}
_TOO_MANY = "BadTooManyMonitoredItems"
NO_ROOM = {_TOO_MANY, "BadTooManySubscriptions"}
"""What a further subscription may mend."""
_MISSED = 3
"""Signs of life that may be missing."""


class Wanted(NamedTuple):
    """A signal to be monitored."""

    handle: int
    """Client handle: the place of the signal in the source's list."""
    node: ua.NodeId
    deadband: str | None = None
    """As in the register: `0.5`, or `2%` of the range that the server states."""


class Granted(NamedTuple):
    """What the server makes of a wanted signal."""

    status: str
    """Empty where it works."""
    sampling_ms: float = 0.0
    queue: int = 0
    note: str = ""
    """What the server would not do."""


class Subscription:
    """One subscription, and how far we are with it."""

    def __init__(self, number: int, publishing_ms: float, keep_alive_count: int) -> None:
        self.number, self.publishing_ms = number, publishing_ms
        self.silence_s = max(1.0, _MISSED * publishing_ms / 1000 * keep_alive_count)
        """So long without an answer, and the subscription counts as gone."""
        self.handles: list[int] = []
        self.expected = 1
        """Sequence number of the next notification; the first is 1 (OPC 10000-4, 5.14.1.1)."""
        self.heard = monotonic()
        self.stored: list[int] = []
        """Sequence numbers to acknowledge with the next request."""
        self.has_moved = False
        """Whether it is no longer our session's: another session has it, or none because the server ended ours."""
        self.was_taken_over = False
        """Whether we transferred it, and what the server says of that to the old session may still come."""


async def subscribe(connection: Connection, settings: OpcUaSettings) -> Subscription | None:
    """Creates a subscription; None if the server takes no more of them.

    Raises:
        NotConnected: the connection is gone, or the server refuses.
    """
    parameters = ua.CreateSubscriptionParameters()
    parameters.RequestedPublishingInterval = float(settings.publishing_ms)
    parameters.RequestedMaxKeepAliveCount = ua.UInt32(settings.keep_alive_count)
    parameters.RequestedLifetimeCount = ua.UInt32(max(3 * settings.keep_alive_count, round(1000 * settings.lifetime_s / settings.publishing_ms)))
    parameters.MaxNotificationsPerPublish = ua.UInt32(settings.notifications)
    parameters.PublishingEnabled = True
    with words(connection.url, "create a subscription"):
        try:
            result = await connection.session.create_subscription(parameters, lambda _: None)
        except BadTooManySubscriptions:
            return None
    return Subscription(int(result.SubscriptionId), float(result.RevisedPublishingInterval), int(result.RevisedMaxKeepAliveCount))


async def subscribe_all(
    connection: Connection, settings: OpcUaSettings, limits: Limits, wanted: list[Wanted], *, there: int = 0
) -> tuple[list[Subscription], dict[int, Granted]]:
    """As many subscriptions as the server's limits make necessary, and for each handle what was granted.

    Args:
        there: subscriptions that we have already.
    Raises:
        NotConnected: as `subscribe`.
    """
    size = settings.items or limits.per_subscription or len(wanted)
    subscriptions: list[Subscription] = []
    granted: dict[int, Granted] = {}
    while wanted or not subscriptions:
        allowed = not limits.subscriptions or there + len(subscriptions) < limits.subscriptions
        subscription = await subscribe(connection, settings) if allowed else None
        if subscription is None:
            granted |= {each.handle: Granted("BadTooManySubscriptions") for each in wanted}
            break
        subscriptions.append(subscription)
        chunk, wanted = wanted[:size], wanted[size:]
        found = await monitor(connection, subscription, chunk, settings, limits)
        again = [each for each in chunk if found[each.handle].status == _TOO_MANY]
        if again and len(again) < len(chunk):
            size = len(chunk) - len(again)
            wanted = again + wanted
        granted |= found
    return subscriptions, granted


async def end_empty(connection: Connection, subscriptions: list[Subscription]) -> list[Subscription]:
    """Those in which something is monitored; the server need not keep the others.

    Raises:
        NotConnected: the connection is gone.
    """
    empty = [each for each in subscriptions if not each.handles]
    if empty:
        with words(connection.url, "delete a subscription"):
            await connection.session.delete_subscriptions([ua.IntegerId(each.number) for each in empty])
    return [each for each in subscriptions if each.handles]


async def monitor(
    connection: Connection, subscription: Subscription, wanted: list[Wanted], settings: OpcUaSettings, limits: Limits
) -> dict[int, Granted]:
    """Asks for the values of these nodes; one that is refused does not stop the others. A server that will not filter is asked for every value.

    Raises:
        NotConnected: the connection is gone.
    """
    granted = await _create(connection, subscription, wanted, settings, limits, "")
    for note in ("no deadband at the server", "no filter at the server: only changes of value are reported"):
        refused = [each for each in wanted if granted[each.handle].status in _FILTER_REFUSED]
        if refused:
            granted |= await _create(connection, subscription, refused, settings, limits, note)
    subscription.handles += [each.handle for each in wanted if not granted[each.handle].status]
    return granted


async def _create(
    connection: Connection, subscription: Subscription, wanted: list[Wanted], settings: OpcUaSettings, limits: Limits, note: str
) -> dict[int, Granted]:
    requests = [_item(each, settings, note) for each in wanted]
    granted: dict[int, Granted] = {}
    per_call, start = limits.per_monitor, 0
    while start < len(requests):
        parameters = ua.CreateMonitoredItemsParameters()
        parameters.SubscriptionId = ua.IntegerId(subscription.number)
        parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        parameters.ItemsToCreate = requests[start : start + per_call]
        with words(connection.url, "create monitored items"):
            try:
                results = await connection.session.create_monitored_items(parameters)
            except BadTooManyOperations:
                if per_call == 1:
                    raise
                per_call = -(-per_call // 2)
                continue
        for each, result in zip(wanted[start : start + per_call], results, strict=True):
            good = result.StatusCode.is_good()
            status = "" if good else str(result.StatusCode.name)
            granted[each.handle] = Granted(status, float(result.RevisedSamplingInterval), int(result.RevisedQueueSize), note if good else "")
        start += per_call
    return granted


def _item(wanted: Wanted, settings: OpcUaSettings, note: str) -> ua.MonitoredItemCreateRequest:
    # With the trigger on times, every sample counts, equal values too: a repeated value proves that the machine still says so. With a deadband a
    # server reports changes of value only, whatever the trigger (OPC 10000-4, 7.22.2).
    deadband = wanted.deadband if not note else None
    kind = ua.DeadbandType.None_ if not deadband else ua.DeadbandType.Percent if deadband.endswith("%") else ua.DeadbandType.Absolute
    wide = float(deadband.rstrip("%")) if deadband else 0.0
    change = ua.DataChangeFilter(Trigger=_TRIGGERS[settings.trigger], DeadbandType=ua.UInt32(kind), DeadbandValue=wide)
    parameters = ua.MonitoringParameters(
        ua.IntegerId(wanted.handle), float(settings.sampling_ms), None if note.startswith("no filter") else change, ua.Counter(settings.queue), True
    )
    return ua.MonitoredItemCreateRequest(ua.ReadValueId(wanted.node, AttributeIds.Value), ua.MonitoringMode.Reporting, parameters)


def terms_of(settings: OpcUaSettings, subscriptions: list[Subscription], granted: dict[int, Granted]) -> dict[str, str]:
    """What was granted where it is not what was asked for, in words, for the status."""
    terms = {"subscriptions": str(len(subscriptions))}
    works = [each for each in granted.values() if not each.status]
    for name, asked, given in (
        ("publishing_ms", settings.publishing_ms, [each.publishing_ms for each in subscriptions]),
        ("sampling_ms", settings.sampling_ms, [each.sampling_ms for each in works]), ("queue", settings.queue, [each.queue for each in works]),
    ):
        if given:
            low, high = min(given), max(given)
            said = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            terms[name] = said if low == high == asked else f"{said} (asked for {asked})"
    for note in sorted({each.note for each in works if each.note}):
        terms[note] = f"{sum(each.note == note for each in works)} signals"
    return terms
