"""Part lead time: from the first operation's start to the last one's end, by serial number."""

from analytics.definition import Definition, has_any
from analytics.indicator import Indicator
from analytics.parts_flow import IN_PROCESS, INSPECTED, lead_time, measure_parts

INDICATOR: Indicator = Definition(
    id="part_lead_time",
    version=2,
    title_zh="零件生产周期(中位数)",
    title_en="Part lead time, median",
    unit="min",
    roles=(IN_PROCESS, INSPECTED),
    formula="median over parts of (end of the last operation − start of the first operation)",
    numbers="median of {parts} parts seen whole, and of {open_parts} that took longer than was seen of them: {median_ms} ms / 60 000",
    notes_zh=(
        "按序列号连接各设备:在制零件(part_serial)与检测记录(serial)。首序可能早于窗口、末序可能晚于窗口的零件至少用了所见的时间:数值按最不利情形取中位数,"
        "区间随之变宽,占半数时不给结果,故窗口宜为生产周期的十倍以上。与窗口边界的距离按所见最长的工序间隔判断。最长的零件见计数worst。"
        "序列号重复使用、设备不报序列号的工序均不可见;产品结构不同的窗口不可直接比较。"
        "某台设备在窗口内超过1,024件时,只跟踪按序列号摘要抽取的一部分零件(计数one_in),区间含抽样误差;能自选序列号者可影响抽取,存疑时按较短窗口分别计算。"
    ),
    notes_en=(
        "Serials join the machines: parts in process (part_serial) and inspection records (serial). A part whose first operation may lie before "
        "the window, or its last one after it, took at least what was seen of it: the value is the median at its worst, and such parts widen the "
        "interval; with half of them there is no answer, so the window should be ten lead times long or more. How near to a border that is, the "
        "longest break between two operations of a part says. The slowest part stands in the counts (worst). Serials that are used again, and "
        "operations on machines that tell none, are not seen. Windows of other products do not compare. Where a machine had more than 1,024 "
        "parts, one part in `one_in` (see the counts) is followed, chosen by a digest of its serial, and the interval holds that sample's error; "
        "who chooses serials can choose the sample: where that matters ask for shorter windows, in which all parts are followed."
    ),
    source="产品生产周期 of CS-T1, which does not define it; genealogy from the machines' readings (ISA-95)",
    places=4,
    population=has_any(IN_PROCESS, INSPECTED),
    measured=measure_parts,
    evaluated=lead_time,
)
