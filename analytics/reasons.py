"""Rejected parts by the reason that the inspection gives, and their Pareto order.

A rejected part belongs to the text that holds at the moment at which the counter shows it; a station that sends both in one message says them at the
same time. Reasons are told apart as the device words them; their number is bounded by that of the rejected parts.
"""

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from analytics.definition import components, conclude, quotient
from analytics.indicator import Components, Indicator, Result, ratio
from analytics.measured import Measured
from analytics.series import Inputs
from analytics.steps import UNKNOWN, fresh_us, held_codes, increases
from workshop.register import Workshop
from workshop.window import Window

REJECTED, REASON = "rejected_count", "defect_code"
PREFIX = "reason:"
_PLACES = 6


class Bar(NamedTuple):
    """One reason in the order of a Pareto chart."""

    reason: str
    """As the device says it; empty: rejected without a known reason."""
    parts: int
    share: Decimal
    cumulative: Decimal
    """Share of this reason and all commoner ones."""


def measure_reasons(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Rejected parts, and how many of them by reason; the watched time in which both signals were fresh, µs."""
    grown = increases(inputs, REJECTED, window)
    texts, numbers, good = inputs.said(REASON)
    said = held_codes(inputs, REASON, np.where(good, numbers, UNKNOWN))
    codes, first, which = np.unique(said.at(grown.time_us), return_index=True, return_inverse=True)
    amounts = np.zeros(len(codes), np.int64)
    np.add.at(amounts, which, grown.amount)
    by_reason: dict[str, int] = {}
    for place in np.argsort(first).tolist():  # reasons in the order in which they came up
        text = "" if codes[place] == UNKNOWN else texts[int(codes[place])].strip()
        by_reason[PREFIX + text] = by_reason.get(PREFIX + text, 0) + int(amounts[place])
    values = {"rejected": grown.total, "resets": grown.resets, "beginnings": grown.beginnings, "conflicts": inputs.conflicts((REJECTED, REASON))}
    known_us = fresh_us(inputs, (REJECTED, REASON))
    return components(indicator, inputs, window, known_us, {**values, **by_reason}, counters=(REJECTED,))


def leading(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Share of the commonest known reason in all rejected parts; parts without a known reason stay in the denominator."""
    bars = pareto({name: measured.total(name) for name in sorted(_names(measured))})
    known = [bar for bar in bars if bar.reason]
    rejected = measured.total("rejected")
    first = known[0] if known else Bar("", 0, Decimal(0), Decimal(0))
    counts = {
        "leading": first.parts, "rejected": rejected, "without_reason": sum(bar.parts for bar in bars if not bar.reason),
        "reasons": len(known), **{PREFIX + bar.reason: bar.parts for bar in known},
    }
    why = f"'{first.reason}': {first.parts} of {rejected} rejected" if known else "undefined: no rejected part with a known reason"
    return conclude(indicator, measured, quotient(first.parts, rejected) if known else None, counts, why, summed=True)


def pareto(counts: dict[str, int]) -> list[Bar]:
    """Reasons from the commonest down, those of equal count by name, parts without a known reason last.

    Args:
        counts: of a result or of components; names that do not begin with `PREFIX` are passed over.
    """
    found = {name.removeprefix(PREFIX): count for name, count in counts.items() if name.startswith(PREFIX) and count}
    whole, so_far, bars = sum(found.values()), 0, []
    for reason in sorted(found, key=lambda name: (name == "", -found[name], name)):
        so_far += found[reason]
        bars.append(Bar(reason, found[reason], ratio(found[reason], whole, _PLACES) or Decimal(0), ratio(so_far, whole, _PLACES) or Decimal(0)))
    return bars


def bars_of(counts: dict[str, int]) -> list[Bar]:
    """As `pareto`, from the counts of a result of `leading`."""
    return pareto({**counts, PREFIX: counts.get("without_reason", 0)})


def _names(measured: Measured) -> set[str]:
    return {name for item in measured.by_equipment.values() for name in item.values if name.startswith(PREFIX)}
