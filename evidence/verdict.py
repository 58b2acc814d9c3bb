"""Verdicts: a claim against a figure. Confirmed if the whole interval satisfies it, refuted if none of it does, else undetermined.

Missing data makes a verdict undetermined, never confirmed. Comparison is after rounding as the indicator states; a census has a point for an
interval. Clauses of packs are judged in `evidence.clauses`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from analytics.facts import DeclaredInput
from evidence.claim import Claim
from workshop.batch import Provenance
from workshop.window import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Outcome(StrEnum):
    """What an evaluator says."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDETERMINED = "undetermined"
    NOT_APPLICABLE = "not_applicable"


class Words(NamedTuple):
    """One sentence in both languages."""

    en: str
    zh: str


class Figure(msgspec.Struct, frozen=True):
    """An indicator's result with what judging it needs: decimals to compare at, minimum coverage, and where its inputs come from."""

    indicator: str
    version: int
    value: Decimal | None
    low: Decimal | None = None
    high: Decimal | None = None
    method: str = ""
    unit: str = ""
    coverage: Decimal = Decimal(1)
    counts: dict[str, int] = {}
    why: str = ""
    places: int | None = None
    """Decimals after rounding; None compares the figure as it is."""
    min_coverage: Decimal = Decimal(0)
    provenance: tuple[Provenance, ...] = ()
    least_coverage: Decimal | None = None
    """Of the machine about whose counters least is known; None where no counters are summed."""
    lost_us: int = 0
    """Time in which missing readings may hide what was counted."""
    declared: tuple[DeclaredInput, ...] = ()
    """What of it a person declared, and orders; empty where everything is measured or in the register."""
    length_us: int | None = None
    """Of a sum over time the length of its window: sums over unequal times do not compare. None of everything else."""


class Finding(msgspec.Struct, frozen=True):
    """What was found for one figure of a clause under the reading that the verdict follows."""

    metric: str
    outcome: Outcome
    reason: str
    reason_zh: str
    value: Decimal | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What is said of one claim, as of a date, with the reason in words."""

    claim: str
    outcome: Outcome
    as_of: str
    reason: str
    reason_zh: str
    title_zh: str
    title_en: str
    pack: str | None = None
    clause: str | None = None
    indicator: str | None = None
    version: int | None = None
    value: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    method: str = ""
    unit: str = ""
    bound: str = ""
    """Such as "≥ 0.95"."""
    coverage: Decimal | None = None
    counts: dict[str, int] = {}
    provenance: tuple[Provenance, ...] = ()
    """Provenances of the inputs that are not plant."""
    findings: tuple[Finding, ...] = ()


def local_date_of_end(window: Window, time_zone: str) -> str:
    """The local date of the window's last instant: a window that ends at midnight ends on the day before."""
    last = _EPOCH + timedelta(microseconds=max(window.start_us, window.end_us - 1))
    return last.astimezone(ZoneInfo(time_zone)).date().isoformat()


def compare(low: Decimal, high: Decimal, *, at_least: Decimal | None = None, at_most: Decimal | None = None, inclusive: bool = True) -> Outcome:
    """Confirmed if all of [low, high] satisfies the bound, refuted if none of it does, else undetermined."""
    if at_least is not None:
        satisfied, violated = (low >= at_least, high < at_least) if inclusive else (low > at_least, high <= at_least)
    elif at_most is not None:
        satisfied, violated = (high <= at_most, low > at_most) if inclusive else (high < at_most, low >= at_most)
    else:
        raise ValueError("a comparison needs a bound")
    if satisfied:
        return Outcome.CONFIRMED
    return Outcome.REFUTED if violated else Outcome.UNDETERMINED


def interval_of(figure: Figure) -> tuple[Decimal, Decimal]:
    """The figure's interval after rounding as its indicator states; the point itself where there is no interval."""
    if figure.value is None:
        raise ValueError(f"{figure.indicator}: no value, no interval")
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    return rounded(low, figure.places), rounded(high, figure.places)


def rounded(value: Decimal, places: int | None) -> Decimal:
    """Half to even at so many decimals; as it is where `places` is None."""
    return value if places is None else value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def too_thin(figure: Figure, min_coverage: Decimal | None = None, min_count: Mapping[str, int] | None = None) -> Words | None:
    """Why this figure supports no answer, or None: no value, data missing, declared without a document, or fewer counts than the claim demands."""
    least = max(figure.min_coverage, min_coverage or Decimal(0))
    if figure.value is None:
        why = figure.why or "there are no usable readings"
        return Words(f"{figure.indicator} has no value: {why}", f"{figure.indicator} 无值: {why}")
    if figure.coverage < least:
        return Words(
            f"coverage {figure.coverage} of the window is below the minimum {least}: data is missing",
            f"窗口内数据覆盖率 {figure.coverage} 低于最低要求 {least}: 数据缺失",
        )
    if figure.least_coverage is not None and figure.least_coverage < least:
        return Words(
            f"what one machine counted is known for {figure.least_coverage} of the time, below the minimum {least}: its data is missing",
            f"有设备的计数仅在 {figure.least_coverage} 的时间内已知, 低于最低要求 {least}: 该设备数据缺失",
        )
    if figure.lost_us:
        return Words(
            f"no reading shows what was counted in {figure.lost_us} µs about a loss: data is missing",
            f"数据缺失, 约 {figure.lost_us} 微秒内的计数无从得知",
        )
    bare = sorted({item.name for item in figure.declared if not item.attachment and item.name != "orders"})
    if bare:
        return Words(f"{', '.join(bare)}: declared without a document", f"{', '.join(bare)}: 申报未附文件")
    for name, number in sorted((min_count or {}).items()):
        got = figure.counts.get(name)
        if got is None:
            return Words(f"the claim demands {number} '{name}', which the indicator does not count", f"声明要求 {name} 达 {number}, 该指标不统计此数")
        if got < number:
            return Words(f"{name} is {got}, the claim demands a sufficient number of {number}", f"{name} 为 {got}, 少于声明要求的充分数量 {number}")
    return None


