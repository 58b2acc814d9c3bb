"""Gathers readings into deliveries, so that a loss always comes before the rows that follow it and after those that came before it."""

from collections.abc import Callable, Iterable

from edge.source import Delivery, Loss, Refusal
from workshop.block import I64_MAX, I64_MIN, Block, block_of, concat
from workshop.reading import Quality, Reading

EARLIEST_US = 946_684_800_000_000
"""2000-01-01 UTC. Before it, a device shows a clock that was never set; such a time would spoil every window."""
LATEST_US = 4_102_444_800_000_000
"""2100-01-01 UTC."""
MAX_TEXT = 65_536
_MAX_PAYLOAD = 65_536


class Gathering:
    """Deliveries in the making: of one message or of as many as have arrived."""

    def __init__(self) -> None:
        self._done: list[Delivery] = []
        self._clear()

    def _clear(self) -> None:
        self._readings: list[Reading] = []
        self._blocks: list[Block] = []
        self._links: dict[str, bool] = {}
        self._losses: list[Loss] = []
        self._repeats: tuple[str, ...] = ()
        self._refusals: list[Refusal] = []
        self._signals: set[str] = set()
        self._is_historical = False

    def add(self, reading: Reading, *, is_historical: bool = False) -> None:
        """Takes one reading; one that cannot be stored is refused, and its signal counts as lost there.

        Args:
            is_historical: the device says that this is the past; such rows go into deliveries of their own.
        """
        if reason := _unfit(reading):
            self.refuse(repr(reading).encode(errors="backslashreplace"), f"{reading.signal}: {reason}", (reading.signal,))
            return
        self._turn(is_historical)
        self._readings.append(reading)
        self._signals.add(reading.signal)

    def extend(self, block: Block) -> None:
        """Takes many readings at once, all of which can be stored; the source has looked."""
        self._turn(False)
        self._flush()
        self._blocks.append(block)

    def lose(self, loss: Loss) -> None:
        """Notes that readings of these signals may be missing from here on."""
        if not loss.signals:
            return
        if self._blocks or not self._signals.isdisjoint(loss.signals):
            self._end(None)
        self._losses.append(loss)

    def repeat(self, signals: tuple[str, ...]) -> None:
        """Notes that stored readings of these signals may come again from here on."""
        if self._blocks or not self._signals.isdisjoint(signals):
            self._end(None)
        self._repeats += signals

    def refuse(self, payload: bytes, reason: str, signals: Iterable[str] = (), *, about: Iterable[str] = ()) -> None:
        """Takes source data for quarantine; the signals that it would have held are lost until their next reading.

        Args:
            about: those that it would have held where their loss shows by itself.
        """
        names = tuple(signals)
        self._refusals.append(Refusal(payload[:_MAX_PAYLOAD], reason, names or tuple(about)))
        self.lose(Loss(names, "malformed source data"))

    def link(self, equipment: str, is_up: bool) -> None:
        """Notes that the edge hears this equipment, or no longer does."""
        self._links[equipment] = is_up

    def deliveries(self, on_committed: Callable[[], None] | None) -> list[Delivery]:
        """Everything gathered, in order; `on_committed` belongs to all of it."""
        self._end(on_committed)
        done, self._done = self._done, []
        return done

    def _end(self, on_committed: Callable[[], None] | None) -> None:
        self._flush()
        if self._blocks or self._links or self._losses or self._refusals or self._repeats or on_committed is not None:
            self._done.append(Delivery(
                concat(self._blocks), self._links, tuple(self._losses), tuple(self._refusals), on_committed, self._repeats, self._is_historical,
            ))
        self._clear()

    def _turn(self, is_historical: bool) -> None:
        if is_historical != self._is_historical and (self._blocks or self._readings):
            self._end(None)
        self._is_historical = is_historical

    def _flush(self) -> None:
        if self._readings:
            self._blocks.append(block_of(self._readings))
            self._readings = []


def _unfit(reading: Reading) -> str:
    """Why a reading cannot be stored; empty if it can."""
    value = reading.value
    if not EARLIEST_US <= reading.source_time_us < LATEST_US:
        return f"source time {reading.source_time_us} µs is not between the years 2000 and 2100"
    if isinstance(value, int) and not I64_MIN <= value <= I64_MAX:
        return f"integer {value} does not fit in 64 bits"
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            return f"text of {len(value)} characters; at most {MAX_TEXT}"
        if not _is_unicode(value):
            return "text is not valid Unicode"
    if (value is None) != (reading.quality is Quality.BAD):
        return "a missing value and bad quality belong together"
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
