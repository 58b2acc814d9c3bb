"""Line protocol to columns: the columnar way and the way line by line agree on everything, and both say what InfluxDB says."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.line_protocol import NO_TIME, PRECISIONS, Parsed, parse
from gateway.line_scan import UNSIGNED, BadLine, scan_line, split_key, split_lines
from workshop.reading import ValueKind

NAME = st.text(st.characters(blacklist_characters='\\\n\r\t\x00"#', blacklist_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda text: not text.startswith((" ", "_")) and text not in ("time",))
VALUE = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), st.booleans(),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=12),
)
POINT = st.tuples(
    NAME, st.dictionaries(NAME, NAME, max_size=3), st.dictionaries(NAME, VALUE, min_size=1, max_size=4),
    st.integers(-(2**62) // 10**9, 2**62 // 10**9),
)
ATOMS = [
    b"cpu", b"m", b"host=a", b"r=e w", b"v=1", b"v=1i", b"x=-2.5e3", b's="a b"', b"t=true", b"b=f", b"u=5u", b",", b" ", b"=", b"\\", b'"', b"\n",
    b"1790000000000000000", b"12", b"-5", b"\\ ", b"\\,", b"#", b"\t", b"\r", b"n=NaN", b"1e400", b"9223372036854775808i", b".", b"-", b"e", b"i",
    b"u",
    b"1_0", b"+1", b"inf", b"time=3", b"a", b'\\"', b"\xe4\xb8\xbb", b"m v=1 1\n", b"m,a=b v=1,w=2i 2\n", b"0x1", b"99999999999999999999",
]
# What github.com/influxdata/influxdb/v2/models of 2.7.11 says of these lines, recorded from ParsePointsWithPrecision.
SAID = {
    b"cpu": "missing fields", b"cpu,": "missing tag key", b",a=b v=1": "missing measurement", b"cpu,a v=1": "missing tag value",
    b"cpu,a= v=1": "missing tag value", b"cpu,a=b=c v=1": "invalid tag format", b"cpu,a=b,a=c v=1": "duplicate tags",
    b"cpu,time=b v=1": 'cannot use reserved tag key "time"', b"cpu v": "invalid field format", b"cpu v=": "missing field value",
    b"cpu =1": "missing field key", b"cpu v=1,": "invalid field format", b"cpu v=1,w": "invalid field format", b"cpu v=NaN": "invalid number",
    b"cpu v=inf": "invalid boolean", b"cpu v=1.1.1": "invalid number", b"cpu v=1ii": "invalid number", b"cpu v=1.5i": "invalid number",
    b"cpu v=-1u": "invalid number", b"cpu v=1e400": "invalid float", b"cpu v=tru": "invalid boolean", b'cpu v="a': "unbalanced quotes",
    b"cpu v=1 1.5": "bad timestamp", b"cpu v=1 12x": "bad timestamp", b"cpu v=1 12 13": "point is invalid", b"cpu v=1 12\r": "bad timestamp",
    b"cpu v=9223372036854775808i":
        'unable to parse integer 9223372036854775808: strconv.ParseInt: parsing "9223372036854775808": value out of range',
    b"cpu v=1 9223372036854775807": "time outside range -9223372036854775806 - 9223372036854775806",
    b"cpu v=1 -": 'strconv.ParseInt: parsing "-": invalid syntax', b"cpu v=+1": "invalid boolean", b"cpu v=1_0": "invalid number",
}


def rows(parsed: Parsed) -> list[tuple[object, ...]]:
    """The values, comparable: series, time and value with its bits."""
    values = parsed.values
    found: list[tuple[object, ...]] = []
    for row in range(len(values)):
        kind = int(values.kind[row])
        number: object = float(values.f64[row]).hex() if kind == ValueKind.F64 else int(values.i64[row])
        found.append((values.names[int(values.series[row])], int(values.time_ns[row]), kind, values.text.get(row, number)))
    return found


def one_by_one(data: bytes, precision: str) -> tuple[list[tuple[object, ...]], list[str]]:
    """The slow reference: every line by itself."""
    found: list[tuple[object, ...]] = []
    failed = []
    for text in split_lines(data):
        try:
            line = scan_line(text, PRECISIONS[precision])
        except BadLine as error:
            failed.append(f"unable to parse '{text.decode(errors='replace')}': {error}")
            continue
        for field in line.fields:
            number: object = float(field.value).hex() if field.kind == ValueKind.F64 else 0 if field.kind == UNSIGNED else field.value
            found.append(((line.key, field.name), NO_TIME if line.time_ns is None else line.time_ns, int(field.kind), number))
    return found, failed


def written(point: tuple[str, dict[str, str], dict[str, object], int]) -> bytes:
    """A point as line protocol, every separator escaped."""
    def escaped(text: str, signs: str) -> str:
        return re.sub(f"([{signs}])", r"\\\1", text)

    name, tags, fields, at = point
    key = escaped(name, ", ") + "".join(f",{escaped(tag, ',= ')}={escaped(value, ',= ')}" for tag, value in tags.items())

    def value(item: object) -> str:
        match item:
            case bool():
                return "true" if item else "F"
            case int():
                return f"{item}i"
            case str():
                return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
            case _:
                return repr(item)

    pairs = ",".join(escaped(field, ",= ") + "=" + value(item) for field, item in fields.items())
    return f"{key} {pairs} {at}".encode()


@given(st.lists(st.sampled_from(ATOMS), max_size=14).map(b"".join), st.sampled_from(list(PRECISIONS)))
@example(b"m v=1 1\nm v=2 2\n\nm,b=1 w=1e3,v=t 3", "ns")
@example(b"m v=1_0 1\nm v=1 1\nm v=+1 1\nm v=1 1 \nm  v=1 1", "s")
@example(b"", "ns")
@example(b"\n", "ns")
@settings(max_examples=600, deadline=None)
def test_the_columnar_way_is_the_way_line_by_line(data: bytes, precision: str) -> None:
    parsed = parse(data, precision)
    found, failed = one_by_one(data, precision)
    assert sorted(map(repr, rows(parsed))) == sorted(map(repr, found))
    assert parsed.failed == failed
    assert len(set(parsed.values.line.tolist())) == parsed.lines


@given(st.lists(POINT, min_size=1, max_size=6), st.sampled_from(list(PRECISIONS)))
@settings(max_examples=200, deadline=None)
def test_what_is_written_with_escapes_is_read_back(points: list[tuple[str, dict[str, str], dict[str, object], int]], precision: str) -> None:
    parsed = parse(b"\n".join(map(written, points)), precision)
    assert parsed.failed == [] and parsed.lines == len(points)
    found = []
    for name, at, kind, value in rows(parsed):
        key, field = name  # type: ignore[misc]
        measurement, tags = split_key(key)
        found.append((measurement.decode(), {k.decode(): v.decode() for k, v in tags.items()}, field.decode(), at, kind, value))
    wanted = []
    for measurement, tags, fields, at in points:
        for field, item in fields.items():
            kind = ValueKind.TEXT if isinstance(item, str) else ValueKind.F64 if isinstance(item, float) else ValueKind.I64
            value: object = item.encode() if isinstance(item, str) else item.hex() if isinstance(item, float) else int(item)  # type: ignore[call-overload]
            wanted.append((measurement, tags, field, at * PRECISIONS[precision], int(kind), value))
    assert sorted(map(repr, found)) == sorted(map(repr, wanted))


@pytest.mark.parametrize("line", SAID, ids=lambda line: line.decode(errors="replace"))
def test_bad_lines_are_worded_as_influxdb_words_them(line: bytes) -> None:
    good = b"m v=1 1"
    bodies = [line, good + b"\n" + line, line + b"\n# a comment\n" + good]
    for body in bodies[:2] if b'"' in line else bodies:  # an open quote takes all that follows
        parsed = parse(body, "ns")
        assert parsed.failed == [f"unable to parse '{line.decode()}': {SAID[line]}"]
        assert parsed.lines == (body != line)
