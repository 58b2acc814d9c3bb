"""JSON payloads as readings: JMESPath says where a value stands, the payload's block where its time and number stand. Pure.

One message at a time, and every way of being wrong; `edge.json_columns` does the same for many good ones at once.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError
from msgspec import Meta

from edge.gathering import Gathering
from edge.json_values import NumbersAsText, TimeFormat, number_of, to_us, to_value, zone_of
from edge.source import MappedSignal
from workshop.errors import ConfigError, Rejected
from workshop.reading import Reading

__all__ = ["Message", "PayloadBlock", "PayloadReader", "TimeFormat", "to_us", "to_value"]


class PayloadBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[source.payload.<map>]`: where the payloads of a map say when they were made and which one they are."""

    time: str | None = None
    """JMESPath of the source time; None where the payload has none: then the time of reception stands for it."""
    time_format: TimeFormat | None = None
    """us, ms, s or ns since 1970 UTC, or iso: ISO 8601."""
    sequence: str | None = None
    """JMESPath of a number that grows by 1 with each message of one topic; with it losses and repetitions are noticed."""
    boot: str | None = None
    """JMESPath of something that changes when the device starts again and counts anew."""
    boot_format: TimeFormat | None = None
    """Set it where `boot` is the time of that start: then a loss before the very first message can be declared, too."""
    link: str | None = None
    """Topic on which the equipment says `online`, and the broker in its place `offline`, retained."""
    online: str = "online"
    time_offset: str | None = None
    """Zone of ISO 8601 times that state none, such as "+08:00"; without it they are refused."""
    numbers_as_text: NumbersAsText = "refuse"
    """Whether "12.5" is a number where the signal is one."""
    samples: str | None = None
    """JMESPath of an array of samples; values are then looked for in each of its elements, time too (unless `samples_every_us`)."""
    samples_every_us: Annotated[int, Meta(ge=1, le=3_600_000_000)] | None = None
    """Time from one sample to the next; `time` then stands in the payload and is that of the first sample."""


class Message(msgspec.Struct, frozen=True):
    """What one payload says besides its values."""

    content: Any
    source_time_us: int
    """Of the payload, or of its first sample; 0 where each sample has its own."""
    sequence: int | None
    boot: int | str | None
    boot_us: int | None


class PayloadReader:
    """Reads the payloads of one topic."""

    def __init__(self, block: PayloadBlock, fields: list[tuple[MappedSignal, str]], where: str) -> None:
        """For these signals with their JMESPath expressions.

        Raises:
            ConfigError: an expression that is not JMESPath, or options that say nothing without another.
        """
        self.signals = tuple(signal.id for signal, _ in fields)
        self.block = block
        self.fields = fields
        self._fields = [(signal, _compile(path, f"{where}: {signal.id}")) for signal, path in fields]
        self.zone = zone_of(block.time_offset, where)
        self._last_us = 0
        names = ("time", "sequence", "boot", "samples")
        paths = {name: path for name in names if (path := getattr(block, name)) is not None}
        self._paths = {name: _compile(path, f"{where}: {name}") for name, path in paths.items()}
        for name, needs in (
            ("boot", "sequence"), ("boot_format", "boot"), ("time", "time_format"), ("time_format", "time"), ("samples_every_us", "samples"),
            ("time_offset", "time"),
        ):
            if getattr(block, name) is not None and getattr(block, needs) is None:
                raise ConfigError(f"{where}: {name} without {needs} says nothing; add {needs}")
        if block.samples is not None and block.time is None:
            raise ConfigError(f"{where}: samples without time would all be of one moment; add time")
        self._samples_timed = block.samples is not None and block.samples_every_us is None

    @property
    def is_numbered(self) -> bool:
        """Whether the payloads carry sequence numbers."""
        return "sequence" in self._paths

    def parse(self, payload: bytes, received_us: int = 0) -> Message:
        """Everything but the values.

        Raises:
            Rejected: not JSON (NaN is not), no time, no number where there should be one.
        """
        try:
            content = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected(f"not JSON: {error}") from error
        source_time_us = 0 if self._samples_timed else self._time_us(content, received_us)
        sequence = self._find("sequence", content)
        if self.is_numbered and (not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 0):
            raise Rejected(f"sequence '{self.block.sequence}' is {sequence!r:.40}, not a number from 0 on")
        boot = self._find("boot", content)
        if self.block.boot is not None and (not isinstance(boot, int | str) or isinstance(boot, bool)):
            raise Rejected(f"boot '{self.block.boot}' is {boot!r:.40}, neither a whole number nor text")
        boot_us = to_us(boot, self.block.boot_format) if self.block.boot_format is not None else None
        return Message(content, source_time_us, sequence, boot, boot_us)

    def gather(self, message: Message, payload: bytes, received_us: int, gathering: Gathering) -> None:
        """Adds the values; a field that is missing or of the wrong type is refused, the others count."""
        try:
            for content, source_time_us in self._samples(message, received_us):
                self._gather(content, source_time_us, payload, received_us, gathering)
        except Rejected as error:
            gathering.refuse(payload, f"{self.signals[0]}: {error}", self.signals)

    def after(self, received_us: int) -> int:
        """The time of a payload that states none: when it was received, and later than the one before."""
        self._last_us = max(received_us, self._last_us + 1)
        return self._last_us

    def _gather(self, content: Any, source_time_us: int, payload: bytes, received_us: int, gathering: Gathering) -> None:
        for signal, path in self._fields:
            try:
                value = to_value(_search(path, content), signal, self.block.numbers_as_text)
            except Rejected as error:
                gathering.refuse(payload, f"{signal.id}: {signal.address}: {error}", (signal.id,))
                continue
            gathering.add(Reading(signal.id, source_time_us, received_us, value))

    def _samples(self, message: Message, received_us: int) -> Iterator[tuple[Any, int]]:
        if self.block.samples is None:
            yield message.content, message.source_time_us
            return
        samples = self._find("samples", message.content)
        if not isinstance(samples, list):
            raise Rejected(f"samples '{self.block.samples}' is {samples!r:.40}, not an array")
        for number, sample in enumerate(samples):
            every_us = self.block.samples_every_us
            yield sample, self._time_us(sample, received_us) if every_us is None else message.source_time_us + number * every_us

    def _time_us(self, content: Any, received_us: int) -> int:
        if self.block.time_format is None:
            return self.after(received_us)
        value = self._find("time", content)
        if isinstance(value, str) and self.block.numbers_as_text == "accept" and self.block.time_format != "iso":
            value = number_of(value)
        return to_us(value, self.block.time_format, self.zone)

    def _find(self, name: str, content: Any) -> Any:
        path = self._paths.get(name)
        return _search(path, content) if path is not None else None


def _search(path: Any, content: Any) -> Any:
    try:
        return path.search(content)
    except (JMESPathError, ArithmeticError, RecursionError, TypeError, ValueError, AttributeError) as error:
        # A function of the expression that this content does not suit.
        raise Rejected(f"{type(error).__name__} in its expression: {error!s:.100}") from error


def _compile(path: str, where: str) -> Any:
    try:
        return jmespath.compile(path)
    except JMESPathError as error:
        first = str(error).splitlines()[0]
        raise ConfigError(f"{where}: '{path}' is not a JMESPath expression: {first}") from error
