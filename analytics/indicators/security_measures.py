"""Measures of industrial information security, declared."""

from analytics.definition import Definition
from analytics.economics import ALL_DECLARED, from_declared, mean_of, measure_nothing, no_equipment
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="security_measures",
    title_zh="工控安全措施(申报)",
    title_en="Security measures, declared",
    unit="1",
    roles=(),
    facts=("security_graded", "security_policy"),
    formula="(graded for information security + policy for industrial security in force) / 2, each 1 or 0",
    numbers="({security_graded_milli} + {security_policy_milli}) / 2 / 1000",
    notes_zh="申报值,非测量:须对整个窗口申报,并附文件;结论中写明申报人、日期与附件摘要。两项各计 1 或 0,取平均;不表明措施有效。",
    notes_en=(
        "Declared, not measured: for the whole window, with a document. A verdict names who declared it, when, and the document's digest. "
        "Each of the two is 1 or 0. It does not say that the measures work."
    ),
    source="declared; the items are those that questionnaires ask, their weight is our choice",
    places=4,
    min_coverage=ALL_DECLARED,
    population=no_equipment,
    measured=measure_nothing,
    informed=from_declared(mean_of("security_graded", "security_policy")),
)
