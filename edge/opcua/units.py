"""Units and ranges as servers state them, beside those of the register. Pure but for `read_units`.

A server names a unit by its code of UNECE Recommendation 20, as a number (OPC 10000-8, 5.6.3); the register by its UCUM code.
"""

from typing import Any

import msgspec
from asyncua import ua

from edge.opcua.connect import Connection
from edge.opcua.limits import Limits, read_values
from edge.opcua.resolve import browse_path, follow

UCUM = {
    "P1": "%", "C62": "1", "H87": "{piece}", "59": "[ppm]", "2N": "dB",
    "RPM": "{rev}/min", "HTZ": "Hz", "KHZ": "kHz", "DD": "deg", "C81": "rad", "E96": "deg/s",
    "CEL": "Cel", "FAH": "[degF]", "KEL": "K",
    "MTR": "m", "CMT": "cm", "MMT": "mm", "4H": "um", "MTS": "m/s", "2X": "m/min", "C16": "mm/s", "H81": "mm/min", "MSK": "m/s2",
    "WTT": "W", "KWT": "kW", "MAW": "MW", "D44": "var", "KVR": "kvar", "D46": "V.A", "KVA": "kV.A",
    "WHR": "W.h", "KWH": "kW.h", "MWH": "MW.h", "JOU": "J", "KJO": "kJ",
    "AMP": "A", "4K": "mA", "VLT": "V", "2Z": "mV", "KVT": "kV",
    "BAR": "bar", "MBR": "mbar", "PAL": "Pa", "KPA": "kPa", "MPA": "MPa", "NEW": "N", "B47": "kN", "NU": "N.m",
    "KGM": "kg", "GRM": "g", "LTR": "L", "MTQ": "m3", "L2": "L/min", "MQH": "m3/h",
    "C26": "ms", "SEC": "s", "MIN": "min", "HUR": "h", "DAY": "d",
}
"""UNECE code → UCUM code."""
_WRITTEN = {
    "°c": "Cel", "℃": "Cel", "°f": "[degF]", "°": "deg", "°/s": "deg/s", "rpm": "{rev}/min", "1/min": "{rev}/min", "u/min": "{rev}/min",
    "kwh": "kW.h", "wh": "W.h", "nm": "N.m", "μm": "um", "µm": "um", "m³": "m3", "l": "L", "l/min": "L/min", "m/s²": "m/s2",
    "pcs": "{piece}", "percent": "%",
}
_UNITS, _RANGE = (("", "EngineeringUnits"),), (("", "EURange"),)


class Stated(msgspec.Struct, frozen=True):
    """What a server says of a variable."""

    unit: str = ""
    """UCUM code, or the server's own word where it is not known; empty if it says nothing."""
    is_known: bool = True
    low: float | None = None
    high: float | None = None


def stated(units: Any, range_: Any) -> Stated:
    """From EUInformation and Range, of which each may be missing or something else."""
    unit, is_known = "", True
    if isinstance(units, ua.EUInformation):
        code = int(units.UnitId).to_bytes(4, "big", signed=True).lstrip(b"\0").decode("ascii", "replace")
        text = (units.DisplayName.Text if units.DisplayName is not None else "") or ""
        written = text.strip()[:32]
        unit = UCUM.get(code, "") or _WRITTEN.get(written.lower(), "") or (written if written in UCUM.values() or written.startswith("{") else "")
        is_known, unit = bool(unit), unit or written
    low = high = None
    if isinstance(range_, ua.Range) and float(range_.Low) < float(range_.High):
        low, high = float(range_.Low), float(range_.High)
    return Stated(unit, is_known, low, high)


def disagreement(said: Stated, unit: str) -> str:
    """How the server contradicts the register, in words; empty if it does not.

    Args:
        unit: UCUM code of the register.
    """
    if said.unit and not said.is_known:
        return f"the server's unit '{said.unit}' is not one that we know; see that it is the register's '{unit}'" if unit else ""
    if said.unit and _dimension(said.unit) != _dimension(unit):
        return f"the server's unit is '{said.unit}', the register's '{unit or 'none'}'; correct the register"
    if unit == "%" and said.high is not None and said.high <= 1.0:
        return f"the register's unit is '%', and the server's range {said.low:g} to {said.high:g} looks like a share of one; correct the register"
    return ""


def _dimension(unit: str) -> str:
    # UCUM: what stands in braces is a remark and has no dimension.
    return "" if unit == "1" or (unit.startswith("{") and unit.endswith("}")) else unit


async def read_units(connection: Connection, limits: Limits, nodes: list[ua.NodeId]) -> list[Stated]:
    """What the server says of these variables.

    Raises:
        NotConnected: the connection is gone.
    """
    ends = await follow(connection, limits, [browse_path(node, steps, []) for node in nodes for steps in (_UNITS, _RANGE)])
    there = [end for end in ends if isinstance(end, ua.NodeId)]
    values = iter(await read_values(connection, limits, there))
    content = [_content(next(values)) if isinstance(end, ua.NodeId) else None for end in ends]
    return [stated(units, range_) for units, range_ in zip(content[::2], content[1::2], strict=True)]


def _content(value: ua.DataValue) -> Any:
    return value.Value.Value if value.Value is not None and (value.StatusCode is None or value.StatusCode.is_good()) else None
