"""Setup rate (ISO 22400-2)."""

from analytics.definition import Definition
from analytics.elements import AUPT, time_ratio
from analytics.indicator import Indicator
from analytics.production import SOURCE, STATE_ROLES, makes_parts, measure_production

INDICATOR: Indicator = Definition(
    id="setup_rate",
    title_zh="调整时间率",
    title_en="Setup rate",
    unit="1",
    roles=STATE_ROLES,
    formula="AUST / AUPT, AUPT = APT + AUST",
    numbers="{aust_s} s / ({apt_s} + {aust_s}) s",
    notes_zh="调整时间取自运行模式“调整”且正在执行的时间;人工调整时若设备报告停机,则不计入,结果偏低。",
    notes_en=(
        "Setup is time executing in the mode Setup. Where a machine says out of service while somebody sets it up by hand, the figure "
        "is too low."
    ),
    source=SOURCE,
    population=makes_parts,
    measured=measure_production,
    evaluated=time_ratio(("aust",), AUPT),
)
