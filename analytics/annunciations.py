"""Alarms one by one, as ISA-18.2 and IEC 62682 ask: which are the commonest, which chatter, which stand for a day and more.

The marks of the standard (`MARKS`) are for reading beside the figures; no verdict comes from them. They are quoted from secondary texts: the standard
itself was not at hand.
"""

from fractions import Fraction

import msgspec
import numpy as np

from analytics.alarms import annunciations
from analytics.boundary import merge_boundaries
from analytics.definition import components, conclude, quotient
from analytics.indicator import Components, Exclusion, Indicator, Result
from analytics.measured import Measured
from analytics.series import Inputs
from analytics.spells import Spells, Tally, spells_of, tally_of
from analytics.steps import UNKNOWN, cut, fresh_us, held
from workshop.register import Workshop
from workshop.window import HOUR_US, SECOND_US, Window

TOP = 10
STALE_US = 24 * HOUR_US
"""An alarm that stands for so long is stale."""
CHATTER_US, CHATTER = 60 * SECOND_US, 3
"""An alarm that comes so often in one minute chatters."""
SOURCE = "ANSI/ISA-18.2-2016 and IEC 62682, performance of an alarm system; its marks after secondary texts, the standard was not at hand"
MARKS = {
    "alarm_top_ten_share": "guide value: the ten commonest make 1 % to 5 % of all, at most",
    "alarm_chattering": "guide value: none, with a plan to mend any that occur",
    "alarm_stale": "guide value: fewer than 5 on any day, with a plan to clear them",
}
_PREFIX = "alarm_"


def measure_by_number(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Annunciations by alarm number, whole and by minute."""
    time, code = annunciations(inputs, window)
    tally = tally_of(CHATTER_US, time // CHATTER_US, code, window, CHATTER)
    values = {"annunciations": len(time), "conflicts": inputs.conflicts(("alarm",))}
    for number in code.tolist():
        values[f"{_PREFIX}{number}"] = values.get(f"{_PREFIX}{number}", 0) + 1
    found = components(indicator, inputs, window, fresh_us(inputs, ("alarm",)), values, events=("alarm",))
    return msgspec.structs.replace(found, boundary={"minutes": tally})


def measure_standing(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """How long alarms stood, in shifts and out of them; one that began before the window counts from its start."""
    alarm = held(inputs, "alarm")
    pieces = cut([window] if window.length_us else [], [alarm])
    values = {
        "alarm_us": pieces.total_us((pieces.values[0] != 0) & (pieces.values[0] != UNKNOWN)), "conflicts": inputs.conflicts(("alarm",)),
    }
    found = components(indicator, inputs, window, fresh_us(inputs, ("alarm",)), values, events=("alarm",))
    return msgspec.structs.replace(found, boundary={"standing": spells_of(pieces, window, STALE_US)})


def top_ten(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Annunciations of the ten commonest alarms (equipment and number) over all."""
    found: list[tuple[int, str, str]] = []
    for name, item in measured.by_equipment.items():
        found += [
            (-count, name, key.removeprefix(_PREFIX)) for key, count in item.values.items()
            if key.startswith(_PREFIX)
        ]
    ranked = sorted(found)[:TOP]
    whole, top = measured.total("annunciations"), -sum(item[0] for item in ranked)
    counts = {"top": top, "annunciations": whole, "different": len(found), "conflicts": measured.total("conflicts")}
    kinds = f"only {len(found)} different alarms occurred, so that the share says little" if 0 < len(found) <= TOP else ""
    why = ", ".join(f"{name} {number}: {-count}" for count, name, number in ranked) or "undefined: no alarm occurred, or none is known"
    return conclude(indicator, measured, quotient(top, whole), counts, why, kinds, MARKS[indicator.id])


def chattering(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Number of alarms (equipment and number) that came three times or more in one minute."""
    minutes: dict[str, set[int]] = {}
    for name, item in measured.by_equipment.items():
        tally = item.boundary.get("minutes")
        for slot, code, events in np.column_stack(tally.columns).tolist() if isinstance(tally, Tally) else ():
            if events >= CHATTER:
                minutes.setdefault(f"{name} {code}", set()).add(slot)
    counts = {
        "chattering": len(minutes), "minutes": sum(len(found) for found in minutes.values()), "annunciations": measured.total("annunciations"),
        "conflicts": measured.total("conflicts"),
    }
    said = ", ".join(f"{name} in {len(found)} minutes" for name, found in sorted(minutes.items())[:TOP])
    known = measured.covered_us > 0
    why = said or ("no alarm chattered" if known else "undefined: no alarm signal is known")
    return conclude(indicator, measured, Fraction(len(minutes)) if known else None, counts, why, MARKS[indicator.id])


def stale(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Number of alarms that stood for a day or more, as far as the window shows it."""
    spells = {name: merge_boundaries([item.boundary["standing"]]) for name, item in measured.by_equipment.items() if "standing" in item.boundary}
    number = sum(item.long for item in spells.values() if isinstance(item, Spells))
    longest_us = max((item.longest_us for item in spells.values() if isinstance(item, Spells)), default=0)
    known = measured.covered_us > 0
    counts = {
        "stale": number, "longest_s": longest_us // SECOND_US, "alarm_s": measured.total("alarm_us") // SECOND_US,
        "conflicts": measured.total("conflicts"),
    }
    standing = [
        Exclusion(name, f"alarm {code} stands at the border of the window, how long altogether is not known", end - start)
        for name, item in spells.items() if isinstance(item, Spells)
        for start, end, code in item.rows if (start <= window.start_us or end >= window.end_us) and HOUR_US <= end - start < STALE_US
    ]
    short = "undefined: no alarm can be stale in a window shorter than a day" if known and window.length_us < STALE_US else ""
    why = f"longest {longest_us // SECOND_US} s" if known else "undefined: no alarm signal is known"
    return conclude(
        indicator, measured, Fraction(number) if known and not short else None, counts, why, short,
        MARKS[indicator.id], excluded=standing,
    )
