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
    """What is held of each line; of a field that a line names twice the last value, as the recorded map of a point's fields has it."""
    values = parsed.values
    found: dict[tuple[int, bytes], tuple[bytes, object, int | None]] = {}
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
        name = values.names[int(values.series[row])][1]
        found[int(values.line[row]), name] = (name, value, None if at == NO_TIME else at)
    return list(found.values())


@pytest.mark.parametrize("answer", recorded(), ids=lambda answer: f"{answer.precision}-{answer.body[:24]!r}")
def test_every_recorded_answer_is_ours(answer: Recorded) -> None:
    parsed = parse(answer.data, answer.precision)
    assert "\n".join(parsed.failed) == answer.error
    assert parsed.lines == answer.lines
    expected = [(name.encode("latin-1"), typed(go, text), at) for name, go, text, at in answer.rows]
    order = lambda row: (row[0], repr(row[1]), repr(row[2]))  # noqa: E731
    assert sorted(held(parsed), key=order) == sorted(expected, key=order)
