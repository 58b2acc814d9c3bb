"""Sparkplug metrics: what a machine shows, as protobuf messages. Field and datatype numbers: Sparkplug 3.0, 6.4."""

from collections.abc import Iterable
from typing import Any

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped,unused-ignore]

from simulators.machine import Value
from simulators.sparkplug import payload_pb2

# The classes are made when the module is loaded; no type checker sees them.
_pb: Any = payload_pb2
INT64, DOUBLE, BOOLEAN, STRING = 4, 10, 11, 12
REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"


class Metric(msgspec.Struct):
    """A signal of the node or a device: its definition, which only a birth tells, and its last reading."""

    name: str
    alias: int | None
    datatype: int
    value: Value | bool
    time_us: int


def datatype_of(value: Value | bool) -> int:
    """Boolean, Int64, Double or String."""
    if isinstance(value, bool):
        return BOOLEAN
    return {int: INT64, float: DOUBLE, str: STRING}[type(value)]


class Fact(msgspec.Struct, frozen=True):
    """A reading of a metric as DATA tells it: by its alias alone."""

    alias: int
    datatype: int
    value: Value
    time_us: int


def birth(time_us: int, seq: int, metrics: Iterable[Metric]) -> bytes:
    """The payload of an NBIRTH or DBIRTH: names, aliases, datatypes and last readings."""
    payload = _pb.Payload(timestamp=time_us // 1000, seq=seq)
    for metric in metrics:
        one = payload.metrics.add(name=metric.name, timestamp=metric.time_us // 1000, datatype=metric.datatype)
        if metric.alias is not None:
            one.alias = metric.alias
        _set(one, metric.datatype, metric.value)
    return bytes(payload.SerializeToString())


def data(time_us: int, seq: int, facts: Iterable[Fact], *, is_historical: bool) -> bytes:
    """The payload of an NDATA or DDATA."""
    payload = _pb.Payload(timestamp=time_us // 1000, seq=seq)
    for fact in facts:
        one = payload.metrics.add(alias=fact.alias, timestamp=fact.time_us // 1000)
        if is_historical:
            one.is_historical = True
        _set(one, fact.datatype, fact.value)
    return bytes(payload.SerializeToString())


def death(time_us: int, bd_seq: int) -> bytes:
    """The payload of an NDEATH: bdSeq and nothing else, without seq."""
    payload = _pb.Payload(timestamp=time_us // 1000)
    _set(payload.metrics.add(name=BD_SEQ, timestamp=time_us // 1000, datatype=INT64), INT64, bd_seq)
    return bytes(payload.SerializeToString())


def device_death(time_us: int, seq: int) -> bytes:
    """The payload of a DDEATH."""
    return bytes(_pb.Payload(timestamp=time_us // 1000, seq=seq).SerializeToString())


def asks_for_rebirth(payload: bytes) -> bool:
    """Whether this is the NCMD that wants all births again; what cannot be decoded asks for nothing."""
    try:
        metrics = _pb.Payload.FromString(payload).metrics
    except DecodeError:
        return False
    return any(metric.name == REBIRTH and metric.boolean_value for metric in metrics)




def _set(metric: Any, datatype: int, value: Value | bool) -> None:
    if datatype == INT64:
        # Signed in an unsigned field: two's complement (6.4.16).
        metric.long_value = int(value) & 0xFFFF_FFFF_FFFF_FFFF
    elif datatype == DOUBLE:
        metric.double_value = value
    elif datatype == BOOLEAN:
        metric.boolean_value = value
    else:
        metric.string_value = value
