"""How far the edge's clock is from its gateway's, from the questions that the edge asks it anyway. Pure."""

from collections import deque
from typing import NamedTuple

_KEPT = 8


class _Exchange(NamedTuple):
    round_us: int
    offset_us: int


class GatewayClock:
    """The offset of the latest exchanges: that of the quickest one, since the way there and back is what is not known of it (RFC 5905, clause 10)."""

    def __init__(self) -> None:
        self._exchanges: deque[_Exchange] = deque(maxlen=_KEPT)

    def note(self, asked_us: int, answered_us: int, gateway_us: int) -> None:
        """Takes note of a question and its answer by our clock, and of the gateway's time between."""
        if gateway_us > 0 and answered_us >= asked_us:
            self._exchanges.append(_Exchange(answered_us - asked_us, (asked_us + answered_us) // 2 - gateway_us))

    @property
    def offset_us(self) -> int | None:
        """Our clock minus the gateway's, µs; None before the first answer. Known to half of `round_us`."""
        return min(self._exchanges).offset_us if self._exchanges else None

    @property
    def round_us(self) -> int | None:
        """How long the quickest exchange took, µs."""
        return min(self._exchanges).round_us if self._exchanges else None
