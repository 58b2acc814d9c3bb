"""Order lead time: from release to the last good piece."""

from analytics.definition import Definition, has
from analytics.deliveries import GOOD, SOURCE, lead_time, measure_good
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="order_lead_time",
    title_zh="订单生产周期",
    title_en="Order lead time",
    unit="h",
    roles=(GOOD,),
    facts=("orders",),
    formula="Σ (time of the last good piece − release) / orders planned to begin and due in the window",
    numbers="{lead_s} s / {orders} / 3600",
    notes_zh=(
        "未给出下达时间的订单自计划开始算起。未完成的订单计到窗口末并降低覆盖率:未完成超过一成时不给结论,否则数值会偏低。"
        "以一刻钟为分辨率;产品与批量不同的两个窗口不可直接比较。"
    ),
    notes_en=(
        "From the planned start where no release is told. An unfinished order counts until the window's end and lowers the coverage: with more than "
        "a tenth of them there is no answer, since the mean would look short. Known to a quarter hour. Windows of other products or lots do not "
        "compare."
    ),
    source=SOURCE,
    places=3,
    population=has(GOOD),
    measured=measure_good,
    informed=lead_time,
)
