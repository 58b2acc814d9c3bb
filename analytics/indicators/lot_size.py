"""Mean lot size: parts per changeover (flexible manufacturing)."""

from analytics.changeovers import MODE, PARTS, lot_size, measure_changeovers
from analytics.definition import Definition, has
from analytics.indicator import Indicator

INDICATOR: Indicator = Definition(
    id="lot_size",
    version=2,
    title_zh="平均批量(每次换型的件数)",
    title_en="Mean lot size, parts per changeover",
    unit="{part}",
    roles=(MODE, PARTS),
    formula="PQ of the machines that changed over / changeovers",
    numbers="{produced} / {changeovers}",
    notes_zh="仅计窗口内换过型的设备的计划时间内零件;首批与末批在窗口边上被截断,窗口须远长于一批。没有换型时无定义,不是无穷大。",
    notes_en=(
        "Parts in planned time, of the machines that changed over in the window; the first and the last lot are cut by its borders, so the window "
        "must be much longer than a lot. Without a changeover it is undefined, not infinite."
    ),
    source="Plain mean; modes of OPC 40001-1",
    places=3,
    population=has(MODE, PARTS),
    measured=measure_changeovers,
    evaluated=lot_size,
)
