"""The seam of the indicators: components that merge, results that say how they came about, and where indicators are found.

A file in `analytics/indicators` is an indicator; its name is the indicator's id, and it exports `INDICATOR`. Another definition is another indicator
with another name, not a parameter; a change of what it computes changes its version.
"""

import pkgutil
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Protocol

import msgspec

from analytics import indicators
from analytics.missing import Spans, clipped, common, length, union, without
from analytics.series import Inputs, observed_windows
from workshop.calendar import service_window
from workshop.errors import ConfigError, Rejected
from workshop.register import Equipment, Workshop
from workshop.window import Window

COVERAGE_PLACES = 6


class Components(msgspec.Struct, frozen=True):
    """What an indicator needs to know of one piece of equipment in one piece of time: integers only, so that they merge without rounding.

    Every value is a sum over time. What crosses a border is carried into the later piece when it is measured, therefore a merge needs no state of the
    border: splitting a window anywhere and merging gives the same numbers.
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
    """Where absent parts may have shown growth of these counters."""


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
    """Time for which counters may have grown unseen because parts are absent; any makes a verdict undetermined."""


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
    formula: str
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

    def evaluate(self, components: Sequence[Components], register: Workshop, window: Window) -> Result:
        """The result from components of any pieces of the window, in any order; a piece that is missing lowers the coverage.

        Raises:
            Rejected: components of another indicator or version, outside the window, or overlapping.
        """


def merge(left: Components, right: Components) -> Components:
    """Both pieces of time of one piece of equipment as one; associative and commutative.

    Raises:
        Rejected: of different indicators, versions or equipment, or the pieces overlap, which would count twice.
    """
    if (left.indicator, left.version, left.equipment) != (right.indicator, right.version, right.equipment):
        names = [f"{item.indicator} {item.version} {item.equipment}" for item in (left, right)]
        raise Rejected(f"components of {names[0]} and of {names[1]} do not merge")
    if left.start_us < right.end_us and right.start_us < left.end_us:
        raise Rejected(f"components of {left.indicator} {left.equipment}: two pieces overlap from {max(left.start_us, right.start_us)}")
    values = {name: left.values.get(name, 0) + right.values.get(name, 0) for name in sorted({*left.values, *right.values})}
    return Components(
        left.indicator, left.version, left.equipment, min(left.hour_us, right.hour_us), min(left.start_us, right.start_us),
        max(left.end_us, right.end_us), left.covered_us + right.covered_us, left.window_us + right.window_us, values,
        {role: union((*left.accounted.get(role, ()), *right.accounted.get(role, ()))) for role in sorted({*left.accounted, *right.accounted})},
        union((*left.growth_lost, *right.growth_lost)),
    )


def merge_all(components: Iterable[Components]) -> list[Components]:
    """One piece per equipment, sorted by id: merged in order of time. Components of different equipment stay apart, since a census counts each.

    Raises:
        Rejected: as `merge`.
    """
    merged: dict[str, Components] = {}
    for piece in sorted(components, key=lambda piece: (piece.equipment, piece.start_us, piece.end_us)):
        merged[piece.equipment] = merge(merged[piece.equipment], piece) if piece.equipment in merged else piece
    return list(merged.values())


class Measured(msgspec.Struct, frozen=True):
    """All equipment that an indicator is about, in a whole window: the common first step of every `evaluate`."""

    by_equipment: dict[str, Components]
    """Equipment in service, in the register's order. What has no components is there with nothing covered."""
    covered_us: int
    expected_us: int
    """Watched time by the register, whether it was measured or not."""
    accounted_us: dict[str, int]
    """By equipment: watched time for which the growth of its counters is known."""
    lost_us: int
    """Time for which counters may have grown unseen because parts are absent."""

    def total(self, name: str) -> int:
        """Sum of one value over all equipment."""
        return sum(item.values.get(name, 0) for item in self.by_equipment.values())

    @property
    def coverage(self) -> Decimal:
        """Share of the watched time that is covered; 0 where there is none."""
        return share(self.covered_us, self.expected_us)

    @property
    def least(self) -> Decimal:
        """Of the equipment about whose counters least is known: the share of its watched time that is accounted for; 0 where nothing is watched."""
        return min((self.share_of(name) for name, item in self.by_equipment.items() if item.window_us), default=Decimal(0))

    def share_of(self, name: str) -> Decimal:
        """Share of its watched time for which the growth of a machine's counters is known."""
        return share(self.accounted_us[name], self.by_equipment[name].window_us)

    @property
    def detail(self) -> dict[str, dict[str, int]]:
        """For `Result.detail`."""
        return {name: {**item.values, "covered_us": item.covered_us, "window_us": item.window_us} for name, item in self.by_equipment.items()}


