"""One line of InfluxDB line protocol at a time: every form that InfluxDB 2.7 takes, and its words for what it does not take. Pure.

The columnar parser (`gateway.line_protocol`) hands over whatever is not plain. Escaping is as InfluxDB does it: in measurement, tags and field keys a
separator with a backslash before it is no separator; in quoted text a backslash takes the character after it with it.
"""

import math
import re

import msgspec

from workshop.reading import ValueKind

MAX_KEY = 65_535
UNSIGNED = 4
"""Kind of an unsigned integer above 2^63 - 1, which no reading can hold; beside those of `ValueKind`."""
BOOLEANS = {b"t": 1, b"T": 1, b"true": 1, b"True": 1, b"TRUE": 1, b"f": 0, b"F": 0, b"false": 0, b"False": 0, b"FALSE": 0}
_RESERVED = (b"\xff", b"\x00", b"_field", b"_measurement", b"time")
_I64, _NANOSECONDS = (-(2**63), 2**63 - 1), (-(2**63) + 2, 2**63 - 2)
_WHITE = b" \t\x00"
_END_OF_NAME = re.compile(rb"(?<!\\)[, ]")
_END_OF_TAG = re.compile(rb"(?<!\\)[, =]")
_EQUALS = re.compile(rb"(?<!\\)=")
_FIELD_SIGNS = re.compile(rb'[\\"=, ]')
_LINE_SIGNS = re.compile(rb'[\\"=, \n]')
_VALUE_SIGNS = re.compile(rb'[\\",]')
_NUMBER = re.compile(rb"[^, ]*")
_INTEGER, _UNSIGNED, _FLOAT = re.compile(rb"-?[0-9]+i"), re.compile(rb"[0-9]+u"), re.compile(rb"[-0-9.](?:[0-9.]|[eE][+-]?)*")


class BadLine(Exception):
    """The line is none, in InfluxDB's words."""


class Field(msgspec.Struct, frozen=True):
    """One field of a line."""

    name: bytes
    kind: int
    value: float | int | bytes


class Line(msgspec.Struct, frozen=True):
    """One line; time in ns, None when it has none."""

    key: bytes
    """Measurement and tags as written."""
    fields: list[Field]  # of a name that comes twice the last, as InfluxDB stores it
    time_ns: int | None
    earlier: dict[bytes, tuple[int, ...]] = {}
    """Of such a name the kinds of the values before the last: InfluxDB holds each of them against the field's type."""


def split_lines(data: bytes) -> list[bytes]:
    """Lines without their newlines, empty ones and comments left out; a newline in quoted text ends no line."""
    if b'"' not in data and b"\\" not in data:
        found = data.split(b"\n")
    else:
        found, start = [], 0
        while start <= len(data):
            end = _end_of_line(data, start)
            found.append(data[start:end])
            start = end + 1
    return [line.removesuffix(b"\n") for line in (one.lstrip(_WHITE) for one in found) if line and not line.startswith(b"#")]


def _end_of_line(data: bytes, start: int) -> int:
    quoted, in_fields, equals, commas = False, False, 0, 0
    at = start
    while sign := _LINE_SIGNS.search(data, at):
        at = sign.end()
        match sign[0]:
            case b"\\":
                at += 1 if sign.start() + 2 < len(data) else 0
            case b"\n":
                if not quoted:
                    return sign.start()
            case b" ":
                in_fields = True
            case b"=":
                equals += in_fields and not quoted
            case b",":
                commas += in_fields and not quoted
            case _:
                quoted ^= in_fields and equals > commas
    return len(data)


