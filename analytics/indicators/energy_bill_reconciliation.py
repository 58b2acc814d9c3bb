"""The meters against the utility's bill."""

from analytics.definition import Definition, has
from analytics.electricity import METER, measure_total
from analytics.indicator import Indicator
from analytics.power import reconcile_bill

INDICATOR: Indicator = Definition(
    id="energy_bill_reconciliation",
    title_zh="电量对账:电表与电费单之差",
    title_en="Meters against the electricity bill",
    unit="1",
    roles=(METER,),
    facts=("electricity_bill",),
    formula="Σ Δ energy_import / electricity billed − 1; main meters alone where there are any",
    numbers="{metered_mwh} mWh / 1 000 / {electricity_bill_milli} Wh − 1, {meters} meters, {main_meters} of them main ones",
    notes_zh="账单按申报期间均摊到窗口,窗口宜取整个账期。无总表时各表之和不含照明与线损,自然偏低。差异超过3%时说明。",
    notes_en=(
        "A bill is shared out evenly over the time declared: take whole billing periods. Without a main meter the sum lacks lighting and losses, "
        "and lies below. More than 3 % is said."
    ),
    source="Own definition; declared electricity_bill",
    places=6,
    population=has(METER),
    measured=measure_total,
    informed=reconcile_bill,
)
