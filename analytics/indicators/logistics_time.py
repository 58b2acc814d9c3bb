"""Logistics time: how long a part is on its way, or waits, between two operations."""

from analytics.definition import Definition, has_any
from analytics.indicator import Indicator
from analytics.parts_flow import IN_PROCESS, INSPECTED, logistics_time, measure_parts

INDICATOR: Indicator = Definition(
    id="logistics_time",
    version=2,
    title_zh="工序间物流时间(中位数)",
    title_en="Logistics time between operations, median",
    unit="min",
    roles=(IN_PROCESS, INSPECTED),
    formula="median over successive operations of a part on two machines of (start of the next − end of the one before)",
    numbers="median of {breaks} breaks seen whole, and of {unclear_breaks} at their longest: {median_ms} ms / 60 000",
    notes_zh=(
        "运输与排队(ATT + AQT)合计,按序列号由各设备读数得出;同一设备上的再次加工不计。端点落在未知时间内的间隔按最长计。最长间隔见计数worst。"
        "不报序列号的中间工序会使间隔看起来更长。零件很多时按序列号摘要抽样(计数one_in),同零件生产周期。"
    ),
    notes_en=(
        "Transport and queue together (ATT + AQT), by serial, from the machines' readings; a second visit to the same machine is none. A break with "
        "an end in time that nobody knows counts at its longest. The longest stands in the counts (worst). An operation in between on a machine that "
        "tells no serial makes the break look longer. Of very many parts a sample is followed (`one_in` in the counts), as for the part lead time."
    ),
    source="ISO 22400-2, actual transport time and actual queuing time; genealogy from the machines' readings (ISA-95)",
    places=4,
    population=has_any(IN_PROCESS, INSPECTED),
    measured=measure_parts,
    evaluated=logistics_time,
)