def scan_line(line: bytes, multiplier: int) -> Line:
    """The parts of a line without leading white space.

    Args:
        multiplier: ns of one step of the timestamp.
    Raises:
        BadLine: with InfluxDB's reason.
    """
    end = scan_key(line)
    key = line[:end]
    if len(key) > MAX_KEY:
        raise BadLine(f"max key length exceeded: {len(key)} > {MAX_KEY}")
    start = _skip_white(line, end)
    at = _scan_fields(line, start)
    fields = _fields(line[start:at])
    if not fields:
        raise BadLine("missing fields")
    for field in fields:
        if (size := len(key) + 4 + len(field.name)) > MAX_KEY:
            raise BadLine(f"max key length exceeded: {size} > {MAX_KEY}")
    time_ns, last = _scan_time(line, at, multiplier), {field.name: field for field in fields}
    if len(last) == len(fields):
        return Line(key, fields, time_ns)
    earlier: dict[bytes, tuple[int, ...]] = {}
    for field in fields:
        if field is not last[field.name]:
            earlier[field.name] = (*earlier.get(field.name, ()), field.kind)
    return Line(key, list(last.values()), time_ns, earlier)


def scan_key(line: bytes) -> int:
    """Where measurement and tags end; raises BadLine when they are not well formed."""
    if not line or line[0:1] == b",":
        raise BadLine("missing measurement")
    end = _END_OF_NAME.search(line, 1)
    if end is None:
        raise BadLine("missing fields")
    at, names = end.start(), []
    while line[at:at + 1] == b",":
        at += 1
        if at >= len(line) or line[at:at + 1] in (b" ", b",", b"="):
            raise BadLine("missing tag key")
        sign = _END_OF_TAG.search(line, at + 1)
        if sign is None or sign[0] != b"=":
            raise BadLine("missing tag value")
        names.append(line[at:sign.start()])
        at = sign.end()
        if at >= len(line) or line[at:at + 1] in (b" ", b","):
            raise BadLine("missing tag value")
        sign = _END_OF_TAG.search(line, at + 1)
        if sign is None:
            raise BadLine("missing fields")
        if sign[0] == b"=":
            raise BadLine("invalid tag format")
        at = sign.start()
    for name in names:
        if name in _RESERVED:
            raise BadLine(f'cannot use reserved tag key "{name.decode(errors="backslashreplace")}"')
    if len(set(names)) != len(names):
        raise BadLine("duplicate tags")
    return at


