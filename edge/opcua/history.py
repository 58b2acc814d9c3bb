"""Fills an outage from the server's own history, where it keeps one (OPC 10000-11, 6.5.3.2 ReadRaw); elsewhere the gap stays declared."""

import logging
from collections.abc import AsyncIterator
from typing import NamedTuple

import numpy as np
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import UaStatusCodeError

from edge.gathering import Gathering
from edge.opcua.connect import Connection
from edge.opcua.limits import Limits
from edge.opcua.members import Members
from edge.opcua.messages import Past, decode_history
from edge.opcua.rows import gather_items
from edge.opcua.values import CODE_MASK, date_time
from edge.opcua.words import words
from edge.source import Loss
from workshop.errors import Rejected
from workshop.window import Clock

_NODES, _VALUES = 50, 2000
"""In one call, so that the answer is small."""
_MOST_CALLS = 10_000
_AHEAD_US, _TOGETHER_US = 86_400_000_000, 10_000_000
LOST_REASON = "connection lost"
_HISTORY_READ = 0x04
_NO_DATA = {0x00A50000, 0x00A60000, 0x809B0000}
"""GoodNoData, GoodMoreData, BadNoData: no failure."""
_log = logging.getLogger(__name__)


class Outage(NamedTuple):
    """A signal of which readings may be missing."""

    handle: int
    node: ua.NodeId
    since_us: int
    """Source time of the last reading that is there."""


async def with_history(connection: Connection, limits: Limits, outages: list[Outage]) -> list[Outage]:
    """Those of which the server lets us read the history.

    Raises:
        NotConnected: the connection is gone.
    """
    found: list[Outage] = []
    for start in range(0, len(outages), limits.per_read):
        some = outages[start : start + limits.per_read]
        with words(connection.url, "read who keeps a history"):
            levels = await connection.session.read_attributes([each.node for each in some], AttributeIds.UserAccessLevel)
        for each, level in zip(some, levels, strict=True):
            value = level.Value.Value if level.Value is not None else None
            if isinstance(value, int) and value & _HISTORY_READ:
                found.append(each)
    return found


async def fill(
    connection: Connection, limits: Limits, outages: list[Outage], signals: list[str], members: Members, clock: Clock, reason: str = LOST_REASON
) -> AsyncIterator[Gathering]:
    """What the server remembers of these signals since their last reading, in order, a call at a time.

    Its history is taken for whole if it still knows our last reading; otherwise, and where it does not go on, a loss is told.
    Raises:
        NotConnected: the connection is gone.
    """
    for batch in _batches(outages, min(limits.per_history, _NODES)):
        waiting = [(each, b"") for each in batch]
        for _ in range(_MOST_CALLS):
            gathering = Gathering()
            answers = await _read(connection, waiting, clock)
            following: list[tuple[Outage, bytes]] = []
            for (each, point), past in zip(waiting, answers, strict=True):
                if isinstance(past, str):
                    _log.warning("%s: no history of %s: %s", connection.url, signals[each.handle], past)
                    gathering.lose(Loss((signals[each.handle],), reason))
                    continue
                new = past.items.time_us > each.since_us
                if not point and bool(new.all()):
                    gathering.lose(Loss((signals[each.handle],), reason))
                past.items.handle[:] = np.where(new, each.handle, -1)
                # As the live path does it: a member of a structure or an array in the place of the whole.
                members.take(past.items)
                gather_items(gathering, past.items, signals, clock())
                if past.continuation:
                    following.append((each, past.continuation))
                elif len(new) >= _VALUES and new.any():
                    # As much as was asked for, and no word of more: there may be.
                    following.append((each._replace(since_us=int(past.items.time_us.max())), b""))
                elif len(new) >= _VALUES:
                    gathering.lose(Loss((signals[each.handle],), reason))
            yield gathering
            waiting = following
            if not waiting:
                break
        else:
            gathering = Gathering()
            gathering.lose(Loss(tuple(signals[each.handle] for each, _ in waiting), reason))
            yield gathering


def _batches(outages: list[Outage], size: int) -> list[list[Outage]]:
    """Together what begins at about the same time: a call has one beginning for all."""
    batches: list[list[Outage]] = []
    for each in sorted(outages, key=lambda outage: outage.since_us):
        if batches and len(batches[-1]) < size and each.since_us - batches[-1][0].since_us <= _TOGETHER_US:
            batches[-1].append(each)
        else:
            batches.append([each])
    return batches


async def _read(connection: Connection, asked: list[tuple[Outage, bytes]], clock: Clock) -> list[Past | str]:
    """What is remembered of each, or in words why nothing."""
    since_us = min(each.since_us for each, _ in asked)
    details = ua.ReadRawModifiedDetails(
        IsReadModified=False, StartTime=date_time(since_us), EndTime=date_time(clock() + _AHEAD_US), NumValuesPerNode=ua.Counter(_VALUES),
        ReturnBounds=False,
    )
    request = ua.HistoryReadRequest()
    request.Parameters.HistoryReadDetails = details
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.ReleaseContinuationPoints = False
    request.Parameters.NodesToRead = [ua.HistoryReadValueId(NodeId=each.node, ContinuationPoint=point or None) for each, point in asked]
    with words(connection.url, "read history"):
        try:
            body = await connection.session._send_request(request)
        except UaStatusCodeError as error:
            return [type(error).__name__] * len(asked)
    try:
        answers = decode_history(bytes(body))
    except Rejected as error:
        return [str(error)] * len(asked)
    if len(answers) != len(asked):
        return [f"{len(answers)} answers to {len(asked)} questions"] * len(asked)
    return [_judged(past) for past in answers]


def _judged(past: Past) -> Past | str:
    base = past.status & CODE_MASK
    if base in _NO_DATA or past.status >> 30 == 0:
        return past
    return f"0x{past.status:08X}"
