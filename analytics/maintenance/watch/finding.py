"""Findings: what the watch tells people, with what it rests on."""

from typing import Any

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """Something is wrong with a machine or a sensor of it, and how sure that is. A person says whether it was right."""

    equipment: str
    what: str
    """bearing_wear, coolant_loss, sensor_drift, sensor_stuck, sensor_range, tool_breakage … or unknown_stop."""
    since_us: int
    """From when on it shows."""
    at_us: int
    """When it was found: the end of the last cell or the reading that it rests on."""
    score: float
    """0.5 at the limit of telling, towards 1 beyond."""
    roles: tuple[str, ...]
    """Of the signals that it rests on."""
    evidence: dict[str, float | int | str]
    advice_zh: str
    advice_en: str
    within_h: float
    """Hours within which somebody should have looked."""
    remaining_h: tuple[float, float, float] | None = None
    """Hours left, with a 90 % interval, where that can be said."""

    def document(self) -> dict[str, Any]:
        """As it is put on record."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


ADVICE: dict[str, tuple[str, str, float]] = {
    "bearing_wear": ("检查主轴轴承(振动、温度、异响),在剩余寿命下限前的计划停机内更换",
                     "Inspect the spindle bearing (vibration, heat, noise); replace it in a planned stop before the low end of its life", 24.0),
    "coolant_loss": ("检查冷却液液位、泵和管路; 缺液时刀具加速磨损、工件烧伤",
                     "Check coolant level, pump and hoses; without coolant tools wear and parts burn", 1.0),
    "sensor_drift": ("功率读数与电能表计数不符: 校验功率传感器", "Power disagrees with the energy counter: calibrate the power sensor", 48.0),
    "sensor_stuck": ("读数不再变化而设备在工作: 检查传感器和接线", "The reading stands still while the machine works: check sensor and wiring", 24.0),
    "sensor_range": ("读数远超出正常范围: 检查传感器和量程", "Readings far outside what this machine gives: check sensor and scaling", 24.0),
    "tool_breakage": ("刀具破损: 更换刀具,隔离并检查当前工件", "A tool broke: change it, set the part in process aside and inspect it", 0.0),
    "collision_stop": ("碰撞停机: 检查几何精度后再启动", "Stopped by a collision: check the geometry before it starts again", 0.0),
    "unknown_stop": ("设备因以往未见的报警停机: 查阅制造商报警表", "Stopped by an alarm never seen while sound: look it up in the maker's list", 0.0),
}
"""By kind of finding: what to do, and within how many hours."""
