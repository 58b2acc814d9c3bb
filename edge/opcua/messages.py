"""Answers with many values in them, from their bytes: Publish, Republish and HistoryRead (OPC 10000-4, 5.14.5, 5.14.6, 5.11.3). Pure."""

import struct

import msgspec

from edge.opcua.extent import diagnostic_end, extension_end, length_at, need, node_end, texts_end
from edge.opcua.items import Items, decode_items
from workshop.errors import Rejected

_PUBLISH, _REPUBLISH, _HISTORY = 829, 835, 667
_DATA_CHANGE, _STATUS_CHANGE, _HISTORY_DATA, _HISTORY_MODIFIED = 811, 820, 658, 11227
_HEADER = struct.Struct("<qII")
_NUMBER_AND_TIME = struct.Struct("<Iq")
_U32 = struct.Struct("<I")


class Notification(msgspec.Struct, frozen=True):
    """One NotificationMessage."""

    sequence: int
    items: tuple[Items, ...] = ()
    is_keep_alive: bool = False
    """No data; `sequence` is then the number of the next notification."""
    status: int | None = None
    """The subscription's own change of status."""


class Published(msgspec.Struct, frozen=True):
    """One answer to a publish request."""

    subscription: int
    available: tuple[int, ...]
    """Sequence numbers that the server keeps for Republish."""
    has_more: bool
    notification: Notification
    results: tuple[int, ...]
    """StatusCodes of the acknowledgements."""


class Past(msgspec.Struct, frozen=True):
    """What HistoryRead gave for one node."""

    status: int
    continuation: bytes
    """Empty when this is all."""
    items: Items


def decode_publish(data: bytes) -> Published:
    """The answer to a publish request.

    Raises:
        Rejected: damaged, cut short, or something else.
    """
    at = _body(data, _PUBLISH)
    end = need(data, at, 4)
    (subscription,) = _U32.unpack_from(data, at)
    available, at = _numbers(data, end)
    end = need(data, at, 1)
    has_more = data[at] != 0
    notification, at = _notification(data, end)
    results, at = _numbers(data, at)
    return Published(subscription, available, has_more, notification, results)


def decode_republish(data: bytes) -> Notification:
    """The notification in the answer to a republish request.

    Raises:
        Rejected: as `decode_publish`.
    """
    return _notification(data, _body(data, _REPUBLISH))[0]


def decode_history(data: bytes) -> list[Past]:
    """The values that HistoryRead found, for each node that was asked for.

    Raises:
        Rejected: as `decode_publish`.
    """
    count, at = length_at(data, _body(data, _HISTORY), 11)
    found = []
    for _ in range(count):
        end = need(data, at, 4)
        (status,) = _U32.unpack_from(data, at)
        size, start = length_at(data, end)
        at = start + size
        continuation = data[start:at]
        after, body = extension_end(data, at)
        number = _id(data, at)
        items = decode_items(b"", 0, 0)[0]
        if after > body:
            if number not in (_HISTORY_DATA, _HISTORY_MODIFIED):
                raise Rejected(f"OPC UA message: history of an unknown form, i={number}, at byte {at}")
            inner = data[body:after]
            values, first = length_at(inner, 0)
            items, _ = decode_items(inner, first, values, head=0)
        found.append(Past(status, continuation, items))
        at = after
    return found


def _body(data: bytes, expected: int) -> int:
    """Where the body of this kind of answer begins, after its header (7.33)."""
    number = _id(data, 0)
    if number != expected:
        raise Rejected(f"OPC UA message: i={number} instead of i={expected}")
    at = node_end(data, 0)
    end = need(data, at, _HEADER.size)
    (_, _, result) = _HEADER.unpack_from(data, at)
    at = extension_end(data, texts_end(data, diagnostic_end(data, end)))[0]
    if result >> 30 >= 2:
        raise Rejected(f"OPC UA message: the server answers 0x{result:08X}")
    return at


def _id(data: bytes, at: int) -> int:
    """The number of a type's encoding in namespace 0, -1 where it is none."""
    need(data, at, 2)
    if data[at] == 1:
        need(data, at, 4)
        return int.from_bytes(data[at + 2 : at + 4], "little") if data[at + 1] == 0 else -1
    if data[at] == 2:
        need(data, at, 7)
        return int.from_bytes(data[at + 3 : at + 7], "little") if data[at + 1 : at + 3] == b"\0\0" else -1
    return data[at + 1] if data[at] == 0 else -1


def _numbers(data: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count, at = length_at(data, at, 4)
    return struct.unpack_from(f"<{count}I", data, at), at + 4 * count


def _notification(data: bytes, at: int) -> tuple[Notification, int]:
    end = need(data, at, _NUMBER_AND_TIME.size)
    sequence, _ = _NUMBER_AND_TIME.unpack_from(data, at)
    count, at = length_at(data, end, 3)
    items: list[Items] = []
    status = None
    for _ in range(count):
        number = _id(data, at)
        after, body = extension_end(data, at)
        if number == _DATA_CHANGE:
            items.append(_data_change(data[:after], body))
        elif number == _STATUS_CHANGE:
            need(data[:after], body, 4)
            (status,) = _U32.unpack_from(data, body)
        # Events are not asked for; what else comes is passed over.
        at = after
    return Notification(sequence, tuple(items), count == 0, status), at


def _data_change(data: bytes, at: int) -> Items:
    count, at = length_at(data, at, 5)
    items, at = decode_items(data, at, count)
    infos, at = length_at(data, at) if at < len(data) else (0, at)
    for _ in range(infos):
        at = diagnostic_end(data, at)
    if at != len(data):
        raise Rejected(f"OPC UA message: {len(data) - at} bytes too many after the values")
    return items


