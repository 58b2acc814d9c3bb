"""From parts to verdicts: the one function that the gateway and the verifier share, so that both say the same.

Derived values never support a claim: parts of edges enrolled as *derived* are left out. A part that is not there, or cannot be decoded, lowers
coverage as declared gaps do: what was said before it is not held over it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from analytics.compute import needed_signals
from analytics.definition import Definition
from analytics.facts import NO_FACTS, Facts
from analytics.indicator import Components, Indicator, Result, load_indicators
from evidence.claim import Claim
from evidence.clauses import judge_clause
from evidence.declared import declared_figures, key_of, named_in, with_declared
from evidence.measure import Task
from evidence.parts import PROVENANCES, Parts
from evidence.policy import Pack, check_dates
from evidence.processes import measure_window
from evidence.remarks import Remark, machines_of, of_data, remark
from evidence.statement import PartName
from evidence.verdict import Figure, Verdict, Words, judge, local_date_of_end, merge_revisions, too_thin
from workshop.batch import Provenance
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import Window


class Evaluation(msgspec.Struct, frozen=True):
    """What came out."""

    results: tuple[Result, ...]
    """Of all indicators, under the last revision of the register."""
    baseline_results: tuple[Result, ...]
    """The same in the baseline window; none without one."""
    verdicts: tuple[Verdict, ...]
    """One a claim."""
    malformed: tuple[PartName, ...]
    """Authentic parts that cannot be decoded, or do not hold what their header says: they count as absent. Sorted."""


def revisions_in_force(registers: Sequence[tuple[int, Workshop]], window: Window) -> list[tuple[int, Workshop]]:
    """The revisions of the register in force in the window, oldest first.

    Args:
        registers: (time of its control entry, register) in the log's order.
    Raises:
        ConfigError: no revision at all before the window's end. The first revision also counts for time before it: there was no other.
    """
    before = [item for item in registers if item[0] < window.end_us]
    if not before:
        raise ConfigError("no revision of the register before the window's end: a rate has no denominator")
    at_start = sum(time_us <= window.start_us for time_us, _ in before)
    return before[max(0, at_start - 1) :]


def evaluate(
    register: Workshop | Sequence[tuple[int, Workshop]],
    parts: Parts,
    claims: Sequence[Claim],
    packs: Mapping[str, Pack],
    window: Window,
    *,
    indicators: Mapping[str, Indicator] | None = None,
    as_of: str | None = None,
    versions: Mapping[str, int] | None = None,
    baseline: tuple[Parts, Window] | None = None,
    remarks: Sequence[Remark] = (),
    processes: int = 1,
    facts: Facts = NO_FACTS,
) -> Evaluation:
    """Results of all indicators, under the last revision of the register, and a verdict on every claim.

    Args:
        register: one register, or (time, register) of every revision: those in force in the window judge it, and must agree.
        parts: those that meet the window.
        indicators: those to compute; all that there are by default.
        as_of: date that selects the rules in force; by default each clause's last day in force, and for the factory's own claims the window's end.
        versions: the versions asked for; an indicator that is here in another version is not computed, and its claims are undetermined.
        baseline: parts and window of the time before, for clauses that compare; figures are taken under each revision in force in it.
        remarks: what must be said of verdicts beside their figures; those on malformed parts are added here.
        processes: how many may work at it; the answer is the same.
        facts: what the control log declares, and its orders.
    Raises:
        ConfigError: a claim on a pack or clause that is not there, no register, or an `as_of` that is no date.
    """
    if as_of is not None:
        check_dates("as of", as_of)
    known = dict(load_indicators() if indicators is None else indicators)
    if versions is not None:
        known = {name: item for name, item in known.items() if versions.get(name) == item.version}
    names = named_in(claims, packs)
    after = _measure(register, parts, known, window, processes, facts, names)
    before = None if baseline is None else _measure(register, baseline[0], known, baseline[1], processes, facts, names)
    malformed = tuple(sorted({*after.malformed, *(before.malformed if before is not None else ())}))
    said = [*remarks, *of_data((), malformed, 1, ())]
    revisions = [item.register for item in (*after.revisions, *(before.revisions if before is not None else ()))]
    verdicts = []
    for claim in claims:
        found = [
            _judge(claim, packs, now.figures, as_of or local_date_of_end(window, now.register.time_zone), as_of, then)
            for now in after.revisions for then in ([item.figures for item in before.revisions] if before is not None else [None])
        ]
        verdicts.append(remark(merge_revisions(found), said, lambda claim=claim: machines_of(claim, packs, known, revisions)))  # type: ignore[misc]
    return Evaluation(after.revisions[-1].results, before.revisions[-1].results if before is not None else (), tuple(verdicts), malformed)


class _Revision(NamedTuple):
    """Everything computed under one revision of the register."""

    register: Workshop
    results: tuple[Result, ...]
    figures: dict[str, Figure]


class _Found(NamedTuple):
    revisions: tuple[_Revision, ...]
    malformed: tuple[PartName, ...]


def _measure(
    register: Workshop | Sequence[tuple[int, Workshop]], parts: Parts, known: Mapping[str, Indicator], window: Window, processes: int,
    facts: Facts, names: Sequence[str],
) -> _Found:
    revisions = (register,) if isinstance(register, Workshop) else tuple(item for _, item in revisions_in_force(register, window))
    chosen = tuple(known.values())
    found = measure_window(parts, chosen, revisions, window, processes)
    signals = Task(chosen, revisions, window, ()).signals
    sources = {name: {PROVENANCES[i] for i in range(len(PROVENANCES)) if found.sources[i, number]} for number, name in enumerate(signals)}
    per_revision = []
    for revision, components in zip(revisions, found.components, strict=True):
        by_indicator: dict[str, list[Components]] = {name: [] for name in known}
        for piece in components:
            by_indicator[piece.indicator].append(piece)
        results = tuple(item.evaluate(by_indicator[name], revision, window, facts) for name, item in known.items())
        figures = declared_figures(names, facts, window)
        for result in results:
            item = known[result.indicator]
            measured = {source for name in needed_signals(item, revision) for source in sources[name]}
            figures[item.id] = _figure(item, result, measured | ({Provenance.DECLARED} if result.declared else set()), window)
        per_revision.append(_Revision(revision, results, figures))
    return _Found(tuple(per_revision), tuple(PartName(*parts.table.name(number)) for number in found.malformed))


def _figure(indicator: Indicator, result: Result, provenance: set[Provenance], window: Window) -> Figure:
    summed = isinstance(indicator, Definition) and indicator.over_time
    return Figure(
        result.indicator, result.version, result.value, result.low, result.high, result.method, result.unit, result.coverage, result.counts,
        result.why, indicator.places, Decimal(indicator.min_coverage), tuple(sorted(provenance)), result.least_coverage, result.lost_us,
        result.declared, window.length_us if summed else None,
    )


def _judge(
    claim: Claim, packs: Mapping[str, Pack], figures: Mapping[str, Figure], day: str, as_of: str | None, before: Mapping[str, Figure] | None
) -> Verdict:
    if claim.pack is None or claim.clause is None:
        figure = figures.get(claim.indicator or "")
        verdict = judge(claim, figure, day)
        words = with_declared(Words(verdict.reason, verdict.reason_zh), figure.declared if figure is not None else ())
        return msgspec.structs.replace(verdict, reason=words.en, reason_zh=words.zh)
    pack = packs.get(claim.pack)
    clause = pack.clause(claim.clause) if pack is not None else None
    if pack is None or clause is None:
        raise ConfigError(f"claim '{claim.id}': no clause '{claim.clause}' in a pack '{claim.pack}' here")
    baselines = None if before is None else {
        metric.id: before[key_of(metric)] for metric in clause.metrics
        # A baseline that is too thin is none.
        if key_of(metric) in before and too_thin(before[key_of(metric)]) is None
    }
    return judge_clause(claim, pack, clause, figures, as_of, baselines)
