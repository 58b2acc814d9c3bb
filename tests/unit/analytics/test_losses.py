"""The waterfall of losses: by hand, and its sums exact whatever the machine did."""

from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.compute import compute
from analytics.indicator import Result, load_indicators
from analytics.losses import LOSSES, losses_of
from workshop.block import block_of, empty_block
from workshop.reading import Quality, Reading
from workshop.register_file import parse_register
from workshop.signal import signal_id
from workshop.window import HOUR_US, SECOND_US, Window

TEEP = load_indicators()["teep"]
_FILE = Path(__file__).parents[3] / "config" / "demo" / "workshop.toml"
_WHOLE = parse_register(_FILE.read_text(encoding="utf-8"), _FILE.name)
_MACHINES = tuple(item for item in _WHOLE.equipment if TEEP.applies(item))[:2]
REGISTER = msgspec.structs.replace(_WHOLE, equipment=_MACHINES)
START_US = 1_790_002_800_000_000  # 23:00 in Shanghai
WINDOW = Window(START_US, START_US + 600 * SECOND_US)


def test_by_hand() -> None:
    detail = {_MACHINES[0].id: {
        "window_us": 480, "covered_us": 460, "apt_us": 400, "aust_us": 20, "adet_us": 25, "adot_us": 10, "other_us": 5, "ideal_us": 360,
        "produced": 360, "good": 342,
    }}
    result = msgspec.structs.replace(compute(TEEP, REGISTER, empty_block(), WINDOW), detail=detail)
    found = losses_of(result, REGISTER, WINDOW)
    assert found.total.calendar_us == 600 * SECOND_US
    assert found.total.losses_us == {
        "unplanned": 600 * SECOND_US - 480, "unknown": 20, "other": 5, "adot": 10, "adet": 25, "aust": 20, "speed": 40, "quality": 18,
    }
    assert (found.total.after("unplanned"), found.total.after("aust"), found.total.value_adding_us) == (480, 400, 342)


def test_what_contradicts_itself_is_negative_and_named() -> None:
    detail = {_MACHINES[0].id: {"window_us": 100, "apt_us": 100, "ideal_us": 150, "produced": 10, "good": 12, "unobserved": 3}}
    found = losses_of(msgspec.structs.replace(compute(TEEP, REGISTER, empty_block(), WINDOW), detail=detail), REGISTER, WINDOW)
    assert (found.total.losses_us["speed"], found.total.losses_us["quality"]) == (-50, -30)
    for words in ("not the true minimum", "the counters disagree", "nobody saw the machine"):
        assert words in found.why


def adds_up(result: Result, window: Window) -> None:
    found = losses_of(result, REGISTER, window)
    for item in (found.total, *found.by_equipment.values()):
        assert list(item.losses_us) == list(LOSSES)
        assert item.calendar_us - sum(item.losses_us.values()) == item.value_adding_us == item.after("quality")
    assert set(found.by_equipment) == {item.id for item in _MACHINES}
    assert found.total.calendar_us == 2 * window.length_us


STEPS = st.lists(st.tuples(
    st.integers(0, 599), st.sampled_from(["item_state", "operation_mode", "produced_count", "good_count"]), st.integers(0, 5), st.booleans(),
), max_size=60)


@settings(deadline=None)
@given(steps=STEPS, machine=st.integers(0, 1), length_s=st.integers(1, 600))
def test_the_steps_add_up_whatever_was_heard(steps: list[tuple[int, str, int, bool]], machine: int, length_s: int) -> None:
    equipment = _MACHINES[machine]
    rows = []
    for second, role, value, bad in steps:
        signal = equipment.signal(role)
        if signal is not None:
            at = START_US + second * SECOND_US
            rows.append(Reading(signal_id(equipment.id, signal.name), at, at, None if bad else value, Quality.BAD if bad else Quality.GOOD))
    window = Window(START_US, START_US + length_s * SECOND_US)
    adds_up(compute(TEEP, REGISTER, block_of(rows), window), window)


def test_silence_is_unknown_and_nothing_else() -> None:
    register = msgspec.structs.replace(REGISTER, shifts=())
    found = losses_of(compute(TEEP, register, empty_block(), WINDOW), register, WINDOW)
    assert found.total.losses_us["unplanned"] == found.total.calendar_us
    assert "no planned busy time" in found.why
    day = Window(START_US - 10 * HOUR_US, START_US - 9 * HOUR_US)
    silent = losses_of(compute(TEEP, REGISTER, empty_block(), day), REGISTER, day)
    assert silent.total.losses_us["unknown"] + silent.total.losses_us["unplanned"] == 2 * HOUR_US
    assert silent.total.losses_us["unknown"] > 0 and silent.total.value_adding_us == 0
