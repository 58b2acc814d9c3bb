"""A machine as its controller shows it: the seam between the physics of one kind of equipment and the protocol that offers its values."""

import hashlib
from collections.abc import Mapping
from enum import IntEnum
from typing import Protocol, TypeAlias

import msgspec
import numpy as np

Value: TypeAlias = int | float | str
"""What a controller shows: an integer (counter, state), a finite float (gauge) or a text."""

Values: TypeAlias = dict[str, Value]
"""One scan: every signal of the machine by its name in the register."""


class ItemState(IntEnum):
    """What the machine does: MachineryItemState of OPC 40001-1."""

    NOT_AVAILABLE = 0
    OUT_OF_SERVICE = 1
    NOT_EXECUTING = 2
    EXECUTING = 3


class OperationMode(IntEnum):
    """What the machine is for at this time: MachineryOperationMode of OPC 40001-1."""

    NONE = 0
    MAINTENANCE = 1
    SETUP = 2
    PROCESSING = 3


class Event(msgspec.Struct, frozen=True):
    """Something that really happened in a machine and that no sampler is told: a part was finished, a bearing began to wear."""

    name: str
    time_us: int
    details: dict[str, Value]


class Machine(Protocol):
    """One piece of simulated equipment. It advances by the time of its scans, not by their number, and is the same for the same seed and stamps."""

    equipment: str
    """Its id in the register."""
    kind: str
    """The kind of equipment, a name of `simulators.kinds`."""
    units: Mapping[str, str]
    """UCUM codes of the signals that have a unit."""
    due_us: int
    """When it wants to be scanned next, µs UTC; 0 before the first scan."""

    def scan(self, now_us: int) -> Values:
        """Every signal as of one stamp of the machine's clock, µs UTC."""
        ...

    def detail(self) -> Values:
        """Everything that a richer face shows beyond the register's signals, as of the last scan; looking changes nothing that scan() shows."""
        ...

    def take_events(self) -> list[Event]:
        """What has happened since the last call, oldest first."""
        ...


def generator(seed: int, *names: str) -> np.random.Generator:
    """The dice of one machine and one purpose: the same for the same seed and names in every process and on every computer."""
    # Python's hash() of a text differs between processes; a digest does not.
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def quantise(value: float, step: float) -> float:
    """The value as a sensor with this resolution shows it, for instance 43.7 for a step of 0.1."""
    # The second rounding removes the tail that the multiplication leaves (0.30000000000000004), as a controller's decimal display does.
    return round(round(value / step) * step, 6)


def next_due_us(due_us: int, now_us: int, period_us: int) -> int:
    """When the next scan of a periodic machine is due, µs UTC; scans that the computer was too late for are left out."""
    following_us = due_us + period_us
    return following_us if following_us > now_us else now_us + period_us
