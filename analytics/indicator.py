"""The seam of the indicators: components that merge, results that say how they came about, and where indicators are found.

A file in `analytics/indicators` is an indicator; its name is the indicator's id, and it exports `INDICATOR`. Another definition is another indicator
with another name, not a parameter; a change of what it computes changes its version.
"""

import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Protocol

import msgspec

from analytics import indicators
from analytics.boundary import Boundary, merge_boundaries
from analytics.facts import NO_FACTS, DeclaredInput, Facts
from analytics.missing import Spans, union
from analytics.series import Inputs
from workshop.errors import ConfigError, Rejected
from workshop.register import Equipment, Workshop
from workshop.window import Window

COVERAGE_PLACES = 6
Within = Mapping[str, Spans] | None


class Components(msgspec.Struct, frozen=True):
    """What an indicator needs to know of one piece of equipment in one piece of time: integers only, so that they merge without rounding.

    A value is a sum over time; the state that holds at a border is carried into the later piece when it is measured. What a border would count twice
    or cut in two is in `boundary`. So splitting a window anywhere and merging gives the same bits.
    """

    indicator: str
    version: int
    equipment: str
    hour_us: int
    """Start of the local hour in which the piece begins; after a merge that of the earliest piece. µs UTC."""
    start_us: int
    end_us: int
    """The piece of time [start, end) that was measured."""
    covered_us: int
    """Watched time in which everything that the indicator needs was known."""
    window_us: int
    """Watched time: planned busy time in service, or all time in service where the register has no shifts."""
    values: dict[str, int]
    """Sums, with the unit in the name: µs, mWh, or counts."""
    accounted: dict[str, Spans] = {}
    """By role of a counter: the time for which its growth is known, `steps.accounted`; pieces unite. May begin before the piece."""
    growth_lost: Spans = ()
    """Where missing readings may have shown growth of these counters, or events that are counted."""
    boundary: dict[str, Boundary] = {}
    """Episodes and slots, with the unit in the name."""


class Exclusion(msgspec.Struct, frozen=True):
    """Something that does not enter a result as the reader might expect."""

    equipment: str
    what: str
    us: int = 0
    """How much time it concerns; 0 where it is not about time."""


class Result(msgspec.Struct, frozen=True):
    """The value of an indicator in a window, and everything that is needed to judge it. Decimals are rounded as the indicator states."""

    indicator: str
    version: int
    value: Decimal | None
    """None: undefined, or nothing is known."""
    low: Decimal | None
    high: Decimal | None
    """The interval that a claim is compared with; equal to the value where there is no uncertainty to state."""
    method: str
    """What the interval is."""
    unit: str
    coverage: Decimal
    """Share of what should be known that is known, 0 … 1, rounded down."""
    counts: dict[str, int]
    excluded: list[Exclusion]
    why: str
    display_low: Decimal | None = None
    display_high: Decimal | None = None
    """An interval for people to look at, where it is another one than that of a claim."""
    display_method: str = ""
    detail: dict[str, dict[str, int]] = {}
    """By equipment: its components in the whole window, with `covered_us` and `window_us`."""
    least_coverage: Decimal | None = None
    """For sums of counters: the smallest share, of all equipment, of the time for which the growth of its counters is known. It must suffice too."""
    lost_us: int = 0
    """Time in which counters may have grown, or events happened, unseen because readings are missing; any makes a verdict undetermined."""
    declared: tuple[DeclaredInput, ...] = ()
    """The inputs that a person declared and no machine gave; empty where everything is measured or in the register."""


class Indicator(Protocol):
    """A figure with unit, roles and formula. Pure: no input or output, no clock, no lots; the same inputs give the same bits."""

    id: str
    version: int
    title_zh: str
    title_en: str
    unit: str
    """UCUM code; "1" for ratios."""
    roles: tuple[str, ...]
    """Roles of the signals that it reads; `*` is every signal that the machine itself makes; none when the register alone decides."""
    facts: tuple[str, ...]
    """What it needs besides: names of declared figures, and `orders`; mostly nothing."""
    formula: str
    numbers: str
    """The formula as a sentence with places for the counts of a result, such as `{scrap} / {inspected}`."""
    notes_zh: str
    notes_en: str
    """The choices behind the formula."""
    source: str
    """Standard and clause, or where the definition was found."""
    places: int
    """Decimals are rounded to this many places, halves to even."""
    min_coverage: Decimal

    def applies(self, equipment: Equipment) -> bool:
        """Whether this equipment is measured."""

    def measure(self, inputs: Inputs, window: Window) -> Components:
        """What happened on one piece of equipment in a window that holds no more than the inputs were cut for."""

    def evaluate(
        self, components: Sequence[Components], register: Workshop, window: Window, facts: Facts = NO_FACTS, within: Within = None
    ) -> Result:
        """The result from components of any pieces of the window, in any order; a piece that is missing lowers the coverage.

        Args:
            within: by equipment the only time that is asked about; None: the whole window.
        Raises:
            Rejected: components of another indicator or version, outside the window, or overlapping.
        """


