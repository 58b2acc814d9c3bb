"""Declared figures before a clause: one that nobody measures is what a person put on record, when, and resting on which document; and it says so.

A declaration that names no document confirms nothing and refutes nothing: there is nothing that an evaluator could ask for.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from analytics.declared_figures import CATALOGUE, FigureKind
from analytics.facts import DeclaredInput, Facts
from analytics.indicator import decimal_of, share
from evidence.claim import Claim
from evidence.policy import Metric, Pack
from evidence.verdict import Figure, Words
from workshop.batch import Provenance
from workshop.window import Window

PREFIX = "declared:"
"""Before the name of a declared figure among figures of indicators: none can be taken for the other."""
METHOD = "declared, not measured"
PLACES = 6
MOST_NAMED = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def key_of(metric: Metric) -> str:
    """Under which name a clause's figure is found: the indicator's id, or the declared figure's name behind `PREFIX`; empty where it has neither."""
    return metric.indicator or (f"{PREFIX}{metric.figure}" if isinstance(metric.figure, str) else "")


def named_in(claims: Iterable[Claim], packs: Mapping[str, Pack]) -> list[str]:
    """The declared figures that clauses of these claims name, sorted."""
    clauses = [packs[claim.pack].clause(claim.clause or "") for claim in claims if claim.pack is not None and claim.pack in packs]
    return sorted({metric.figure for clause in clauses if clause is not None for metric in clause.metrics if isinstance(metric.figure, str)})


def declared_figures(names: Iterable[str], facts: Facts, window: Window) -> dict[str, Figure]:
    """What is declared of these names in a window, by `key_of`."""
    return {f"{PREFIX}{name}": declared_figure(name, facts, window) for name in names}


def declared_figure(name: str, facts: Facts, window: Window) -> Figure:
    """A declared figure in its base unit; half a window declared gives no value."""
    told, known = facts.told(name, window), CATALOGUE[name]
    coverage = share(told.covered_us, window.length_us)
    whole = window.length_us > 0 and told.covered_us == window.length_us
    value = decimal_of(Fraction(told.value), PLACES) if whole and told.value is not None else None
    why = "" if whole else f"{name} is declared for {coverage} of the window"
    return Figure(
        f"{PREFIX}{name}", 1, value, value, value, METHOD, known.unit, coverage, {}, why, PLACES, Decimal(1),
        (Provenance.DECLARED,) if told.inputs else (), declared=told.inputs, length_us=window.length_us if known.kind is FigureKind.AMOUNT else None,
    )


def with_declared(words: Words, inputs: Sequence[DeclaredInput]) -> Words:
    """The sentence, and after it who declared what that it rests on."""
    if not inputs:
        return words
    said = [_said(item) for item in inputs[:MOST_NAMED]]
    more = f" and {len(inputs) - MOST_NAMED} more" if len(inputs) > MOST_NAMED else "", f" 等共 {len(inputs)} 项" if len(inputs) > MOST_NAMED else ""
    return Words(
        f"{words.en}. Declared, not measured: {'; '.join(item.en for item in said)}{more[0]}",
        f"{words.zh}。申报而非测量: {'; '.join(item.zh for item in said)}{more[1]}",
    )


def _said(item: DeclaredInput) -> Words:
    day = (_EPOCH + timedelta(microseconds=item.time_us)).date().isoformat()
    author = item.author or "?"
    if item.name == "orders":
        return Words(
            f"{item.value} orders by {author}, the last on record on {day} (UTC)", f"{item.value} 个订单, 由 {author} 提交, 末次记录于 {day}(UTC)"
        )
    paper = Words(f"document sha256 {item.attachment}", f"附件 sha256 {item.attachment}") if item.attachment else Words("no document", "无附件")
    return Words(
        f"{item.name} = {item.value} {item.unit} by {author} on {day} (UTC), {paper.en}",
        f"{item.name} = {item.value} {item.unit}, {author} 于 {day}(UTC)申报, {paper.zh}",
    )
