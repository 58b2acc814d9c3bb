"""What an OPC UA DataValue means as a reading. Pure: no connection."""

from datetime import UTC, datetime, timedelta

from asyncua import ua

from edge.gathering import Gathering
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
_SEVERITY_SHIFT, _CODE_MASK, _INFO_TYPE_MASK, _INFO_DATA_VALUE, _OVERFLOW = 30, 0xFFFF0000, 0x0C00, 0x0400, 0x0080


def gather_value(gathering: Gathering, signal: str, value: ua.DataValue, received_us: int) -> None:
    """Adds what one monitored item reported: a reading, a refusal, or nothing where the server only says that it has no value yet."""
    code = 0 if value.StatusCode is None else int(value.StatusCode.value)
    status = status_name(code)
    quality = Quality(min(code >> _SEVERITY_SHIFT, Quality.BAD))
    if status == "BadWaitingForInitialData" and value.SourceTimestamp is None:
        return
    stamp, note = value.SourceTimestamp, ""
    if stamp is None:
        stamp, note = value.ServerTimestamp, "ServerTime" if value.ServerTimestamp is not None else "NoSourceTime"
    source_time_us = received_us if stamp is None else time_us(stamp)
    said = "; ".join(part for part in (status, note) if part)
    if has_overflowed(code):
        # With discardOldest the mark stands on the oldest value that is left: the hole is just before it (OPC 10000-4, 7.21).
        gathering.lose(Loss((signal,), "queue overflow at the server"))
    if quality is Quality.BAD:
        gathering.add(Reading(signal, source_time_us, received_us, None, quality, said))
        return
    variant = value.Value
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


def time_us(stamp: datetime) -> int:
    """µs since 1970 UTC, exactly: integers only. A time without zone is UTC, as OPC UA's DateTime is."""
    aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _US


def status_name(code: int) -> str:
    """The status as text: empty for plain good; the symbolic name, or the severity and the number where there is none; `Overflow` added."""
    base = code & _CODE_MASK
    name = "" if base == 0 else str(ua.StatusCode(ua.UInt32(base)).name)
    if name in ("Good", "Uncertain", "Bad") and base & 0x3FFF0000:
        name = f"{name} 0x{base:08X}"
    return "; ".join(part for part in (name, "Overflow" if has_overflowed(code) else "") if part)


def has_overflowed(code: int) -> bool:
    """Whether values before this one were lost because the server's queue was full."""
    return code & _INFO_TYPE_MASK == _INFO_DATA_VALUE and bool(code & _OVERFLOW)
