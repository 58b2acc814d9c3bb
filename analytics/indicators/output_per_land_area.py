"""Output per land area (亩均产出)."""

from analytics.definition import Definition
from analytics.economics import ALL_DECLARED, from_declared, measure_nothing, no_equipment, over
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="output_per_land_area",
    title_zh="亩均产出(窗口内)",
    title_en="Value of output per land area in the window",
    unit="{currency}/{mu}",
    roles=(),
    facts=("output_value", "land_area"),
    formula="value of output in the window / land in mu (1 mu = 2000/3 m²)",
    numbers="{output_value_milli} / {land_area_milli}, each in thousandths",
    notes_zh="全部为申报值:产值按申报期间均摊,用地面积按时间加权;面积可按亩、平方米或公顷申报。不折算为年度;亩均增加值是另一个指标。",
    notes_en=(
        "Declared throughout: output is shared out over the time declared, land is the mean over time; mu, m² and hectares may be declared. "
        "Not made annual. Value added per mu is another indicator."
    ),
    source="亩均产出 as policies use it; 1 公顷 = 15 亩",
    places=2,
    min_coverage=ALL_DECLARED,
    over_time=True,
    population=no_equipment,
    measured=measure_nothing,
    informed=from_declared(over("output_value", "land_area")),
)
