"""All equipment of an indicator in a whole window, held against the register: the first step of every `evaluate`; and what is doubtful about it."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from analytics.boundary import Episodes
from analytics.indicator import Components, Indicator, Within, listed, merge_all, sentences, share
from analytics.missing import Spans, clipped, common, length, without
from analytics.series import observed_windows
from workshop.calendar import service_window
from workshop.errors import Rejected
from workshop.register import Workshop
from workshop.window import Window


class Measured(msgspec.Struct, frozen=True):
    """All equipment that an indicator is about, in a whole window."""

    by_equipment: dict[str, Components]
    """Equipment in service, in the register's order. What has no components is there with nothing covered."""
    covered_us: int
    expected_us: int
    """Watched time by the register, whether it was measured or not."""
    accounted_us: dict[str, int]
    """By equipment: watched time for which the growth of its counters is known."""
    lost_us: int
    """Time in which counters may have grown, or events happened, unseen because readings are missing."""

    def total(self, name: str) -> int:
        """Sum of one value over all equipment."""
        return sum(item.values.get(name, 0) for item in self.by_equipment.values())

    def episodes(self, name: str) -> int:
        """Number of episodes over all equipment."""
        return sum(_counted(item).get(name, 0) for item in self.by_equipment.values())

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
        return {
            name: {**item.values, **_counted(item), "covered_us": item.covered_us, "window_us": item.window_us}
            for name, item in self.by_equipment.items()
        }


def _counted(piece: Components) -> dict[str, int]:
    return {name: border.count for name, border in piece.boundary.items() if isinstance(border, Episodes)}


def gather(indicator: Indicator, components: Sequence[Components], register: Workshop, window: Window, within: Within = None) -> Measured:
    """Components merged per equipment and held against the register, which alone says who must be there and for how long.

    Raises:
        Rejected: components of another indicator or version, of equipment that is not measured, outside the window, or overlapping.
    """
    for piece in components:
        if (piece.indicator, piece.version) != (indicator.id, indicator.version):
            raise Rejected(f"{indicator.id} {indicator.version}: got components of {piece.indicator} {piece.version}")
        if piece.start_us < window.start_us or piece.end_us > window.end_us:
            raise Rejected(f"{indicator.id}: components of {piece.equipment} [{piece.start_us}, {piece.end_us}) lie outside the window")
    return gather_merged(indicator, merge_all(components), register, window, within)


def gather_merged(
    indicator: Indicator, merged: Sequence[Components], register: Workshop, window: Window, within: Within = None
) -> Measured:
    """As `gather`, from one piece per equipment that is known to be of this indicator and window."""
    pieces = {piece.equipment: piece for piece in merged}
    found: dict[str, Components] = {}
    accounted_us: dict[str, int] = {}
    expected_us = lost_us = 0
    known: dict[Window, tuple[Spans, int]] = {}  # most machines are in service all the time: a year of shifts is laid out once, not once for each
    for item in register.equipment:
        in_service = window.clip(service_window(register, item))
        if indicator.applies(item) and in_service.length_us:
            if in_service not in known:
                spans = tuple((part.start_us, part.end_us) for part in observed_windows(register, item, window))
                known[in_service] = spans, length(spans)
            watched, watched_us = known[in_service]
            if within is not None:
                watched = common(watched, within.get(item.id, ()))
                watched_us = length(watched)
            nothing = Components(indicator.id, indicator.version, item.id, window.start_us, window.start_us, window.start_us, 0, 0, {})
            piece = msgspec.structs.replace(pieces.get(item.id, nothing), window_us=watched_us)
            accounted = _accounted(piece, window)
            found[item.id] = piece
            accounted_us[item.id] = length(common(accounted, watched))
            expected_us += watched_us
            lost_us += length(without(piece.growth_lost, accounted))
    return Measured(found, sum(item.covered_us for item in found.values()), expected_us, accounted_us, lost_us)


def _accounted(piece: Components, window: Window) -> Spans:
    """Where the growth of all counters is known."""
    known: Spans | None = None
    for spans in piece.accounted.values():
        known = clipped(spans, window.start_us, window.end_us) if known is None else common(known, spans)
    return known or ()


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
    """The sentence about what missing readings may hide of counters and events; empty when they hide nothing."""
    return f"undetermined: readings are missing, what was counted in {measured.lost_us} µs is not known" if measured.lost_us else ""
