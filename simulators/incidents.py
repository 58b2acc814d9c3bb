"""From the settings to the schedule: faults and frauds that are asked for, and faults drawn at random."""

from collections.abc import Collection, Iterable

from simulators.catalogue import FAULTS, fault_kind, fraud_kind
from simulators.errors import SimulatorError
from simulators.machine import generator
from simulators.schedule import OPEN_END_US, Entry, Schedule
from simulators.settings import Equipment, Settings
from simulators.shifts import Calendar, interruption_at

_DAY_US = 86_400_000_000


def build_schedule(
    settings: Settings, seed: int, start_us: int, *, days: int = 1, not_drawn: Collection[str] = (), calendar: Calendar | None = None,
    stretch: float = 1.0,
) -> Schedule:
    """Everything that is to go wrong from this time on, µs UTC; random faults are drawn for so many days, but not of the kinds `not_drawn`.

    Args:
        calendar, stretch: see `random_faults`.
    Raises:
        SimulatorError: an unknown kind or piece of equipment, or a kind that this equipment cannot have.
    """
    known = {equipment.id: equipment for block in settings.blocks() for equipment in block.equipment}
    schedule = Schedule()
    for plan in settings.fault:
        kind = fault_kind(plan.kind)
        _check(known, plan.equipment, plan.kind, kind.applies_to)
        from_us = start_us + round(plan.after_s * 1e6)
        lasting_s = kind.usual_s if plan.for_s is None else plan.for_s
        schedule.add(Entry(plan.kind, plan.equipment, from_us, from_us + round(lasting_s * 1e6), plan.severity, plan.signal))
    for fraud in settings.fraud:
        _check(known, fraud.equipment, fraud.kind, fraud_kind(fraud.kind).applies_to)
        from_us = start_us + round(fraud.after_s * 1e6)
        to_us = OPEN_END_US if fraud.for_s is None else from_us + round(fraud.for_s * 1e6)
        schedule.add(Entry(fraud.kind, fraud.equipment, from_us, to_us, float(fraud.strength), fraud.signal, is_fraud=True))
    for entry in random_faults(known.values(), seed, start_us, days, settings.random_faults_per_day, not_drawn, calendar, stretch):
        schedule.add(entry)
    return schedule


def random_faults(
    equipment: Iterable[Equipment], seed: int, start_us: int, days: int, per_day: float, not_drawn: Collection[str] = (),
    calendar: Calendar | None = None, stretch: float = 1.0,
) -> list[Entry]:
    """A Poisson number of faults of machine and sensor for each piece of equipment: evenly over the time, of any kind that it can have, as long as
    usual (× 0.5…2), severity 1 to 3. The days are drawn one by one, so that a longer history begins with the shorter one.

    Args:
        calendar: a fault of the machine that is drawn in a planned standstill begins when that ends: what rests breaks nothing, and the truth may not
            hold a fault without an effect. None: machines work round the clock.
        stretch: faults last so many times as long; machines whose cycles are minutes instead of seconds also wear for days.
    """
    entries = []
    for item in equipment:
        kinds = [kind for kind in FAULTS if item.kind in kind.applies_to and kind.drawn and kind.layer != "protocol" and kind.name not in not_drawn]
        for day in range(days if per_day else 0):
            dice = generator(seed, item.id, "faults", str(day))
            for _ in range(int(dice.poisson(per_day))):
                kind = kinds[int(dice.integers(len(kinds)))]
                from_us = start_us + day * _DAY_US + int(dice.uniform(0.0, _DAY_US))
                lasting_us = round(kind.usual_s * float(dice.uniform(0.5, 2.0)) * stretch * 1e6)
                if calendar is not None and kind.layer == "machine":
                    from_us = _at_work(calendar, item.id, from_us)
                entries.append(Entry(kind.name, item.id, from_us, from_us + lasting_us, round(float(dice.uniform(1.0, 3.0)), 3)))
    return sorted(entries, key=lambda entry: (entry.start_us, entry.equipment, entry.kind))


def _at_work(calendar: Calendar, equipment: str, time_us: int) -> int:
    """This time, or the end of the planned standstills that it falls into; a day without work at all is left as it is."""
    moved = time_us
    while moved < time_us + 8 * _DAY_US:
        resting = interruption_at(calendar, equipment, moved)
        if resting is None:
            return moved
        moved = resting.end_us
    return time_us


def _check(known: dict[str, Equipment], equipment: str, kind: str, applies_to: tuple[str, ...]) -> None:
    if equipment not in known:
        raise SimulatorError(f"{kind}: there is no equipment {equipment!r}; there are {', '.join(known)}")
    if known[equipment].kind not in applies_to:
        raise SimulatorError(f"{kind}: {equipment} is a {known[equipment].kind}; only {', '.join(applies_to)} can have it")
