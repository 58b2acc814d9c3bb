"""Clauses of packs against a workshop's figures."""

from decimal import Decimal

import msgspec
import pytest

from analytics.facts import NO_FACTS, Declared, DeclaredInput, Facts
from analytics.statistics import CLOPPER_PEARSON, clopper_pearson
from evidence.claim import Claim
from evidence.clauses import judge_clause
from evidence.declared import declared_figure
from evidence.packs import load_pack
from evidence.policy import Clause, Pack, Population, Status
from evidence.verdict import Figure, Outcome, Verdict
from workshop.batch import Provenance
from workshop.window import Window

CLAIM = Claim("c", "声明", "claim", pack="p", clause="c")


def figure(indicator: str, value: str | None) -> Figure:
    return Figure(indicator, 1, None if value is None else Decimal(value), provenance=(Provenance.SIMULATED,), places=6)


def changsha(before: dict[str, str], as_of: str | None = None, after: str | None = "0.014", clause: Clause | None = None) -> Verdict:
    pack = load_pack("changsha-2015")
    baselines = {name: figure(name, value) for name, value in before.items()}
    return judge_clause(CLAIM, pack, clause or pack.clauses[0], {"defect_rate": figure("defect_rate", after)}, as_of, baselines)


def test_without_a_baseline_the_changsha_target_is_undetermined() -> None:
    verdict = changsha({})
    assert verdict.outcome is Outcome.UNDETERMINED and verdict.as_of == "2018-12-31"
    assert "no baseline" in verdict.reason and "operating cost: this program cannot compute it" in verdict.reason and "无基期" in verdict.reason_zh
    assert [finding.metric for finding in verdict.findings] == ["operating_cost", "production_cycle", "defect_rate"]
    assert "simulated" in verdict.reason and "recognised as a pilot" in verdict.reason


def test_one_figure_that_fails_refutes_and_one_that_meets_does_not_confirm() -> None:
    assert changsha({"defect_rate": "0.0199"}).outcome is Outcome.REFUTED
    met = changsha({"defect_rate": "0.020"})
    assert met.outcome is Outcome.UNDETERMINED and met.findings[2].outcome is Outcome.CONFIRMED
    assert "read otherwise" in met.findings[2].reason and "refuted" in met.findings[2].reason


def test_a_condition_outside_the_data_keeps_it_undetermined() -> None:
    pack = load_pack("changsha-2015")
    only = msgspec.structs.replace(pack.clauses[0], metrics=(pack.clauses[0].metric("defect_rate"),))
    assert changsha({"defect_rate": "0.020"}, clause=only).outcome is Outcome.UNDETERMINED
    free = msgspec.structs.replace(only, conditions=())
    assert changsha({"defect_rate": "0.020"}, clause=free).outcome is Outcome.CONFIRMED


@pytest.mark.parametrize("day", ["2015-07-28", "2019-01-01"])
def test_out_of_force_is_not_applicable(day: str) -> None:
    verdict = changsha({"defect_rate": "0.020"}, day)
    assert verdict.outcome is Outcome.NOT_APPLICABLE and verdict.as_of == day and ("in force" in verdict.reason)


@pytest.mark.parametrize("status", [Status.SOFT, Status.EXTERNAL_DEPENDENCY, Status.TRUNCATED, Status.UPPER_BOUND])
def test_words_that_nobody_passes_or_fails_on(status: Status) -> None:
    pack = load_pack("changsha-2015")
    assert changsha({}, clause=msgspec.structs.replace(pack.clauses[0], status=status)).outcome is Outcome.NOT_APPLICABLE


def yancheng(value: str | None) -> Verdict:
    pack: Pack = load_pack("yancheng-2022")
    figures = {} if value is None else {"key_process_nc_rate": figure("key_process_nc_rate", value)}
    return judge_clause(CLAIM, pack, pack.clauses[0], figures)


