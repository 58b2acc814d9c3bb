"""JSON payloads as readings: JMESPath says where a value stands, the payload's block where its time and number stand. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError

from edge.gathering import Gathering
from edge.source import MappedSignal
from workshop.errors import ConfigError, Rejected
from workshop.reading import Reading, Value
from workshop.signal import SignalKind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_UNIT_US = {"us": 1, "ms": 1_000, "s": 1_000_000}
_EXACT_INTEGER = 2**53
TimeFormat = Literal["us", "ms", "s", "iso"]


class PayloadBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[source.payload.<map>]`: where the payloads of a map say when they were made and which one they are."""

    time: str
    """JMESPath of the source time."""
    time_format: TimeFormat
    """us, ms or s since 1970 UTC, or iso: ISO 8601 with a zone."""
    sequence: str | None = None
    """JMESPath of a number that grows by 1 with each message of one topic; with it losses and repetitions are noticed."""
    boot: str | None = None
    """JMESPath of something that changes when the device starts again and counts anew."""
    boot_format: TimeFormat | None = None
    """Set it where `boot` is the time of that start: then a loss before the very first message can be declared, too."""
    link: str | None = None
    """Topic on which the equipment says `online`, and the broker in its place `offline`, retained."""
    online: str = "online"


class Message(msgspec.Struct, frozen=True):
    """What one payload says besides its values."""

    content: Any
    source_time_us: int
    sequence: int | None
    boot: int | str | None
    boot_us: int | None


class PayloadReader:
    """Reads the payloads of one topic."""

    def __init__(self, block: PayloadBlock, fields: list[tuple[MappedSignal, str]], where: str) -> None:
        """For these signals with their JMESPath expressions.

        Raises:
            ConfigError: an expression that is not JMESPath, or `boot` without `sequence`.
        """
        self.signals = tuple(signal.id for signal, _ in fields)
        self._block = block
        self._fields = [(signal, _compile(path, f"{where}: {signal.id}")) for signal, path in fields]
        self._time = _compile(block.time, f"{where}: time")
        self._sequence = _compile(block.sequence, f"{where}: sequence") if block.sequence is not None else None
        self._boot = _compile(block.boot, f"{where}: boot") if block.boot is not None else None
        if self._boot is not None and self._sequence is None:
            raise ConfigError(f"{where}: boot without sequence says nothing; add sequence")
        if block.boot_format is not None and self._boot is None:
            raise ConfigError(f"{where}: boot_format without boot says nothing; add boot")

    @property
    def is_numbered(self) -> bool:
        """Whether the payloads carry sequence numbers."""
        return self._sequence is not None

    def parse(self, payload: bytes) -> Message:
        """Everything but the values.

        Raises:
            Rejected: not JSON (NaN is not), no time, no number where there should be one.
        """
        try:
            content = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(f"not JSON: {error}") from error
        source_time_us = to_us(self._time.search(content), self._block.time_format)
        sequence = self._sequence.search(content) if self._sequence is not None else None
        if self._sequence is not None and (not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0):
            raise Rejected(f"sequence '{self._block.sequence}' is {sequence!r:.40}, not a number from 0 on")
        boot = self._boot.search(content) if self._boot is not None else None
        if self._boot is not None and (not isinstance(boot, int | str) or isinstance(boot, bool)):
            raise Rejected(f"boot '{self._block.boot}' is {boot!r:.40}, neither a whole number nor text")
        boot_us = to_us(boot, self._block.boot_format) if self._block.boot_format is not None else None
        return Message(content, source_time_us, sequence, boot, boot_us)

    def gather(self, message: Message, payload: bytes, received_us: int, gathering: Gathering) -> None:
        """Adds the values; a field that is missing or of the wrong type is refused, the others count."""
        for signal, path in self._fields:
            try:
                value = to_value(path.search(message.content), signal)
            except Rejected as error:
                gathering.refuse(payload, f"{signal.id}: {signal.address}: {error}", (signal.id,))
                continue
            gathering.add(Reading(signal.id, message.source_time_us, received_us, value))


def to_us(value: Any, form: TimeFormat) -> int:
    """A time as µs since 1970 UTC.

    Raises:
        Rejected: not a time of this form, or ISO 8601 without a zone.
    """
    if form == "iso":
        if not isinstance(value, str):
            raise Rejected(f"time {value!r:.40} is not ISO 8601 text")
        try:
            stamp = datetime.fromisoformat(value)
        except ValueError as error:
            raise Rejected(f"time '{value:.40}' is not ISO 8601") from error
        if stamp.tzinfo is None:
            raise Rejected(f"time '{value:.40}' has no zone")
        return (stamp - _EPOCH) // _US
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _EXACT_INTEGER:
        raise Rejected(f"time {value!r:.40} is not a number of {form} since 1970")
    return round(value * _UNIT_US[form])


def to_value(value: Any, signal: MappedSignal) -> Value:
    """A JSON value as the register's kind of signal wants it: gauges are floats, counters and states integers.

    Raises:
        Rejected: missing, or another type.
    """
    if value is None:
        raise Rejected("missing")
    match signal.kind:
        case SignalKind.GAUGE if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= (
            _EXACT_INTEGER if isinstance(value, int) else float("inf")
        ):
            return float(value)
        case SignalKind.COUNTER if isinstance(value, int) and not isinstance(value, bool):
            return value
        case SignalKind.STATE if isinstance(value, int):
            return int(value)
        case SignalKind.TEXT if isinstance(value, str):
            return value
        case SignalKind.EVENT if isinstance(value, int | str) and not isinstance(value, bool):
            return value
    raise Rejected(f"{value!r:.40} is no value for a {signal.kind}")


def _compile(path: str, where: str) -> Any:
    try:
        return jmespath.compile(path)
    except JMESPathError as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"{where}: '{path}' is not a JMESPath expression: {first}") from error
