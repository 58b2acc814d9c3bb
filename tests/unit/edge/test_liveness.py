"""Liveness: no change, no link, a planned stop, and nothing at all are four things."""

from edge.liveness import Liveness
from tests.unit.edge.rig import EQUIPMENT, REGISTER, register_of
from workshop.block import block_of
from workshop.reading import Quality, Reading
from workshop.register_file import parse_register

NOON_US = 1_767_585_600_000_000  # Monday 2026-01-05 12:00 in Shanghai
SHIFT = '[[shifts]]\nname = "day"\nstart = "08:00"\nend = "20:00"\n'


def reading(signal: str, at_us: int, quality: Quality = Quality.GOOD) -> Reading:
    return Reading(f"cnc-01/{signal}", at_us - 3_000_000, at_us, None if quality is Quality.BAD else 1, quality)


def test_why_a_signal_is_silent() -> None:
    live = Liveness(register_of("cnc-01"), ["cnc-01/load", "cnc-01/state", "cnc-01/parts"])
    live.note(block_of([reading("load", NOON_US), reading("state", NOON_US, Quality.BAD), reading("other", NOON_US)]))
    live.note(block_of([]))
    (life,) = live.look({"cnc-01": True}, NOON_US + 1_000_000).values()
    assert life.link and life.heard_us == NOON_US and life.planned is None
    assert life.stale() == {"parts": "never heard"} and life.signals["state"].heard_us == NOON_US
    live.note(block_of([reading("load", NOON_US + 20_000_000)]))
    (life,) = live.look({"cnc-01": True}, NOON_US + 20_000_000).values()
    assert life.stale() == {"parts": "never heard", "state": "no change"}
    (life,) = live.look({"cnc-01": False}, NOON_US + 40_000_000).values()
    assert not life.link and set(life.stale().values()) == {"no link"}


def test_a_planned_stop_is_not_an_outage() -> None:
    text = REGISTER.replace("[signal_sets]", f"{SHIFT}\n[signal_sets]")
    register = parse_register(text + EQUIPMENT.replace("{id}", "cnc-01"), "workshop.toml")
    live = Liveness(register, ["cnc-01/load"])
    live.note(block_of([reading("load", NOON_US)]))
    for hours, planned, why in ((1, True, "no link"), (10, False, "planned stop"), (21, True, "no link")):
        (life,) = live.look({"cnc-01": False}, NOON_US + hours * 3_600_000_000).values()
        assert (life.planned, life.stale()) == (planned, {"load": why})


def test_older_blocks_do_not_turn_the_clock_back() -> None:
    live = Liveness(register_of("cnc-01"), ["cnc-01/load"])
    live.note(block_of([reading("load", NOON_US)]))
    live.note(block_of([reading("load", NOON_US - 5_000_000)]))
    assert live.look({}, NOON_US)["cnc-01"].heard_us == NOON_US
