"""Whether the edge hears each machine's own controller: a signal that the edge makes itself, on change and as a heartbeat."""

import asyncio

from edge.recorder import OWN, Recorder
from edge.source import Delivery
from workshop.block import block_of
from workshop.reading import Reading
from workshop.register import Workshop
from workshop.signal import Origin, signal_id
from workshop.states import LinkState
from workshop.window import Clock

HEARTBEAT_S = 1.0


class Links:
    """The link states of all equipment of this edge."""

    def __init__(self, register: Workshop, equipment: list[str], recorder: Recorder, clock: Clock) -> None:
        """Everything is down until a source says otherwise."""
        self.is_up = dict.fromkeys(equipment, False)
        self._recorder, self._clock = recorder, clock
        self._last_us = 0
        self._signals: dict[str, str] = {}
        for item in register.equipment:
            signal = item.signal("link_state")
            if item.id in self.is_up and signal is not None and signal.origin is Origin.EDGE:
                self._signals[item.id] = signal_id(item.id, signal.name)

    async def change(self, links: dict[str, bool]) -> None:
        """Records what is new."""
        changed = [equipment for equipment, is_up in links.items() if self.is_up.get(equipment) is not is_up]
        self.is_up.update({equipment: links[equipment] for equipment in changed})
        await self._record(changed)

    async def beat(self) -> None:
        """Records every state once a second until cancelled, beginning now."""
        while True:
            await self._record(list(self.is_up))
            await asyncio.sleep(HEARTBEAT_S)

    def down(self) -> list[str]:
        """Equipment that is not heard at the moment."""
        return [equipment for equipment, is_up in self.is_up.items() if not is_up]

    async def _record(self, equipment: list[str]) -> None:
        # A state that changes within one microsecond would contradict itself.
        now_us = self._last_us = max(self._clock(), self._last_us + 1)
        readings = [
            Reading(self._signals[name], now_us, now_us, int(LinkState.UP if self.is_up[name] else LinkState.DOWN)) for name in equipment
            if name in self._signals
        ]
        if readings:
            await self._recorder.put(OWN, [Delivery(block_of(readings))])
