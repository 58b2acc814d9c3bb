"""Technical efficiency (ISO 22400-2)."""

from analytics.definition import Definition
from analytics.elements import time_ratio
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="technical_efficiency",
    title_zh="技术效率",
    title_en="Technical efficiency",
    unit="1",
    roles=STATE_ROLES,
    formula="APT / (APT + ADET)",
    numbers="{apt_s} s / ({apt_s} + {adet_s}) s",
    notes_zh="只比较生产与延误(停机故障);等待、调整不计。两种状态映射对“有订单时等待”的归类不同,映射版本随结果给出。",
    notes_en=(
        "Production against delay alone; waiting and setup do not enter. The two published mappings differ on waiting with an order "
        "registered: the one in use is printed with the result."
    ),
    source=SOURCE,
    population=makes_parts,
    measured=measure_production,
    evaluated=time_ratio(("apt",), ("apt", "adet")),
)