def describe(figure: Figure) -> Words:
    """The figure in words: value, interval with its method, counts, coverage, indicator and version."""
    interval = "" if figure.low is None or figure.low == figure.high else f" [{figure.low}, {figure.high}]"
    method = f" {figure.method}" if interval and figure.method else ""
    counts = ", ".join(f"{name} {number}" for name, number in sorted(figure.counts.items()))
    return Words(
        f"{figure.indicator} (version {figure.version}) = {figure.value}{interval}{method}; {counts or 'no counts'}; coverage {figure.coverage}",
        f"{figure.indicator}(版本 {figure.version})= {figure.value}{interval}{method}; {counts or '无计数'}; 覆盖率 {figure.coverage}",
    )


def not_plant(provenance: Sequence[Provenance]) -> tuple[Provenance, ...]:
    """The provenances that a verdict must name: all but plant, sorted."""
    return tuple(sorted({item for item in provenance if item is not Provenance.PLANT}))


def with_provenance(words: Words, provenance: Sequence[Provenance]) -> Words:
    """The sentence, and after it what its inputs are where they are not plant data."""
    others = not_plant(provenance)
    if not others:
        return words
    names = ", ".join(others)
    return Words(f"{words.en}. Inputs are {names} data, not plant data", f"{words.zh}。输入数据来源: {names}, 非工厂实测")


_SAYS = {
    Outcome.CONFIRMED: Words("the whole interval satisfies {bound}", "整个区间满足 {bound}"),
    Outcome.REFUTED: Words("nothing of the interval satisfies {bound}", "区间内没有任何值满足 {bound}"),
    Outcome.UNDETERMINED: Words("the interval reaches over the bound {bound}", "区间跨越界限 {bound}"),
}


def judge(claim: Claim, figure: Figure | None, as_of: str) -> Verdict:
    """The verdict on a claim of the factory's own.

    Args:
        figure: None where this program does not know the indicator, or not in the version demanded.
        as_of: the date that the verdict is given for.
    """
    bound = f"≥ {claim.at_least}" if claim.at_least is not None else f"≤ {claim.at_most}"
    if figure is None:
        words = Words(f"this program cannot compute {claim.indicator} in the version asked for", f"本程序无法按所要求的版本计算 {claim.indicator}")
        return Verdict(claim.id, Outcome.UNDETERMINED, as_of, *words, claim.title_zh, claim.title_en, indicator=claim.indicator, bound=bound)
    thin = too_thin(figure, min_count=claim.min_count)
    if thin is not None:
        outcome, words = Outcome.UNDETERMINED, thin
    else:
        low, high = interval_of(figure)
        at_least, at_most = (None if text is None else Decimal(text) for text in (claim.at_least, claim.at_most))
        outcome = compare(low, high, at_least=at_least, at_most=at_most)
        said, about = _SAYS[outcome], describe(figure)
        words = Words(f"{about.en}: {said.en.format(bound=bound)}", f"{about.zh}: {said.zh.format(bound=bound)}")
    return Verdict(
        claim.id, outcome, as_of, *with_provenance(words, figure.provenance), claim.title_zh, claim.title_en, indicator=figure.indicator,
        version=figure.version, value=figure.value, low=figure.low, high=figure.high, method=figure.method, unit=figure.unit, bound=bound,
        coverage=figure.coverage, counts=figure.counts, provenance=not_plant(figure.provenance),
    )


def merge_revisions(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict from those under each revision of the register in force in the window, oldest first.

    The outcome stands only if it is the same under all of them; otherwise nobody can choose the register that suits: undetermined.
    """
    last = verdicts[-1]
    outcomes = [verdict.outcome for verdict in verdicts]
    if len(set(outcomes)) == 1:
        return last
    listed = ", ".join(outcomes)
    words = Words(
        f"the register changed within the window and the outcome with it ({listed}). Under the last revision: {last.reason}",
        f"台账在窗口内有修订, 结论随之不同({listed})。按最后一次修订: {last.reason_zh}",
    )
    return msgspec.structs.replace(last, outcome=Outcome.UNDETERMINED, reason=words.en, reason_zh=words.zh)
