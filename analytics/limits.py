"""Safety: signals outside of the limits that the register gives them (`lower`, `upper`), and machines that move with an open door.

A value is held to its maximum age; what nobody knows is neither inside nor outside. One machine counts once however many of its signals are outside
at one time.
"""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.boundary import episodes_of
from analytics.definition import bounds, components, conclude, quotient
from analytics.indicator import Components, Exclusion, Indicator, Result
from analytics.measured import Measured
from analytics.series import Inputs, usable_signals
from analytics.spells import Spells, spells_of
from analytics.steps import UNKNOWN, Steps, cut, held_codes
from workshop.register import Equipment, Workshop
from workshop.signal import Signal
from workshop.window import SECOND_US, Window

ROLES = (
    "spindle_temperature", "axis_temperature", "motor_temperature", "oil_temperature", "ambient_temperature", "gas_concentration", "pressure",
)
"""What is about safety. Limits of other roles, such as the tolerance of a diameter, are not."""
DOOR, MOTION = "door_closed", ("spindle_speed", "joint_speed")
DOOR_ROLES = (DOOR, *MOTION)
SOURCE = "Limits of the register, written by whoever answers for the equipment; no standard says what they must be"
LONGEST_ONLY_US = 2**53 - 1
"""Longer than any spell: of all spells only the longest is kept."""
_METHOD = "bounds: unknown time all inside … all outside"


def limited(equipment: Equipment) -> bool:
    """Whether a signal about safety has a limit."""
    return bool(_limited(equipment))


def guarded(equipment: Equipment) -> bool:
    """Whether the equipment tells of its door and of a movement."""
    return bool(equipment.signal(DOOR)) and any(equipment.signal(role) for role in MOTION)


def _limited(equipment: Equipment) -> list[Signal]:
    return [signal for signal in usable_signals(equipment) if signal.role in ROLES and {signal.lower, signal.upper} != {msgspec.UNSET}]


def outside(inputs: Inputs, signal: Signal) -> Steps:
    """1 while the signal is outside of its limits, 0 while it is inside, else unknown. The limits themselves are inside."""
    low = float(Decimal(signal.lower)) if isinstance(signal.lower, str) else -np.inf
    high = float(Decimal(signal.upper)) if isinstance(signal.upper, str) else np.inf

    return inputs.once(("outside", signal.role), lambda: _held(inputs, signal.role, lambda number: (number < low) | (number > high)))


def measure_limits(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Time outside and known, µs, in the watched time, exceedances as episodes, and the spells in all of the time."""
    steps = [outside(inputs, signal) for signal in _limited(inputs.equipment)]
    return _measure(indicator, inputs, window, steps, every=False)


def measure_door(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """As `measure_limits`: outside is a movement while the door is open."""
    series = inputs.series(DOOR)
    closed, usable = series.integers()
    door = held_codes(inputs, DOOR, np.where(usable, (closed == 0).astype(np.int64), UNKNOWN))
    moving = [_held(inputs, role, lambda number: np.abs(number) > 0) for role in MOTION if inputs.signal(role) is not None]
    edges = np.unique(np.concatenate([step.edge_us for step in (door, *moving)]))
    motion = np.array([step.at(edges) for step in moving])
    some, still = (motion == 1).any(axis=0), (motion == 0).all(axis=0)
    either = Steps(edges, np.where(some, 1, np.where(still, 0, UNKNOWN)))
    return _measure(indicator, inputs, window, [door, either], every=True)


def _held(inputs: Inputs, role: str, where: Callable[[NDArray[np.float64]], NDArray[np.bool_]]) -> Steps:
    """1 while a number holds for which it is so, 0 while another one holds, else unknown."""
    series = inputs.series(role)
    number = series.value.astype(np.float64, copy=False)
    known, found = np.isfinite(number), where(number)
    if not series.all_good:
        known &= series.good
    return held_codes(inputs, role, found.astype(np.int64) if known.all() else np.where(known, found, UNKNOWN))


def _measure(indicator: Indicator, inputs: Inputs, window: Window, steps: list[Steps], *, every: bool) -> Components:
    pieces = cut(inputs.observed, steps)
    state = _together(pieces.values, every=every) if steps else np.full(len(pieces.start_us), UNKNOWN)
    roles = tuple(role for role in indicator.roles if inputs.signal(role) is not None)
    known = state != UNKNOWN
    values = {"over_us": pieces.total_us(state == 1), "conflicts": inputs.conflicts(roles)}
    found = components(indicator, inputs, window, pieces.total_us(known), values, events=roles)
    whole = pieces if inputs.observed == (window,) else cut([window] if window.length_us else [], steps)
    whole = msgspec.structs.replace(whole, values=[_together(whole.values, every=every)])
    return msgspec.structs.replace(found, boundary={"exceedances": episodes_of(state[known]), "spells": spells_of(whole, window, LONGEST_ONLY_US)})


def _together(columns: list[NDArray[np.int64]], *, every: bool) -> NDArray[np.int64]:
    """1 where one of the columns (all of them with `every`) is 1, 0 where that is known not to be, else unknown."""
    table = np.array(columns, np.int64)
    if every:
        return np.where((table == 1).all(axis=0), 1, np.where((table == 0).any(axis=0), 0, UNKNOWN))
    return np.where((table == 1).any(axis=0), 1, np.where((table == 0).all(axis=0), 0, UNKNOWN))


def share_outside(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Time outside over known time, of all machines together."""
    over_us, known_us = measured.total("over_us"), measured.covered_us
    low, high = bounds(over_us, known_us, measured.expected_us - known_us)
    return conclude(
        indicator, measured, quotient(over_us, known_us), _counts(measured), _who(measured) if known_us else "undefined: nothing is known",
        low=low if known_us else None, high=high if known_us else None, method=_METHOD, excluded=_worst(measured),
    )


def number_outside(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """How many times a machine went outside."""
    value = Fraction(measured.episodes("exceedances")) if measured.covered_us else None
    why = _who(measured) if measured.covered_us else "undefined: nothing is known"
    return conclude(indicator, measured, value, _counts(measured), why, excluded=_worst(measured))


def longest_outside(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """The longest time that one machine was outside without a break, s, in shifts or out of them, as far as it lies in the window."""
    value = Fraction(_longest_us(measured), SECOND_US) if measured.covered_us else None
    why = _who(measured) if measured.covered_us else "undefined: nothing is known"
    return conclude(indicator, measured, value, _counts(measured), why, excluded=_worst(measured))


def _longest_us(measured: Measured) -> int:
    found = [item.boundary.get("spells") for item in measured.by_equipment.values()]
    return max((item.longest_us for item in found if isinstance(item, Spells)), default=0)


def _counts(measured: Measured) -> dict[str, int]:
    return {
        "over_s": measured.total("over_us") // SECOND_US, "known_s": measured.covered_us // SECOND_US,
        "exceedances": measured.episodes("exceedances"),
        "longest_s": _longest_us(measured) // SECOND_US, "machines": len(measured.by_equipment), "conflicts": measured.total("conflicts"),
    }


def _worst(measured: Measured) -> list[Exclusion]:
    return [Exclusion(name, "outside", item.values["over_us"]) for name, item in measured.by_equipment.items() if item.values.get("over_us")]


def _who(measured: Measured) -> str:
    names = [item.equipment for item in _worst(measured)]
    return f"outside: {', '.join(names[:8])}" if names else "nothing was outside"