@pytest.mark.parametrize("value", ["0.75", "0.10", None])
def test_one_workshop_contributes_and_never_meets_a_population(value: str | None) -> None:
    verdict = yancheng(value)
    assert verdict.outcome is Outcome.NOT_APPLICABLE and verdict.as_of == "2024-12-31"
    assert (value or "unknown") in verdict.reason and (value or "未知") in verdict.reason_zh


def test_the_72_is_points_and_never_per_cent() -> None:
    metric = load_pack("yancheng-2022").clauses[0].metric("integration_index")
    assert (metric.unit, metric.at_least) == ("{point}", "72")


@pytest.mark.parametrize(("before", "after", "outcome"), [
    (("0.018", "0.022"), ("0.010", "0.0126"), Outcome.CONFIRMED),  # 0.0126 = 0.70 × 0.018: at the worst, and just
    (("0.018", "0.022"), ("0.010", "0.0127"), Outcome.UNDETERMINED), (("0.018", "0.022"), ("0.0155", "0.017"), Outcome.REFUTED),
    (("0.018", "0.022"), ("0.0154", "0.017"), Outcome.UNDETERMINED), (("0", "0.022"), ("0", "0.001"), Outcome.UNDETERMINED),
])
def test_a_change_between_intervals_is_judged_at_their_worst(before: tuple[str, str], after: tuple[str, str], outcome: Outcome) -> None:
    pack = load_pack("changsha-2015")
    figures = [
        msgspec.structs.replace(figure("defect_rate", low), low=Decimal(low), high=Decimal(high), method="bounds") for low, high in (before, after)
    ]
    verdict = judge_clause(CLAIM, pack, pack.clauses[0], {"defect_rate": figures[1]}, None, {"defect_rate": figures[0]})
    assert (verdict.findings[2].outcome, "at their worst" in verdict.findings[2].reason) == (outcome, True)


@pytest.mark.parametrize(("after", "before", "outcome"), [
    ((180, 15000), (300, 15000), Outcome.CONFIRMED), ((120, 10000), (200, 10000), Outcome.UNDETERMINED),
    ((290, 15000), (300, 15000), Outcome.REFUTED),
])
def test_sampled_rates_are_judged_by_the_reduction_test(after: tuple[int, int], before: tuple[int, int], outcome: Outcome) -> None:
    pack = load_pack("changsha-2015")
    figures = []
    for scrap, inspected in (before, after):
        low, high = clopper_pearson(scrap, inspected, 6)
        figures.append(msgspec.structs.replace(
            figure("defect_rate", str(Decimal(scrap) / inspected)), low=low, high=high, method=CLOPPER_PEARSON,
            counts={"defective": scrap, "inspected": inspected},
        ))
    verdict = judge_clause(CLAIM, pack, pack.clauses[0], {"defect_rate": figures[1]}, None, {"defect_rate": figures[0]})
    assert (verdict.findings[2].outcome, "Katz" in verdict.findings[2].reason) == (outcome, True)


DAY_US = 24 * 3600 * 1_000_000
PAPER = DeclaredInput("labour_cost", Decimal(600), "{currency}", 0, DAY_US, "engineer:Li Na", 1_767_600_000_000_000, "ab" * 32, 7)


def cost(value: str, *inputs: DeclaredInput, days: int = 30) -> Figure:
    return msgspec.structs.replace(
        figure("operating_cost", value), provenance=(Provenance.SIMULATED, Provenance.DECLARED), declared=inputs, length_us=days * DAY_US,
    )


def whole_clause(before: Figure, after: Figure) -> Verdict:
    """CS-T1 with order lead time 10 h to 7 h and defects 2.0 % to 1.4 %: each just reduced by 30 %."""
    pack = load_pack("changsha-2015")
    figures = {"operating_cost": after, "order_lead_time": figure("order_lead_time", "7"), "defect_rate": figure("defect_rate", "0.014")}
    baselines = {"operating_cost": before, "production_cycle": figure("order_lead_time", "10"), "defect_rate": figure("defect_rate", "0.020")}
    return judge_clause(CLAIM, pack, msgspec.structs.replace(pack.clauses[0], conditions=()), figures, None, baselines)


