"""Networked equipment, as observed: the common part of the two networking rates.

Networked means: for at least nine tenths of the watched time of the window the link was up *and* the machine itself had given a good reading
no older than that signal's maximum age. Time in which nobody knows is never counted as connected: it counts against a machine that would be
networked, and for one that would not be, which then is undetermined. So leaving readings out moves a machine to *undetermined* and nowhere else.
"""

from fractions import Fraction

import msgspec

from analytics.indicator import Components, Exclusion, Indicator, Result, decimal_of, listed, ratio, sentences, share
from analytics.measured import Measured, shortage
from analytics.series import MACHINE, Inputs, usable_signals, wanted_signals
from analytics.steps import any_fresh, cut, held, unheard
from workshop.calendar import local_hour, zone_of
from workshop.register import Equipment, Workshop
from workshop.states import LinkState
from workshop.window import Window

ROLES = ("link_state", MACHINE)
NETWORKED_SHARE = Fraction(9, 10)
"""Of the watched time; a constant of the indicators' version."""
NO_SIGNALS = "no signals, so it cannot be networked"
SOURCE = "Policy term without an official time criterion; definitions A and B as used in questionnaires and guidance for small and medium enterprises"


class Census(msgspec.Struct, frozen=True):
    """Every piece of equipment in service, sorted into three: ids in the register's order."""

    networked: list[str]
    not_networked: list[str]
    undetermined: list[str]
    excluded: list[Exclusion]


def observable(equipment: Equipment) -> bool:
    """Whether there is anything to observe; equipment without signals cannot be networked."""
    return bool(usable_signals(equipment))


def measure_link(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Known and connected time of one piece of equipment, µs, and for how long its link was down.

    Known is time in which the link was down, or up while it is also known whether the machine was heard.
    """
    machine_made = [signal.role for signal in wanted_signals(inputs.equipment, (MACHINE,))]
    pieces = cut(inputs.observed, (held(inputs, "link_state"), any_fresh(inputs, machine_made), unheard(inputs, machine_made)))
    link, heard, missed = pieces.values
    up, down = link == LinkState.UP, link == LinkState.DOWN
    known = down | (up & ((heard == 1) | (missed != 1)))
    known_us = pieces.total_us(known)
    values = {
        "connected_us": pieces.total_us(up & (heard == 1)),
        "known_us": known_us,
        "link_down_us": pieces.total_us(down),
    }
    watched_us = sum(part.length_us for part in inputs.observed)
    hour_us = local_hour(window.start_us, zone_of(inputs.register))
    covered_us = known_us if observable(inputs.equipment) else watched_us
    return Components(
        indicator.id, indicator.version, inputs.equipment.id, hour_us, window.start_us, window.end_us, covered_us, watched_us, values,
    )


def take_census(measured: Measured, register: Workshop) -> Census:
    """Who is networked, who is not, and of whom nobody can say."""
    census = Census([], [], [], [])
    for name, item in measured.by_equipment.items():
        equipment = register.find(name)
        known_us, connected_us = item.values.get("known_us", 0), item.values.get("connected_us", 0)
        if equipment is not None and not observable(equipment):
            census.not_networked.append(name)
            census.excluded.append(Exclusion(name, NO_SIGNALS))
        elif item.window_us and connected_us >= NETWORKED_SHARE * item.window_us:
            census.networked.append(name)
        elif connected_us + item.window_us - known_us < NETWORKED_SHARE * item.window_us:
            census.not_networked.append(name)
            census.excluded.append(Exclusion(name, "known, but not connected", known_us - connected_us))
        else:
            census.undetermined.append(name)
            census.excluded.append(Exclusion(name, "connection unknown", item.window_us - known_us))
    return census


def rate(indicator: Indicator, measured: Measured, register: Workshop, population: list[str], note: str) -> Result:
    """k of N over the ids in `population`: a census, therefore without a sampling interval.

    Undetermined equipment counts as not networked in the value and in `low`, as networked in `high`; where it is more than a tenth of the
    population, there is no value.
    """
    census = take_census(measured, register)
    networked = len(set(census.networked) & set(population))
    undetermined = sorted(set(census.undetermined) & set(population))
    total = len(population)
    coverage = share(total - len(undetermined), total)
    value = ratio(networked, total, indicator.places)
    short = shortage(indicator, coverage)
    low = value
    high = decimal_of(Fraction(networked + len(undetermined), total), indicator.places) if total else None
    digital = [item.id for item in register.equipment if item.digital and item.id in measured.by_equipment]
    strangers = [name for name in census.networked if name not in digital]
    silent = [item.equipment for item in census.excluded if item.what == NO_SIGNALS]
    why = sentences(
        f"{networked} of {total} networked" if total else f"undefined: no equipment to count ({note})",
        f"networked = link up and heard for at least {float(NETWORKED_SHARE):.0%} of the watched time",
        "" if register.shifts else "no shifts in the register: all time in service is watched",
        f"undetermined, the time in which nobody knows decides: {listed(undetermined)}" if undetermined else "",
        f"nothing to observe, so not networked: {listed(silent)}" if silent else "",
        f"networked but not digital in the register: {listed(strangers)}" if strangers else "",
        short,
    )
    excluded = census.excluded + [Exclusion(name, "networked, but not digital in the register") for name in strangers]
    counts = {
        "networked": networked, "total": total, "all": len(measured.by_equipment), "digital": len(digital), "undetermined": len(undetermined),
        "networked_not_digital": len(strangers),
    }
    return Result(
        indicator.id, indicator.version, None if short else value, low, high, "census with unknown" if undetermined else "census", indicator.unit,
        coverage, counts, excluded, why, detail=measured.detail,
    )


def of_all(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """k / N over all equipment in service."""
    return rate(indicator, measured, register, list(measured.by_equipment), "none in service in the window")


def of_digital(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """k / N over the digital equipment in service."""
    digital = [item.id for item in register.equipment if item.digital and item.id in measured.by_equipment]
    return rate(indicator, measured, register, digital, "none that is digital in service in the window")
