"""Topics with open parts: found as MQTT's rules say, one declaration for many machines, and no publisher makes the edge grow."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.gathering import Gathering
from edge.json_payload import PayloadBlock
from edge.mqtt_arrived import Arrived
from edge.mqtt_messages import Inbox
from edge.mqtt_topics import MOST_NAMED, MOST_TOPICS, OTHERS, Patterns, Unmatched, filter_of, widest
from edge.sequence import Sequences
from edge.source import MappedSignal, SourceContext
from workshop.signal import SignalKind

NOW = 1_767_571_200_123_456
NUMBERED = PayloadBlock("ts", "us", "seq", link="factory/{area}/{equipment}/link")

levels = st.lists(st.sampled_from(["a", "b", "", "$SYS"]), min_size=1, max_size=4)
wild = st.lists(st.sampled_from(["a", "b", "", "+", "$SYS"]), min_size=1, max_size=4)


def matches(pattern: str, topic: str) -> bool:
    """By the letter of MQTT 5, 4.7.1.3 and 4.7.2."""
    mine, theirs = pattern.split("/"), topic.split("/")
    if theirs[0].startswith("$") and mine[0] != theirs[0]:
        return False
    return len(mine) == len(theirs) and all(level in ("+", other) for level, other in zip(mine, theirs, strict=True))


@example([["$SYS"], ["+"]], ["$SYS"])
@example([["b"], ["$SYS"], ["+"]], ["b"])
@given(st.lists(wild, max_size=6), levels)
def test_a_topic_is_found_where_one_of_the_filters_matches_it(filters: list[list[str]], topic: list[str]) -> None:
    patterns: Patterns[str] = Patterns()
    texts = ["/".join(one) for one in filters]
    for one in texts:
        patterns.add(one, one)
    name = "/".join(topic)
    found, fitting = patterns.find(name), {one for one in texts if matches(one, name)}
    assert (found in fitting) if fitting else found is None
    if len(fitting) > 1:
        assert any({one, other} <= fitting for one, other in patterns.overlaps())
    assert all({one, other} != {"+", "$SYS"} for one, other in patterns.overlaps()), "a wildcard at the beginning does not match `$SYS`"
    assert {one for one in widest(texts) if matches(one, name)} if fitting else True, "the widest filters cover what all of them do"


def box(*machines: str, block: PayloadBlock = NUMBERED, sequences: Sequences | None = None) -> Inbox:
    pattern = "factory/{area}/{equipment}/state"
    signals = tuple(
        MappedSignal(f"{one}/{name}", one, SignalKind.GAUGE, f"{pattern.replace('{equipment}', one)}#{name}", "m", pattern=f"{pattern}#{name}")
        for one in machines for name in ("load", "power")
    )
    return Inbox(SourceContext("s", "w", "e", signals, lambda: NOW), {"m": block}, sequences or Sequences(None))


def told(topic: str, number: int, body: bytes | None = None) -> Arrived:
    content = {"ts": NOW + number, "seq": number, "load": number / 4, "power": 1.5}
    return Arrived(topic, json.dumps(content).encode() if body is None else body, NOW, number % 65_535 + 1, 1)


def test_one_subscription_for_all_machines_and_each_gets_its_own() -> None:
    machines = [f"cnc-{number:03}" for number in range(100)]
    inbox = box(*machines)
    assert inbox.topics == ["factory/+/+/state", "factory/+/+/link"] and len(inbox.signals("factory/+/+/state")) == 200
    gathering = Gathering()
    rows = [told(f"factory/hall-{number % 3}/cnc-{number:03}/state", 0) for number in range(100)]
    inbox.take([*rows, Arrived("factory/hall-0/cnc-007/link", b"offline", NOW, 9, 1)], gathering)()
    deliveries = gathering.deliveries(None)
    assert {one.signal for delivery in deliveries for one in delivery.block.readings()} == set(inbox.signals("factory/+/+/state"))
    assert [delivery.links for delivery in deliveries if delivery.links] == [{"cnc-007": False}]
    assert not inbox.unmatched.count and not [refusal for delivery in deliveries for refusal in delivery.refusals]


def test_what_is_no_machines_is_counted_and_the_first_of_each_topic_can_be_looked_at() -> None:
    inbox, gathering = box("cnc-01"), Gathering()
    for number in range(1000):
        inbox.take([told(f"factory/hall/intruder-{number}/state", number), told("factory/hall/cnc-99/state", number)], gathering)
    deliveries = gathering.deliveries(None)
    assert inbox.unmatched.count == 2000 and sum(inbox.unmatched.topics.values()) == 2000
    assert inbox.unmatched.topics["factory/hall/cnc-99/state"] == 1000 and inbox.unmatched.topics[OTHERS] == 2000 - 1000 - (MOST_NAMED - 1)
    reasons = [refusal.reason for delivery in deliveries for refusal in delivery.refusals]
    assert len(reasons) == MOST_NAMED and reasons[1] == "topic 'factory/hall/cnc-99/state' is not mapped"
    assert not sum(len(delivery.block) for delivery in deliveries)


def test_invented_areas_do_not_make_the_edge_grow_and_do_not_take_a_machines_place(tmp_path: Path) -> None:
    path = tmp_path / "sequences.json"
    inbox, gathering = box("cnc-01", sequences=Sequences(path)), Gathering()
    inbox.take([told("factory/hall/cnc-01/state", 0)], gathering)()
    for number in range(500):
        inbox.take([told(f"factory/fake-{number}/cnc-01/state", 0)], gathering)()
    reasons = [refusal.reason for delivery in gathering.deliveries(None) for refusal in delivery.refusals]
    assert len(inbox._topics) == MOST_TOPICS and inbox.unmatched.count == 500 - MOST_TOPICS + 1
    assert "is the 17th of one address with open parts" in reasons[0]
    assert len(json.loads(path.read_text())) == MOST_TOPICS
    again = box("cnc-01", sequences=Sequences(path))
    again.take([told("factory/new/cnc-01/state", 0), told("factory/hall/cnc-01/state", 1)], gathering)
    deliveries = gathering.deliveries(None)
    assert [one.value for delivery in deliveries for one in delivery.block.readings()] == [0.25, 1.5] and again.unmatched.count == 1
    assert not [loss for delivery in deliveries for loss in delivery.losses], "number 1 follows number 0 of the life before"


TOPICS = ["factory/a/cnc-01/state", "factory/b/cnc-01/state", "x", "factory/a/cnc-02/state", "//", "$SYS/a/cnc-01/state"]


@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.one_of(st.none(), st.binary(max_size=40))), max_size=8))
def test_every_message_is_a_reading_a_refusal_or_counted(rows: list[tuple[str, bytes | None]]) -> None:
    inbox = box("cnc-01", block=PayloadBlock("ts", "us"))
    for number, (topic, body) in enumerate(rows):
        gathering, before = Gathering(), inbox.unmatched.count
        inbox.take([told(topic, number, body)], gathering)
        deliveries = gathering.deliveries(None)
        had = sum(len(delivery.refusals) + len(delivery.block) for delivery in deliveries)
        is_mapped = topic.startswith("factory/") and "cnc-01" in topic
        assert had in (1, 2) if is_mapped else inbox.unmatched.count == before + 1


@pytest.mark.parametrize(("topic", "found"), [
    ("a/{x}/+/b", "a/+/+/b"), ("{x}", "+"), ("a/b", "a/b"), ("/{x}", "/+"), ("工厂/{车间}/状态", "工厂/+/状态"),
])
def test_filters(topic: str, found: str) -> None:
    assert filter_of(topic, "w") == found


def test_counting_is_bounded_whatever_the_topics_are() -> None:
    seen = Unmatched()
    firsts = [seen.note("x" * 70_000), *(seen.note(f"t{number}") for number in range(10_000))]
    assert sum(firsts) == MOST_NAMED and len(seen.topics) == MOST_NAMED + 1 and max(map(len, seen.topics)) == 200 and seen.count == 10_001
