"""From what a machine shows to OPC UA values and identifiers."""

from datetime import UTC, datetime, timedelta
from typing import TypeAlias, cast

import msgspec
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from simulators.machine import Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GOOD = ua.StatusCode(ua.UInt32(StatusCodes.Good))
# UNECE Recommendation 20 codes, as OPC UA Part 8 wants them in EUInformation, by UCUM code; {part} and {cycle} have none there.
_UNECE = {
    "%": "P1", "{rev}/min": "RPM", "Cel": "CEL", "mm/s": "C16", "W": "WTT", "W.h": "WHR", "mm": "MMT", "bar": "BAR", "deg/s": "E96", "deg": "DD",
    "A": "AMP", "V": "VLT", "Hz": "HTZ", "kg": "KGM", "min": "MIN", "s": "SEC", "L/min": "L2", "mm/min": "H81", "N.m": "NU",
}


class Unit(msgspec.Struct, frozen=True):
    """A UCUM code, where an EUInformation is wanted."""

    ucum: str


class Limits(msgspec.Struct, frozen=True):
    """Lowest and highest value, where a Range is wanted."""

    low: float
    high: float


class State(msgspec.Struct, frozen=True):
    """A state of a state machine by its StateNumber, as its name (`text`) or its node (`id`)."""

    number: int
    as_what: str


Shown: TypeAlias = Value | bool | Unit | Limits | State
"""What a companion node can hold."""


def node_id(text: str, index: int) -> ua.NodeId:
    """A string identifier."""
    return ua.NodeId(ua.String(text), ua.Int16(index))


def date_time(time_us: int) -> ua.DateTime:
    """Exact: OPC UA counts 100 ns since 1601, so that every whole µs has its number and comes back unchanged."""
    return cast(ua.DateTime, EPOCH + timedelta(microseconds=time_us))


def time_us(stamp: datetime) -> int:
    """µs UTC since 1970."""
    return (stamp - EPOCH) // timedelta(microseconds=1)


def engineering_units(ucum: str) -> ua.EUInformation:
    """The unit as OPC UA says it; UnitId is the UNECE code read as a number, -1 where there is none (Part 8, 5.6.3)."""
    code = _UNECE.get(ucum)
    unit_id = -1 if code is None else int.from_bytes(code.encode(), "big")
    name = ua.LocalizedText(Text=ua.String(ucum))
    return ua.EUInformation(ua.String("http://www.opcfoundation.org/UA/units/un/cefact"), ua.Int32(unit_id), name, name)
