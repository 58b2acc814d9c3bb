"""Structures and arrays: one member of a value, by the name or place that an address declares. Pure: no connection.

Layouts come from the server as data (DataTypeDefinition, OPC 10000-3, 8.48) and are followed here; asyncua would write Python and run it.
"""

import dataclasses
import struct
from typing import Any

import msgspec
from asyncua import ua
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua.ua_binary import unpack_uatype
from asyncua.ua.uaerrors import UaError

from edge.opcua.address import Member
from workshop.errors import Rejected

STRUCTURE, EXTENSION_OBJECT = 0, 22
"""Kinds of a member besides the numbers of the built-in types."""
_DEPTH, _VALUES = 16, 100_000
_BROKEN = (UaError, NotEnoughData, struct.error, ValueError, TypeError, OverflowError)


class Field(msgspec.Struct, frozen=True):
    """One field of a structure."""

    name: str
    kind: int
    """Number of a built-in type (1 to 25), or STRUCTURE."""
    layout: str = ""
    """Of a structure: its data type, as text."""
    is_array: bool = False
    is_optional: bool = False


class Layout(msgspec.Struct, frozen=True):
    """What the bytes of a structure are."""

    fields: tuple[Field, ...]
    has_optional: bool = False
    is_union: bool = False


class Layouts(msgspec.Struct, frozen=True):
    """The structures of one server."""

    by_type: dict[str, Layout] = {}
    by_encoding: dict[str, str] = {}
    """NodeId of the binary encoding, as it stands before the bytes → data type."""


Found = tuple[int, Any]
"""Kind and value; the value of a structure is a table of its fields."""


def pick(variant: ua.Variant | None, member: Member, layouts: Layouts) -> ua.Variant:
    """The member of a value.

    Raises:
        Rejected: the value has no such member, or its bytes are not what the server's types say.
    """
    if variant is None:
        return ua.Variant()
    found: Found = (int(variant.VariantType.value), variant.Value)
    done = "the value"
    for step in member:
        kind, value = found
        if value is None:
            return ua.Variant()
        if isinstance(step, int):
            if not isinstance(value, list):
                raise Rejected(f"{done} is not an array, and has no [{step}]")
            if step >= len(value):
                raise Rejected(f"{done} has {len(value)} elements, and no [{step}]")
            found = (kind, value[step])
        else:
            fields = _fields(kind, value, done, layouts)
            if step not in fields:
                raise Rejected(f"{done} has no field '{step}'; there are {', '.join(fields) or 'none'}"[:1000])
            found = fields[step]
        done = f"{done}[{step}]" if isinstance(step, int) else f"{done}.{step}"
    return _variant(found, done)


def _fields(kind: int, value: Any, done: str, layouts: Layouts) -> dict[str, Found]:
    if isinstance(value, list):
        raise Rejected(f"{done} is an array: say which element, as [0]")
    if kind == STRUCTURE and isinstance(value, dict):
        return value
    if isinstance(value, ua.ExtensionObject) and value.Body is not None:
        data_type = layouts.by_encoding.get(value.TypeId.to_string())
        if data_type is None:
            raise Rejected(f"{done} is a structure that the server does not describe (encoding {value.TypeId.to_string()})")
        return decode(data_type, value.Body, layouts)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _known(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise Rejected(f"{done} is not a structure")


def _known(value: Any) -> Found:
    """A field of a structure that asyncua knows."""
    if isinstance(value, ua.Variant):
        return int(value.VariantType.value), value.Value
    first = value[0] if isinstance(value, list) and value else value
    kinds = (
        (bool, 1), (ua.SByte, 2), (ua.Byte, 3), (ua.Int16, 4), (ua.UInt16, 5), (ua.Int32, 6), (ua.UInt32, 7), (ua.Int64, 8), (ua.UInt64, 9),
        (ua.Float, 10), (int, 8), (float, 11), (str, 12), (bytes, 15),
    )
    return next((kind for type_, kind in kinds if isinstance(first, type_)), EXTENSION_OBJECT), value


def decode(data_type: str, body: bytes, layouts: Layouts) -> dict[str, Found]:
    """The fields of a structure from its bytes (OPC 10000-6, 5.2.6 to 5.2.8).

    Raises:
        Rejected: fewer or more bytes than its layout needs, or one that nests without end.
    """
    data = Buffer(body)
    try:
        fields = _structure(data_type, data, layouts, 0)
    except _BROKEN as error:
        raise Rejected(f"a structure of type {data_type} does not fit its description ({str(error) or type(error).__name__})") from error
    # A server may have a newer version of a type than it describes; more bytes at the end are allowed for by 5.2.2.15.
    return fields


def _structure(data_type: str, data: Buffer, layouts: Layouts, depth: int) -> dict[str, Found]:
    layout = layouts.by_type.get(data_type)
    if layout is None:
        raise ValueError(f"the server does not describe {data_type}")
    if depth > _DEPTH:
        raise ValueError("it nests too deeply")
    fields = layout.fields
    if layout.is_union:
        (chosen,) = struct.unpack("<I", data.read(4))
        if chosen > len(fields):
            raise ValueError(f"a union of {len(fields)} with {chosen}")
        fields = fields[chosen - 1 : chosen] if chosen else ()
    elif layout.has_optional:
        (mask,) = struct.unpack("<I", data.read(4))
        optional = [field for field in fields if field.is_optional]
        present = {field.name for place, field in enumerate(optional) if mask >> place & 1}
        absent = {field.name for field in optional} - present
        return {field.name: (field.kind, None if field.name in absent else _field(field, data, layouts, depth)) for field in fields}
    return {field.name: (field.kind, _field(field, data, layouts, depth)) for field in fields}


def _field(field: Field, data: Buffer, layouts: Layouts, depth: int) -> Any:
    if not field.is_array:
        return _one(field, data, layouts, depth)
    (count,) = struct.unpack("<i", data.read(4))
    if count < 0:
        return None
    if count > min(_VALUES, max(len(data), 1)):
        raise ValueError(f"an array of {count} in {len(data)} bytes")
    return [_one(field, data, layouts, depth) for _ in range(count)]


def _one(field: Field, data: Buffer, layouts: Layouts, depth: int) -> Any:
    if field.kind == STRUCTURE:
        return _structure(field.layout, data, layouts, depth + 1)
    return unpack_uatype(ua.VariantType(field.kind), data)


def _variant(found: Found, done: str) -> ua.Variant:
    kind, value = found
    if isinstance(value, list):
        raise Rejected(f"{done} is an array: say which element, as [0]")
    if kind == STRUCTURE or (kind == EXTENSION_OBJECT and value is not None):
        raise Rejected(f"{done} is a structure: say which field")
    return ua.Variant() if value is None else ua.Variant(value, ua.VariantType(kind))
