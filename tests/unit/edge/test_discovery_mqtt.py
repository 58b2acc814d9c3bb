"""Topics and payloads of any kind become machines with addresses that the MQTT source takes, or nothing."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.discovery.json_topics import Topic, machines_of_topics
from edge.discovery.sparkplug_births import Births
from edge.source import MappedSignal, SourceContext, open_source
from tests.unit.edge.rig import now_us, register_of
from workshop.signal import SignalKind

REGISTER = register_of("cnc-01")


def heard(name: str, *payloads: Any) -> Topic:
    topic = Topic(name, [])
    for payload in payloads:
        topic.add(payload if isinstance(payload, bytes) else msgspec.json.encode(payload), False)
    return topic


def test_the_level_that_the_register_knows_is_the_machine() -> None:
    payload = {"data": {"SpindleLoad": 1.5, "Power": 2}, "time": "2026-01-05T08:00:00+08:00", "seq": 1}
    topics = [heard("cnc-01/shop/state", *({**payload, "seq": number} for number in range(4))), heard("plant/hall-2/mill-9/values", payload, payload)]
    machines, remarks = machines_of_topics(topics, REGISTER, 3.0)
    found = {machine.id: machine for machine in machines}
    assert set(found) == {"cnc-01", "mill-9"} and remarks == []
    assert found["cnc-01"].extra["payload"] == {"time": "time", "time_format": "iso", "sequence": "seq"}
    assert "sequence" not in found["mill-9"].extra["payload"], "a number that stays is no sequence"
    assert {variable.address for variable in found["mill-9"].variables} == {
        "plant/hall-2/mill-9/values#data.SpindleLoad", "plant/hall-2/mill-9/values#data.Power", "plant/hall-2/mill-9/values#seq",
    }
    assert found["cnc-01"].variables[0].period_s == 1.0


@pytest.mark.parametrize(("time", "form"), [
    (1_767_571_200, "s"), (1_767_571_200_123, "ms"), (1_767_571_200_123_456, "us"), (1_767_571_200_123_456_789, "ns"), (1_767_571_200.5, "s"),
    ("2026-01-05T08:00:00Z", "iso"), ("2026-01-05 08:00", ""), (7, ""), (True, ""), ("soon", ""),
])
def test_forms_of_time(time: Any, form: str) -> None:
    (machine,), remarks = machines_of_topics([heard("a/m/s", {"ts": time, "power": 1.0})], REGISTER, 1.0)
    assert machine.extra["payload"].get("time_format", "") == form
    assert bool(remarks) == (not form)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["power", "P", "ts", "seq", "a b", "主轴负载", '"', "x"]), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.text("ab/é1-", min_size=1, max_size=12), JSON | st.binary(max_size=20)), max_size=6))
def test_whatever_is_published_gives_addresses_that_a_source_takes(messages: list[tuple[str, Any]]) -> None:
    topics: dict[str, Topic] = {}
    for name, payload in messages:
        topics.setdefault(name, Topic(name, [])).add(payload if isinstance(payload, bytes) else msgspec.json.encode(payload), False)
    machines, _ = machines_of_topics(list(topics.values()), REGISTER, 1.0)
    for machine in machines:
        for variable in machine.variables:
            signal = MappedSignal("m/x", "m", SignalKind.GAUGE, variable.address, "m")
            context = SourceContext("s", "edge.toml: source 's'", "edge-1", (signal,), now_us)
            open_source("mqtt", {"host": "127.0.0.1", "payload": {"m": machine.extra["payload"]}}, context)


@given(st.binary(max_size=60), st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "STATE", "x"]))
def test_any_bytes_are_a_birth_or_a_remark(payload: bytes, kind: str) -> None:
    births = Births()
    node = births.take(f"spBv1.0/g/{kind}/n/d", payload)
    assert (node is not None) == (kind in ("NDATA", "DDATA"))
    assert births.take(f"spBv1.0/g/{kind}/n/d", payload) is None, "a node is asked once"
