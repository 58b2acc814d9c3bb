"""What an MTConnect agent remembers: the last observations by number, and the latest of every data item."""

from collections import deque
from collections.abc import Iterable, Mapping

from simulators.mtconnect.items import Item, Observation

BUFFER = 8192


class OutOfRange(Exception):
    """A request for observations that are no longer or not yet there."""


class Agent:
    """Numbers observations from 1. A client that asks on with `next_sequence` in time misses none, and sees when it has."""

    def __init__(self, devices: Iterable[str], instance: int) -> None:
        """An agent that has just begun; `instance` differs from that of every earlier run."""
        self.devices = list(devices)
        self.instance = instance
        self.next_sequence = 1
        self._buffer: deque[Observation] = deque(maxlen=BUFFER)
        self._latest: dict[tuple[str, str], Observation] = {}

    @property
    def first_sequence(self) -> int:
        """The oldest that is still there."""
        return self._buffer[0].sequence if self._buffer else 1

    def observe(self, device: str, time_us: int, texts: Mapping[Item, str]) -> set[str]:
        """Take what has changed; returns the signals of which something was taken."""
        changed: set[str] = set()
        for item, text in texts.items():
            latest = self._latest.get((device, item.id))
            if latest is not None and latest.text == text:
                continue
            observation = Observation(self.next_sequence, device, item, time_us, text)
            self.next_sequence += 1
            self._buffer.append(observation)
            self._latest[device, item.id] = observation
            changed.add(item.signal)
        return changed

    def current(self, device: str | None) -> list[Observation]:
        """The latest of every data item, of all devices or of one."""
        return [one for one in self._latest.values() if device in (None, one.device)]

    def sample(self, device: str | None, start: int | None, count: int) -> tuple[list[Observation], int]:
        """Up to `count` observations from a number on (None: the oldest), and the number to ask for next.

        Raises:
            OutOfRange: the number is older than the buffer or lies beyond the next one.
        """
        at = self.first_sequence if start is None else start
        if not self.first_sequence <= at <= self.next_sequence:
            raise OutOfRange(f"'from' must be from {self.first_sequence} to {self.next_sequence}")
        rows: list[Observation] = []
        for one in self._buffer:
            if one.sequence >= at and device in (None, one.device):
                if len(rows) == count:
                    return rows, one.sequence
                rows.append(one)
        return rows, self.next_sequence
