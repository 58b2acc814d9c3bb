"""From batches to verdicts: the one function that the gateway and the verifier share, so that both say the same.

Derived values never support a claim: parts of edges enrolled as *derived* are left out. A part that is not there, or cannot be decoded, lowers
coverage as declared gaps do: what was said before it is not held over it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec
import numpy as np

from analytics.compute import LOOKBACK_US, compute_all, needed_signals
from analytics.indicator import Exclusion, Indicator, Result, load_indicators
from analytics.missing import Missing
from evidence.claim import Claim
from evidence.clauses import judge_clause
from evidence.missing import Holes, without_stale_carry
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
"""Header, equipment, and the part's bytes or None where they are not there; a batch of gaps alone has no equipment, ""."""


def parts_of(batches: Iterable[SealedBatch]) -> Iterator[Part]:
    """The parts of batches, in order."""
    for batch in batches:
        header = decode_header(batch.header)
        for entry, part in zip(header.parts, batch.parts, strict=True):
            yield header, entry.equipment, part
        if not header.parts:
            yield header, "", None


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
    """
    if as_of is not None:
        check_dates("as of", as_of)
    known = dict(load_indicators() if indicators is None else indicators)
    if versions is not None:
        known = {name: item for name, item in known.items() if versions.get(name) == item.version}
    revisions = [register] if isinstance(register, Workshop) else [item for _, item in revisions_in_force(register, window)]
    needs = [{name: needed_signals(item, revision) for name, item in known.items()} for revision in revisions]
    wanted = {signal for need in needs for signals in need.values() for signal in signals}
    block, sources, missing, malformed = _gather(parts, wanted, window)
    per_revision: list[list[Verdict]] = []
    results: list[Result] = []
    for revision, need in zip(revisions, needs, strict=True):
        results = [
            _name_malformed(item, malformed, need[item.indicator]) for item in compute_all(list(known.values()), revision, block, window, missing)
        ]
        figures = {
            result.indicator: _figure(known[result.indicator], result, {p for signal in need[result.indicator] for p in sources.get(signal, ())})
            for result in results
        }
        day = as_of or local_date_of_end(window, revision.time_zone)
        per_revision.append([_judge(claim, packs, figures, day, as_of) for claim in claims])
    return results, [merge_revisions(list(verdicts)) for verdicts in zip(*per_revision, strict=True)]


def _gather(
    parts: Iterable[Part], wanted: set[str], window: Window
) -> tuple[Block, dict[str, set[Provenance]], Missing, list[tuple[str, str]]]:
    """The readings of the wanted signals that meet the window, where those of each signal come from, and what is missing.

    An authentic part that cannot be decoded, or does not hold what its header says, counts as absent; (equipment, reason) of each come last.
    """
    equipment_wanted = {split_signal_id(signal)[0] for signal in wanted}
    blocks: list[Block] = []
    sources: dict[str, set[Provenance]] = {}
    holes, malformed, last = Holes(window), list[tuple[str, str]](), None
    for header, equipment, part in parts:
        if (header.edge, header.epoch, header.seq) != last:
            last = header.edge, header.epoch, header.seq
            holes.header(header)
        if equipment not in equipment_wanted or header.provenance is Provenance.DERIVED:
            continue
        entry = next(item for item in header.parts if item.equipment == equipment)
        if not meets(entry, window):
            continue
        if part is None:
            holes.part(entry)
            continue
        try:
            block = _decoded(entry, part)
        except Rejected as error:
            holes.part(entry)
            malformed.append((equipment, f"batch {header.seq} of {header.edge}, epoch {header.epoch}: part cannot be read: {error}"))
            continue
        times = block.source_time_us
        named = np.array([name in wanted for name in block.signals], np.bool_)
        rows = named[block.signal] & (times < window.end_us) & (times >= window.start_us - LOOKBACK_US)
        if not bool(rows.any()):
            continue
        blocks.append(block if bool(rows.all()) else block.take(rows))
        for index in np.unique(blocks[-1].signal).tolist():
            sources.setdefault(block.signals[index], set()).add(header.provenance)
    return without_stale_carry(concat(blocks), holes.missing, window), sources, holes.missing, malformed


def _decoded(entry: PartEntry, part: bytes) -> Block:
    block = decode_part(entry.equipment, part)
    times = block.source_time_us
    if (len(block), int(times.min()), int(times.max())) != (entry.rows, entry.from_us, entry.to_us):
        raise Rejected("rows or times differ from the header's entry")
    return block


def _name_malformed(result: Result, malformed: Sequence[tuple[str, str]], signals: Sequence[str]) -> Result:
    """The result, and in it the parts of its equipment that count as absent because they cannot be read."""
    read = {split_signal_id(signal)[0] for signal in signals}
    named = [Exclusion(equipment, what) for equipment, what in malformed if equipment in read]
    return msgspec.structs.replace(result, excluded=[*result.excluded, *named]) if named else result


def _figure(indicator: Indicator, result: Result, provenance: set[Provenance]) -> Figure:
    return Figure(
        result.indicator, result.version, result.value, result.low, result.high, result.method, result.unit, result.coverage, result.counts,
        result.why, indicator.places, Decimal(indicator.min_coverage), tuple(sorted(provenance)), result.least_coverage, result.lost_us,
    )


def _judge(claim: Claim, packs: Mapping[str, Pack], figures: Mapping[str, Figure], day: str, as_of: str | None) -> Verdict:
    if claim.pack is None or claim.clause is None:
        return judge(claim, figures.get(claim.indicator or ""), day)
    pack = packs.get(claim.pack)
    clause = pack.clause(claim.clause) if pack is not None else None
    if pack is None or clause is None:
        raise ConfigError(f"claim '{claim.id}': no clause '{claim.clause}' in a pack '{claim.pack}' here")
    return judge_clause(claim, pack, clause, figures, as_of)
