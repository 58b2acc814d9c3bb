"""Savings from what a gateway or a bundle holds: days of energy, days of what it depends on, and what fixes both before the reporting period.

IPMVP (EVO 10000) option B measures all energy of the machines that were changed, by their own meters; option C that of the whole site, by its main
meters. The text was not seen; both readings are those of secondary sources.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from analytics.electricity import KWH, METER
from analytics.energy.table import Table
from analytics.indicator import Result, load_indicators
from analytics.power import MAIN
from workshop.canonical import canonical_json, sha256_hex
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import HOUR_US, Window

ENERGY = "energy_total"
CLAIM, FIGURE = "energy-savings", "energy_savings"
"""What the commitment says it is about: no claim of that name is ever judged, savings are a figure for people."""
OPTIONS = ("B", "C")
KNOWN = 0.9
"""Share of a machine's watched time in a day that must be known, or the day is left out."""


class Source(NamedTuple):
    """Where a variable comes from: an indicator's count by machine, the role that machines need, and what one unit of it is."""

    indicator: str
    counted: str
    role: str
    unit: int


VARIABLES: Mapping[str, Source] = {
    "produced": Source("energy_per_part", "produced", "produced_count", 1),
    "good": Source("quality_ratio", "good", "good_count", 1),
    "executing_h": Source("availability", "apt_us", "item_state", HOUR_US),
}
"""Relevant variables that are measured; others come from a file."""


class Variable(NamedTuple):
    """A measured variable over some machines."""

    name: str
    """As it was asked for."""
    source: Source
    machines: tuple[str, ...]


class Day(msgspec.Struct, frozen=True):
    """One local day: energy, kWh, and the variables in their order; None where too little is known."""

    day: str
    kwh: float | None
    variables: tuple[float | None, ...]


def boundary(register: Workshop, option: str, names: Sequence[str]) -> tuple[str, ...]:
    """The meters of the measurement: B the machines that are named, C the main meters.

    Raises:
        ConfigError: another option, machines that are none or have no meter, or no main meter.
    """
    if option not in OPTIONS:
        raise ConfigError(f"--option {option[:40]}: B, the meters of the machines named with --equipment, or C, the main meters of the site")
    metered = [item for item in register.equipment if item.signal(METER)]
    if option == "C":
        if names:
            raise ConfigError("--option C measures the whole site by its main meters; --equipment belongs to option B")
        mains = tuple(item.id for item in metered if item.equipment_class == MAIN)
        if not mains:
            raise ConfigError(f"--option C: the register has no meter of the class {MAIN}; add it, or take --option B with --equipment")
        return mains
    if not names:
        raise ConfigError("--option B: name the machines that were changed with --equipment")
    return tuple(_known(name, [item.id for item in metered], "--equipment") for name in dict.fromkeys(names))


def variable(text: str, register: Workshop) -> Variable | None:
    """`produced`, `good` or `executing_h`, of all machines or, after @, of those named: `produced@cnc-01+cnc-02`. None where it is no such name.

    Raises:
        ConfigError: no machine that tells it, or an unknown one.
    """
    name, _, own = text.partition("@")
    if name not in VARIABLES:
        return None
    source = VARIABLES[name]
    item = load_indicators()[source.indicator]
    telling = [machine.id for machine in register.equipment if item.applies(machine) and machine.signal(source.role)]
    machines = tuple(_known(machine, telling, f"--variables {name}") for machine in own.split("+")) if own else tuple(telling)
    if not machines:
        raise ConfigError(f"--variables {name}: no machine of the register has a signal of the role {source.role}")
    return Variable(text, source, machines)


def amount(result: Result, machines: Collection[str], count: str) -> int | None:
    """The count over some machines in a day; None where one of them is known for too little of its watched time, or its counter was reset."""
    present = [result.detail[name] for name in machines if name in result.detail]
    if not present or any(item["covered_us"] < KNOWN * item["window_us"] or item.get("resets", 0) for item in present):
        return None
    return sum(item.get(count, 0) for item in present)


def days_of(results: Mapping[str, Sequence[tuple[str, Result]]], meters: Collection[str], variables: Sequence[Variable]) -> list[Day]:
    """The days of a period from the indicators' daily results, by indicator."""
    found = []
    for number, (day, energy) in enumerate(results[ENERGY]):
        used = amount(energy, meters, "energy_mwh")
        told = [amount(results[item.source.indicator][number][1], item.machines, item.source.counted) for item in variables]
        found.append(Day(day, None if used is None else used / KWH, tuple(
            None if value is None else value / item.source.unit for value, item in zip(told, variables, strict=True))))
    return found


def table_of(days: Iterable[Day], names: Sequence[str], beside: Mapping[str, Mapping[str, float]] = {}) -> Table:
    """The days as a table for `baseline.run_baseline`.

    Args:
        names: of the measured variables, in the order of `Day.variables`. beside: further columns by day, from a file.
    """
    rows = list(days)
    value = np.array([np.nan if item.kwh is None else item.kwh for item in rows], np.float64)
    others = {
        name: np.array([np.nan if (told := item.variables[place]) is None else told for item in rows], np.float64) for place, name in enumerate(names)
    }
    others |= {name: np.array([column.get(item.day, np.nan) for item in rows], np.float64) for name, column in beside.items()}
    return Table([item.day for item in rows], value, others)


def fixing_digest(baseline: str, option: str, meters: Sequence[str], window: Window) -> str:
    """What is committed to before the reporting period: the baseline's own digest, the boundary and the period; hexadecimal."""
    about = {"baseline": baseline, "equipment": list(meters), "from_us": window.start_us, "option": option, "to_us": window.end_us}
    return sha256_hex(canonical_json({FIGURE: about}))


def changed_meanwhile(register: Workshop, baseline: Window, window: Window, in_service: Mapping[str, Window]) -> list[str]:
    """Machines that came or went between the first day of the baseline and the end of the reporting period: no adjustment is made for them."""
    span = Window(baseline.start_us, window.end_us)
    return [
        item.id for item in register.equipment
        if (item.signal(METER) or item.signal("produced_count"))
        and (span.start_us < in_service[item.id].start_us < span.end_us or span.start_us < in_service[item.id].end_us < span.end_us)
    ]


def _known(name: str, there: Sequence[str], option: str) -> str:
    if name not in there:
        raise ConfigError(f"{option}: '{name[:60]}' has no such signal in the register; there are {', '.join(there) or 'none'}")
    return name
