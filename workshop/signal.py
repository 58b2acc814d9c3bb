"""Signals: the definition of one measured quantity. The fact is a reading (`workshop.reading`)."""

from enum import StrEnum
from functools import lru_cache

import msgspec


class SignalKind(StrEnum):
    """How the values of a signal behave between readings."""

    GAUGE = "gauge"      # a measured value at an instant; float
    COUNTER = "counter"  # only grows, may reset or wrap; integer
    STATE = "state"      # holds until the next reading or its maximum age; integer
    EVENT = "event"      # happens at an instant; integer or text
    TEXT = "text"        # holds like a state; text


class Origin(StrEnum):
    """Where the readings of a signal are made."""

    MACHINE = "machine"  # the machine's own controller or meter
    EDGE = "edge"        # the edge itself: link state
    DERIVED = "derived"  # scores and forecasts of the analytics; never support a claim


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The definition of one measured quantity of one piece of equipment; its id is `equipment/name`."""

    name: str
    """Lower case, `[a-z0-9_]`, unique within the equipment."""
    role: str
    """What it means to an indicator: `item_state`, `good_count`, `energy_import` … Indicators ask for roles, never for addresses."""
    kind: SignalKind
    unit: str = ""
    """UCUM code; empty for dimensionless states and text."""
    max_age_s: int = 10
    """How long a reading may be held before the value counts as unknown, s."""
    origin: Origin = Origin.MACHINE
    deadband: str | None = None
    """Smallest change that is reported, as decimal text; with `%` of the range that the device states. Part of the definition, on gauges only."""
    title_zh: str = ""
    title_en: str = ""
    lower: str | msgspec.UnsetType = msgspec.UNSET
    """Least value that is allowed, as decimal text in the unit: the lower tolerance of a dimension, or a limit of safety. On gauges only. Where
    there is none, it is not written, so that registers without limits keep their digests."""
    upper: str | msgspec.UnsetType = msgspec.UNSET
    """Greatest value that is allowed; likewise."""


def signal_id(equipment: str, name: str) -> str:
    """The id of a signal: `equipment/name`."""
    return f"{equipment}/{name}"


@lru_cache(2**16)
def split_signal_id(identifier: str) -> tuple[str, str]:
    """Equipment and name of a signal id."""
    equipment, _, name = identifier.partition("/")
    return equipment, name
