"""Publishing: asks for notifications, and for those that are missing once more."""

from asyncua import ua
from asyncua.ua.uaerrors import BadNoSubscription, BadTimeout, BadTooManyPublishRequests, UaStatusCodeError

from edge.opcua.connect import Connection
from edge.opcua.messages import Notification, Published, decode_publish, decode_republish
from edge.opcua.words import ERRORS, words
from edge.source import Refusal
from workshop.errors import NotConnected, Rejected

LAST_SEQUENCE = 2**32 - 1


class Bereft(NotConnected):
    """The session lives, or lived until now, and has no subscription."""


async def publish(connection: Connection, acknowledge: list[tuple[int, int]]) -> Published | Refusal | str:
    """Sends a publish request with these acknowledgements, (subscription, sequence number), and waits for its answer.

    Returns:
        The answer; or its bytes where they are damaged; or the name of the status, where the server wants to be asked again or less often.
    Raises:
        NotConnected: the connection or the session is gone; as Bereft, if the subscriptions are.
    """
    request = ua.PublishRequest()
    request.Parameters.SubscriptionAcknowledgements = [
        ua.SubscriptionAcknowledgement(ua.IntegerId(subscription), ua.Counter(number)) for subscription, number in acknowledge
    ]
    with words(connection.url, "publish"):
        try:
            body = await connection.session._send_request(request, timeout=0)
        except (BadTimeout, BadTooManyPublishRequests) as error:
            return type(error).__name__
        except BadNoSubscription as error:
            raise Bereft(f"{connection.url}: our session has no subscription any more") from error
    data = bytes(body)
    try:
        return decode_publish(data)
    except Rejected as error:
        return Refusal(data, str(error))


async def republish(connection: Connection, subscription: int, sequence: int) -> Notification | None:
    """The notification with this number once more; None if the server no longer has it, or only in pieces.

    Raises:
        NotConnected: the connection is gone.
    """
    request = ua.RepublishRequest()
    request.Parameters.SubscriptionId = ua.IntegerId(subscription)
    request.Parameters.RetransmitSequenceNumber = ua.Counter(sequence)
    try:
        message = decode_republish(bytes(await connection.session._send_request(request)))
    except (UaStatusCodeError, Rejected):
        return None
    except ERRORS as error:
        raise NotConnected(f"{connection.url}: republish: {error}") from error
    # asyncua's own server answers with an empty message where the standard wants BadMessageNotAvailable.
    return message if message.sequence == sequence and not message.is_keep_alive else None


def following(sequence: int) -> int:
    """The sequence number after this one; after 2^32 - 1 comes 1 (OPC 10000-4, 7.9)."""
    return sequence % LAST_SEQUENCE + 1


def missing_numbers(expected: int, got: int) -> range | None:
    """Which notifications are missing before this one, as steps from 0: step s stands for number s % (2^32 - 1) + 1.

    None when the notification is older than expected.
    """
    distance = (got - expected) % LAST_SEQUENCE
    if distance > LAST_SEQUENCE // 2:
        return None
    return range(expected - 1, expected - 1 + distance)
