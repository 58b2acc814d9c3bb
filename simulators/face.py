"""A face: how machines show themselves to the world. Every file in `simulators/faces` is one and exports `open_face`."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from simulators.clock import Clock
from simulators.machine import Machine
from simulators.schedule import Schedule
from simulators.truth import TruthWriter


class Stage(msgspec.Struct, frozen=True):
    """What every face is given: the machines to show, the time, the record to keep, the seed, and what is to go wrong (`schedule.active`)."""

    machines: Sequence[Machine]
    clock: Clock
    truth: TruthWriter
    seed: int
    schedule: Schedule = msgspec.field(default_factory=Schedule)


class Face(Protocol):
    """An open face. Each module's `open_face(block, stage)` takes its block of the settings and returns one when it can be reached."""

    async def offer(self, machine: Machine, now_us: int) -> None:
        """Scan the machine at this time, µs UTC, offer every value to whoever samples, and record it as truth."""
        ...

    async def close(self) -> None:
        """Leave the network in good order, within two seconds."""
        ...
