"""Groups are the whole cut up: by equipment, by day and by shift they add up to it, and every group stands on its own register and calendar."""

from decimal import Decimal

import pytest

from analytics.compute import components_of
from analytics.facts import NO_FACTS
from analytics.grouping import BY, grouped, local_days
from analytics.indicator import Components, Result, load_indicators
from analytics.measured import gather
from tests.unit.analytics.plant import START_US, Held, block, machine, reading, window, workshop
from workshop.errors import Rejected
from workshop.reading import Reading
from workshop.register import Shift, Workshop
from workshop.window import HOUR_US, Window

KNOWN = load_indicators()
ITEMS = (
    machine("cnc-01", work_center="cell-1"), machine("cnc-02", work_center="cell-2"),
    machine("lathe-01", equipment_class="lathe", work_center="cell-2"), machine("press-01", equipment_class="press", digital=False, signals=()),
)
SHIFTS = (Shift("late", "15:00", "23:30"), Shift("night", "23:30", "08:00"), Shift("early", "08:00", "15:00"))
REGISTER = workshop(*ITEMS, shifts=SHIFTS)
# 23:00 to 02:00 in Shanghai: half an hour of the late shift, two and a half of the night, one hour of one day and two of the next.
WINDOW = window(0, 3 * 3600)


def story() -> list[Reading]:
    """Meters that count 1 Wh every ten seconds, and 2 on cnc-02; parts every minute, of which the lathe scraps each fourth."""
    found = []
    for name, rate in (("cnc-01", 1), ("cnc-02", 2), ("lathe-01", 1)):
        for step in range(-1, 3 * 360):
            part = step // 6
            scrap = part // 4 if name == "lathe-01" else 0
            values = {"energy": 500 + step * rate, "good": 1000 + part - scrap, "scrap": scrap + 1, "parts": 1000 + part, "link": 1}
            found += [reading(f"{name}/{signal}", step * 10, value) for signal, value in values.items()]
        found += [reading(f"{name}/{signal}", second, 3) for signal in ("state", "mode") for second in range(0, 3 * 3600, 5)]
    return found


ROWS = block(story())


def measure(identifier: str, register: Workshop, span: Window) -> list[Components]:
    return components_of(KNOWN[identifier], register, ROWS, span)


def by(identifier: str, key: str) -> dict[str, Result]:
    return dict(grouped(
        KNOWN[identifier], REGISTER, WINDOW, key, lambda register, span: measure(identifier, register, span), NO_FACTS, Held(ROWS),
    ))


def test_groups_of_equipment() -> None:
    assert {name: result.counts["energy_mwh"] // 1000 for name, result in by("energy_total", "class").items()} == {
        "machining_centre": 3 * 1080, "lathe": 1080,
    }
    assert {name: str(result.value) for name, result in by("defect_rate", "work_center").items()} == {"cell-1": "0.000000", "cell-2": "0.125000"}
    digital = by("digitalisation_rate", "class")
    assert {name: result.value for name, result in digital.items()} == {"machining_centre": 1, "lathe": 1, "press": 0}


def test_a_group_of_one_is_the_machine_alone() -> None:
    alone = workshop(ITEMS[1], shifts=SHIFTS)
    found = by("energy_total", "equipment")["cnc-02"]
    assert found == KNOWN["energy_total"].evaluate(measure("energy_total", alone, WINDOW), alone, WINDOW)


@pytest.mark.parametrize("key", BY)
@pytest.mark.parametrize("identifier", ["energy_total", "defect_rate", "availability", "mttr"])
def test_groups_add_up_to_the_whole(identifier: str, key: str) -> None:
    indicator = KNOWN[identifier]
    whole = gather(indicator, measure(identifier, REGISTER, WINDOW), REGISTER, WINDOW)
    totals: dict[str, int] = {}
    for result in by(identifier, key).values():
        for values in result.detail.values():
            for name, value in values.items():
                totals[name] = totals.get(name, 0) + value
    expected: dict[str, int] = {}
    for values in whole.detail.values():
        for name, value in values.items():
            expected[name] = expected.get(name, 0) + value
    assert totals == expected


def test_shifts_and_days_are_those_of_the_workshop() -> None:
    shifts = by("energy_total", "shift")
    assert {name: result.counts["energy_mwh"] // 1000 for name, result in shifts.items() if result.value} == {"late": 4 * 180, "night": 4 * 900}
    assert shifts["early"].value is None and shifts["early"].coverage == 0
    days = by("availability", "day")
    assert list(days) == ["2026-09-21", "2026-09-22"] and {result.value for result in days.values()} == {Decimal(1)}
    assert [result.counts["pbt_s"] for result in days.values()] == [3 * 3600, 3 * 7200]


def test_days_over_a_clock_change_are_of_their_own_length() -> None:
    register = workshop(machine(), zone="Europe/Berlin")
    # 2026-10-25, when clocks go back at 03:00; from noon to noon.
    noon = START_US // (24 * HOUR_US) * 24 * HOUR_US + 33 * 24 * HOUR_US + 10 * HOUR_US
    days = list(local_days(register, Window(noon, noon + 49 * HOUR_US)))
    assert [(day.isoformat(), part.length_us // HOUR_US) for day, part in days] == [("2026-10-24", 12), ("2026-10-25", 25), ("2026-10-26", 12)]


def test_no_other_grouping() -> None:
    with pytest.raises(Rejected, match="group by 'moon': there are equipment"):
        by("oee", "moon")
