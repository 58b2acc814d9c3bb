"""Who was heard and when: no change is not no link, and a planned stop is neither. What status files and people look at; never evidence."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec
import numpy as np

from workshop.block import Block
from workshop.calendar import scheduled_windows
from workshop.register import Equipment, Workshop
from workshop.window import Window

_MINUTE_US = 60_000_000


class Silence(StrEnum):
    """Why a signal has no reading that is young enough."""

    NO_CHANGE = "no change"   # the equipment is heard; nothing new of this signal
    NO_LINK = "no link"       # the equipment is not heard
    PLANNED = "planned stop"  # it is not heard, and the calendar plans no work now
    NEVER = "never heard"     # nothing came since the edge began


class SignalLife(msgspec.Struct, frozen=True):
    """One signal."""

    heard_us: int
    """When its last reading came in, by the edge's clock; 0 before the first."""
    stale: str = ""
    """Empty, or why there is none that is young enough (`Silence`)."""


class EquipmentLife(msgspec.Struct, frozen=True):
    """One piece of equipment."""

    link: bool
    heard_us: int
    """When the last reading of any of its signals came in; 0 before the first."""
    planned: bool | None
    """Whether the calendar plans work now; None where the register has no shifts."""
    signals: dict[str, SignalLife]
    """By name."""

    def stale(self) -> dict[str, str]:
        """Signals without a reading that is young enough, with the reason."""
        return {name: life.stale for name, life in self.signals.items() if life.stale}


class Liveness:
    """When each signal was last heard."""

    def __init__(self, register: Workshop, signals: Iterable[str]) -> None:
        """For these signals of the register, those that the edge's sources read."""
        mapped = set(signals)
        self._register = register
        self._equipment: dict[str, tuple[Equipment, dict[str, tuple[str, int]]]] = {}
        for name, item, signal in register.signals():
            if name in mapped:
                self._equipment.setdefault(item.id, (item, {}))[1][name] = signal.name, signal.max_age_s * 1_000_000
        self._heard = dict.fromkeys(mapped, 0)
        self._planned: dict[str, tuple[int, bool]] = {}

    def note(self, block: Block) -> None:
        """Takes what was stored: of each signal when its newest row came in, to the commit."""
        if not len(block):
            return
        received_us = int(block.received_time_us.max())
        for number in np.flatnonzero(np.bincount(block.signal)).tolist():
            name = block.signals[number]
            if received_us > self._heard.get(name, received_us):
                self._heard[name] = received_us

    def look(self, links: Mapping[str, bool], now_us: int) -> dict[str, EquipmentLife]:
        """Every piece of equipment as it is now."""
        lives = {}
        for identifier, (item, signals) in self._equipment.items():
            is_up, planned = links.get(identifier, False), self._is_planned(item, now_us)
            heard = {name: self._heard[name] for name in signals}
            lives[identifier] = EquipmentLife(is_up, max(heard.values()), planned, {
                short: SignalLife(heard[name], self._why(heard[name], now_us - max_age_us, is_up, planned))
                for name, (short, max_age_us) in signals.items()
            })
        return lives

    @staticmethod
    def _why(heard_us: int, oldest_us: int, is_up: bool, planned: bool | None) -> str:
        if heard_us > oldest_us and heard_us:
            return ""
        if not is_up:
            return Silence.PLANNED if planned is False else Silence.NO_LINK
        return Silence.NO_CHANGE if heard_us else Silence.NEVER

    def _is_planned(self, item: Equipment, now_us: int) -> bool | None:
        if not self._register.shifts:
            return None
        minute = now_us // _MINUTE_US
        known = self._planned.get(item.id)
        if known is None or known[0] != minute:
            known = minute, bool(scheduled_windows(self._register, Window(now_us, now_us + 1), item))
            self._planned[item.id] = known
        return known[1]