def test_each_of_the_three_figures_of_changsha_is_compared_and_the_declared_part_is_named() -> None:
    verdict = whole_clause(cost("1000", PAPER), cost("700", PAPER))
    assert verdict.outcome is Outcome.CONFIRMED and [item.outcome for item in verdict.findings] == [Outcome.CONFIRMED] * 3
    said = f"labour_cost = 600 {{currency}} by engineer:Li Na on 2026-01-05 (UTC), document sha256 {'ab' * 32}"
    assert f"Declared, not measured: {said}" in verdict.reason and "申报而非测量: labour_cost" in verdict.reason_zh
    assert "declared, simulated data, not plant data" in verdict.reason
    assert whole_clause(cost("1000", PAPER), cost("700.01", PAPER)).outcome is Outcome.REFUTED


def test_sums_over_unequal_times_do_not_compare() -> None:
    verdict = whole_clause(cost("1000", PAPER, days=31), cost("700", PAPER, days=28))
    assert verdict.outcome is Outcome.UNDETERMINED and "sums over 744 h before and 672 h after do not compare" in verdict.reason


def test_what_is_declared_without_a_document_decides_nothing() -> None:
    bare = msgspec.structs.replace(PAPER, attachment="")
    for after in ("700", "900"):
        verdict = whole_clause(cost("1000", PAPER), cost(after, bare))
        assert verdict.outcome is Outcome.UNDETERMINED and "labour_cost: declared without a document" in verdict.reason


def test_a_clause_may_name_a_declared_figure() -> None:
    pack = load_pack("yancheng-2022")
    paper = DeclaredInput("integration_index", Decimal("72.5"), "{point}", 0, 1, "engineer:Li Na", 1_767_600_000_000_000, "cd" * 32, 7)
    told = Figure("declared:integration_index", 1, Decimal("72.5"), unit="{point}", provenance=(Provenance.DECLARED,), declared=(paper,))
    of_enterprises = judge_clause(CLAIM, pack, pack.clauses[0], {"declared:integration_index": told})
    assert of_enterprises.outcome is Outcome.NOT_APPLICABLE and "declared:integration_index (version 1) = 72.5" in of_enterprises.reason
    only = msgspec.structs.replace(pack.clauses[0], population=Population.WORKSHOP, metrics=(pack.clauses[0].metric("integration_index"),))
    verdict = judge_clause(CLAIM, pack, only, {"declared:integration_index": told})
    assert verdict.outcome is Outcome.CONFIRMED and verdict.indicator is None and verdict.provenance == (Provenance.DECLARED,)
    assert f"integration_index = 72.5 {{point}} by engineer:Li Na on 2026-01-05 (UTC), document sha256 {'cd' * 32}" in verdict.reason
    none = judge_clause(CLAIM, pack, only, {})
    assert none.outcome is Outcome.UNDETERMINED and "a declared figure of which none is on record" in none.reason
    bare = msgspec.structs.replace(told, declared=(msgspec.structs.replace(paper, attachment=""),))
    assert judge_clause(CLAIM, pack, only, {"declared:integration_index": bare}).outcome is Outcome.UNDETERMINED


def test_nothing_declared_is_no_declared_input_and_half_a_window_no_value() -> None:
    window = Window(0, 2 * DAY_US)
    none = declared_figure("headcount", NO_FACTS, window)
    assert (none.value, none.provenance, none.declared, none.coverage) == (None, (), (), 0)
    half = declared_figure("headcount", Facts((Declared("headcount", Decimal(40), "{person}", 0, DAY_US, "e", 1, "ab" * 32, "", 1),)), window)
    assert (half.value, half.provenance, half.coverage) == (None, (Provenance.DECLARED,), Decimal("0.5")) and "0.500000 of the window" in half.why