def gather(indicator: Indicator, components: Sequence[Components], register: Workshop, window: Window) -> Measured:
    """Components merged per equipment and held against the register, which alone says who must be there and for how long.

    Raises:
        Rejected: components of another indicator or version, of equipment that is not measured, outside the window, or overlapping.
    """
    for piece in components:
        if (piece.indicator, piece.version) != (indicator.id, indicator.version):
            raise Rejected(f"{indicator.id} {indicator.version}: got components of {piece.indicator} {piece.version}")
        if piece.start_us < window.start_us or piece.end_us > window.end_us:
            raise Rejected(f"{indicator.id}: components of {piece.equipment} [{piece.start_us}, {piece.end_us}) lie outside the window")
    merged = {piece.equipment: piece for piece in merge_all(components)}
    found: dict[str, Components] = {}
    accounted_us: dict[str, int] = {}
    expected_us = lost_us = 0
    for item in register.equipment:
        if indicator.applies(item) and window.clip(service_window(register, item)).length_us:
            watched = tuple((part.start_us, part.end_us) for part in observed_windows(register, item, window))
            nothing = Components(indicator.id, indicator.version, item.id, window.start_us, window.start_us, window.start_us, 0, 0, {})
            piece = msgspec.structs.replace(merged.get(item.id, nothing), window_us=length(watched))
            accounted = _accounted(piece, window)
            found[item.id] = piece
            accounted_us[item.id] = length(common(accounted, watched))
            expected_us += piece.window_us
            lost_us += length(without(piece.growth_lost, accounted))
    return Measured(found, sum(item.covered_us for item in found.values()), expected_us, accounted_us, lost_us)


def _accounted(piece: Components, window: Window) -> Spans:
    """Where the growth of all counters is known."""
    known: Spans | None = None
    for spans in piece.accounted.values():
        known = clipped(spans, window.start_us, window.end_us) if known is None else common(known, spans)
    return known or ()


def decimal_of(value: Fraction, places: int) -> Decimal:
    """The fraction rounded once to so many places, halves to even; exact whatever the decimal context is."""
    return Decimal(f"{round(value * 10**places)}e-{places}")


def ratio(part: int, whole: int, places: int) -> Decimal | None:
    """part / whole, rounded once; None when whole is 0."""
    return decimal_of(Fraction(part, whole), places) if whole else None


def share(part: int, whole: int) -> Decimal:
    """A coverage: part / whole rounded down, so that rounding never makes data sufficient; 0 when whole is 0."""
    return Decimal(f"{part * 10**COVERAGE_PLACES // whole}e-{COVERAGE_PLACES}") if whole else Decimal(0)


def shortage(indicator: Indicator, coverage: Decimal) -> str:
    """The sentence about too little data; empty when the coverage suffices."""
    if coverage >= indicator.min_coverage:
        return ""
    return f"undetermined: coverage {coverage} is below {indicator.min_coverage}"


def doubts(indicator: Indicator, measured: Measured) -> str:
    """The sentences about too little data where the counters of every single machine matter; empty when it suffices."""
    least = measured.least
    poor = [name for name, item in measured.by_equipment.items() if item.window_us and measured.share_of(name) < indicator.min_coverage]
    return sentences(
        shortage(indicator, measured.coverage),
        f"undetermined: what was counted is known for {least} of the time or more, below {indicator.min_coverage}: {listed(poor)}" if poor else "",
        growth_doubt(measured),
    )


def growth_doubt(measured: Measured) -> str:
    """The sentence about counters whose growth absent parts may hide; empty when they hide none."""
    return f"undetermined: parts are absent, what was counted in {measured.lost_us} µs is not known" if measured.lost_us else ""


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
