"""What comes from a broker, and what it says for us when we are gone. Pure."""

import msgspec

EXCERPT = 1024
"""Bytes that are kept of a payload that is too large."""


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """A message as it came."""

    topic: str
    payload: bytes
    received_us: int
    mid: int
    qos: int
    retained: bool = False
    """The broker kept it from before our subscription."""
    repeated: bool = False
    """The broker says that it may have sent it before (DUP)."""
    size: int = -1
    """Bytes of a payload that is too large and of which only the beginning is here; -1 for one that is whole."""


class Will(msgspec.Struct, frozen=True):
    """What the broker says for us when we are gone."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
