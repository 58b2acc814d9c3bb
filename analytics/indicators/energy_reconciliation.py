"""The meter's counter against the integral of its power readings."""

from analytics.definition import Definition, has
from analytics.electricity import METER
from analytics.indicator import Indicator
from analytics.power import ACTIVE, measure_reconciliation, reconcile

INDICATOR: Indicator = Definition(
    id="energy_reconciliation",
    title_zh="电量对账:计数器与功率积分之差",
    title_en="Counter against integrated power",
    unit="1",
    roles=(METER, ACTIVE),
    formula="(Σ Δ energy_import − ∫ active_power dt) / Σ Δ energy_import, while both are known",
    numbers="1 − {power_mj} mJ / 3 600 / {counter_mwh} mWh, {apart_mwh} mWh counted while the power was not known",
    notes_zh="只比较两者都已知的时间;功率读数保持到下一读数或最大时效。单台差异超过2%的列出。换表、回绕、倍率错误会显现;同一错误同时影响两者时看不出来。",
    notes_en=(
        "Only while both are known; a power reading holds until the next one or its maximum age, so sparse readings of a quick load differ. "
        "Machines beyond 2 % are named: an exchanged or wrong meter and a wrong ratio show, an error that both share does not."
    ),
    source="Own definition; tolerance of two meters of class 1 (IEC 62053-21)",
    places=6,
    population=has(METER, ACTIVE),
    measured=measure_reconciliation,
    evaluated=reconcile,
)
