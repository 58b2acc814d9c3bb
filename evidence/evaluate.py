"""From parts to verdicts: the one function that the gateway and the verifier share, so that both say the same.

Derived values never support a claim: parts of edges enrolled as *derived* are left out. A part that is not there, or cannot be decoded, lowers
coverage, since its readings are missing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from analytics.compute import needed_signals
from analytics.indicator import Components, Indicator, Result, load_indicators
from evidence.claim import Claim
from evidence.clauses import judge_clause
from evidence.measure import Task
from evidence.parts import PROVENANCES, Parts
from evidence.policy import Pack, check_dates
from evidence.processes import measure_window
from evidence.verdict import Figure, Verdict, judge, local_date_of_end, merge_revisions
from workshop.batch import Provenance
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import Window


class PartName(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """Which part of which batch."""

    edge: str
    epoch: int
    seq: int
    equipment: str


class Evaluation(msgspec.Struct, frozen=True):
    """What came out."""

    results: tuple[Result, ...]
    """Of all indicators, under the last revision of the register."""
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
    processes: int = 1,
) -> Evaluation:
    """Results of all indicators, under the last revision of the register, and a verdict on every claim.

    Args:
        register: one register, or (time, register) of every revision: those in force in the window judge it, and must agree.
        parts: those that meet the window.
        indicators: those to compute; all that there are by default.
        as_of: date that selects the rules in force; by default each clause's last day in force, and for the factory's own claims the window's end.
        versions: the versions asked for; an indicator that is here in another version is not computed, and its claims are undetermined.
        processes: how many may work at it; the answer is the same.
    Raises:
        ConfigError: a claim on a pack or clause that is not there, no register, or an `as_of` that is no date.
    """
    if as_of is not None:
        check_dates("as of", as_of)
    known = dict(load_indicators() if indicators is None else indicators)
    if versions is not None:
        known = {name: item for name, item in known.items() if versions.get(name) == item.version}
    revisions = (register,) if isinstance(register, Workshop) else tuple(item for _, item in revisions_in_force(register, window))
    chosen = tuple(known.values())
    found = measure_window(parts, chosen, revisions, window, processes)
    signals = Task(chosen, revisions, window, ()).signals
    sources = {
        name: {PROVENANCES[i] for i in range(len(PROVENANCES)) if found.sources[i, number]} for number, name in enumerate(signals)
    }
    per_revision: list[list[Verdict]] = []
    results: list[Result] = []
    for revision, components in zip(revisions, found.components, strict=True):
        by_indicator: dict[str, list[Components]] = {name: [] for name in known}
        for piece in components:
            by_indicator[piece.indicator].append(piece)
        results = [item.evaluate(by_indicator[name], revision, window) for name, item in known.items()]
        figures = {}
        for result in results:
            item = known[result.indicator]
            figures[item.id] = _figure(item, result, {source for name in needed_signals(item, revision) for source in sources[name]})
        day = as_of or local_date_of_end(window, revision.time_zone)
        per_revision.append([_judge(claim, packs, figures, day, as_of) for claim in claims])
    verdicts = tuple(merge_revisions(list(items)) for items in zip(*per_revision, strict=True))
    return Evaluation(tuple(results), verdicts, tuple(sorted(PartName(*parts.table.name(number)) for number in found.malformed)))


def _figure(indicator: Indicator, result: Result, provenance: set[Provenance]) -> Figure:
    return Figure(
        result.indicator, result.version, result.value, result.low, result.high, result.method, result.unit, result.coverage, result.counts,
        result.why, indicator.places, Decimal(indicator.min_coverage), tuple(sorted(provenance)),
    )


def _judge(claim: Claim, packs: Mapping[str, Pack], figures: Mapping[str, Figure], day: str, as_of: str | None) -> Verdict:
    if claim.pack is None or claim.clause is None:
        return judge(claim, figures.get(claim.indicator or ""), day)
    pack = packs.get(claim.pack)
    clause = pack.clause(claim.clause) if pack is not None else None
    if pack is None or clause is None:
        raise ConfigError(f"claim '{claim.id}': no clause '{claim.clause}' in a pack '{claim.pack}' here")
    return judge_clause(claim, pack, clause, figures, as_of)