def split_key(key: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Measurement and tags of a well-formed key, without their escapes."""
    pieces = re.split(rb"(?<!\\),", key)
    tags = {}
    for piece in pieces[1:]:
        sign = _EQUALS.search(piece)
        if sign is not None:
            tags[_plain(piece[:sign.start()], b", =")] = _plain(piece[sign.end():], b", =")
    return _plain(pieces[0], b', "='), tags


def _plain(text: bytes, escaped: bytes) -> bytes:
    if b"\\" in text:
        for i in range(len(escaped)):
            text = text.replace(b"\\" + escaped[i:i + 1], escaped[i:i + 1])
    return text


def _skip_white(line: bytes, at: int) -> int:
    while at < len(line) and line[at] in _WHITE:
        at += 1
    return at


def _scan_fields(line: bytes, start: int) -> int:
    """Where the fields end."""
    quoted, equals, commas = False, 0, 0
    at = start
    while True:
        sign = _FIELD_SIGNS.search(line, at)
        if sign is None:
            at = len(line)
            break
        at = sign.start()
        what = sign[0]
        if what == b"\\":
            at += 2 if at + 1 < len(line) else 1
            continue
        if what == b'"' and equals > commas:
            quoted = not quoted
        elif what == b"=" and not quoted:
            equals += 1
            if line[at - 1:at] in (b" ", b",") and line[at - 2:at - 1] != b"\\":
                raise BadLine("missing field key")
            first = line[at + 1:at + 2]
            if first in (b"", b",", b" "):
                raise BadLine("missing field value")
            if first in b"0123456789.-Nn":
                at = _scan_number(line, at + 1)
                continue
            if first != b'"':
                at = _scan_boolean(line, at + 1)
                continue
        elif what == b"," and not quoted:
            commas += 1
        elif what == b" " and not quoted:
            break
        at += 1
    if quoted:
        raise BadLine("unbalanced quotes")
    if equals == 0 or commas != equals - 1:
        raise BadLine("invalid field format")
    return at


def _token(line: bytes, at: int) -> bytes:
    found = _NUMBER.match(line, at)
    return found[0] if found else b""


def _scan_boolean(line: bytes, at: int) -> int:
    token = _token(line, at)
    if token not in BOOLEANS:
        raise BadLine("invalid boolean")
    return at + len(token)


def _scan_number(line: bytes, at: int) -> int:
    token = _token(line, at)
    if _INTEGER.fullmatch(token):
        if not _I64[0] <= int(token[:-1]) <= _I64[1]:
            number = token[:-1].decode()
            raise BadLine(f'unable to parse integer {number}: strconv.ParseInt: parsing "{number}": value out of range')
    elif _UNSIGNED.fullmatch(token):
        if int(token[:-1]) >= 2**64:
            number = token[:-1].decode()
            raise BadLine(f'unable to parse unsigned {number}: strconv.ParseUint: parsing "{number}": value out of range')
    elif _FLOAT.fullmatch(token) and token.count(b".") <= 1 and token not in (b".", b"-", b"-."):
        try:
            finite = math.isfinite(float(token))
        except ValueError:
            finite = False
        if not finite:
            raise BadLine("invalid float")
    else:
        raise BadLine("invalid number")
    return at + len(token)


def _fields(text: bytes) -> list[Field]:
    found, at = [], 0
    while at < len(text):
        sign = _EQUALS.search(text, at)
        if sign is None:
            raise BadLine(f"invalid value: field-key={text[at:].decode(errors='replace')}")
        end = _end_of_value(text, sign.end())
        name = re.sub(rb'\\([," =])', rb"\1", text[at:sign.start()])
        found.append(_field(name, text[sign.end():end]))
        at = end + 1
    return found


def _end_of_value(text: bytes, at: int) -> int:
    quoted = False
    while sign := _VALUE_SIGNS.search(text, at):
        at = sign.end()
        if sign[0] == b"\\":
            at += 1 if text[at:at + 1] in (b'"', b"\\") else 0
        elif sign[0] == b'"':
            quoted = not quoted
        elif not quoted:
            return sign.start()
    return len(text)


def _field(name: bytes, value: bytes) -> Field:
    if value[:1] == b'"':
        return Field(name, ValueKind.TEXT, re.sub(rb'\\([\\"])', rb"\1", value[1:-1]))
    if value in BOOLEANS:
        return Field(name, ValueKind.I64, BOOLEANS[value])
    try:
        if value[-1:] in (b"i", b"u"):
            number = int(value[:-1])
            return Field(name, ValueKind.I64 if number <= _I64[1] else UNSIGNED, number)
        return Field(name, ValueKind.F64, float(value))
    except ValueError as error:
        raise BadLine("invalid field format") from error


def _scan_time(line: bytes, at: int, multiplier: int) -> int | None:
    start = _skip_white(line, at)
    token, _, rest = line[start:].partition(b" ")
    if not token:
        return None
    if not re.fullmatch(rb"-?[0-9]*", token):
        raise BadLine("bad timestamp")
    text = token.decode()
    if text == "-":
        raise BadLine('strconv.ParseInt: parsing "-": invalid syntax')
    number = int(text)
    if not _I64[0] <= number <= _I64[1]:
        raise BadLine(f'strconv.ParseInt: parsing "{text}": value out of range')
    if not _NANOSECONDS[0] <= number * multiplier <= _NANOSECONDS[1]:
        raise BadLine(f"time outside range {_NANOSECONDS[0]} - {_NANOSECONDS[1]}")
    if rest.strip(b" "):
        raise BadLine("point is invalid")
    return number * multiplier
