"""A figure's samples on the chart that suits them, with what is to be said about it.

Limits come from a base period alone, and the base itself is looked at: does it scatter more than chance allows, does it break its own limits.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from analytics.charts import Chart, Rule, p_chart, u_chart
from analytics.charts_counts import FEW, dispersion, exact_p_chart, laney_spread
from workshop.errors import Rejected

LEAST_BASE = 8


class Kind(StrEnum):
    """The charts of counted things."""

    P = "p"
    EXACT = "exact"
    LANEY = "laney"
    U = "u"


class Sample(msgspec.Struct, frozen=True):
    """What was counted in one piece of time."""

    name: str
    count: int
    size: int
    known: bool = True
    """Whether enough was known: else it is on the chart, but no limit comes from it."""


class Charted(msgspec.Struct, frozen=True):
    """A chart and what it says."""

    kind: Kind
    chart: Chart
    names: list[str]
    base: int
    """Samples that the limits come from."""
    dispersion: float
    """χ² per degree of freedom of the base period."""
    dispersion_bound: float
    notes_zh: list[str]
    notes_en: list[str]
    empty: list[str]
    """Samples in which nothing was looked at: not on the chart."""

    @property
    def signals(self) -> list[tuple[str, tuple[Rule, ...]]]:
        """The samples that break a rule."""
        return [(name, point.signals) for name, point in zip(self.names, self.chart.points, strict=True) if point.signals]


def charted(samples: Sequence[Sample], base: Sequence[Sample], kind: Kind | None = None) -> Charted:
    """The samples on a p-chart with limits from the base; exact limits where fewer than 5 defects are expected in one of them.

    Args:
        kind: another chart than the one that suits.
    Raises:
        Rejected: fewer than 8 known samples in the base, none of them with a defect, or counts that are no shares.
    """
    sound = [(item.count, item.size) for item in base if item.known and item.size]
    if len(sound) < LEAST_BASE:
        raise Rejected(f"chart: {len(sound)} samples with known counts in the base period; at least {LEAST_BASE}: take a longer base")
    shown = [item for item in samples if item.size]
    pairs = [(item.count, item.size) for item in shown]
    reference = u_chart([], sound) if kind is Kind.U else p_chart(pairs, sound)
    centre = reference.centre
    few = any(size * centre < FEW for _, size in (*pairs, *sound))
    kind = kind or (Kind.EXACT if few else Kind.P)
    chart, on_base = _drawn(kind, pairs, sound, centre)
    ratio, bound = dispersion(sound, centre, centre if kind is Kind.U else centre * (1 - centre))
    zh, en = [], []
    if few and kind in (Kind.P, Kind.LANEY, Kind.U):
        zh.append(f"有样本的期望缺陷数低于{FEW},正态限不准;用--chart exact")
        en.append(f"fewer than {FEW} defects are expected in some samples, where normal limits are wrong: see --chart exact")
    if ratio > bound and kind is not Kind.LANEY:
        zh.append(f"基准期的离散度{ratio:.2f}超过偶然所能解释的{bound:.2f}:批间差异会频繁报警,考虑--chart laney")
        en.append(
            f"the base period scatters {ratio:.2f} times what chance explains (bound {bound:.2f}): batches differ, alarms will be many; "
            "see --chart laney"
        )
    if unstable := sum(Rule.BEYOND_3 in point.signals for point in on_base.points):
        zh.append(f"基准期自身有{unstable}个点超出三倍标准差:基准不稳定,控制限不可用")
        en.append(f"{unstable} samples of the base period itself lie beyond three sigma: it is not stable, and its limits do not hold")
    if doubtful := [item.name for item in shown if not item.known]:
        zh.append(f"数据不足的样本:{', '.join(doubtful)}")
        en.append(f"too little is known of: {', '.join(doubtful)}")
    empty = [item.name for item in samples if not item.size]
    return Charted(kind, chart, [item.name for item in shown], len(sound), ratio, bound, zh, en, empty)


def _drawn(kind: Kind, pairs: list[tuple[int, int]], base: list[tuple[int, int]], centre: float) -> tuple[Chart, Chart]:
    """The chart of the samples and that of the base itself."""
    if kind is Kind.U:
        return u_chart(pairs, base), u_chart(base, base)
    if kind is Kind.EXACT:
        return exact_p_chart(pairs, centre), exact_p_chart(base, centre)
    spread = laney_spread(base, centre) if kind is Kind.LANEY else 1.0
    return p_chart(pairs, base, spread), p_chart(base, base, spread)
