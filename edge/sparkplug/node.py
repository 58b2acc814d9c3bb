"""One edge node as a host application sees it: births, deaths, order, and when to ask for a rebirth. Numbers are those of the checklist in
docs/how-to/connect-a-sparkplug-node.md. Pure: time is passed in, as monotonic seconds.
"""

import logging
from typing import NamedTuple

from edge.gathering import Gathering
from edge.source import Loss, MappedSignal
from edge.sparkplug.births import Births, Unknown
from edge.sparkplug.order import Order
from edge.sparkplug.payload import Payload, bd_seq_of, decode
from workshop.errors import Rejected

_log = logging.getLogger(__name__)
_OWN_ACCORD_S = 0.3
"""A node that waits for its host is born by itself when the host comes."""


class Timing(NamedTuple):
    """How patient the host is, s."""

    reorder_s: float
    rebirth_s: float
    """At least this long between two requests."""
    hold_s: float = 1.0
    """How long the values of a birth wait for what the node has kept, which is older."""


class _Message(NamedTuple):
    kind: str
    device: str
    payload: Payload
    data: bytes
    received_us: int


class EdgeNode:
    """The state of one edge node and its devices."""

    def __init__(self, name: str, signals: dict[tuple[str, str], MappedSignal], timing: Timing) -> None:
        """For these signals by (device, metric); `""` is the node itself."""
        self.is_alive = False
        self.births = Births(signals)
        self.signals = tuple(signal.id for signal in signals.values())
        self.devices = frozenset(device for device, _ in signals)
        """Those that an address names; `""` is the node itself."""
        self.stale: dict[str, str] = {}
        """Signal → why its last value says nothing about now."""
        self.rebirths = 0
        """Requests so far."""
        self._name, self._timing, self._mapped = name, timing, signals
        self._order: Order[_Message] = Order()
        self._bd_seq: int | None = None
        self._held: dict[str, _Message] = {}
        self._reorder_at = self._hold_at = self._ask_at = float("inf")
        self._asked_at = float("-inf")
        self._is_lost = False
        """Whether a loss of everything has been declared, and nothing has come since."""

    def begin(self, now: float) -> None:
        """A new connection to the broker: nothing is known of the node until it is born; it is asked soon if it is not by itself."""
        self.is_alive, self._held = False, {}
        self.births.lose(self.signals)
        self._reorder_at = self._hold_at = float("inf")
        self._ask_at, self._asked_at = now + _OWN_ACCORD_S, float("-inf")

    def take(self, kind: str, device: str, data: bytes, received_us: int, now: float, gathering: Gathering) -> None:
        """A message of this node."""
        try:
            payload = decode(data)
        except Rejected as error:
            # Its seq is not known; the next message shows the hole.
            gathering.refuse(data, f"{self._name}: {kind}: {error}", () if self.is_alive and kind != "NBIRTH" else self.signals, about=self.signals)
            return
        message = _Message(kind, device, payload, data, received_us)
        if kind == "NBIRTH":
            self._born(message, now, gathering)
        elif kind == "NDEATH":
            # 31: the Will of an older connection may come late.
            if self.is_alive:
                self._died(message, now, gathering)
        elif not self.is_alive:
            self._want("it sends before its birth", now, gathering)
        elif payload.seq is None or not 0 <= payload.seq <= 255:
            gathering.refuse(data, f"{self._name}: {kind} without a seq from 0 to 255", self.signals)
        elif (other := self._order.held(payload.seq)) is not None and other.data != data:
            gathering.refuse(data, f"{self._name}: {kind}: another message has the same seq {payload.seq}", self.signals)
        else:
            for ready in self._order.take(payload.seq, message):
                self._apply(ready, now, gathering)
            if not self._order.waits:
                self._reorder_at = float("inf")
            elif self._reorder_at == float("inf"):
                self._reorder_at = now + self._timing.reorder_s

    def tick(self, now: float, gathering: Gathering) -> bool:
        """What time brings; returns whether a rebirth is to be requested now."""
        if now >= self._reorder_at:
            self._give_up(now, gathering)
        if now >= self._hold_at:
            self._release(gathering, tuple(self._held))
        if now < self._ask_at:
            return False
        self._ask_at = float("inf")
        self._asked_at = now
        self.rebirths += 1
        if not self.is_alive:
            self._set_stale(tuple(set(self.signals) - set(self.stale)), f"edge node {self._name} was not born yet")
        return True

    def next_at(self) -> float:
        """When `tick` has something to do."""
        return min(self._reorder_at, self._hold_at, self._ask_at)

    def equipment(self, device: str) -> set[str]:
        """Equipment whose signals come from this device."""
        return {signal.equipment for (owner, _), signal in self._mapped.items() if owner == device}

    def _born(self, message: _Message, now: float, gathering: Gathering) -> None:
        bd_seq = bd_seq_of(message.payload)
        if bd_seq is None or message.payload.seq != 0:
            gathering.refuse(message.data, f"{self._name}: NBIRTH without bdSeq or with a seq other than 0", self.signals)
            self._want("its birth is not one", now, gathering)
            return
        if self.is_alive:
            if self._order.waits:
                self._give_up(now, gathering)
            self._release(gathering, tuple(self._held))
            if bd_seq != self._bd_seq:
                self._lose(f"edge node {self._name} connected again", gathering)
        _log.info("sparkplug %s: born, bdSeq %d", self._name, bd_seq)
        gone = self.births.born - {""}
        self.is_alive, self._bd_seq = True, bd_seq
        self._reorder_at = self._ask_at = float("inf")
        self._order.begin()
        self.births.forget()
        for device in gone:
            # Until its own birth follows.
            self._set_stale(self._of(device), "no birth yet")
        self._define(message, gathering, now)

    def _died(self, message: _Message, now: float, gathering: Gathering) -> None:
        bd_seq = bd_seq_of(message.payload)
        if bd_seq is None:
            gathering.refuse(message.data, f"{self._name}: NDEATH without bdSeq", self.signals)
            self._want("its death is not one", now, gathering)
        elif bd_seq == self._bd_seq:
            if self._order.waits:
                self._give_up(now, gathering)
            self._die(f"edge node {self._name} died", gathering)
            self._ask_at = float("inf")
        else:
            # 34: the Will of another connection, before or after the one whose birth is known; nothing is lost by asking.
            self._ask(now)

    def _apply(self, message: _Message, now: float, gathering: Gathering) -> None:
        kind, device = message.kind, message.device
        if kind == "DBIRTH":
            self._define(message, gathering, now)
        elif kind == "DDEATH":
            self._release(gathering, (device,))
            self.births.born.discard(device)
            self._end((device,), f"device {device} died", gathering)
        elif device not in self.births.born:
            self._want(f"data of '{device}' before its birth", now, gathering)
        else:
            if not any(metric.is_historical for metric in message.payload.metrics):
                self._release(gathering, (device,))
            try:
                self._is_lost = False
                self.births.gather(device, message.payload, message.data, message.received_us, gathering)
            except Unknown as error:
                self._want(str(error), now, gathering)

    def _define(self, message: _Message, gathering: Gathering, now: float) -> None:
        for fault in self.births.define(message.device, message.payload):
            gathering.refuse(message.data, f"{self._name}: {message.kind}: {fault}")
        for signal in self._of(message.device):
            self.stale.pop(signal, None)
        for equipment in self.equipment(message.device):
            gathering.link(equipment, True)
        # 35: what the node kept while it was offline follows its births and is older than they are.
        self._held[message.device] = message
        self._hold_at = now + self._timing.hold_s

    def _release(self, gathering: Gathering, devices: tuple[str, ...]) -> None:
        for device in devices:
            message = self._held.pop(device, None)
            if message is not None:
                try:
                    self._is_lost = False
                    self.births.gather(device, message.payload, message.data, message.received_us, gathering, is_birth=True)
                except Unknown as error:
                    # Metrics that `define` has refused, and said so.
                    _log.debug("sparkplug %s: %s", self._name, error)
        if not self._held:
            self._hold_at = float("inf")

    def _give_up(self, now: float, gathering: Gathering) -> None:
        """33: the missing message did not come in time."""
        self._reorder_at = float("inf")
        self._lose("Sparkplug messages lost", gathering)
        for message in self._order.give_up():
            self._apply(message, now, gathering)
        self._want("messages are missing", now, gathering)

    def _want(self, why: str, now: float, gathering: Gathering) -> None:
        """34: asks for a rebirth, not more often than agreed. What cannot be read until then is lost."""
        if self._ask_at == float("inf"):
            _log.warning("sparkplug %s: asking for a rebirth: %s", self._name, why)
        if not self._is_lost:
            self._lose(f"Sparkplug: {why}", gathering)
        self._ask(now)

    def _ask(self, now: float) -> None:
        self._ask_at = min(self._ask_at, max(now, self._asked_at + self._timing.rebirth_s))

    def _die(self, why: str, gathering: Gathering) -> None:
        self._release(gathering, tuple(self._held))
        self.is_alive, self._reorder_at = False, float("inf")
        self.births.born.clear()
        self._end(tuple(self.devices), why, gathering)
        _log.info("sparkplug: %s", why)

    def _end(self, devices: tuple[str, ...], why: str, gathering: Gathering) -> None:
        signals = tuple(signal for device in devices for signal in self._of(device))
        self.births.lose(signals)
        gathering.lose(Loss(signals, why))
        self._set_stale(signals, why)
        for device in devices:
            for equipment in self.equipment(device):
                gathering.link(equipment, False)

    def _lose(self, why: str, gathering: Gathering) -> None:
        self.births.lose(self.signals)
        gathering.lose(Loss(self.signals, why))
        self._is_lost = True

    def _set_stale(self, signals: tuple[str, ...], why: str) -> None:
        self.stale |= dict.fromkeys(signals, f"stale: {why}")

    def _of(self, device: str) -> tuple[str, ...]:
        return tuple(signal.id for (owner, _), signal in self._mapped.items() if owner == device)
