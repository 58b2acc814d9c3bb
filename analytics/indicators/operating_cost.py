"""Operating cost of the workshop: electricity measured and priced by the tariff, the rest declared."""

from analytics.definition import Definition, has
from analytics.economics import operating_cost
from analytics.electricity import METER, measure_by_price
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="operating_cost",
    title_zh="运营成本(窗口内)",
    title_en="Operating cost in the window",
    unit="{currency}",
    roles=(METER,),
    facts=("labour_cost", "material_cost", "maintenance_cost", "depreciation_cost", "other_cost"),
    formula="electricity [measured] + labour + material + maintenance + depreciation + other [declared]",
    numbers=(
        "({electricity_measured_milli} measured + {labour_cost_milli} + {material_cost_milli} + {maintenance_cost_milli} + "
        "{depreciation_cost_milli} + {other_cost_milli} declared) / 1000"
    ),
    notes_zh="电费由电表与台账电价算得(测量),不含基本电费;其余各项为申报值,须逐项申报,没有的申报为0。比较两个窗口时,二者长度与产量须相当。",
    notes_en=(
        "Electricity from the meters and the register's tariff, without a charge for demand; each of the other items must be declared, 0 where there "
        "is none: an item that is not named would make the cost look low. Compare windows of equal length and output only."
    ),
    source="运营成本 of CS-T1, which does not define it: the items are our choice",
    places=2,
    over_time=True,
    population=has(METER),
    measured=measure_by_price,
    informed=operating_cost,
)