def merge(left: Components, right: Components) -> Components:
    """Both pieces of time of one piece of equipment as one; associative and commutative.

    Raises:
        Rejected: of different indicators, versions or equipment, or the pieces overlap, which would count twice.
    """
    return _merge_in_order(sorted((left, right), key=_in_time))


def merge_all(components: Iterable[Components]) -> list[Components]:
    """One piece per equipment, sorted by id: merged in order of time. Components of different equipment stay apart, since a census counts each.

    Raises:
        Rejected: as `merge`.
    """
    found: dict[str, list[Components]] = {}
    for piece in sorted(components, key=_in_time):
        found.setdefault(piece.equipment, []).append(piece)
    return [_merge_in_order(found[equipment]) for equipment in sorted(found)]


def _in_time(piece: Components) -> tuple[int, int]:
    return piece.start_us, piece.end_us


def _merge_in_order(pieces: Sequence[Components]) -> Components:
    first, end_us = pieces[0], pieces[0].end_us
    sums: dict[str, int] = {}
    for piece in pieces:
        if (piece.indicator, piece.version, piece.equipment) != (first.indicator, first.version, first.equipment):
            names = [f"{item.indicator} {item.version} {item.equipment}" for item in (first, piece)]
            raise Rejected(f"components of {names[0]} and of {names[1]} do not merge")
        if piece is not first and piece.start_us < end_us:
            raise Rejected(f"components of {piece.indicator} {piece.equipment}: two pieces overlap from {piece.start_us}")
        end_us = max(end_us, piece.end_us)
        for name, value in piece.values.items():
            sums[name] = sums.get(name, 0) + value
    borders = sorted({name for piece in pieces for name in piece.boundary})
    roles = sorted({role for piece in pieces for role in piece.accounted})
    return Components(
        first.indicator, first.version, first.equipment, min(piece.hour_us for piece in pieces), first.start_us, end_us,
        sum(piece.covered_us for piece in pieces), sum(piece.window_us for piece in pieces), dict(sorted(sums.items())),
        {role: union(span for piece in pieces for span in piece.accounted.get(role, ())) for role in roles},
        union(span for piece in pieces for span in piece.growth_lost),
        {name: merge_boundaries([piece.boundary[name] for piece in pieces if name in piece.boundary]) for name in borders},
    )


def decimal_of(value: Fraction, places: int) -> Decimal:
    """The fraction rounded once to so many places, halves to even; exact whatever the decimal context is."""
    return Decimal(f"{round(value * 10**places)}e-{places}")


def ratio(part: int, whole: int, places: int) -> Decimal | None:
    """part / whole, rounded once; None when whole is 0."""
    return decimal_of(Fraction(part, whole), places) if whole else None


def share(part: int, whole: int) -> Decimal:
    """A coverage: part / whole rounded down, so that rounding never makes data sufficient; 0 when whole is 0."""
    return Decimal(f"{part * 10**COVERAGE_PLACES // whole}e-{COVERAGE_PLACES}") if whole else Decimal(0)


def sentences(*texts: str) -> str:
    """The texts that are not empty, joined for `Result.why`."""
    return "; ".join(text for text in texts if text)


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first few names for a sentence, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def load_indicators() -> dict[str, Indicator]:
    """All indicators by id, sorted: one per file in `analytics/indicators`.

    Raises:
        ConfigError: a file whose indicator has another id than the file's name.
    """
    found: dict[str, Indicator] = {}
    for module in sorted(pkgutil.iter_modules(indicators.__path__), key=lambda module: module.name):
        indicator: Indicator = import_module(f"{indicators.__name__}.{module.name}").INDICATOR
        if indicator.id != module.name:
            raise ConfigError(f"analytics/indicators/{module.name}.py: its indicator says it is '{indicator.id}'; file name and id must agree")
        found[indicator.id] = indicator
    return found
