"""Faults of a connection as the schedule has them: `link_down`, `link_flapping`, `lost_connection`."""

import asyncio
from collections.abc import Callable, Sequence

from simulators.clock import Clock
from simulators.schedule import Schedule

_LOOK_S = 0.05
_FLAP_US = 2_000_000


class Outage:
    """Watches the schedule for the equipment behind one connection; simulated time."""

    def __init__(self, schedule: Schedule, clock: Clock, equipment: Sequence[str], cut: Callable[[], None]) -> None:
        """`cut` breaks every connection that there is; it is called again and again while nobody may be connected."""
        self._schedule, self._clock, self._equipment, self._cut = schedule, clock, equipment, cut
        self._looked_us = clock()

    def is_down(self, now_us: int) -> bool:
        """Whether the link is down at this time, µs UTC: all along, or in the first half of every 2 s when it flaps."""
        for one in self._equipment:
            if self._schedule.active("link_down", one, now_us) is not None:
                return True
            flapping = self._schedule.active("link_flapping", one, now_us)
            if flapping is not None and (now_us - flapping.start_us) % _FLAP_US < _FLAP_US // 2:
                return True
        return False

    def look(self) -> None:
        """Do what is due now."""
        now_us = self._clock()
        # By its beginning: it lasts one moment, which may lie between two looks.
        lost = any(
            entry.kind == "lost_connection" and self._looked_us < entry.start_us <= now_us
            for one in self._equipment for entry in self._schedule.entries(one)
        )
        self._looked_us = now_us
        if lost or self.is_down(now_us):
            self._cut()

    async def run(self) -> None:
        """Look twenty times a second, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)
