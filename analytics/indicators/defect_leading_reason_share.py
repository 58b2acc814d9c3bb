"""Share of the commonest reason of rejection: the first bar of the Pareto chart."""

from analytics.definition import Definition, has
from analytics.indicator import Indicator
from analytics.reasons import REASON, REJECTED, leading, measure_reasons

INDICATOR: Indicator = Definition(
    id="defect_leading_reason_share",
    title_zh="首要不合格原因占比",
    title_en="Share of the commonest reason of rejection",
    unit="1",
    roles=(REJECTED, REASON),
    formula="rejected parts with the commonest reason / all rejected parts",
    numbers="{leading} / {rejected}",
    notes_zh=(
        "帕累托图的第一项;各原因的数量列于计数。零件的原因取计数增加时刻有效的缺陷代码;没有已知原因的零件计入分母。"
        "原因按设备所报文字区分,不合并近义词;检验规则改变时原因的分布也会改变。"
    ),
    notes_en=(
        "The first bar of the Pareto chart; the counts hold all of them. A part's reason is the defect code that holds when the counter "
        "shows it; parts without a known reason stay in the denominator. Reasons are told apart as the device words them, synonyms are "
        "not joined; a changed inspection rule changes the shares."
    ),
    source="Pareto analysis (Juran); reasons as the inspection station gives them",
    places=6,
    population=has(REJECTED, REASON),
    measured=measure_reasons,
    evaluated=leading,
)
