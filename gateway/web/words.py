"""The words of the page in Chinese and English: one row a word, so that a missing translation is a type error and not a blank."""

from typing import NamedTuple

LANGUAGES = {"zh": "zh-CN", "en": "en-US"}
"""Language of the page → the tag that the browser and the widgets know."""


class Word(NamedTuple):
    """One thing to say, in both languages."""

    zh: str
    en: str


WORDS: dict[str, Word] = {
    "page": Word("车间总览", "Workshop overview"),
    "equipment": Word("设备", "Equipment"),
    "indicators": Word("指标", "Indicators"),
    "verdicts": Word("结论", "Verdicts"),
    "interval": Word("区间", "Interval"),
    "coverage": Word("覆盖率", "Coverage"),
    "value": Word("数值", "Value"),
    "as_of": Word("依据日期", "As of"),
    "clause": Word("条款", "Clause"),
    "own_claim": Word("企业自报", "Factory's own claim"),
    "waiting": Word("正在等待网关的第一批数据…", "Waiting for the gateway's first data…"),
    "lost": Word("与网关的连接中断：页面停在最后一次收到的数据", "Connection to the gateway lost: the page shows the last data received"),
    "refused": Word("网关拒绝本页的令牌：请检查访问令牌文件", "The gateway refuses this page's token: check the token file"),
    "strange": Word("网关的回答无法理解：版本是否一致？", "The gateway's answer is not understood: are both of the same version?"),
    "edge_alarm": Word(
        "警报：同一边缘身份出现两份日志或两种内容，请查看 /v1/edges", "Alarm: two journals or two bodies under one edge's identity, see /v1/edges",
    ),
    "no_figures": Word("指标暂缺：网关没有回答，下面是上一次的结果", "No new figures: the gateway did not answer; below is the last result"),
    "computing": Word("计算中…", "Being computed…"),
    "no_value": Word("无数值", "no value"),
    # provenance of the edges' data
    "plant": Word("现场数据", "Plant data"),
    "simulated": Word("模拟数据", "Simulated data"),
    "imported": Word("导入数据", "Imported data"),
    "third-party": Word("第三方数据", "Third-party data"),
    "derived": Word("推算数据", "Derived data"),
    "declared": Word("申报数据", "Declared data"),
    "provenance_tip": Word("数据来源，随边缘代理登记时固定", "Provenance of the data, fixed when the edge was enrolled"),
    # link state and item state (OPC 40001-1)
    "link_up": Word("已联网", "Linked"),
    "link_down": Word("断线", "Link down"),
    "link_unknown": Word("联网未知", "Link unknown"),
    "register_only": Word("仅登记在册，无信号", "No signals: register only"),
    "state_3": Word("运行", "Executing"),
    "state_2": Word("待机", "Not executing"),
    "state_1": Word("停用", "Out of service"),
    "state_0": Word("未开机", "Not available"),
    "state_unknown": Word("状态未知", "State unknown"),
    "mode_0": Word("无模式", "No mode"),
    "mode_1": Word("维护", "Maintenance"),
    "mode_2": Word("调试", "Setup"),
    "mode_3": Word("生产", "Processing"),
    "alarm": Word("报警", "Alarm"),
    "derived_value": Word("推算", "derived"),
    # verdict outcomes
    "confirmed": Word("属实", "Confirmed"),
    "refuted": Word("不属实", "Refuted"),
    "undetermined": Word("证据不足", "Undetermined"),
    "not_applicable": Word("不适用", "Not applicable"),
    # rows that no engine could take
    "quarantine": Word("隔离区：无法入库的数据行", "Quarantine: rows that could not be indexed"),
    "batch": Word("批次", "batch"),
    "row": Word("行", "row"),
    "whole_part": Word("整个分片", "the whole part"),
    # figures on a tile, by role
    "spindle_load": Word("主轴负载", "Spindle load"),
    "active_power": Word("功率", "Power"),
    "produced_count": Word("产量", "Parts"),
    "inspected_count": Word("检测数", "Inspected"),
    "rejected_count": Word("拒收数", "Rejected"),
    "cycle_count": Word("循环数", "Cycles"),
    "motor_temperature": Word("电机温度", "Motor temp."),
    "pressure": Word("压力", "Pressure"),
    "oil_temperature": Word("油温", "Oil temp."),
    "limits": Word(
        "实时数值仅供查看，不存储，不作为证据；结论由签名批次计算，可离线验证。",
        "Live values are for looking at only: never stored, never evidence. Verdicts are computed from signed batches and can be verified offline.",
    ),
}

UNITS: dict[str, Word] = {
    "{part}": Word("件", "parts"),
    "{cycle}": Word("次", "cycles"),
    "{rev}/min": Word("转/分", "rpm"),
    "Cel": Word("°C", "°C"),
    "deg/s": Word("°/s", "°/s"),
    "W.h": Word("Wh", "Wh"),
    "kW.h": Word("kWh", "kWh"),
    "W.h/{part}": Word("Wh/件", "Wh/part"),
    "kW.h/{part}": Word("kWh/件", "kWh/part"),
    "mm/s": Word("mm/s", "mm/s"),
    "1": Word("", ""),
}
"""UCUM code → what people read."""


def say(language: str, key: str) -> str:
    """The word in this language; a key that has no row is said as it is, so that a new provenance or outcome is still shown."""
    word = WORDS.get(key)
    return key if word is None else (word.zh if language == "zh" else word.en)


def unit_word(language: str, code: str) -> str:
    """The unit as people read it; unknown UCUM codes are shown as they are."""
    word = UNITS.get(code)
    return code if word is None else (word.zh if language == "zh" else word.en)
