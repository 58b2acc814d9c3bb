"""Where encoded things end (OPC 10000-6, 5.2.2), with every length checked against the bytes that are there. Pure.

Nothing is decoded before its end is known: asyncua's decoder believes a length, and an array of two thousand million nothings has no bytes at all.
"""

import struct

from workshop.errors import Rejected

SCALARS = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4}
"""Bytes of a variant's value by its built-in type, where that is fixed (5.1.2): Boolean 1 … Double 11, DateTime, Guid, StatusCode."""
_TEXTS = {12, 15, 16}
_NODE, _EXPANDED, _QUALIFIED, _LOCALIZED, _EXTENSION, _DATA_VALUE, _VARIANT, _DIAGNOSTIC = 17, 18, 20, 21, 22, 23, 24, 25
_ARRAY, _DIMENSIONS, _TYPE = 0x80, 0x40, 0x3F
_DEEPEST = 16
_I32, _U16 = struct.Struct("<i"), struct.Struct("<H")


def need(data: bytes, at: int, count: int) -> int:
    """The place after `count` bytes.

    Raises:
        Rejected: there are fewer.
    """
    if count < 0 or at + count > len(data):
        raise Rejected(f"OPC UA message: cut short at byte {at}: {count} bytes should follow, {len(data) - at} do")
    return at + count


def length_at(data: bytes, at: int, smallest: int = 1) -> tuple[int, int]:
    """A length, Int32, and the place after it; a null one (-1) is 0. Each of what is counted takes `smallest` bytes at least.

    Raises:
        Rejected: cut short, below -1, or more than there are bytes for.
    """
    end = need(data, at, 4)
    (count,) = _I32.unpack_from(data, at)
    if count < -1 or count * smallest > len(data) - end:
        raise Rejected(f"OPC UA message: a length of {count} at byte {at}, with {len(data) - end} bytes to come")
    return max(count, 0), end


def text_end(data: bytes, at: int) -> int:
    """After a String, ByteString or XmlElement."""
    count, at = length_at(data, at)
    return at + count


def texts_end(data: bytes, at: int) -> int:
    """After an array of String."""
    count, at = length_at(data, at, 4)
    for _ in range(count):
        at = text_end(data, at)
    return at


def node_end(data: bytes, at: int) -> int:
    """After a NodeId or ExpandedNodeId."""
    need(data, at, 1)
    encoding = data[at]
    form = encoding & _TYPE
    if form in (3, 5):
        at = text_end(data, need(data, at, 3))
    elif form in (0, 1, 2, 4):
        at = need(data, at, {0: 2, 1: 4, 2: 7, 4: 19}[form])
    else:
        raise Rejected(f"OPC UA message: no form of a node id: {form} at byte {at}")
    if encoding & 0x80:
        at = text_end(data, at)
    return need(data, at, 4) if encoding & 0x40 else at


def extension_end(data: bytes, at: int) -> tuple[int, int]:
    """After an ExtensionObject, and where its body begins (its end where there is none)."""
    at = node_end(data, at)
    need(data, at, 1)
    encoding = data[at]
    if encoding == 0:
        return at + 1, at + 1
    if encoding > 2:
        raise Rejected(f"OPC UA message: no encoding of an object: {encoding} at byte {at}")
    end = text_end(data, at + 1)
    return end, at + 5


def diagnostic_end(data: bytes, at: int, depth: int = 0) -> int:
    """After a DiagnosticInfo."""
    need(data, at, 1)
    mask, at = data[at], at + 1
    if depth > _DEEPEST or mask & 0x80:
        raise Rejected(f"OPC UA message: diagnostics that are none, or nested too deep, at byte {at}")
    # SymbolicId, NamespaceUri, LocalizedText, Locale; AdditionalInfo is text; then InnerStatusCode and InnerDiagnosticInfo (5.2.2.12).
    at = need(data, at, 4 * (mask & 0x0F).bit_count())
    if mask & 0x10:
        at = text_end(data, at)
    if mask & 0x20:
        at = need(data, at, 4)
    return diagnostic_end(data, at, depth + 1) if mask & 0x40 else at


def data_value_end(data: bytes, at: int, depth: int = 0) -> int:
    """After a DataValue."""
    need(data, at, 1)
    mask, at = data[at], at + 1
    if mask & 0xC0:
        raise Rejected(f"OPC UA message: no mask of a value: 0x{mask:02X} at byte {at - 1}")
    if mask & 0x01:
        at = variant_end(data, at, depth)
    return need(data, at, stamps_bytes(mask))


def stamps_bytes(mask: int) -> int:
    """How long what follows the value of a DataValue is: status, source time, its picoseconds, server time, its picoseconds."""
    return 4 * (mask >> 1 & 1) + 8 * (mask >> 2 & 1) + 8 * (mask >> 3 & 1) + 2 * (mask >> 4 & 1) + 2 * (mask >> 5 & 1)


def variant_end(data: bytes, at: int, depth: int = 0) -> int:
    """After a Variant."""
    if depth > _DEEPEST:
        raise Rejected(f"OPC UA message: values nested more than {_DEEPEST} deep at byte {at}")
    need(data, at, 1)
    encoding, at = data[at], at + 1
    kind = encoding & _TYPE
    if not encoding & _ARRAY:
        if encoding & _DIMENSIONS:
            raise Rejected(f"OPC UA message: dimensions without an array at byte {at - 1}")
        return _value_end(data, at, kind, depth)
    if kind == 0:
        raise Rejected(f"OPC UA message: an array of nothing at byte {at - 1}")
    fixed = SCALARS.get(kind)
    count, at = length_at(data, at, fixed or 1)
    if fixed:
        at += fixed * count
    else:
        for _ in range(count):
            at = _value_end(data, at, kind, depth)
    if encoding & _DIMENSIONS:
        dimensions, at = length_at(data, at, 4)
        total = 1
        for size in struct.unpack_from(f"<{dimensions}i", data, at):
            total *= size
        if total != count:
            raise Rejected(f"OPC UA message: dimensions of {total} values for an array of {count} at byte {at}")
        at += 4 * dimensions
    return at


def _value_end(data: bytes, at: int, kind: int, depth: int) -> int:
    if kind in SCALARS:
        return need(data, at, SCALARS[kind])
    if kind in _TEXTS or kind > _DIAGNOSTIC:
        return text_end(data, at)  # 5.2.2.16: types 26 to 31 are read as ByteString
    if kind in (_NODE, _EXPANDED):
        return node_end(data, at)
    if kind == _QUALIFIED:
        return text_end(data, need(data, at, 2))
    if kind == _LOCALIZED:
        need(data, at, 1)
        for _ in range((data[at] & 3).bit_count()):
            at = text_end(data, at + 1) - 1
        return at + 1
    if kind == _EXTENSION:
        return extension_end(data, at)[0]
    if kind == _DATA_VALUE:
        return data_value_end(data, at, depth + 1)
    if kind == _VARIANT:
        return variant_end(data, at, depth + 1)
    return diagnostic_end(data, at, depth + 1) if kind == _DIAGNOSTIC else at
