"""Payloads as columns and one by one: the same readings, losses and refusals, whatever the payload."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.gathering import Gathering
from edge.json_columns import getter_of
from edge.json_payload import PayloadBlock, PayloadReader
from edge.mqtt_arrived import Arrived
from edge.mqtt_messages import Inbox
from edge.sequence import Sequences
from edge.source import MappedSignal, SourceContext
from tests.unit.edge.rig import bits
from workshop.errors import ConfigError, Rejected
from workshop.signal import SignalKind

NOW = 1_767_571_200_123_456
KINDS = {"load": SignalKind.GAUGE, "parts": SignalKind.COUNTER, "state": SignalKind.STATE, "program": SignalKind.TEXT, "serial": SignalKind.EVENT}
GOOD = {"ts": NOW, "seq": 0, "v": {"load": 1.5}, "parts": 3, "state": 2, "program": "P", "serial": "x"}

values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5), st.just([]),
    st.just({}), st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, "\ud800", 1e308]),
)
changes = st.dictionaries(st.sampled_from(["ts", "v", "parts", "state", "program", "serial", "load"]), values, max_size=2)


def inbox(block: PayloadBlock, *machines: str) -> Inbox:
    paths = {"load": "v.load", "parts": "parts", "state": "state", "program": "program", "serial": "serial"}
    signals = tuple(
        MappedSignal(f"{machine}/{name}", machine, KINDS[name], f"p/{machine}#{path}", "m") for machine in machines for name, path in paths.items()
    )
    return Inbox(SourceContext("s", "w", "e", signals, lambda: NOW), {"m": block}, Sequences(None))


def outcome(taker: Callable[[Gathering], None]) -> tuple[Any, ...]:
    gathering = Gathering()
    taker(gathering)
    deliveries = gathering.deliveries(None)
    rows = sorted((one.signal, one.source_time_us, bits(one.value)) for delivery in deliveries for one in delivery.block.readings())
    refusals = sorted((one.payload, one.reason.partition(": ")[2]) for delivery in deliveries for one in delivery.refusals)
    return rows, refusals, {signal for delivery in deliveries for loss in delivery.losses for signal in loss.signals}


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a-1", "a-2"]), changes, st.booleans()), max_size=6), st.sampled_from(["us", "ms", "s", "ns", "iso"]))
def test_columns_are_what_one_by_one_is(rows: list[tuple[str, dict[str, Any], bool]], form: Any) -> None:
    block = PayloadBlock("ts", form)
    stamps = {"us": NOW, "ms": NOW // 1000, "s": NOW / 1e6, "ns": NOW * 1000, "iso": "2026-01-05T08:00:00.5+08:00"}
    told = []
    for number, (machine, change, is_text) in enumerate(rows):
        content = {**GOOD, "ts": stamps[form], **change}
        body = b"{" if is_text and change else json.dumps(content).encode()
        told.append(Arrived(f"p/{machine}", body, NOW + number, number + 1, 1))
    reference = inbox(block, "a-1", "a-2")

    def one_by_one(gathering: Gathering) -> None:
        for message in told:
            reference._take(message, reference._topics[message.topic], gathering)

    together = inbox(block, "a-1", "a-2")
    assert outcome(lambda gathering: together.take(told, gathering) and None) == outcome(one_by_one)


@given(st.lists(st.tuples(st.sampled_from(["p/a-1", "p/x"]), st.binary(max_size=60), st.booleans(), st.integers(-1, 5)), max_size=5))
def test_no_message_breaks_the_inbox(rows: list[tuple[str, bytes, bool, int]]) -> None:
    for block in (PayloadBlock(), PayloadBlock("ts", "s", "seq", "boot"), PayloadBlock("t", "iso", samples="s", numbers_as_text="accept")):
        box, gathering = inbox(block, "a-1"), Gathering()
        told = [Arrived(topic, body, NOW, 1, 1, retained, size=size) for topic, body, retained, size in rows]
        box.take(told, gathering)()
        assert sum(len(delivery.refusals) + len(delivery.block) for delivery in gathering.deliveries(None)) <= 6 * len(rows)


def test_good_messages_do_become_columns() -> None:
    box = inbox(PayloadBlock("ts", "us", "seq"), "a-1", "a-2")
    told = [Arrived(f"p/a-{n % 2 + 1}", json.dumps({**GOOD, "ts": NOW + n, "seq": n // 2}).encode(), NOW, n + 1, 1) for n in range(40)]
    gathering = Gathering()
    box.take(told[:2], gathering)  # first contact is looked at alone
    assert all(box._good(box._topics[message.topic], message, gathering) for message in told[2:])
    (shape,) = box._shapes
    block = shape.block()
    assert block is not None and len(block) == 38 * 5


def test_a_message_that_comes_again_counts_once() -> None:
    box = inbox(PayloadBlock("ts", "us"), "a-1")
    body = json.dumps(GOOD).encode()
    first = Arrived("p/a-1", body, NOW, 5, 1)
    again = Arrived("p/a-1", body, NOW, 5, 1, repeated=True)
    kept = Arrived("p/a-1", body, NOW, 6, 1, retained=True)
    other = Arrived("p/a-1", json.dumps({**GOOD, "ts": NOW + 1}).encode(), NOW, 5, 1, repeated=True)
    rows, refusals, lost = outcome(lambda gathering: box.take([first, again, kept, other], gathering) and None)
    assert {time_us for _, time_us, _ in rows} == {NOW, NOW + 1} and len(rows) == 10 and not refusals and not lost
    box.begin(is_resumed=False)
    assert len(outcome(lambda gathering: box.take([again], gathering) and None)[0]) == 5, "another session: the same number is another message"


def test_without_a_time_the_reception_stands_for_it_and_what_was_kept_is_no_reading() -> None:
    box = inbox(PayloadBlock(), "a-1")
    body = json.dumps(GOOD).encode()
    told = [Arrived("p/a-1", body, NOW, 1, 1, retained=True), *(Arrived("p/a-1", body, NOW, n, 1) for n in (2, 3))]
    rows, refusals, _ = outcome(lambda gathering: box.take(told, gathering) and None)
    assert {time_us for _, time_us, _ in rows} == {NOW, NOW + 1} and not refusals


def test_a_payload_that_is_too_large_is_refused_by_its_size() -> None:
    box = inbox(PayloadBlock("ts", "us"), "a-1")
    _, refusals, lost = outcome(lambda gathering: box.take([Arrived("p/a-1", b"{", NOW, 1, 1, size=9_000_000)], gathering) and None)
    assert "payload of 9000000 bytes" in refusals[0][1] and len(lost) == 5


def sampled(block: PayloadBlock, payload: dict[str, Any], path: str = "x") -> tuple[Any, ...]:
    reader = PayloadReader(block, [(MappedSignal("a/load", "a", SignalKind.GAUGE, "t#x", "m"), path)], "w")
    body = json.dumps(payload).encode()
    return outcome(lambda gathering: reader.gather(reader.parse(body), body, NOW, gathering))


def test_arrays_of_samples() -> None:
    rows, _, _ = sampled(PayloadBlock("t", "us", samples="data"), {"data": [{"t": NOW, "x": 1}, {"t": NOW + 5, "x": 2}]})
    assert [(at, value[1]) for _, at, value in rows] == [(NOW, b"\0\0\0\0\0\0\xf0?"), (NOW + 5, b"\0\0\0\0\0\0\0@")]
    rows, refusals, lost = sampled(PayloadBlock("t", "us", samples="data", samples_every_us=250), {"t": NOW, "data": [1, "y", 3]}, "@")
    assert [at for _, at, _ in rows] == [NOW, NOW + 500] and len(refusals) == 1 and lost == {"a/load"}
    rows, refusals, lost = sampled(PayloadBlock("t", "us", samples="data"), {"data": {"t": NOW}})
    assert not rows and "not an array" in refusals[0][1] and lost == {"a/load"}


def test_numbers_as_text_are_a_policy() -> None:
    accept = PayloadBlock("t", "ms", numbers_as_text="accept")
    assert len(sampled(accept, {"t": str(NOW // 1000), "x": "12.50"})[0]) == 1
    assert sampled(PayloadBlock("t", "ms"), {"t": NOW // 1000, "x": "12.50"})[1]
    for odd in ("1_0", "٣", "0x10", "", "nan", "1e999", " 1\n"):
        assert sampled(accept, {"t": NOW // 1000, "x": odd})[1], odd


def test_times_without_a_zone_need_one() -> None:
    payload = {"t": "2026-01-05 08:00:00", "x": 1}
    assert sampled(PayloadBlock("t", "iso", time_offset="+08:00"), payload)[0][0][1] == NOW // 1_000_000 * 1_000_000
    assert "has no zone" in sampled_error(PayloadBlock("t", "iso"), payload)


def sampled_error(block: PayloadBlock, payload: dict[str, Any]) -> str:
    with pytest.raises(Rejected) as caught:
        sampled(block, payload)
    return str(caught.value)


@pytest.mark.parametrize(("block", "said"), [
    (PayloadBlock("t"), "time without time_format"), (PayloadBlock(time_format="ms"), "time_format without time"),
    (PayloadBlock(samples="x"), "samples without time"), (PayloadBlock("t", "iso", time_offset="8"), "write it like"),
    (PayloadBlock("t", "ms", samples_every_us=5), "samples_every_us without samples"),
])
def test_options_that_say_nothing_alone(block: PayloadBlock, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        sampled(block, {})


def test_only_chains_of_names_are_columns() -> None:
    assert [getter_of(path) is None for path in ("a", "a.b", "a.b.c", "a[0]", "a || b", "", '"a b"')] == [False, False, False, True, True, True, True]
    deep = getter_of("a.b.c")
    assert deep is not None and deep({"a": {"b": {"c": 5}}}) == 5
