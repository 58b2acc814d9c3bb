"""Figures as people read them: exact decimal text in, short text out. Nothing here decides anything."""

from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from gateway.web.shapes import Number
from gateway.web.words import unit_word

DASH = "–"


def decimal(number: Number) -> Decimal | None:
    """The number exactly; None for no value and for text that is no finite decimal."""
    if number is None or isinstance(number, bool):
        return None
    try:
        value = Decimal(str(number))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def plain(value: Decimal, places: int | None = None) -> str:
    """Digits with thousands separated; rounded half to even only when places are given."""
    if places is not None:
        value = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return f"{value:,f}"


def percent(ratio: Decimal) -> str:
    """A ratio as per cent with two decimal places: 0.923077 → 92.31 %. For looking at; verdicts compare the figure itself."""
    return f"{plain(ratio.scaleb(2), 2)} %"


def share(coverage: Decimal) -> str:
    """A coverage as per cent, cut to one decimal place: nothing below the whole is ever shown as 100 %."""
    return f"{coverage.scaleb(2).quantize(Decimal('0.1'), rounding=ROUND_DOWN)} %"


def with_unit(value: Decimal, unit: str, language: str) -> str:
    """An indicator's value with its unit and at least two digits that count; ratios (UCUM `1`) are shown as per cent, small energies in Wh."""
    if unit in ("1", ""):
        return percent(value)
    if unit.startswith("kW.h") and 0 < abs(value) < 1:
        value, unit = value * 1000, unit[1:]
    places = 2 if value == 0 or abs(value) >= Decimal("0.1") else 1 - value.adjusted()
    return f"{plain(value, places)} {unit_word(language, unit)}".strip()


def reading_text(value: object, unit: str, language: str) -> tuple[str, str]:
    """A live reading as (figure, unit): power in kW, energy in kWh, gauges with one decimal place.

    Counters are whole and without unit, since their label says what they count.
    """
    if isinstance(value, str):
        return value, ""
    number = decimal(value if isinstance(value, int | float) else None)
    if number is None:
        return DASH, ""
    if unit in ("W", "W.h"):
        return plain(number / 1000, 2 if abs(number) < 10_000 else 1), "kW" if unit == "W" else "kWh"
    places = 0 if isinstance(value, int) else 2 if unit in ("1", "") or (abs(number) < 1 and unit != "%") else 1
    return plain(number, places), "" if unit.startswith("{") and "/" not in unit else unit_word(language, unit)


def clock_text(time_us: int, zone: str) -> str:
    """The time of day in the workshop's time zone; empty for 0, which means none."""
    return _local(time_us, zone).strftime("%H:%M:%S") if time_us else ""


def window_text(start_us: int, end_us: int, zone: str) -> str:
    """A window in the workshop's time zone, the date said once where it is the same; empty before there is one."""
    if not end_us:
        return ""
    start, end = _local(start_us, zone), _local(end_us, zone)
    return f"{start:%Y-%m-%d %H:%M:%S} – {end:%H:%M:%S}" if start.date() == end.date() else f"{start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M}"


def _local(time_us: int, zone: str) -> datetime:
    return datetime.fromtimestamp(time_us // 1_000_000, ZoneInfo(zone))
