"""Readings: the fact, one value of one signal at one time."""

from enum import IntEnum

import msgspec


class Quality(IntEnum):
    """Trust in a reading: the two top bits of an OPC UA StatusCode; Sparkplug 192 / 500 / 0."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class ValueKind(IntEnum):
    """Which column of a block holds the value."""

    NONE = 0  # bad quality: there is no value, not 0 and not NaN
    F64 = 1
    I64 = 2   # booleans too
    TEXT = 3


Value = float | int | str | None
HISTORICAL = "Historical"
"""Status of a good reading that its source declares to be of the past (Sparkplug's `is_historical`): stored, and never what holds now."""
AGED = "Aged"
"""Status of a good reading that is told long after its time because nothing has changed since, or nobody asked: nobody's clock is wrong."""


class Reading(msgspec.Struct, frozen=True):
    """One fact. For single facts, tests and borders; many readings travel as a `Block`.

    Bad quality if and only if the value is None.
    """

    signal: str
    source_time_us: int
    received_time_us: int
    value: Value
    quality: Quality = Quality.GOOD
    status: str = ""
    """The status as the device said it; empty for plain good."""
