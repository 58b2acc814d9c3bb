"""Payloads of an edge node: births with names, aliases and datatypes, data with aliases alone. Numbers: Sparkplug 3.0, 6.4. Pure."""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from gateway.sparkplug import payload_pb2
from workshop.reading import Quality, Value
from workshop.signal import Signal, SignalKind

# The classes are made when the module is loaded; no type checker sees them.
_pb: Any = payload_pb2
INT64, DOUBLE, BOOLEAN, STRING = 4, 10, 11, 12
BD_SEQ, REBIRTH = "bdSeq", "Node Control/Rebirth"
_INT32 = 3
_BAD, _STALE = 0, 500
_DATATYPES = {SignalKind.GAUGE: DOUBLE, SignalKind.COUNTER: INT64, SignalKind.STATE: INT64, SignalKind.EVENT: STRING, SignalKind.TEXT: STRING}


class Metric(msgspec.Struct):
    """A metric: what a birth tells of it, and its latest value."""

    name: str
    alias: int | None
    """None: by its name in data too, as Node Control/Rebirth and bdSeq are."""
    datatype: int
    value: Value | bool = None
    time_us: int = 0
    """Source time; 0: nothing is known yet, a birth then carries its own time."""
    quality: Quality = Quality.BAD
    unit: str = ""


def metric_of(signal: Signal, alias: int) -> Metric:
    """The metric of a signal of the register, without a value yet."""
    return Metric(signal.name, alias, _DATATYPES[signal.kind], unit=signal.unit)


def birth(time_us: int, seq: int, metrics: Iterable[Metric]) -> bytes:
    """The payload of an NBIRTH or DBIRTH."""
    payload = _pb.Payload(timestamp=time_us // 1000, seq=seq)
    for metric in metrics:
        one = payload.metrics.add(name=metric.name, timestamp=(metric.time_us or time_us) // 1000, datatype=metric.datatype)
        if metric.alias is not None:
            one.alias = metric.alias
        if metric.unit:
            _property(one, "engUnit", STRING).string_value = metric.unit
        _fill(one, metric)
    return bytes(payload.SerializeToString())


def data(time_us: int, seq: int, metrics: Iterable[Metric]) -> bytes:
    """The payload of an NDATA or DDATA: the metrics in the order of their times."""
    payload = _pb.Payload(timestamp=time_us // 1000, seq=seq)
    for metric in sorted(metrics, key=lambda one: one.time_us):
        _fill(payload.metrics.add(alias=metric.alias, timestamp=metric.time_us // 1000), metric)
    return bytes(payload.SerializeToString())


def node_death(time_us: int, bd_seq: int) -> bytes:
    """The payload of an NDEATH: bdSeq and nothing else, without seq."""
    payload = _pb.Payload(timestamp=time_us // 1000)
    payload.metrics.add(name=BD_SEQ, timestamp=time_us // 1000, datatype=INT64, long_value=bd_seq)
    return bytes(payload.SerializeToString())


def device_death(time_us: int, seq: int) -> bytes:
    """The payload of a DDEATH."""
    return bytes(_pb.Payload(timestamp=time_us // 1000, seq=seq).SerializeToString())


def asks_for_rebirth(payload: bytes) -> bool:
    """Whether this is the command that wants all births again; what cannot be decoded asks for nothing."""
    try:
        metrics = _pb.Payload.FromString(payload).metrics
    except DecodeError:
        return False
    return any(metric.name == REBIRTH and metric.boolean_value for metric in metrics)


def _fill(one: Any, metric: Metric) -> None:
    given = None if metric.quality is Quality.BAD else _fitting(metric.value, metric.datatype)
    if given is None:
        # The reference's mapping: no value, and quality 0; never a 0 in a number's place.
        one.is_null = True
        _property(one, "Quality", _INT32).int_value = _BAD
        return
    if metric.quality is Quality.UNCERTAIN:
        _property(one, "Quality", _INT32).int_value = _STALE
    if metric.datatype == INT64:
        # Signed in an unsigned field: two's complement (6.4.16).
        one.long_value = int(given) & 0xFFFF_FFFF_FFFF_FFFF
    else:
        setattr(one, {DOUBLE: "double_value", BOOLEAN: "boolean_value", STRING: "string_value"}[metric.datatype], given)


def _fitting(value: Value | bool, datatype: int) -> Value | bool:
    """The value as this datatype holds it exactly; None where it cannot."""
    if datatype == BOOLEAN:
        return value if isinstance(value, bool) else None
    if datatype == STRING:
        return None if value is None else str(value)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    if datatype == DOUBLE:
        return float(value) if float(value) == value or isinstance(value, float) else None
    return int(value) if int(value) == value and -(2**63) <= value < 2**63 else None


def _property(one: Any, key: str, datatype: int) -> Any:
    one.properties.keys.append(key)
    return one.properties.values.add(type=datatype)
