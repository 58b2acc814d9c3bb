"""Which role a variable plays, by its name in English, Chinese and what controllers abbreviate; and what the register says of each role."""

import re
from typing import Any

import msgspec

from workshop.signal import SignalKind

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORDS = re.compile(r"[a-z]+|[0-9]+|[^\x00-\x7f]+")


class Role(msgspec.Struct, frozen=True):
    """A role, and the signal that plays it."""

    role: str
    name: str
    kind: SignalKind
    unit: str
    title_zh: str
    title_en: str
    words: tuple[str, ...]
    """Names as they are met, in lower case and without separators."""


def _role(role: str, name: str, kind: str, unit: str, zh: str, en: str, *words: str) -> Role:
    return Role(role, name, SignalKind(kind), unit, zh, en, words)


ROLES = {one.role: one for one in (
    _role("item_state", "item_state", "state", "", "设备状态", "Item state", "itemstate", "machinestate", "machinestatus", "state",
          "设备状态", "运行状态"),
    _role("operation_mode", "operation_mode", "state", "", "运行模式", "Operation mode", "operationmode", "opmode", "operatingmode",
          "mode", "运行模式"),
    _role("program", "program", "text", "", "程序名", "Program", "program", "programname", "activeprogram", "actprogramname", "prog", "ncprogram",
          "currentprogram", "程序名", "程序"),
    _role("produced_count", "part_count", "counter", "{part}", "产量", "Parts produced", "partcount", "partcounter", "partsproduced", "producedcount",
          "piececount", "workpiececounter", "partsproducedinlifetime", "totalparts", "产量", "总产量", "加工件数"),
    _role("good_count", "good_count", "counter", "{part}", "合格数", "Good parts", "goodcount", "goodparts", "partsgood",
          "okcount", "partsok", "合格数"),
    _role("scrap_count", "scrap_count", "counter", "{part}", "不合格数", "Scrap parts", "scrapcount", "scrapparts",
          "partsscrap", "badcount", "badparts",
          "ngcount", "partsng", "rejectcount", "不合格数", "不良数", "废品数"),
    _role("cycle_count", "cycle_count", "counter", "{cycle}", "循环数", "Cycles", "cyclecount", "cyclecounter",
          "cycles", "operationcyclecounter", "循环数"),
    _role("spindle_load", "spindle_load", "gauge", "%", "主轴负载", "Spindle load", "spindleload", "sload", "spload", "spindleactload", "主轴负载"),
    _role("spindle_speed", "spindle_speed", "gauge", "{rev}/min", "主轴转速", "Spindle speed", "spindlespeed", "sspeed", "actspindlespeed",
          "spindleactspeed", "srpm", "主轴转速"),
    _role("spindle_override", "spindle_override", "gauge", "%", "主轴倍率", "Spindle override", "spindleoverride", "sovr", "主轴倍率"),
    _role("spindle_temperature", "spindle_temperature", "gauge", "Cel", "主轴温度", "Spindle temperature",
          "spindletemperature", "spindletemp", "主轴温度"),
    _role("spindle_vibration", "spindle_vibration", "gauge", "mm/s", "主轴振动", "Spindle vibration", "spindlevibration", "主轴振动"),
    _role("feed_override", "feed_override", "gauge", "%", "进给倍率", "Feed override", "feedoverride", "fovr", "feedrateoverride", "进给倍率"),
    _role("feed_rate", "feed_rate", "gauge", "mm/min", "进给速度", "Feed rate", "feedrate", "actfeedrate", "feedspeed", "pathfeedrate", "进给速度"),
    _role("active_power", "power", "gauge", "W", "有功功率", "Active power", "power", "activepower", "totalpower",
          "actpower", "powerconsumption", "p",
          "有功功率", "功率"),
    _role("energy_import", "energy_import", "counter", "W.h", "用电量", "Energy import", "energyimport", "energy", "e", "energyconsumption",
          "totalenergyconsumption", "activeenergy", "电能", "用电量"),
    _role("alarm", "alarm", "state", "", "报警号", "Alarm number", "alarm", "alarmnumber", "alarmcode", "activealarm", "errorcode",
          "alm", "报警号", "报警"),
    _role("motor_temperature", "motor_temperature", "gauge", "Cel", "电机温度", "Motor temperature", "motortemperature",
          "motortemp", "tempmotor", "电机温度"),
    _role("joint_speed", "joint_speed", "gauge", "deg/s", "关节速度", "Joint speed", "jointspeed", "vjoint", "关节速度"),
    _role("gripper_closed", "gripper_closed", "state", "", "夹爪闭合", "Gripper closed", "gripperclosed", "grip", "夹爪闭合"),
    _role("speed_override", "speed_override", "gauge", "%", "速度倍率", "Speed override", "speedoverride", "速度倍率"),
    _role("operational_mode", "operational_mode", "state", "", "操作方式", "Operational mode", "operationalmode", "操作方式"),
    _role("emergency_stop", "emergency_stop", "state", "", "急停", "Emergency stop", "emergencystop", "estop", "急停"),
    _role("protective_stop", "protective_stop", "state", "", "保护性停止", "Protective stop", "protectivestop", "保护性停止"),
    _role("tool_number", "tool_number", "state", "", "刀具号", "Tool number", "toolnumber", "toolid", "acttool", "activetool", "刀具号", "刀号"),
    _role("pressure", "pressure", "gauge", "bar", "压力", "Pressure", "pressure", "pbar", "压力"),
    _role("oil_temperature", "oil_temperature", "gauge", "Cel", "油温", "Oil temperature", "oiltemperature", "toil", "油温"),
    _role("inspected_count", "inspected_count", "counter", "{part}", "检测数", "Parts inspected", "inspectedcount", "inspected", "检测数"),
    _role("rejected_count", "rejected_count", "counter", "{part}", "拒收数", "Parts rejected", "rejectedcount", "rejected", "拒收数"),
)}
"""By role. A kind of machine that is missing here can be added without touching anything else."""
_AXIS = re.compile(r"axis_(\d+)_(position|temperature)")
_BY_WORD = {word: one.role for one in ROLES.values() for word in one.words}
_BY_WORD |= {one.role.replace("_", ""): one.role for one in ROLES.values()}


def role_named(name: str) -> str:
    """The role that a name tells, `SpindleLoad`, `spindle_load` or `主轴负载`; empty if none."""
    last = name.rpartition(".")[2] or name
    return _BY_WORD.get("".join(_WORDS.findall(_CAMEL.sub(" ", last).lower())), "")


def role_of(role: str) -> Role:
    """What the register says of a role; those of single axes are made as they are met."""
    if (axis := _AXIS.fullmatch(role)) is not None:
        number, what = axis.groups()
        unit, zh = ("deg", "位置") if what == "position" else ("Cel", "温度")
        return Role(role, role, SignalKind.GAUGE, unit, f"{number}轴{zh}", f"Axis {number} {what}", ())
    return ROLES[role]


def suits(role: Role, value: Any) -> bool:
    """Whether such a value can be what the role wants; a value that is not there yet can."""
    if value is None:
        return True
    if role.kind in (SignalKind.COUNTER, SignalKind.STATE):
        return isinstance(value, int)
    if role.kind is SignalKind.GAUGE:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str)
