"""Value added per land area (亩均增加值)."""

from analytics.definition import Definition
from analytics.economics import ALL_DECLARED, from_declared, measure_nothing, no_equipment, over
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="value_added_per_land_area",
    title_zh="亩均增加值(窗口内)",
    title_en="Value added per land area in the window",
    unit="{currency}/{mu}",
    roles=(),
    facts=("value_added", "land_area"),
    formula="value added in the window / land in mu (1 mu = 2000/3 m²)",
    numbers="{value_added_milli} / {land_area_milli}, each in thousandths",
    notes_zh="全部为申报值:增加值按申报期间均摊,用地面积按时间加权;面积可按亩、平方米或公顷申报。不折算为年度;亩均产出是另一个指标。",
    notes_en=(
        "Declared throughout: value added is shared out over the time declared, land is the mean over time; mu, m² and hectares may be declared. "
        "Not made annual. Output per mu is another indicator."
    ),
    source="亩均增加值 as policies use it; 1 公顷 = 15 亩",
    places=2,
    min_coverage=ALL_DECLARED,
    over_time=True,
    population=no_equipment,
    measured=measure_nothing,
    informed=from_declared(over("value_added", "land_area")),
)
