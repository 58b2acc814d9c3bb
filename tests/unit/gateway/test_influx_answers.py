"""Line protocol is read, and refused, as InfluxDB 2.7.12 reads and refuses it: every recorded answer."""

import pytest

from gateway.line_protocol import NO_TIME, Parsed, parse
from gateway.line_scan import BOOLEANS, UNSIGNED
from tests.unit.gateway.influx_answers import Recorded, recorded
from workshop.reading import ValueKind


def typed(go: str, text: str) -> object:
    """A value as we hold it, from Go's type and words."""
    match go:
        case "float64":
            return float(text)
        case "int64" | "uint64":
            return int(text) if int(text) < 2**63 else "too large"
        case "bool":
            return BOOLEANS[text.encode()]
        case _:
            return text.encode(errors="replace")


def held(parsed: Parsed) -> list[tuple[bytes, object, int | None]]:
    """What is held, every value of it."""
    values = parsed.values
    found: list[tuple[bytes, object, int | None]] = []
    for row in range(len(values)):
        value: object = "too large"
        match int(values.kind[row]):
            case ValueKind.F64:
                value = float(values.f64[row])
            case ValueKind.I64:
                value = int(values.i64[row])
            case ValueKind.TEXT:
                value = values.text[row].decode(errors="replace").encode()
            case kind:
                assert kind == UNSIGNED
        at = int(values.time_ns[row])
        found.append((values.names[int(values.series[row])][1], value, None if at == NO_TIME else at))
    return found


@pytest.mark.parametrize("answer", recorded(), ids=lambda answer: f"{answer.precision}-{answer.body[:24]!r}")
def test_every_recorded_answer_is_ours(answer: Recorded) -> None:
    parsed = parse(answer.data, answer.precision)
    assert "\n".join(parsed.failed) == answer.error
    assert parsed.lines == answer.lines
    expected = [(name.encode("latin-1"), typed(go, text), at) for name, go, text, at in answer.rows]
    order = lambda row: (row[0], repr(row[1]), repr(row[2]))  # noqa: E731
    assert sorted(held(parsed), key=order) == sorted(expected, key=order)


@pytest.mark.parametrize("line", [
    b"m f=1,f=2 7", b"m f=1,g=0,f=2 7", b"m f=3,f=1,g=4,f=2 7", b'm f="a",f=2 7', b"m f=1i,f=2 7", rb"m \,=9,f=1,\,=8,f=2 7",
])
@pytest.mark.parametrize("beside", [b"", b"\nm f=5,g=6 8", b'\nm f="x" 8'])
def test_of_a_field_that_a_line_names_twice_the_last_value_stays(line: bytes, beside: bytes) -> None:
    """However the line is read, by columns or alone, and whatever the lines beside it are."""
    rows = [row for row in held(parse(line + beside, "ns")) if row[2] == 7]
    assert (b"f", 2.0, 7) in rows and len({name for name, _, _ in rows}) == len(rows)
