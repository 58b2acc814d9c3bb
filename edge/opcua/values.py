"""What an OPC UA DataValue means as a reading. Pure: no connection."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from edge.gathering import Gathering
from edge.opcua.items import FROM_SERVER, FROM_SOURCE, UNSTAMPED
from edge.source import Loss
from workshop.reading import Quality, Reading

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_FLOATS = {ua.VariantType.Double, ua.VariantType.Float}
_INTEGERS = {
    ua.VariantType.Boolean, ua.VariantType.SByte, ua.VariantType.Byte, ua.VariantType.Int16, ua.VariantType.UInt16, ua.VariantType.Int32,
    ua.VariantType.UInt32, ua.VariantType.Int64, ua.VariantType.UInt64,
}
# Part 4, 7.39.1: the two top bits are the severity; bits 10 and 11 say what the info bits below are about, bit 7 that a queue overflowed.
SEVERITY_SHIFT, CODE_MASK, INFO_MASK, OVERFLOWED = 30, 0xFFFF0000, 0x0C80, 0x0480
WAITING = int(StatusCodes.BadWaitingForInitialData)
OVERFLOW_REASON = "queue overflow at the server"
_NOTES = {FROM_SOURCE: "", FROM_SERVER: "ServerTime", UNSTAMPED: "NoSourceTime"}
_WINDOWS_EPOCH_US = -11_644_473_600_000_000


def gather_value(gathering: Gathering, signal: str, value: ua.DataValue, received_us: int) -> None:
    """Adds what asyncua decoded for one signal: a reading, a refusal, or nothing where the server only says that it has no value yet."""
    code = 0 if value.StatusCode is None else int(value.StatusCode.value)
    stamps = [value.SourceTimestamp, value.ServerTimestamp]
    # Whoever has no time sends none, or the smallest (OPC 10000-6, 5.2.2.5).
    given = [index for index, stamp in enumerate(stamps) if stamp is not None and time_us(stamp) > _WINDOWS_EPOCH_US]
    stamped = given[0] if given else UNSTAMPED
    stamp = stamps[stamped] if given else None
    gather_one(gathering, signal, value.Value, code, 0 if stamp is None else time_us(stamp), stamped, received_us)


def gather_one(
    gathering: Gathering, signal: str, variant: ua.Variant | None, code: int, source_time_us: int, stamped: int, received_us: int
) -> None:
    """Adds one value.

    Args:
        stamped: whose time `source_time_us` is: FROM_SOURCE, FROM_SERVER, or UNSTAMPED where there is none.
    """
    if is_waiting(code) and stamped != FROM_SOURCE:
        return
    if stamped == UNSTAMPED:
        source_time_us = received_us
    said = said_of(code, stamped)
    if has_overflowed(code):
        # With discardOldest the mark stands on the oldest value that is left: the hole is just before it (OPC 10000-4, 7.21).
        gathering.lose(Loss((signal,), OVERFLOW_REASON))
    quality = Quality(min(code >> SEVERITY_SHIFT, Quality.BAD))
    if quality is Quality.BAD:
        gathering.add(Reading(signal, source_time_us, received_us, None, quality, said))
        return
    content = None if variant is None else variant.Value
    kind = ua.VariantType.Null if variant is None else variant.VariantType
    plain: float | int | str
    if kind in _FLOATS and isinstance(content, float):
        plain = content
    elif kind in _INTEGERS and isinstance(content, int):
        plain = int(content)
    elif kind is ua.VariantType.String and isinstance(content, str):
        plain = content
    else:
        shape = "array of " if isinstance(content, list) else ""
        name = getattr(kind, "name", str(kind))
        payload = repr({"signal": signal, "source_time_us": source_time_us, "type": name, "value": content})
        gathering.refuse(payload.encode(errors="backslashreplace"), f"{signal}: a value of type {shape}{name} is neither number nor text", (signal,))
        return
    gathering.add(Reading(signal, source_time_us, received_us, plain, quality, said))


@lru_cache(4096)
def said_of(code: int, stamped: int) -> str:
    """The status as text, with a note where the time is not the source's."""
    return "; ".join(part for part in (status_name(code), _NOTES[stamped]) if part)


def is_waiting(code: int) -> bool:
    """Whether the server only says that it has no value yet."""
    return code & CODE_MASK == WAITING and not has_overflowed(code)


def time_us(stamp: datetime) -> int:
    """µs since 1970 UTC, exactly: integers only. A time without zone is UTC, as OPC UA's DateTime is."""
    aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _US


def date_time(time_us: int) -> datetime:
    """The inverse of `time_us`."""
    return _EPOCH + timedelta(microseconds=time_us)


def status_name(code: int) -> str:
    """The status as text: empty for plain good; the symbolic name, or the severity and the number where there is none; `Overflow` added."""
    base = code & CODE_MASK
    name = "" if base == 0 else str(ua.StatusCode(ua.UInt32(base)).name)
    if name in ("Good", "Uncertain", "Bad") and base & 0x3FFF0000:
        name = f"{name} 0x{base:08X}"
    return "; ".join(part for part in (name, "Overflow" if has_overflowed(code) else "") if part)


def has_overflowed(code: int) -> bool:
    """Whether values before this one were lost because the server's queue was full."""
    return code & INFO_MASK == OVERFLOWED
