"""From batches to verdicts: the one function that the gateway and the verifier share, so that both say the same.

Derived values never support a claim: parts of edges enrolled as *derived* are left out. A part that is not there lowers coverage, since its
readings are missing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from analytics.compute import LOOKBACK_US, compute_all, needed_signals
from analytics.indicator import Indicator, Result, load_indicators
from evidence.claim import Claim
from evidence.clauses import judge_clause
from evidence.policy import Pack, check_dates
from evidence.verdict import Figure, Verdict, judge, local_date_of_end, merge_revisions
from workshop.batch import Header, PartEntry, Provenance, SealedBatch, decode_header
from workshop.block import Block, concat
from workshop.errors import ConfigError, Rejected
from workshop.part import decode_part
from workshop.register import Workshop
from workshop.signal import split_signal_id
from workshop.window import Window

Part = tuple[Header, str, bytes | None]
"""Header, equipment, and the part's bytes or None where they are not there."""


def parts_of(batches: Iterable[SealedBatch]) -> Iterator[Part]:
    """The parts of batches, in order."""
    for batch in batches:
        header = decode_header(batch.header)
        for entry, part in zip(header.parts, batch.parts, strict=True):
            yield header, entry.equipment, part


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


def meets(entry: PartEntry, window: Window, lookback_us: int = LOOKBACK_US) -> bool:
    """Whether a part holds source times in [start − lookback, end)."""
    return entry.from_us < window.end_us and entry.to_us >= window.start_us - lookback_us


def evaluate(
    register: Workshop | Sequence[tuple[int, Workshop]],
    parts: Iterable[Part],
    claims: Sequence[Claim],
    packs: Mapping[str, Pack],
    window: Window,
    *,
    indicators: Mapping[str, Indicator] | None = None,
    as_of: str | None = None,
    versions: Mapping[str, int] | None = None,
) -> tuple[list[Result], list[Verdict]]:
    """Results of all indicators, under the last revision of the register, and a verdict on every claim.

    Args:
        register: one register, or (time, register) of every revision: those in force in the window judge it, and must agree.
        parts: in the log's order; those that do not meet the window are passed over.
        indicators: those to compute; all that there are by default.
        as_of: date that selects the rules in force; by default each clause's last day in force, and for the factory's own claims the window's end.
        versions: the versions asked for; an indicator that is here in another version is not computed, and its claims are undetermined.
    Raises:
        ConfigError: a claim on a pack or clause that is not there, no register, or an `as_of` that is no date.
        Rejected: a part that cannot be decoded, named by edge, epoch, sequence number and equipment.
    """
    if as_of is not None:
        check_dates("as of", as_of)
    known = dict(load_indicators() if indicators is None else indicators)
    if versions is not None:
        known = {name: item for name, item in known.items() if versions.get(name) == item.version}
    revisions = [register] if isinstance(register, Workshop) else [item for _, item in revisions_in_force(register, window)]
    needs = [{name: needed_signals(item, revision) for name, item in known.items()} for revision in revisions]
    wanted = {signal for need in needs for signals in need.values() for signal in signals}
    block, sources = readings_of(parts, wanted, window)
    per_revision: list[list[Verdict]] = []
    results: list[Result] = []
    for revision, need in zip(revisions, needs, strict=True):
        results = compute_all(list(known.values()), revision, block, window)
        figures = {
            result.indicator: _figure(known[result.indicator], result, {p for signal in need[result.indicator] for p in sources.get(signal, ())})
            for result in results
        }
        day = as_of or local_date_of_end(window, revision.time_zone)
        per_revision.append([_judge(claim, packs, figures, day, as_of) for claim in claims])
    return results, [merge_revisions(list(verdicts)) for verdicts in zip(*per_revision, strict=True)]


def readings_of(parts: Iterable[Part], wanted: set[str], window: Window) -> tuple[Block, dict[str, set[Provenance]]]:
    """The readings of the wanted signals that meet the window, and where those of each signal come from; derived ones are left out.

    Raises:
        Rejected: a part that cannot be decoded, or that is not what its header says.
    """
    equipment_wanted = {split_signal_id(signal)[0] for signal in wanted}
    blocks: list[Block] = []
    sources: dict[str, set[Provenance]] = {}
    for header, equipment, part in parts:
        if part is None or equipment not in equipment_wanted or header.provenance is Provenance.DERIVED:
            continue
        entry = next(item for item in header.parts if item.equipment == equipment)
        if not meets(entry, window):
            continue
        try:
            block = decode_part(equipment, part)
        except Rejected as error:
            raise Rejected(f"batch {header.seq} of {header.edge}, epoch {header.epoch}, {equipment}: {error}") from error
        times = block.source_time_us
        if (len(block), int(times.min()), int(times.max())) != (entry.rows, entry.from_us, entry.to_us):
            raise Rejected(f"batch {header.seq} of {header.edge}, epoch {header.epoch}, {equipment}: rows or times differ from the header's entry")
        named = np.array([name in wanted for name in block.signals], np.bool_)
        rows = named[block.signal] & (times < window.end_us) & (times >= window.start_us - LOOKBACK_US)
        if not bool(rows.any()):
            continue
        blocks.append(block if bool(rows.all()) else block.take(rows))
        for index in np.unique(blocks[-1].signal).tolist():
            sources.setdefault(block.signals[index], set()).add(header.provenance)
    return concat(blocks), sources


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
