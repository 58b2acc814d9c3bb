"""Time elements and quantities of ISO 22400-2 on equipment that makes parts: the common part of availability, effectiveness, quality ratio and OEE.

All four are about the same equipment (with an ideal cycle and an item state) and the same time (planned busy time), so that OEE is their
product. In a group numerators and denominators are summed; OEEs are never averaged.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analytics.indicator import Components, Indicator
from analytics.measured import Measured
from analytics.series import Inputs
from analytics.steps import Pieces, Steps, accounted, cut, fresh, growth_lost, held, increases, inside, where_known
from workshop.calendar import local_hour, zone_of
from workshop.register import Equipment
from workshop.states import STATE_MAPPING, ItemState, OperationMode, time_element
from workshop.window import Window

SOURCE = f"ISO 22400-2; states to time elements: {STATE_MAPPING}"
STATE_ROLES = ("item_state", "operation_mode")

_ELEMENTS = ("other", "APT", "AUST", "ADET", "ADOT")
_UNKNOWN = 4
"""Row or column of the table for a state or mode that nobody knows."""


def _table() -> NDArray[np.int64]:
    """Index into `_ELEMENTS` by [state, mode], -1 where the element is unknown; the last row and column stand for unknown."""
    table = np.full((_UNKNOWN + 1, _UNKNOWN + 1), -1, np.int64)
    for state in ItemState:
        for mode in OperationMode:
            table[state, mode] = _ELEMENTS.index(time_element(state, mode) or "other")
        if len(set(table[state, :_UNKNOWN].tolist())) == 1:
            # The mode does not matter in this state, so it need not be known.
            table[state, _UNKNOWN] = table[state, 0]
    return table


_TABLE = _table()


def makes_parts(equipment: Equipment) -> bool:
    """Whether the equipment belongs to the population of the production indicators."""
    return equipment.ideal_cycle_ms is not None and equipment.signal("item_state") is not None


def measure_production(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Time elements in the known planned busy time, and quantities; which of them depends on the indicator's roles.

    Known is time in which every role of the indicator is known. `ideal_us` (PRI × PQ) counts only increases that lie in known time and
    follow the reading before within its maximum age with nothing missing in between: parts made while nobody saw the machine must not
    be set against the time in which it was seen. Such parts are `unobserved`. `produced` and `good` are whole: what a counter grew by
    over a short silence is a fact.
    """
    roles = indicator.roles
    timed = "item_state" in roles
    counters = [role for role in ("produced_count", "good_count") if role in roles]
    pieces = cut(inputs.calendar, [*(held(inputs, role) for role in STATE_ROLES if timed), *(fresh(inputs, role) for role in counters)])
    known = np.ones(len(pieces.length_us), np.bool_)
    for column in pieces.values[2 if timed else 0 :]:
        known &= column == 1
    values: dict[str, int] = {}
    if timed:
        element = _elements(pieces)
        known &= element >= 0
        values = {f"{name.lower()}_us": pieces.total_us(known & (element == i)) for i, name in enumerate(_ELEMENTS)}
    values |= _quantities(inputs, window, counters, where_known(pieces, known), ideal=timed)
    values["conflicts"] = inputs.conflicts(roles)
    return Components(
        indicator.id, indicator.version, inputs.equipment.id, local_hour(window.start_us, zone_of(inputs.register)), window.start_us, window.end_us,
        pieces.total_us(known), sum(part.length_us for part in inputs.calendar), values,
        {role: accounted(inputs, role, window) for role in counters}, growth_lost(inputs, counters, window),
    )


def counter_notes(measured: Measured, names: Sequence[str] = ("resets", "beginnings", "conflicts", "unobserved")) -> dict[str, int]:
    """What was odd about the readings, for `Result.counts`."""
    return {name: measured.total(name) for name in names}


def calendar_note(planned: bool) -> str:
    """The sentence about a missing calendar."""
    return "" if planned else "undefined: no planned busy time in the window; PBT comes from the shifts in the register"


def _elements(pieces: Pieces) -> NDArray[np.int64]:
    state, mode = (np.where((column >= 0) & (column < _UNKNOWN), column, _UNKNOWN) for column in pieces.values[:2])
    found: NDArray[np.int64] = _TABLE[state, mode]
    return found


def _quantities(inputs: Inputs, window: Window, counters: Sequence[str], known: Steps, *, ideal: bool) -> dict[str, int]:
    values: dict[str, int] = {}
    planned = inside(inputs.calendar)
    for role in counters:
        grown = increases(inputs, role, window)
        in_plan = planned.at(grown.time_us) == 1
        values[role.removesuffix("_count")] = int(grown.amount[in_plan].sum())
        values["resets"] = values.get("resets", 0) + grown.resets
        values["beginnings"] = values.get("beginnings", 0) + grown.beginnings
        if role == "produced_count" and ideal:
            seen = in_plan & (known.at(grown.time_us) == 1) & (grown.silence_us <= inputs.hold_us(role)) & ~grown.blind
            parts = int(grown.amount[seen].sum())
            values["ideal_us"] = (inputs.equipment.ideal_cycle_ms or 0) * 1_000 * parts
            values["unobserved"] = values["produced"] - parts
    return values
