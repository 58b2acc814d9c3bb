"""Coefficients of energy and carbon as data: each with unit, year or edition, series and source. None is chosen in silence, none is rounded.

Seen: `S` in the source itself, `R` in third-party texts that agree, `D` in third-party texts that disagree, `M` remembered.
The original tables of the announcements were not seen.
"""

from decimal import Decimal

import msgspec


class Factor(msgspec.Struct, frozen=True):
    """One published coefficient."""

    series: str
    year: int
    """Year that it is of; the edition's year for coal equivalents."""
    value: Decimal
    unit: str
    source: str
    seen: str

    @property
    def sentence(self) -> str:
        """For `Result.why`: the coefficient with everything that it needs."""
        marks = {"S": "seen in the source", "R": "third-party texts agree", "M": "remembered, check before use",
                 "D": "third-party texts disagree, one of them chosen: check before use"}
        return f"{self.value} {self.unit}, {self.series} {self.year}, {self.source} ({marks[self.seen]})"


_MEE_2021, _MEE_2022, _MEE_2023 = ("公告2024年第12号 (MEE, NBS)", "公告2024年第33号 (MEE, NBS)", "公告2025年第47号 (MEE, NBS)")


def _grid(series: str, *values: tuple[int, str, str]) -> tuple[Factor, ...]:
    sources = {2021: _MEE_2021, 2022: _MEE_2022, 2023: _MEE_2023}
    return tuple(Factor(series, year, Decimal(value), "kg/(kW.h)", sources[year], seen) for year, value, seen in values)


GRID_CO2: dict[str, tuple[Factor, ...]] = {
    "national": _grid("全国电力平均", (2021, "0.5568", "M"), (2022, "0.5366", "R"), (2023, "0.5306", "R")),
    "zhejiang": _grid("浙江", (2021, "0.5422", "R"), (2022, "0.5153", "R"), (2023, "0.4974", "R")),
    "jiangsu": _grid("江苏", (2021, "0.6451", "R"), (2022, "0.5978", "R"), (2023, "0.5827", "R")),
    "hubei": _grid("湖北", (2021, "0.3672", "R"), (2022, "0.4364", "R"), (2023, "0.4044", "R")),
    "hunan": _grid("湖南", (2021, "0.5138", "R"), (2022, "0.4900", "R"), (2023, "0.4976", "R")),
}
"""kgCO₂ per kWh of electricity from the grid, by region, oldest first."""

COAL_CALORIFIC = Factor("电力当量值", 2020, Decimal("0.1229"), "kgce/(kW.h)", "GB/T 2589-2020", "R")
COAL_EQUIVALENT = Factor("电力等价值", 2020, Decimal("0.31"), "kgce/(kW.h)", "national thermal coal use, one text", "R")

DIESEL = Factor("柴油", 2020, Decimal("1.4571"), "kgce/kg", "GB/T 2589-2020", "R")
NATURAL_GAS = Factor("天然气", 2020, Decimal("1.2143"), "kgce/m3", "GB/T 2589-2020, statistical value; 1.3300 is seen as well", "D")
STEAM = Factor("低压蒸汽", 2020, Decimal("128.6"), "kgce/t", "GB/T 2589-2020, low pressure; 95.7 and 142.9 are seen as well", "D")
WATER = Factor("新水", 2020, Decimal("0.2571"), "kgce/t", "GB/T 2589-2020; 0.0857 and 0.2429 are seen as well", "D")


def of_year(factors: tuple[Factor, ...], year: int) -> Factor:
    """The factor of a year, or of the newest year before it; the oldest where the year lies before all."""
    return max((item for item in factors if item.year <= year), key=lambda item: item.year, default=factors[0])
