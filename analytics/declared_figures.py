"""The figures that may be declared under a known name, with their units: so that a slip of the pen is refused and not silently a figure of its own.

The first unit is the base unit, in which indicators get the value. Unit names are UCUM codes; `{currency}` is the register's currency, `{mu}` is 亩.
"""

from enum import StrEnum
from fractions import Fraction

import msgspec

MU_M2 = Fraction(2000, 3)
"""One 亩 in m²: fifteen to a hectare."""


class FigureKind(StrEnum):
    """How a figure behaves in time."""

    STATE = "state"
    """It holds: headcount, area, a price."""
    AMOUNT = "amount"
    """It is of the whole time declared and is shared out evenly over it: a bill, a purchase."""
    YES_NO = "yes-no"
    """1: it is so; 0: it is not."""


class KnownFigure(msgspec.Struct, frozen=True):
    """One name that may be declared."""

    kind: FigureKind
    units: dict[str, Fraction]
    """By unit: how many base units it is; the base unit first."""
    zh: str
    en: str

    @property
    def unit(self) -> str:
        """The base unit."""
        return next(iter(self.units))


def _state(zh: str, en: str, **units: Fraction) -> KnownFigure:
    return KnownFigure(FigureKind.STATE, units, zh, en)


_ONE = Fraction(1)
_PEOPLE = {"{person}": _ONE}
_LAND = {"{mu}": _ONE, "m2": 1 / MU_M2, "har": 10_000 / MU_M2}
_SHARE = {"1": _ONE, "%": Fraction(1, 100)}
_MONEY = {"{currency}": _ONE, "10000.{currency}": Fraction(10_000)}
_KWH = {"kW.h": _ONE, "MW.h": Fraction(1000)}
_STATE, _AMOUNT, _YES_NO = FigureKind.STATE, FigureKind.AMOUNT, FigureKind.YES_NO

CATALOGUE: dict[str, KnownFigure] = {
    "headcount": KnownFigure(_STATE, _PEOPLE, "从业人员数", "people employed in the workshop"),
    "hours_worked": KnownFigure(_AMOUNT, {"h": _ONE}, "实际工作小时数", "hours worked by all people"),
    "land_area": KnownFigure(_STATE, _LAND, "用地面积", "land used"),
    "floor_area": KnownFigure(_STATE, {"m2": _ONE}, "车间建筑面积", "floor area of the workshop"),
    "output_value": KnownFigure(_AMOUNT, _MONEY, "工业总产值", "value of output"),
    "value_added": KnownFigure(_AMOUNT, _MONEY, "工业增加值", "value added"),
    "part_price": KnownFigure(_STATE, {"{currency}/{part}": _ONE}, "单件售价", "price of one good part"),
    "part_material_cost": KnownFigure(_STATE, {"{currency}/{part}": _ONE}, "单件材料成本", "material in one part"),
    "scrap_part_cost": KnownFigure(
        _STATE, {"{currency}/{part}": _ONE}, "单件废品损失(扣除残值)", "loss by one scrapped part, what it still fetches deducted"
    ),
    "labour_cost": KnownFigure(_AMOUNT, _MONEY, "人工成本", "cost of labour"),
    "material_cost": KnownFigure(_AMOUNT, _MONEY, "材料成本", "cost of material"),
    "maintenance_cost": KnownFigure(_AMOUNT, _MONEY, "维护成本", "cost of maintenance"),
    "depreciation_cost": KnownFigure(_AMOUNT, _MONEY, "折旧", "depreciation"),
    "other_cost": KnownFigure(_AMOUNT, _MONEY, "其他运营成本", "other operating cost"),
    "electricity_bill": KnownFigure(_AMOUNT, _KWH, "电费单电量", "electricity billed, energy"),
    "electricity_bill_cost": KnownFigure(_AMOUNT, _MONEY, "电费单金额", "electricity billed, money"),
    "gas_bill": KnownFigure(_AMOUNT, {"m3": _ONE}, "燃气账单气量", "natural gas billed"),
    "gas_bill_cost": KnownFigure(_AMOUNT, _MONEY, "燃气账单金额", "natural gas billed, money"),
    "water_bill": KnownFigure(_AMOUNT, {"m3": _ONE, "t": _ONE}, "水费单水量", "water billed"),
    "water_bill_cost": KnownFigure(_AMOUNT, _MONEY, "水费单金额", "water billed, money"),
    "steam_bill": KnownFigure(_AMOUNT, {"t": _ONE}, "蒸汽账单用量", "steam billed"),
    "diesel_bill": KnownFigure(_AMOUNT, {"kg": _ONE, "t": Fraction(1000)}, "柴油用量", "diesel bought for the workshop"),
    "equipment_investment": KnownFigure(_AMOUNT, _MONEY, "设备投资", "investment in equipment, civil works not included"),
    "software_investment": KnownFigure(_AMOUNT, _MONEY, "软件投资", "investment in software"),
    "management_digitalisation": KnownFigure(_STATE, _SHARE, "经营管理数字化程度", "share of management functions that are digital"),
    "design_digitalisation": KnownFigure(_STATE, _SHARE, "研发设计数字化程度", "share of research and design done with digital tools"),
    "digital_management": KnownFigure(_YES_NO, {"1": _ONE}, "经营管理已数字化(本企业计 1 或 0)", "this enterprise manages itself with digital means"),
    "digital_design_tools": KnownFigure(_YES_NO, {"1": _ONE}, "已用数字化研发设计工具(本企业计 1 或 0)", "this enterprise uses digital design tools"),
    "integration_index": KnownFigure(
        _STATE, {"{point}": _ONE}, "两化融合发展水平(分)", "level of integration of informatisation and industrialisation, points"
    ),
    "has_erp": KnownFigure(_YES_NO, {"1": _ONE}, "使用 ERP", "an ERP is in use"),
    "has_mes": KnownFigure(_YES_NO, {"1": _ONE}, "使用 MES", "an MES is in use"),
    "has_plm": KnownFigure(_YES_NO, {"1": _ONE}, "使用 PLM", "a PLM is in use"),
    "has_pcs": KnownFigure(_YES_NO, {"1": _ONE}, "使用过程控制系统 PCS", "a process control system is in use"),
    "pcs_mes_erp_integrated": KnownFigure(_YES_NO, {"1": _ONE}, "PCS/MES/ERP 集成", "PCS, MES and ERP exchange data"),
    "plm_integrated": KnownFigure(_YES_NO, {"1": _ONE}, "PLM 与 MES/ERP 集成", "PLM exchanges data with MES or ERP"),
    "security_graded": KnownFigure(_YES_NO, {"1": _ONE}, "完成等级保护备案", "graded for information security"),
    "security_policy": KnownFigure(_YES_NO, {"1": _ONE}, "有工控安全管理制度", "a policy for industrial security is in force"),
}


def fault_of(name: str, value: Fraction, unit: str) -> str:
    """Why this cannot be declared under a name of the catalogue; empty if it can. Names outside the catalogue are nobody's concern here."""
    known = CATALOGUE.get(name)
    if known is None:
        return ""
    if unit not in known.units:
        return f"declaration '{name}': unit '{unit[:40]}', must be {' or '.join(known.units)}"
    is_share, yes_no = known.units is _SHARE, known.kind is FigureKind.YES_NO
    if value < 0 or (yes_no and value not in (0, 1)) or (is_share and value * known.units[unit] > 1):
        allowed = "0 or 1" if yes_no else "0 to 1 (100 %)" if is_share else "0 or more"
        return f"declaration '{name}': value {float(value):g} {unit}, must be {allowed}"
    return ""
