"""Episodes of a link that is down, and completeness of what the machines say, as far as an edge was there to hear."""

import msgspec
import numpy as np

from analytics.boundary import episodes_of
from analytics.definition import bounds, components, conclude, quotient
from analytics.indicator import Components, Exclusion, Indicator, Result
from analytics.measured import Measured
from analytics.networking import NETWORKED_SHARE
from analytics.series import MACHINE, Inputs, wanted_signals
from analytics.steps import UNKNOWN, always_fresh, cut, fresh, held, inside, until_heard
from workshop.calendar import service_window
from workshop.register import Equipment, Workshop
from workshop.states import LinkState
from workshop.window import SECOND_US, Window


def machine_signals(equipment: Equipment) -> bool:
    """Whether the equipment has a link state and at least one signal of its own."""
    return equipment.signal("link_state") is not None and bool(wanted_signals(equipment, (MACHINE,)))


def measure_outages(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Time down and known, µs, in the watched time; outages as episodes."""
    pieces = cut(inputs.observed, [held(inputs, "link_state")])
    state = pieces.values[0]
    known = (state == LinkState.UP) | (state == LinkState.DOWN)
    down = known & (state == LinkState.DOWN)
    values = {"down_us": pieces.total_us(down), "conflicts": inputs.conflicts(("link_state",))}
    found = components(indicator, inputs, window, pieces.total_us(known), values, events=("link_state",))
    return msgspec.structs.replace(found, boundary={"outages": episodes_of(down[known].astype(np.int64))})


def restore(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Mean length of an outage, s."""
    outages, down_us = measured.episodes("outages"), measured.total("down_us")
    value = quotient(down_us, outages * SECOND_US)
    counts = {
        "outages": outages, "down_s": down_us // SECOND_US, "known_s": measured.covered_us // SECOND_US, "conflicts": measured.total("conflicts"),
    }
    return conclude(indicator, measured, value, counts, f"{outages} outages" if outages else "undefined: no outage in the watched time")


def measure_completeness(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Fresh, expected and unheard signal time, µs: every machine signal while the link's state is known, and while nobody listened.

    A declared gap is data that is not there. A part that is absent may have been there: its time is unheard, until the signal is heard again.
    """
    every = [signal.role for signal in wanted_signals(inputs.equipment, (MACHINE,)) if signal.role != "link_state"]
    names = [name for name in every if inputs.absent or not always_fresh(inputs, name)]
    absent = [inside([Window(*span) for span in until_heard(inputs.absent, inputs.series(name).time_us)]) for name in names if inputs.absent]
    pieces = cut(inputs.observed, [held(inputs, "link_state"), *(fresh(inputs, name) for name in names), *absent])
    link = pieces.values[0]
    known = (link == LinkState.UP) | (link == LinkState.DOWN)
    known_us = pieces.total_us(known)
    ages, gone = pieces.values[1 : 1 + len(names)], pieces.values[1 + len(names) :]
    fresh_us = known_us * (len(every) - len(names)) + sum(pieces.total_us(known & (column != UNKNOWN)) for column in ages)
    gone_us = sum(pieces.total_us(known & (column == UNKNOWN) & (away == 1)) for column, away in zip(ages, gone, strict=bool(gone)))
    watched_us = sum(part.length_us for part in inputs.observed)
    values = {"fresh_us": fresh_us, "expected_us": known_us * len(every) - gone_us, "unheard_us": (watched_us - known_us) * len(every) + gone_us}
    return components(indicator, inputs, window, known_us, values)


def completeness(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Fresh over expected signal time; the interval counts the time in which nobody listened as all stale, or all fresh."""
    fresh_us, expected_us = measured.total("fresh_us"), measured.total("expected_us")
    low, high = bounds(fresh_us, expected_us, measured.total("unheard_us"))
    worst = [
        Exclusion(name, "signals without a fresh good reading", item.values["expected_us"] - item.values["fresh_us"])
        for name, item in measured.by_equipment.items() if item.values.get("fresh_us", 0) < item.values.get("expected_us", 0)
    ]
    counts = {"fresh_s": fresh_us // SECOND_US, "expected_s": expected_us // SECOND_US, "unheard_s": measured.total("unheard_us") // SECOND_US}
    why = "signal seconds, each signal for itself" if expected_us else "undefined: no link state is known, so nobody listened"
    return conclude(
        indicator, measured, quotient(fresh_us, expected_us), counts, why, excluded=worst, low=low if expected_us else None,
        high=high if expected_us else None, method="bounds: time in which nobody listened all stale … all fresh",
    )


def measure_platform(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Time connected to the platform and known, µs, in the watched time."""
    pieces = cut(inputs.observed, [held(inputs, "platform_link_state")])
    state = pieces.values[0]
    known_us = pieces.total_us((state == LinkState.UP) | (state == LinkState.DOWN))
    return components(indicator, inputs, window, known_us, {"connected_us": pieces.total_us(state == LinkState.UP), "known_us": known_us})


def platform(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """k / N over all equipment in service, with and without a platform link; who is connected is decided as for the networking rates."""
    total = sum(1 for item in register.equipment if window.clip(service_window(register, item)).length_us)
    least_us = {name: NETWORKED_SHARE * item.window_us for name, item in measured.by_equipment.items()}
    up_us = {name: item.values.get("connected_us", 0) for name, item in measured.by_equipment.items()}
    unknown_us = {name: item.window_us - item.values.get("known_us", 0) for name, item in measured.by_equipment.items()}
    connected = [name for name, least in least_us.items() if up_us[name] >= least > 0]
    unknown = sum(1 for name, least in least_us.items() if up_us[name] < least <= up_us[name] + unknown_us[name] or not least)
    counts = {"connected": len(connected), "undetermined": unknown, "linked": len(measured.by_equipment), "all": total}
    whole = total if measured.covered_us else 0
    return conclude(
        indicator, measured, quotient(len(connected), whole), counts,
        f"{len(connected)} of {total}" if whole else "undefined: no platform link is known", high=quotient(len(connected) + unknown, whole),
        method="census with unknown" if unknown else "census",
    )
