"""An indicator as data: what it says of itself, and three functions. For indicators that share their arithmetic with others of their family."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from analytics.indicator import Components, Exclusion, Indicator, Measured, Result, decimal_of, gather, listed, sentences, shortage
from analytics.series import Inputs
from workshop.calendar import local_hour, zone_of
from workshop.register import Equipment, Workshop
from workshop.window import Window

Population = Callable[[Equipment], bool]
Measure = Callable[[Indicator, Inputs, Window], Components]
Evaluate = Callable[[Indicator, Measured, Workshop, Window], Result]

MEASURED = "measured, no sampling interval"


class Definition(msgspec.Struct, kw_only=True):
    """An indicator whose population, measuring and evaluation are functions of its family."""

    id: str
    version: int = 1
    title_zh: str
    title_en: str
    unit: str
    roles: tuple[str, ...]
    formula: str
    notes_zh: str
    notes_en: str
    source: str
    places: int = 6
    min_coverage: Decimal = Decimal("0.9")
    population: Population
    measured: Measure
    evaluated: Evaluate

    def applies(self, equipment: Equipment) -> bool:
        """Whether this equipment is measured."""
        return self.population(equipment)

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Components of one piece of equipment in a piece of time."""
        return self.measured(self, inputs, window)

    def evaluate(self, components: Sequence[Components], register: Workshop, window: Window) -> Result:
        """The result; components are merged per equipment and held against the register first."""
        return self.evaluated(self, gather(self, components, register, window), register, window)


def has(*roles: str) -> Population:
    """Equipment with a signal for every one of these roles."""
    return lambda equipment: all(equipment.signal(role) for role in roles)


def has_any(*roles: str) -> Population:
    """Equipment with a signal for one of these roles."""
    return lambda equipment: any(equipment.signal(role) for role in roles)


def components(
    indicator: Indicator, inputs: Inputs, window: Window, covered_us: int, values: dict[str, int], watched_us: int | None = None,
) -> Components:
    """Components of one piece; watched is the observed time unless said otherwise."""
    watched = sum(part.length_us for part in inputs.observed) if watched_us is None else watched_us
    hour_us = local_hour(window.start_us, zone_of(inputs.register))
    return Components(indicator.id, indicator.version, inputs.equipment.id, hour_us, window.start_us, window.end_us, covered_us, watched, values)


def nobody(indicator: Indicator, measured: Measured) -> str:
    """The sentence about an empty population: the register has no equipment for this indicator."""
    if measured.by_equipment:
        return ""
    return f"undefined: no equipment in service with the roles {', '.join(indicator.roles)}" if indicator.roles else "undefined: nothing in service"


def conclude(
    indicator: Indicator, measured: Measured, value: Fraction | None, counts: dict[str, int], *why: str, low: Fraction | None = None,
    high: Fraction | None = None, method: str = MEASURED, excluded: Sequence[Exclusion] = (),
) -> Result:
    """The result from an exact value: rounded once, with coverage and the sentence about too little data."""
    exact = (value, value if low is None else low, value if high is None else high)
    rounded = [None if item is None else decimal_of(item, indicator.places) for item in exact]
    return Result(
        indicator.id, indicator.version, rounded[0], rounded[1], rounded[2], method, indicator.unit, measured.coverage, counts, list(excluded),
        sentences(nobody(indicator, measured), *(why if measured.by_equipment else ()), shortage(indicator, measured.coverage)),
        detail=measured.detail,
    )


def quotient(part: int, whole: int) -> Fraction | None:
    """part / whole, exact; None when whole is 0."""
    return Fraction(part, whole) if whole else None


def left_out(names: Sequence[str], what: str) -> str:
    """A sentence about equipment that is not counted; empty without any."""
    return f"{what}: {listed(names)}" if names else ""
