"""An indicator as data: what it says of itself, and three functions. For indicators that share their arithmetic with others of their family."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from analytics.facts import NO_FACTS, Facts
from analytics.indicator import Components, Exclusion, Indicator, Result, Within, decimal_of, listed, sentences
from analytics.measured import Measured, doubts, gather, growth_doubt, shortage
from analytics.missing import union, without
from analytics.series import Inputs
from analytics.steps import accounted, growth_lost, unseen
from workshop.calendar import local_hour, zone_of
from workshop.errors import ConfigError
from workshop.register import Equipment, Workshop
from workshop.window import Window

Population = Callable[[Equipment], bool]
Measure = Callable[[Indicator, Inputs, Window], Components]
Evaluate = Callable[[Indicator, Measured, Workshop, Window], Result]
Inform = Callable[[Indicator, Measured, Workshop, Window, Facts], Result]

MEASURED = "measured, no sampling interval"


class Definition(msgspec.Struct, kw_only=True):
    """An indicator whose population, measuring and evaluation are functions of its family."""

    id: str
    version: int = 1
    title_zh: str
    title_en: str
    unit: str
    roles: tuple[str, ...]
    facts: tuple[str, ...] = ()
    formula: str
    numbers: str
    notes_zh: str
    notes_en: str
    source: str
    places: int = 6
    min_coverage: Decimal = Decimal("0.9")
    over_time: bool = False
    """It is a sum over the window: figures of windows of unequal length do not compare."""
    beside: tuple[str, ...] = ()
    """Ids of the indicators without which this one misleads: `explain` shows them with it."""
    population: Population
    measured: Measure
    evaluated: Evaluate | None = None
    informed: Inform | None = None
    """Instead of `evaluated`: with the facts of the control log."""

    def __post_init__(self) -> None:
        if (self.evaluated is None) == (self.informed is None) or bool(self.facts) != (self.informed is not None):
            raise ConfigError(f"indicator {self.id}: one of 'evaluated' and 'informed', and 'facts' with the latter")

    def applies(self, equipment: Equipment) -> bool:
        """Whether this equipment is measured."""
        return self.population(equipment)

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """Components of one piece of equipment in a piece of time."""
        return self.measured(self, inputs, window)

    def evaluate(
        self, components: Sequence[Components], register: Workshop, window: Window, facts: Facts = NO_FACTS, within: Within = None
    ) -> Result:
        """The result; components are merged per equipment and held against the register first."""
        measured = gather(self, components, register, window, within)
        if self.informed is not None:
            return self.informed(self, measured, register, window, facts)
        if self.evaluated is not None:
            return self.evaluated(self, measured, register, window)
        raise ConfigError(f"indicator {self.id}: nothing evaluates it")


def has(*roles: str) -> Population:
    """Equipment with a signal for every one of these roles."""
    return lambda equipment: all(equipment.signal(role) for role in roles)


def has_any(*roles: str) -> Population:
    """Equipment with a signal for one of these roles."""
    return lambda equipment: any(equipment.signal(role) for role in roles)


def everything(equipment: Equipment) -> bool:
    """All equipment."""
    return True


def components(
    indicator: Indicator, inputs: Inputs, window: Window, covered_us: int, values: dict[str, int], watched: Sequence[Window] | None = None,
    *, counters: Sequence[str] = (), events: Sequence[str] = (),
) -> Components:
    """Components of one piece.

    Args:
        watched: the observed time unless said otherwise.
        counters: roles whose growth is summed: for how much of the time it is known, and where absent parts may hide some.
        events: roles that tell events which are counted: where something missing may hide one.
    """
    span = inputs.observed if watched is None else watched
    hour_us = inputs.once(("hour", window.start_us), lambda: local_hour(window.start_us, zone_of(inputs.register)))
    missed = unseen(inputs, events, span) if inputs.unknown else ()
    lost = union((*growth_lost(inputs, counters, window), *missed)) if inputs.unknown else ()
    known = {role: accounted(inputs, role, window) for role in counters}
    if counters and events:  # that a counter's growth is known says nothing about the events in that time
        known["events"] = without(((window.start_us, window.end_us),), missed)
    return Components(
        indicator.id, indicator.version, inputs.equipment.id, hour_us, window.start_us, window.end_us, covered_us,
        sum(part.length_us for part in span), values, known, lost,
    )


def nobody(indicator: Indicator, measured: Measured) -> str:
    """The sentence about an empty population: the register has no equipment for this indicator."""
    if measured.by_equipment:
        return ""
    return f"undefined: no equipment in service with the roles {', '.join(indicator.roles)}" if indicator.roles else "undefined: nothing in service"


def conclude(
    indicator: Indicator, measured: Measured, value: Fraction | None, counts: dict[str, int], *why: str, low: Fraction | None = None,
    high: Fraction | None = None, method: str = MEASURED, excluded: Sequence[Exclusion] = (), summed: bool = False,
) -> Result:
    """The result from an exact value: rounded once, with coverage and the sentences about too little data.

    Args:
        low, high: the interval; both are the value unless said otherwise.
        summed: counters are summed, so that those of every single machine must be known.
    """
    exact = (value, value if low is None else low, value if high is None else high)
    rounded = [None if item is None else decimal_of(item, indicator.places) for item in exact]
    doubt = doubts(indicator, measured) if summed else sentences(growth_doubt(measured), shortage(indicator, measured.coverage))
    return Result(
        indicator.id, indicator.version, rounded[0], rounded[1], rounded[2], method, indicator.unit, measured.coverage, counts, list(excluded),
        sentences(nobody(indicator, measured), *(why if measured.by_equipment else ()), doubt),
        detail=measured.detail, least_coverage=measured.least if summed else None, lost_us=measured.lost_us,
    )


def bounds(part: int, whole: int, unknown: int) -> tuple[Fraction | None, Fraction | None]:
    """The smallest and the greatest share that there can be when the unknown is shared out between part and whole; part lies in whole."""
    return quotient(part, whole + unknown), quotient(part + unknown, whole + unknown)


def quotient(part: int, whole: int) -> Fraction | None:
    """part / whole, exact; None when whole is 0."""
    return Fraction(part, whole) if whole else None


def left_out(names: Sequence[str], what: str) -> str:
    """A sentence about equipment that is not counted; empty without any."""
    return f"{what}: {listed(names)}" if names else ""
