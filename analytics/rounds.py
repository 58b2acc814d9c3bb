"""Inspection rounds (巡检): which were due by the register, and which of them somebody made and recorded in time.

A record is a good reading of the role `inspection_round` (a scan of a tag, a button, a form), whatever its value; 0 means that nobody came. A round
counts only if all of its tolerance lies in the window, so that one cut by the border is neither on time nor missed.
"""

from datetime import UTC, date, datetime, time, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.boundary import merge_boundaries
from analytics.definition import components, conclude, quotient
from analytics.indicator import Components, Exclusion, Indicator, Result
from analytics.measured import Measured
from analytics.series import EMPTY, Inputs
from analytics.spells import Tally, tally_of
from analytics.steps import cut, held
from workshop.calendar import service_window, zone_of
from workshop.register import Equipment, Round, Workshop
from workshop.states import LinkState
from workshop.window import SECOND_US, Window

RECORD, NOBODY = "inspection_round", "0"
ROLES = (RECORD, "link_state")
SOURCE = "Rounds and tolerance of the register; the share as of a checked list, 点检完成率"
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def due_here(equipment: Equipment) -> bool:
    """Whether rounds are due at this equipment, and can be recorded."""
    return bool(rounds_of(equipment)) and all(equipment.signal(role) for role in ROLES)


def rounds_of(equipment: Equipment) -> tuple[Round, ...]:
    """The rounds of the register."""
    return equipment.rounds if isinstance(equipment.rounds, tuple) else ()


def due(register: Workshop, item: Round, window: Window) -> list[int]:
    """When the round is due, µs UTC, where its whole tolerance lies in the window. A time that the clock leaves out or says twice is due once."""
    zone, tolerance_us = zone_of(register), item.tolerance_min * 60 * SECOND_US
    day = (_EPOCH + timedelta(microseconds=window.start_us)).astimezone(zone).date() - _DAY
    last = (_EPOCH + timedelta(microseconds=window.end_us)).astimezone(zone).date() + _DAY
    found: set[int] = set()
    while day <= last:
        if day.isoweekday() in item.days:
            found |= {moment for text in item.times if _inside(moment := _moment(day, text, zone), tolerance_us, window)}
        day += _DAY
    return sorted(found)


def _moment(day: date, text: str, zone: object) -> int:
    local = datetime.combine(day, time.fromisoformat(text), tzinfo=zone)  # type: ignore[arg-type]
    return (local - _EPOCH) // timedelta(microseconds=1)


def _inside(moment_us: int, tolerance_us: int, window: Window) -> bool:
    return moment_us - tolerance_us >= window.start_us and moment_us + tolerance_us <= window.end_us


def measure_rounds(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Records by second, and the watched time in which an edge was there to take them, µs."""
    series = inputs.columns.get(RECORD, EMPTY)
    # An event is read as text: its number in the sorted list is not its value.
    nobody = series.texts.index(NOBODY) if NOBODY in series.texts else -1 if series.texts else 0
    moments = series.time_us[series.good & (series.value != nobody)]
    tally = tally_of(SECOND_US, moments // SECOND_US, np.zeros_like(moments), window)
    pieces = cut(inputs.observed, [held(inputs, "link_state")])
    known_us = pieces.total_us((pieces.values[0] == LinkState.UP) | (pieces.values[0] == LinkState.DOWN))
    values = {"records": len(moments), "conflicts": inputs.conflicts((RECORD,))}
    found = components(indicator, inputs, window, known_us, values, events=(RECORD,))
    return msgspec.structs.replace(found, boundary={"records": tally})


def on_time(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Rounds with a record within the tolerance over rounds due."""
    planned = made = 0
    known_due: dict[tuple[Round, Window], NDArray[np.int64]] = {}  # most equipment has the same rounds and is in service all the time
    missed: list[Exclusion] = []
    for name, item in measured.by_equipment.items():
        equipment = register.find(name)
        tally = merge_boundaries([item.boundary["records"]]) if "records" in item.boundary else None
        seconds = tally.columns[0] if isinstance(tally, Tally) else np.zeros(0, np.int64)
        for each in rounds_of(equipment) if equipment else ():
            within = window.clip(service_window(register, equipment)) if equipment else Window(0, 0)
            if (each, within) not in known_due:
                known_due[each, within] = np.array(due(register, each, within), np.int64) // SECOND_US
            at, tolerance_s = known_due[each, within], each.tolerance_min * 60
            done = int((np.searchsorted(seconds, at + tolerance_s) > np.searchsorted(seconds, at - tolerance_s)).sum())
            planned, made = planned + len(at), made + done
            if done < len(at):
                missed.append(Exclusion(name, f"{each.name}: {len(at) - done} of {len(at)} rounds missed or late"))
    known = bool(measured.covered_us)
    counts = {
        "on_time": made, "due": planned, "missed": planned - made, "records": measured.total("records"), "conflicts": measured.total("conflicts"),
    }
    why = f"{made} of {planned}" if known and planned else "undefined: no round was due" if known else "undefined: no edge is known to have listened"
    return conclude(indicator, measured, quotient(made, planned) if known else None, counts, why, excluded=missed)
