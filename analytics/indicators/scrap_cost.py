"""Cost of scrap: scrapped parts counted by the machines, at a declared loss per part."""

from analytics.counts import measure_counts
from analytics.definition import Definition, has
from analytics.economics import counted_times
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="scrap_cost",
    title_zh="废品损失",
    title_en="Cost of scrap",
    unit="{currency}",
    roles=("scrap_count",),
    facts=("scrap_part_cost",),
    formula="scrapped parts × loss per scrapped part",
    numbers="{scrap} × {scrap_part_cost_milli} / 1000",
    notes_zh="废品数为测量值,单件损失为申报值(已扣残值);期间单价有变时按时间加权平均,不区分产品。有数据缺失时不给出结论。",
    notes_en=(
        "Parts are measured, the loss per part is declared, less what scrap still fetches. Where it changes within the window its mean over time "
        "is taken; products are not told apart."
    ),
    source="Product of a count and a price",
    places=2,
    over_time=True,
    population=has("scrap_count"),
    measured=measure_counts,
    informed=counted_times("scrap", "scrap_part_cost"),
)
