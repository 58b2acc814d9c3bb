"""What times and values in JSON, CSV and the like mean: as the kind of the signal wants them, or refused in words. Pure."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Literal

from edge.source import MappedSignal
from workshop.errors import ConfigError, Rejected
from workshop.reading import Value
from workshop.signal import SignalKind

TimeFormat = Literal["us", "ms", "s", "ns", "iso"]
NumbersAsText = Literal["refuse", "accept"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
UNIT_US = {"us": 1, "ms": 1_000, "s": 1_000_000}
EXACT_INTEGER = 2**53
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
# Without underscores, spaces and other scripts' digits, all of which Python would take.
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_MAX_NUMBER = 64


def zone_of(offset: str | None, where: str) -> tzinfo | None:
    """The zone of times that state none, such as "+08:00".

    Raises:
        ConfigError: of another form.
    """
    if offset is None:
        return None
    found = _OFFSET.fullmatch(offset)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise ConfigError(f"{where}: time_offset '{offset}': write it like +08:00")
    minutes = int(found[2]) * 60 + int(found[3])
    return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))


def to_us(value: Any, form: TimeFormat, zone: tzinfo | None = None) -> int:
    """A time as µs since 1970 UTC; `zone` is for ISO 8601 texts that state none.

    Raises:
        Rejected: not a time of this form, or ISO 8601 without a zone where none is given.
    """
    if form == "iso":
        if not isinstance(value, str):
            raise Rejected(f"time {value!r:.40} is not ISO 8601 text")
        try:
            stamp = datetime.fromisoformat(value)
            if stamp.tzinfo is None:
                if zone is None:
                    raise Rejected(f"time '{value:.40}' has no zone; set time_offset if all of them are of one")
                stamp = stamp.replace(tzinfo=zone)
            return (stamp - _EPOCH) // _US
        except (ValueError, OverflowError) as error:
            raise Rejected(f"time '{value:.40}' is not ISO 8601") from error
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Rejected(f"time {value!r:.40} is not a number of {form} since 1970")
    if form == "ns":
        if not isinstance(value, int) or abs(value) >= 2**63:
            raise Rejected(f"time {value!r:.40} is not a whole number of ns since 1970")
        return value // 1000
    # The comparison is false for NaN.
    if not abs(value) <= EXACT_INTEGER:
        raise Rejected(f"time {value!r:.40} is not a number of {form} since 1970")
    return round(value * UNIT_US[form])


def to_value(value: Any, signal: MappedSignal, numbers_as_text: NumbersAsText = "refuse") -> Value:
    """A JSON value as the register's kind of signal wants it: gauges are floats, counters and states integers.

    Raises:
        Rejected: missing, or another type.
    """
    if value is None:
        raise Rejected("missing")
    if isinstance(value, str) and numbers_as_text == "accept" and signal.kind in (SignalKind.GAUGE, SignalKind.COUNTER, SignalKind.STATE):
        value = number_of(value)
    match signal.kind:
        case SignalKind.GAUGE if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= (
            EXACT_INTEGER if isinstance(value, int) else float("inf")
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


def number_of(text: str) -> int | float:
    """A number that stands as text; an integer if it is written as one.

    Raises:
        Rejected: no number, or one that only Python would read.
    """
    plain = text.strip(" ")
    if len(plain) <= _MAX_NUMBER:
        if _WHOLE.fullmatch(plain):
            return int(plain)
        if _DECIMAL.fullmatch(plain) and abs(number := float(plain)) != float("inf"):
            return number
    raise Rejected(f"'{text:.40}' is no number")
