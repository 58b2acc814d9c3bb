"""Publishing: asks for notifications, and for those that are missing once more."""

import msgspec
from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError, UaStructParsingError

from edge.opcua.connect import Connection
from edge.opcua.words import ERRORS, words
from workshop.errors import NotConnected

LAST_SEQUENCE = 2**32 - 1


class Notification(msgspec.Struct, frozen=True):
    """One answer to a publish request."""

    sequence: int
    values: list[tuple[int, ua.DataValue]]
    """(client handle, value) in the server's order."""
    is_keep_alive: bool = False
    """No data; `sequence` is then the number of the next notification."""
    status: str = ""
    """The subscription's own change of status: it is over."""


async def publish(connection: Connection, subscription: int, acknowledge: list[int]) -> Notification | None:
    """Sends a publish request with these acknowledgements and waits for its answer; None when the answer cannot be decoded.

    Raises:
        NotConnected: the connection, the session or the subscription is gone.
    """
    acks = [ua.SubscriptionAcknowledgement(ua.IntegerId(subscription), ua.Counter(number)) for number in acknowledge]
    with words(connection.url, "publish"):
        try:
            response = await connection.session.publish(acks)
        except UaStructParsingError:
            return None
        response.ResponseHeader.ServiceResult.check()
    return _notification(response.Parameters.NotificationMessage)


async def republish(connection: Connection, subscription: int, sequence: int) -> Notification | None:
    """The notification with this number once more; None if the server no longer has it."""
    try:
        message = await connection.session.republish(ua.IntegerId(subscription), ua.Counter(sequence))
    except (UaStatusCodeError, UaStructParsingError):
        return None
    except ERRORS as error:
        raise NotConnected(f"{connection.url}: republish: {error}") from error
    # asyncua's own server answers with an empty message where the standard wants BadMessageNotAvailable.
    return _notification(message) if message.SequenceNumber == sequence and message.NotificationData else None


def _notification(message: ua.NotificationMessage) -> Notification:
    values: list[tuple[int, ua.DataValue]] = []
    status = ""
    for data in message.NotificationData or ():
        if isinstance(data, ua.DataChangeNotification):
            values += [(int(item.ClientHandle), item.Value) for item in data.MonitoredItems]
        elif isinstance(data, ua.StatusChangeNotification):
            status = str(data.Status.name)
    return Notification(int(message.SequenceNumber), values, not message.NotificationData, status)


def following(sequence: int) -> int:
    """The sequence number after this one; after 2^32 - 1 comes 1 (OPC 10000-4, 7.9)."""
    return sequence % LAST_SEQUENCE + 1


def missing_numbers(expected: int, got: int) -> range | None:
    """Which notifications are missing before this one, as steps from 0: step s stands for number s % (2^32 - 1) + 1.

    None when the notification is older than expected. `expected` 0 means that none has come yet: the first one counts as it is.
    """
    if expected == 0:
        return range(0)
    distance = (got - expected) % LAST_SEQUENCE
    if distance > LAST_SEQUENCE // 2:
        return None
    return range(expected - 1, expected - 1 + distance)
