"""The order of an edge node's messages: `seq` goes 0 to 255 and round again; a message that comes too early waits for the one before it. Pure."""

from typing import Generic, TypeVar

T = TypeVar("T")
_NUMBERS = 256


class Order(Generic[T]):
    """Messages of one edge node between two births."""

    def __init__(self) -> None:
        self._expected = 0
        self._held: dict[int, T] = {}

    @property
    def waits(self) -> bool:
        """Whether a message is missing and others wait for it."""
        return bool(self._held)

    def held(self, seq: int) -> T | None:
        """The message of this number that waits."""
        return self._held.get(seq)

    def begin(self) -> None:
        """A birth of the node, which is message 0."""
        self._expected, self._held = 1, {}

    def take(self, seq: int, message: T) -> list[T]:
        """The messages whose turn it is with this one, in order. One that comes again in place of another that waits is dropped."""
        if seq != self._expected:
            self._held.setdefault(seq, message)
            return []
        ready = [message]
        self._expected = (seq + 1) % _NUMBERS
        while self._expected in self._held:
            ready.append(self._held.pop(self._expected))
            self._expected = (self._expected + 1) % _NUMBERS
        return ready

    def give_up(self) -> list[T]:
        """What waits, in order; what was missing before or among it is lost."""
        numbers = sorted(self._held, key=lambda seq: (seq - self._expected) % _NUMBERS)
        ready = [self._held[seq] for seq in numbers]
        self._held = {}
        if numbers:
            self._expected = (numbers[-1] + 1) % _NUMBERS
        return ready
