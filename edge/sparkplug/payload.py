"""Sparkplug payloads taken apart: metrics with their values as the datatype wants them. Numbers: Sparkplug 3.0, chapter 6.4. Pure."""

from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from edge.sparkplug import payload_pb2
from workshop.errors import Rejected
from workshop.reading import Quality, Value

# The classes are made when the module is loaded; no type checker sees them.
_pb: Any = payload_pb2
BD_SEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"
_BOOLEAN = 11
# Datatype → field of its value, and bits of a signed integer (two's complement in an unsigned field, 6.4.16).
_FIELDS: dict[int, tuple[str, int]] = {
    1: ("int_value", 8), 2: ("int_value", 16), 3: ("int_value", 32), 4: ("long_value", 64), 5: ("int_value", 0), 6: ("int_value", 0),
    7: ("int_value", 0), 8: ("long_value", 0), 9: ("float_value", 0), 10: ("double_value", 0), 11: ("boolean_value", 0), 12: ("string_value", 0),
    13: ("long_value", 0), 14: ("string_value", 0), 15: ("string_value", 0),
}
# What some edge nodes put there instead: UInt32 in long_value (Tahu's own), a signed integer sign-extended to 64 bits.
_ALSO = {"int_value": "long_value", "long_value": "int_value"}
_REFUSED = {16: "a DataSet", 17: "Bytes", 18: "a File", 19: "a Template", **dict.fromkeys(range(22, 35), "an array")}
_BAD, _STALE = 0, 500


class Metric(msgspec.Struct, frozen=True):
    """A metric as it stands in a payload."""

    name: str | None
    alias: int | None
    time_us: int | None
    datatype: int | None
    is_historical: bool
    raw: Any


class Payload(msgspec.Struct, frozen=True):
    """A payload of a birth, death or of data."""

    time_us: int | None
    seq: int | None
    metrics: list[Metric]

    def named(self, name: str) -> Metric | None:
        """The metric of this name."""
        return next((metric for metric in self.metrics if metric.name == name), None)


def decode(data: bytes) -> Payload:
    """A payload.

    Raises:
        Rejected: not protobuf, or not this message.
    """
    try:
        message = _pb.Payload.FromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise Rejected(f"not a Sparkplug payload: {error}") from error
    if message.body and message.uuid:
        # Not of the specification; some nodes can, and a bomb would fit in it.
        raise Rejected(f"a payload packed as '{message.uuid:.40}'; switch compression off at the node")
    own_us = message.timestamp * 1000 if message.HasField("timestamp") else None
    metrics = [
        Metric(
            raw.name if raw.HasField("name") else None, raw.alias if raw.HasField("alias") else None,
            raw.timestamp * 1000 if raw.HasField("timestamp") else own_us, raw.datatype if raw.HasField("datatype") else None, raw.is_historical, raw,
        )
        for raw in message.metrics
    ]
    return Payload(own_us, message.seq if message.HasField("seq") else None, metrics)


def value_of(metric: Metric, datatype: int) -> tuple[Value, Quality, str]:
    """Value, quality and status of a metric of this datatype.

    Raises:
        Rejected: a datatype that is no single value, or a value in another field than the datatype's.
    """
    if datatype in _REFUSED:
        raise Rejected(f"{_REFUSED[datatype]} (datatype {datatype}) is not one value; have the node publish its elements as metrics")
    if datatype not in _FIELDS:
        raise Rejected(f"datatype {datatype} is none of Sparkplug's for a metric")
    raw, quality = metric.raw, _quality(metric)
    if raw.is_null or quality == _BAD:
        return None, Quality.BAD, "Null" if raw.is_null else "Bad"
    wanted, width = _FIELDS[datatype]
    found = raw.WhichOneof("value")
    if found != wanted and not (wanted in _ALSO and found == _ALSO[wanted]):
        raise Rejected(f"datatype {datatype} belongs in {wanted}, not in {found or 'no field'}")
    value: Value = getattr(raw, found)
    if isinstance(value, bool):
        value = int(value)
    elif width and isinstance(value, int):
        value &= (1 << width) - 1
        value -= (1 << width) if value >> (width - 1) else 0
    return (value, Quality.UNCERTAIN, "Stale") if quality == _STALE else (value, Quality.GOOD, "")


def _quality(metric: Metric) -> int | None:
    properties = metric.raw.properties
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == "Quality":
            return int(value.int_value)
    return None


def bd_seq_of(payload: Payload) -> int | None:
    """The number of the connection that a birth or death of an edge node states."""
    metric = payload.named(BD_SEQ)
    if metric is None:
        return None
    found = metric.raw.WhichOneof("value")
    return int(getattr(metric.raw, found)) if found in ("long_value", "int_value") else None


def rebirth_request(time_us: int) -> bytes:
    """The payload of the NCMD that asks an edge node for all its births."""
    payload = _pb.Payload(timestamp=time_us // 1000)
    payload.metrics.add(name=REBIRTH, timestamp=time_us // 1000, datatype=_BOOLEAN, boolean_value=True)
    return bytes(payload.SerializeToString())
