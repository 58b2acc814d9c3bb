"""On-time delivery: orders finished when they are due."""

from analytics.definition import Definition, has
from analytics.deliveries import GOOD, SOURCE, measure_good, on_time
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="on_time_delivery",
    title_zh="订单准时完成率",
    title_en="On-time delivery",
    unit="1",
    roles=(GOOD,),
    facts=("orders",),
    formula="orders finished when due / orders planned to begin and due in the window",
    numbers="{on_time} / {orders}",
    notes_zh=(
        "数量以设备合格计数为准,订单与交期来自上级系统(申报)。计数不区分订单:计划开始之后的合格件归该设备最早未完成的订单;"
        "以一刻钟为分辨率,数值只计确定准时者。取消的订单不计;发运与客户收货不在内。"
    ),
    notes_en=(
        "Pieces are counted by the machine, orders and due times come from the level above. A counter does not tell orders apart: good pieces from "
        "the planned start on go to the machine's earliest unfinished order. Known to a quarter hour; the value counts what was certainly on time. "
        "Cancelled orders do not count; shipping is not in it."
    ),
    source=SOURCE,
    population=has(GOOD),
    measured=measure_good,
    informed=on_time,
)
