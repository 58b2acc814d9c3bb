"""Subscriptions of a session that is gone, taken over by another one (OPC 10000-4, 5.14.7)."""

from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError

from edge.opcua.connect import Connection
from edge.opcua.subscribe import Subscription
from edge.opcua.words import words


async def transfer(connection: Connection, subscriptions: list[Subscription]) -> list[Subscription]:
    """Those that the server still has and gives us; what they reported meanwhile shows by its numbers.

    Raises:
        NotConnected: the connection is gone.
    """
    parameters = ua.TransferSubscriptionsParameters()
    parameters.SubscriptionIds = [ua.IntegerId(each.number) for each in subscriptions]
    parameters.SendInitialValues = False
    with words(connection.url, "transfer the subscriptions"):
        try:
            results = await connection.session.transfer_subscriptions(parameters)
        except UaStatusCodeError:
            return []
    ours = [each for each, result in zip(subscriptions, results, strict=False) if result.StatusCode.is_good()]
    for each in ours:
        each.has_moved, each.was_taken_over = False, True
    return ours
