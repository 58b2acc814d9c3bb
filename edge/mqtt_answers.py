"""What a broker answers, in words: CONNACK, SUBACK and DISCONNECT of MQTT 3.1.1 and 5.0. Pure."""

import msgspec

from edge.mqtt_wire import Version
from workshop.errors import Rejected

_OLD = {
    1: "it does not speak this version of MQTT; set version", 2: "it refuses the client id", 3: "it is not available at the moment",
    4: "wrong user or password", 5: "not authorised: give user and password_file, or ask for the right",
}
_NEW = {
    0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "it refuses for reasons of its own",
    0x84: "it does not speak this version of MQTT; set version", 0x85: "it refuses the client id", 0x86: "wrong user or password",
    0x87: "not authorised: give user and password_file, or ask for the right", 0x88: "it is not available at the moment", 0x89: "it is busy",
    0x8A: "this client is banned", 0x8B: "it is shutting down", 0x8D: "it heard nothing from us in time",
    0x8E: "another client with our id has connected", 0x8F: "topic filter refused", 0x90: "topic refused", 0x93: "too many messages at once",
    0x95: "packet too large", 0x97: "quota exceeded", 0x98: "an administrator ended the connection", 0x9C: "use another server",
    0x9D: "it has moved", 0x9F: "connecting too often",
}
# 5.0, 2.2.2.2: identifier → bytes of the value; 0 for a variable byte integer, -1 for text or binary data, -2 for a pair of texts.
_SIZES = {
    0x01: 1, 0x02: 4, 0x03: -1, 0x08: -1, 0x09: -1, 0x0B: 0, 0x11: 4, 0x12: -1, 0x13: 2, 0x15: -1, 0x16: -1, 0x17: 1, 0x18: 4, 0x19: 1, 0x1A: -1,
    0x1C: -1, 0x1F: -1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1, 0x26: -2, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}
_REASON, _KEEPALIVE, _EXPIRY, _MAX_QOS = 0x1F, 0x13, 0x11, 0x24


class Welcome(msgspec.Struct, frozen=True):
    """A CONNACK."""

    refused: str = ""
    """Why the broker does not let us in; empty if it does."""
    has_session: bool = False
    keepalive_s: int | None = None
    """The broker's, where it wants another than ours."""
    session_expiry_s: int | None = None
    """The broker's, where it keeps our session for another time than we asked."""


def welcome(version: Version, body: bytes) -> Welcome:
    """A CONNACK.

    Raises:
        Rejected: too short, or properties that are none.
    """
    if len(body) < 2:
        raise Rejected("a CONNACK of less than two bytes")
    code = body[1]
    found = _properties(body[2:]) if version == "5" and len(body) > 2 else {}
    if code:
        words = (_NEW if version == "5" else _OLD).get(code, f"reason {code}")
        return Welcome(refused=_with_reason(words, found))
    return Welcome(
        has_session=bool(body[0] & 1), keepalive_s=_number(found, _KEEPALIVE), session_expiry_s=_number(found, _EXPIRY),
    )


def granted(version: Version, body: bytes) -> tuple[int, list[bool]]:
    """A SUBACK: its packet identifier, and for each filter whether we may read it.

    Raises:
        Rejected: too short.
    """
    at = 2
    if len(body) < 3:
        raise Rejected("a SUBACK of less than three bytes")
    if version == "5":
        size, at = _varint(body, 2)
        at += size
    return int.from_bytes(body[:2], "big"), [code < 0x80 for code in body[at:]]


def farewell(body: bytes) -> str:
    """Why the broker ends the connection (MQTT 5 only)."""
    code = body[0] if body else 0
    try:
        found = _properties(body[1:]) if len(body) > 1 else {}
    except Rejected:
        found = {}
    return _with_reason(_NEW.get(code, "no reason given" if not code else f"reason {code}"), found)


def _with_reason(words: str, found: dict[int, bytes]) -> str:
    said = found.get(_REASON, b"").decode(errors="backslashreplace")[:200]
    return f"{words} ({said})" if said else words


def _number(found: dict[int, bytes], name: int) -> int | None:
    return int.from_bytes(found[name], "big") if name in found else None


def _properties(data: bytes) -> dict[int, bytes]:
    size, at = _varint(data, 0)
    end = at + size
    if end > len(data):
        raise Rejected("properties that end too early")
    found: dict[int, bytes] = {}
    while at < end:
        name = data[at]
        width = _SIZES.get(name)
        if width is None:
            raise Rejected(f"property {name} is none of MQTT 5")
        start = at + 1
        if width > 0:
            at = start + width
        elif width == 0:
            _, at = _varint(data, start)
        else:
            at = start
            for _ in range(-width):
                start = at + 2
                at = start + int.from_bytes(data[at : at + 2], "big")
        found[name] = data[start:at]
    if at > end:
        raise Rejected("a property that ends too late")
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(4):
        if at + place >= len(data):
            raise Rejected("a number that ends too early")
        value |= (data[at + place] & 0x7F) << (7 * place)
        if data[at + place] < 0x80:
            return value, at + place + 1
    raise Rejected("a number of more than four bytes")
