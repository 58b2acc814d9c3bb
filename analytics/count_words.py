"""The names of counts and components in Chinese, for explanations; a name that is not here is shown as it is."""

UNITS = ("_us", "_ms", "_s", "_mwh", "_milli")
"""Endings that say the unit and are shown as it."""

CHINESE = {
    "adet": "故障停机(ADET)", "adot": "等待停机(ADOT)", "apt": "实际生产时间(APT)", "aust": "实际准备时间(AUST)", "pbt": "计划工作时间(PBT)",
    "pbt_known": "已知计划工作时间", "ideal": "理想时间(PRI×PQ)", "other": "其他状态", "calendar": "日历时间",
    "all": "在用设备", "total": "总数", "of": "总数", "counted": "计数", "digital": "数字化设备", "networked": "联网设备",
    "declared": "申报数",
    "networked_not_digital": "联网但非数字化", "undetermined": "未定",
    "controlled": "数控设备", "key_processes": "关键工序", "linked": "有平台连接",
    "connected": "连接",
    "known": "已知时间", "covered": "覆盖时间", "window": "监视时间",
    "link_down": "断线时间", "down": "中断时间", "up": "正常时间",
    "outages": "中断次数", "fresh": "有新鲜读数", "expected": "应有读数", "unheard": "无人监听",
    "good": "合格数", "scrap": "不合格数", "produced": "产量", "inspected": "检测数", "defective": "不合格数",
    "rejected": "拒收数", "rework": "返工数",
    "first_pass_good": "一次合格数", "parts_in_known_time": "已知时间内产量", "unobserved": "未观测到的零件",
    "resets": "计数器复位", "beginnings": "计数器重新开始", "conflicts": "矛盾读数",
    "failures": "故障次数", "changeovers": "换型次数", "setup": "准备时间", "machines": "设备台数",
    "energy": "用电量", "executing": "运行用电", "idle": "空转用电", "standby": "待机用电", "unplaced": "时段不明用电", "unknown": "状态不明用电",
    "untariffed": "无电价用电", "peak": "峰段用电", "flat": "平段用电", "valley": "谷段用电", "quarters": "刻钟数", "quarters_known": "已知刻钟数",
    "annunciations": "报警次数", "floods": "泛滥时段", "slots": "十分钟时段", "top": "前十合计", "different": "不同报警", "chattering": "抖动报警",
    "minutes": "抖动分钟", "stale": "长期报警", "longest": "最长", "alarm": "报警时间", "over": "超限时间", "exceedances": "超限次数",
    "due": "应巡检", "on_time": "按时", "missed": "漏检或迟到", "records": "巡检记录",
    "not_inspected": "未检数", "defects": "缺陷数", "defect": "缺陷数", "opportunities": "机会数", "parts": "零件数",
    "unusable": "不可用数值", "stations": "工位数",
    "deviation_sum": "偏差和", "squares_high": "偏差平方和高位", "squares_low": "偏差平方和低位",
    "open_parts": "未见全程的零件", "longest_break": "最长工序间隔", "median": "中位数", "median_whole": "见全程者的中位数", "worst": "最长(见全程)",
    "worst_seen": "最长(所见)", "breaks": "工序间隔数", "unclear_breaks": "端点不明的间隔", "overlapping": "同时在两处",
    "headcount": "人数", "land_area": "占地面积", "output_value": "产值", "value_added": "增加值",
}


def named(name: str, chinese: bool) -> str:
    """A count's name, with the Chinese word before it where there is one."""
    if not chinese:
        return name
    stem = next((name.removesuffix(unit) for unit in UNITS if name.endswith(unit)), name)
    word = CHINESE.get(name) or CHINESE.get(stem)
    return f"{word} {name}" if word else name
