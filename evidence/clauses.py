"""Clauses judged: is it in force, is a workshop its population, and what does each of its figures say under its readings."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec.structs import replace

from analytics.change import WORST
from analytics.reduction import Counted, judge_reduction
from analytics.statistics import CLOPPER_PEARSON
from evidence.claim import Claim
from evidence.declared import PREFIX, key_of, with_declared
from evidence.policy import Case, Clause, Metric, Pack, Population, Reading, Status
from evidence.verdict import Figure, Finding, Outcome, Verdict, Words, compare, describe, interval_of, not_plant, rounded, too_thin, with_provenance
from workshop.errors import ConfigError
from workshop.window import HOUR_US

_NOT_JUDGED = {
    Status.SOFT: Words("soft wording: it is reported, nobody passes or fails on it", "软性表述: 只报告, 不判定"),
    Status.EXTERNAL_DEPENDENCY: Words("it depends on another document or on somebody's recognition", "取决于其他文件或认定"),
    Status.TRUNCATED: Words("the source is cut here", "原文此处残缺"),
    Status.UPPER_BOUND: Words("an upper bound of a benefit, not a target", "补助上限, 非考核目标"),
}
_DECLARED = Words("a declared figure of which none is on record", "申报值; 尚无记录")
_UNKNOWN_VERSION = Words("this program cannot compute it in the version asked for", "本程序无法按所要求的版本计算")


def judge_clause(
    claim: Claim, pack: Pack, clause: Clause, figures: Mapping[str, Figure], as_of: str | None = None, baselines: Mapping[str, Figure] | None = None
) -> Verdict:
    """The verdict on one clause for one workshop.

    Args:
        figures: by indicator, in the window.
        as_of: date that selects the rules in force; None takes the last day on which the clause was in force.
        baselines: by figure of the clause, in the time before; none are known yet.
    """
    day = clause.effective_to if as_of is None else as_of
    head = Words(f"{clause.id} ({pack.pack.document}, {clause.section})", f"{clause.id}({pack.pack.document} {clause.section})")
    outside = out_of_force(clause, day)
    used = [figures[name] for name in map(key_of, clause.metrics) if name in figures]
    provenance = not_plant([item for figure in used for item in figure.provenance])
    inputs = dict.fromkeys(item for figure in (*used, *(baselines or {}).values()) for item in figure.declared)
    findings: tuple[Finding, ...] = ()
    if outside is not None:
        outcome, words = Outcome.NOT_APPLICABLE, outside
    elif clause.status in _NOT_JUDGED:
        outcome, words = Outcome.NOT_APPLICABLE, _NOT_JUDGED[clause.status]
    elif clause.population is not Population.WORKSHOP:
        outcome, words = Outcome.NOT_APPLICABLE, _contribution(clause, figures)
    else:
        known = baselines or {}
        findings = tuple(
            judge_metric(clause, metric, known.get(metric.id), figures.get(key_of(metric)), population=Population.WORKSHOP)
            for metric in clause.metrics
        )
        outcome, words = _together(clause, findings)
    words = with_declared(with_provenance(Words(f"{head.en}: {words.en}", f"{head.zh}: {words.zh}"), provenance), tuple(inputs))
    computed = [figure for figure in used if not figure.indicator.startswith(PREFIX)]
    only = computed[0] if len(computed) == 1 else None
    return Verdict(
        claim.id, outcome, day, *words, claim.title_zh, claim.title_en, pack=pack.id, clause=clause.id, provenance=provenance, findings=findings,
        indicator=only.indicator if only else None, version=only.version if only else None, value=only.value if only else None,
        low=only.low if only else None, high=only.high if only else None, method=only.method if only else "", unit=only.unit if only else "",
        coverage=only.coverage if only else None, counts=only.counts if only else {},
    )


def out_of_force(clause: Clause, day: str) -> Words | None:
    """Why the clause says nothing on this day, or None; both ends of its validity are in force. ISO dates compare as text."""
    if day < clause.effective_from:
        return Words(f"not yet in force on {day} (from {clause.effective_from})", f"{day} 尚未生效({clause.effective_from} 起)")
    if day > clause.effective_to:
        return Words(f"expired: in force until {clause.effective_to}, asked for {day}", f"已失效: 有效至 {clause.effective_to}, 所问日期 {day}")
    return None


def judge_metric(
    clause: Clause, metric: Metric, before: Figure | None, after: Figure | None, *, population: Population, reading: str | None = None
) -> Finding:
    """What one figure of a clause says under one reading (the first that applies, unless one is named); the other readings are named beside it."""
    if population is not clause.population:
        words = Words(f"the clause is about {clause.population}, the figure of a {population}", f"条款对象 {clause.population}, 数据 {population}")
        return Finding(metric.id, Outcome.NOT_APPLICABLE, *words)
    readings = [item for item in clause.readings if not item.metrics or metric.id in item.metrics]
    chosen = next((item for item in readings if reading in (None, item.id)), None)
    if after is None or after.value is None:
        words = (_DECLARED if metric.declared else _UNKNOWN_VERSION) if after is None else too_thin(after) or _UNKNOWN_VERSION
        return Finding(metric.id, Outcome.UNDETERMINED, f"{metric.title_en}: {words.en}", f"{metric.title_zh}: {words.zh}")
    thin = too_thin(after, Decimal(clause.min_coverage) if clause.min_coverage else None)
    if thin is not None:
        return Finding(metric.id, Outcome.UNDETERMINED, f"{metric.title_en}: {thin.en}", f"{metric.title_zh}: {thin.zh}", after.value)
    outcome, words = _under(clause, metric, chosen, before, after)
    others = [item for item in readings if item is not chosen and item.rule is not None]
    for other in others if outcome is not Outcome.UNDETERMINED and reading is None else []:
        answer, _ = _under(clause, metric, other, before, after)
        words = Words(f"{words.en}; read otherwise ({other.reason_en}) it is {answer}", f"{words.zh}; 另一读法({other.reason_zh})则为 {answer}")
    return Finding(metric.id, outcome, f"{metric.title_en}: {words.en}", f"{metric.title_zh}: {words.zh}", after.value)


def _under(clause: Clause, metric: Metric, reading: Reading | None, before: Figure | None, after: Figure) -> tuple[Outcome, Words]:
    rule = metric if metric.rule is not None or reading is None else reading
    at_least, at_most = (None if text is None else Decimal(text) for text in (rule.at_least, rule.at_most))
    bound = f"≥ {rule.at_least}" if rule.at_least is not None else f"≤ {rule.at_most}"
    if rule.rule is None:
        raise ConfigError(f"clause '{clause.id}': figure '{metric.id}' has no rule")
    low, high = interval_of(after if clause.rounding == "indicator" else replace(after, places=None))
    if rule.rule == "value":
        outcome = compare(low, high, at_least=at_least, at_most=at_most, inclusive=clause.inclusive)
        return outcome, Words(f"{low} against {bound}", f"{low} 对照 {bound}")
    if before is None or before.value is None:
        return Outcome.UNDETERMINED, Words(
            f"no baseline: {after.value} now, and nothing evidenced to compare it with", f"无基期: 现值 {after.value}, 没有可比的有据前值"
        )
    if None not in (before.length_us, after.length_us) and before.length_us != after.length_us:
        return Outcome.UNDETERMINED, Words(
            f"sums over {_hours(before)} h before and {_hours(after)} h after do not compare",
            f"累计时长不同(改造前 {_hours(before)} h, 改造后 {_hours(after)} h), 不可比",
        )
    start = rounded(before.value, before.places if clause.rounding == "indicator" else None)
    if low != high or before.low != before.high:
        return _between_intervals(rule.rule, bound, before, after, clause, at_least, at_most)
    said = Words(f"{start} before, {low} after, {rule.rule} asked {bound}", f"改造前 {start}, 改造后 {low}, 要求 {bound}")
    if rule.rule == "difference":
        change = start - low
        return compare(change, change, at_least=at_least, at_most=at_most, inclusive=clause.inclusive), said
    if start <= 0:
        return Outcome.UNDETERMINED, Words(f"a baseline of {start} cannot be reduced by a share of itself", f"基期值为 {start}, 无从按比例降低")
    # after ÷ before ≤ bound is compared as after ≤ bound × before: a product of decimals is exact, a quotient need not be.
    scaled_least, scaled_most = (None if value is None else value * start for value in (at_least, at_most))
    return compare(low, low, at_least=scaled_least, at_most=scaled_most, inclusive=clause.inclusive), said


def _hours(figure: Figure) -> str:
    return f"{(figure.length_us or 0) / HOUR_US:g}"


def _between_intervals(
    rule: str, bound: str, before: Figure, after: Figure, clause: Clause, at_least: Decimal | None, at_most: Decimal | None
) -> tuple[Outcome, Words]:
    """A change between figures with intervals: of two sampled rates the reduction test, else the worst that both intervals allow."""
    spans = [interval_of(item if clause.rounding == "indicator" else replace(item, places=None)) for item in (before, after)]
    counted = [_counted(item) for item in (before, after)]
    if rule == "ratio" and at_most is not None and at_most > 0 and clause.inclusive and counted[0] is not None and counted[1] is not None:
        found = judge_reduction(counted[1], counted[0], at_most)
        return Outcome(found.outcome), Words(found.why, f"改造前 {before.value}, 改造后 {after.value}; {found.why}")
    (start_low, start_high), (low, high) = spans
    said = Words(
        f"[{start_low}, {start_high}] before, [{low}, {high}] after, {WORST}, {rule} asked {bound}",
        f"改造前 [{start_low}, {start_high}], 改造后 [{low}, {high}], 按两区间最不利情形, 要求 {bound}",
    )
    if rule == "difference":
        return compare(start_low - high, start_high - low, at_least=at_least, at_most=at_most, inclusive=clause.inclusive), said
    if start_low <= 0:
        return Outcome.UNDETERMINED, Words(f"{said.en}: the baseline may be 0", f"{said.zh}: 基期可能为零")
    # after ÷ before ≤ bound for all of both intervals: after's end against bound × before's, exact as products are.
    if at_most is not None:
        edges = (high - at_most * start_low, low - at_most * start_high)
        return compare(min(edges), max(edges), at_most=Decimal(0), inclusive=clause.inclusive), said
    edges = (low - (at_least or Decimal(0)) * start_high, high - (at_least or Decimal(0)) * start_low)
    return compare(min(edges), max(edges), at_least=Decimal(0), inclusive=clause.inclusive), said


def _counted(figure: Figure) -> Counted | None:
    """The counts of a sampled rate; None for any other figure."""
    for part, whole in (("defective", "inspected"), ("counted", "of")):
        if figure.method == CLOPPER_PEARSON and figure.counts.get(whole):
            return Counted(figure.counts[part], figure.counts[whole])
    return None


def _together(clause: Clause, findings: tuple[Finding, ...]) -> tuple[Outcome, Words]:
    """A clause is confirmed if all its figures are, refuted if one is, else undetermined; what it presupposes is named."""
    if not findings:
        raise ConfigError(f"clause '{clause.id}' has no figures: it would pass anything")
    outcomes = {finding.outcome for finding in findings}
    outcome = Outcome.REFUTED if Outcome.REFUTED in outcomes else Outcome.CONFIRMED if outcomes == {Outcome.CONFIRMED} else Outcome.UNDETERMINED
    en, zh = "; ".join(finding.reason for finding in findings), "; ".join(finding.reason_zh for finding in findings)
    for condition in clause.conditions:
        if outcome is Outcome.CONFIRMED:
            outcome = Outcome.UNDETERMINED
        en, zh = f"{en}; not shown: {condition.title_en}", f"{zh}; 未证明: {condition.title_zh}"
    return outcome, Words(en, zh)


def _contribution(clause: Clause, figures: Mapping[str, Figure]) -> Words:
    en = f"its population is {clause.population}: one workshop contributes and never meets it"
    zh = f"条款对象为 {clause.population}, 单个车间只作贡献, 不能单独达标"
    for metric in clause.metrics:
        if not key_of(metric):
            continue
        figure = figures.get(key_of(metric))
        if figure is None or figure.value is None:
            en, zh = f"{en}; contribution to {metric.title_en}: unknown", f"{zh}; 对{metric.title_zh}的贡献: 未知"
            continue
        about = describe(figure)
        bound = f"≥ {metric.at_least}" if metric.at_least is not None else f"≤ {metric.at_most}"
        en = f"{en}; this workshop contributes {about.en} (the clause asks {bound} of its population)"
        zh = f"{zh}; 本车间的贡献: {about.zh}(条款对其对象的要求 {bound})"
    return Words(en, zh)


def run_case(pack: Pack, case: Case) -> Finding:
    """What a worked case of a pack comes out as: exact figures, full coverage."""
    clause = pack.clause(case.clause)
    if clause is None:
        raise ConfigError(f"pack '{pack.id}': case '{case.name}': no clause '{case.clause}'")
    outside = out_of_force(clause, case.as_of or clause.effective_to)
    if outside is not None:
        return Finding(case.metric, Outcome.NOT_APPLICABLE, *outside)
    before, after = (None if text is None else Figure(case.metric, 1, Decimal(text)) for text in (case.before, case.after))
    return judge_metric(clause, clause.metric(case.metric), before, after, population=case.population, reading=case.reading)
