"""Live values in memory."""

from gateway.live import LiveHub, merge_latest
from tests.unit.gateway.plant import START_US, reading
from workshop.block import block_of
from workshop.reading import AGED, HISTORICAL, Reading
from workshop.wire import LatestReading


def test_only_what_changed_after_a_version_is_told() -> None:
    hub = LiveHub(["a/x", "a/y"])
    assert hub.post([LatestReading("a/x", 1, 1.0), LatestReading("a/y", 1, 2.0), LatestReading("b/z", 1, 3.0)]) == 1
    version, everything = hub.since(0)
    assert {item.signal for item in everything} == {"a/x", "a/y"}
    hub.post([LatestReading("a/x", 1, 1.0), LatestReading("a/y", 2, 5.0)])
    assert [item.value for item in hub.since(version)[1]] == [5.0]


def test_an_older_source_time_changes_nothing() -> None:
    hub = LiveHub(["a/x"])
    hub.post([LatestReading("a/x", 5, 1.0)])
    hub.post([LatestReading("a/x", 4, 2.0)])
    assert hub.since(0)[1][0].value == 1.0


def test_the_newer_of_live_and_stored_is_shown() -> None:
    stored = block_of([reading("a/x", 10, 1.0), reading("a/y", 10, None)])
    live = [LatestReading("a/x", START_US + 5, 7.0), LatestReading("a/z", START_US, 3.0)]
    assert [(item.signal, item.value, item.quality) for item in merge_latest(live, stored)] == [("a/x", 1.0, 0), ("a/y", None, 2), ("a/z", 3.0, 0)]


def test_what_was_stored_as_the_past_does_not_move_the_latest_value() -> None:
    """Sparkplug, checklist 35: `is_historical` is stored and leaves the live value alone; where nothing is live it is better than nothing."""
    past = [Reading(name, START_US + 9, START_US + 90, 4.0, status=HISTORICAL) for name in ("a/x", "a/y")]
    aged = Reading("a/z", START_US + 9, START_US + 90, 4.0, status=AGED)
    live = [LatestReading(name, START_US + 5, 7.0) for name in ("a/x", "a/z")]
    found = merge_latest(live, block_of([*past, aged]))
    assert [(item.signal, item.value) for item in found] == [("a/x", 7.0), ("a/y", 4.0), ("a/z", 4.0)]
