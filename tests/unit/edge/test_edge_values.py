"""What payloads and DataValues mean: times, types, statuses, sequence numbers."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gathering import EARLIEST_US, LATEST_US, Gathering
from edge.json_payload import PayloadBlock, PayloadReader, TimeFormat, to_us, to_value
from edge.opcua.address import parse_node
from edge.opcua.publish import following, missing_numbers
from edge.opcua.values import has_overflowed, status_name, time_us
from edge.sequence import Sequences
from edge.source import Loss, MappedSignal
from workshop.errors import ConfigError, Rejected
from workshop.reading import Reading
from workshop.signal import SignalKind

LAST = 2**32 - 1
NOW = 1_767_571_200_123_456


def signal(kind: SignalKind = SignalKind.GAUGE, name: str = "load") -> MappedSignal:
    return MappedSignal(f"cnc-01/{name}", "cnc-01", kind, "t#x", "m")


@given(st.integers(EARLIEST_US, LATEST_US))
def test_times_are_exact_to_the_microsecond(at_us: int) -> None:
    stamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    assert time_us(stamp) == time_us(stamp.replace(tzinfo=None)) == at_us
    assert to_us(stamp.astimezone(timezone(timedelta(hours=8))).isoformat(), "iso") == at_us
    assert to_us(at_us, "us") == at_us
    assert to_us(at_us // 1000, "ms") == at_us // 1000 * 1000
    assert to_us(at_us / 1e6, "s") == at_us


@pytest.mark.parametrize(("value", "form"), [
    (None, "ms"), (True, "ms"), ("5", "ms"), (2**60, "us"), (5, "iso"), ("2026-01-05T08:00:00", "iso"), ("noon", "iso"), ([], "s"),
])
def test_what_is_no_time(value: Any, form: TimeFormat) -> None:
    with pytest.raises(Rejected, match="time"):
        to_us(value, form)


@pytest.mark.parametrize(("kind", "value", "result"), [
    (SignalKind.GAUGE, 96, 96.0), (SignalKind.GAUGE, 0.1, 0.1), (SignalKind.COUNTER, 2**63 - 1, 2**63 - 1), (SignalKind.STATE, True, 1),
    (SignalKind.TEXT, "", ""), (SignalKind.EVENT, "EP-1", "EP-1"), (SignalKind.EVENT, 5, 5),
])
def test_values_as_the_kind_of_the_signal_wants_them(kind: SignalKind, value: Any, result: Any) -> None:
    found = to_value(value, signal(kind))
    assert found == result and type(found) is type(result)


@pytest.mark.parametrize(("kind", "value"), [
    (SignalKind.GAUGE, None), (SignalKind.GAUGE, "1"), (SignalKind.GAUGE, True), (SignalKind.GAUGE, 2**60), (SignalKind.COUNTER, 5.0),
    (SignalKind.COUNTER, True), (SignalKind.STATE, "on"), (SignalKind.TEXT, 5), (SignalKind.EVENT, 5.0), (SignalKind.EVENT, {}),
])
def test_values_of_another_type_are_refused(kind: SignalKind, value: Any) -> None:
    with pytest.raises(Rejected):
        to_value(value, signal(kind))


@given(st.binary(max_size=200))
def test_no_payload_breaks_the_reader(payload: bytes) -> None:
    reader = PayloadReader(PayloadBlock("ts", "ms", "seq", "boot"), [(signal(), "v.x")], "w")
    try:
        message = reader.parse(payload)
    except Rejected:
        return
    reader.gather(message, payload, NOW, Gathering())


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_ANY = st.recursive(_PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(st.fixed_dictionaries({"ts": st.integers(0, 2**45), "v": st.dictionaries(st.sampled_from(["x", "y"]), _ANY) | _ANY, "s": _ANY}))
def test_every_value_of_a_payload_is_a_reading_or_in_quarantine_with_its_loss(content: dict[str, Any]) -> None:
    signals = [signal(), signal(SignalKind.STATE, "state")]
    reader = PayloadReader(PayloadBlock("ts", "ms"), list(zip(signals, ("v.x", "s"), strict=True)), "w")
    payload = json.dumps(content).encode()
    gathering = Gathering()
    try:
        message = reader.parse(payload)
    except Rejected as error:
        assert str(error)
        return
    reader.gather(message, payload, NOW, gathering)
    deliveries = gathering.deliveries(None)
    stored = [reading.signal for delivery in deliveries for reading in delivery.block.readings()]
    lost = [name for delivery in deliveries for loss in delivery.losses for name in loss.signals]
    refused = [refusal.reason for delivery in deliveries for refusal in delivery.refusals]
    assert sorted(stored + lost) == sorted(one.id for one in signals) and len(refused) == len(lost) and all(refused)


def test_a_missing_field_is_refused_alone() -> None:
    reader = PayloadReader(PayloadBlock("ts", "us"), [(signal(), "v.x"), (signal(SignalKind.STATE, "state"), "s")], "w")
    payload = b'{"ts": %d, "s": 3}' % NOW
    gathering = Gathering()
    reader.gather(reader.parse(payload), payload, NOW, gathering)
    (delivery,) = gathering.deliveries(None)
    assert [reading.signal for reading in delivery.block.readings()] == ["cnc-01/state"]
    assert delivery.refusals[0].reason == "cnc-01/load: t#x: missing" and delivery.refusals[0].payload == payload
    assert delivery.losses == (Loss(("cnc-01/load",), "malformed source data"),)


def test_a_loss_stands_between_what_came_before_and_after() -> None:
    gathering, called = Gathering(), []
    gathering.add(Reading("cnc-01/a", NOW, NOW, 1))
    gathering.lose(Loss(("cnc-01/b",), "x"))
    gathering.add(Reading("cnc-01/b", NOW, NOW, 1))
    gathering.lose(Loss(("cnc-01/a",), "y"))
    gathering.add(Reading("cnc-01/a", NOW + 1, NOW, 2))
    first, second = gathering.deliveries(lambda: called.append(1))
    assert [loss.reason for loss in first.losses] == ["x"] and [loss.reason for loss in second.losses] == ["y"]
    assert len(first.block) == 2 and len(second.block) == 1
    assert first.on_committed is None and second.on_committed is not None, "told when all of it is on disk"


@pytest.mark.parametrize("reading", [
    Reading("cnc-01/a", 5, NOW, 1), Reading("cnc-01/a", 2**60, NOW, 1), Reading("cnc-01/a", NOW, NOW, 2**63), Reading("cnc-01/a", NOW, NOW, "\ud800"),
    Reading("cnc-01/a", NOW, NOW, "x" * 70_000), Reading("cnc-01/a", NOW, NOW, None),
])
def test_what_cannot_be_stored_is_refused_and_not_lost_in_silence(reading: Reading) -> None:
    gathering = Gathering()
    gathering.add(reading)
    (delivery,) = gathering.deliveries(None)
    assert len(delivery.block) == 0 and len(delivery.refusals) == 1 and delivery.losses[0].signals == ("cnc-01/a",)


def test_statuses() -> None:
    assert status_name(0) == ""
    assert status_name(0x80340000) == "BadNodeIdUnknown"
    assert status_name(0x80340480) == "BadNodeIdUnknown; Overflow"
    assert status_name(0x480) == "Overflow" and has_overflowed(0x480) and not has_overflowed(0x80)
    assert status_name(0x8FFF0000) == "Bad 0x8FFF0000"


def test_node_ids() -> None:
    assert parse_node("nsu=urn:a%3Bb%25;s=x;y=z", "w").uri == "urn:a;b%"
    assert parse_node("nsu=urn:a;s=x;y=z", "w").identifier == "x;y=z"
    assert parse_node("i=2258", "w").resolve(["ns0"]) is not None
    assert parse_node("nsu=urn:a;i=5", "w").resolve(["ns0", "urn:b"]) is None
    node = parse_node("nsu=urn:a;i=5", "w").resolve(["ns0", "urn:b", "urn:a"])
    assert node is not None and node.NamespaceIndex == 2
    for wrong in ("", "x", "s=", "nsu=urn:a", "ns=2;s=x", "svr=1;i=5", "i=abc", "g=1", "b=%", "nsu=urn:a;ns=2;i=5"):
        with pytest.raises(ConfigError, match="write nsu="):
            parse_node(wrong, "w")


def test_sequence_numbers_of_notifications_roll_over_to_one() -> None:
    assert following(5) == 6 and following(LAST) == 1
    assert missing_numbers(5, 5) == range(0)
    assert [step % LAST + 1 for step in missing_numbers(5, 8) or ()] == [5, 6, 7]
    assert [step % LAST + 1 for step in missing_numbers(LAST, 2) or ()] == [LAST, 1]
    assert missing_numbers(8, 5) is None and missing_numbers(1, LAST) is None


def test_rows_of_messages(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    rows = Sequences(path)
    assert rows.take("t", 1, 7).lost == "first contact"
    assert rows.take("t", 1, 8).lost == "" and not rows.take("t", 1, 8).lost
    assert rows.take("t", 1, 7).is_repeat
    rows.save(rows.marks())
    rows = Sequences(path)
    assert rows.take("t", 1, 8).is_repeat
    assert rows.take("t", 1, 10).lost == "messages lost"
    assert rows.take("t", 2, 0).lost == "device restarted"
    path.write_text("{torn")
    assert Sequences(path).take("t", 2, 1).lost == "first contact"
