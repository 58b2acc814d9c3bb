"""What could be saved, from what was measured: key consumers, switching off, moving load to cheap hours, a flatter peak, leaks of compressed air.

Every piece of advice states its assumption, and low and high figures: what data leave open, never a guess at how people will behave. A year is the
window scaled to 365 days, as if every week were like it.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from analytics.electricity import KWH
from analytics.energy.compressed_air import ACCEPTED, LeakTest
from analytics.indicator import Result
from workshop.register import TariffPeriod, Workshop
from workshop.window import HOUR_US, Window

YEAR_US = 365 * 24 * HOUR_US
MOVABLE = 0.1
"""Share of the energy in dear hours that is taken to be movable: an assumption, said with the advice."""
PEAK_SHARE = 0.01
"""The peak is cut to what all but this share of the quarter hours stay under."""
QUARTERS_H = 4


class Consumer(msgspec.Struct, frozen=True):
    """One machine's electricity in the window."""

    equipment: str
    kwh: float
    share: float
    cumulative: float
    """Share of this machine and all greater ones."""
    cost: float | None
    """None where the register has no tariff, or no price for some of the time."""


class Advice(msgspec.Struct, frozen=True):
    """One thing to do; kWh and money are of a year."""

    kind: str
    equipment: str
    """Empty for the whole workshop."""
    kwh_year: float
    """Saved, or for `shift-load` moved."""
    kwh_low: float
    kwh_high: float
    money_year: float | None
    zh: str
    en: str
    assumption: str
    from_us: int
    to_us: int
    """The window that the evidence is from."""
    coverage: Decimal


def consumers(cost: Result, register: Workshop) -> list[Consumer]:
    """Machines by their electricity, greatest first; from the result of `electricity_cost`."""
    energy = {name: values.get("energy_mwh", 0) for name, values in cost.detail.items()}
    whole, so_far, found = sum(energy.values()), 0, []
    for name in sorted(energy, key=lambda name: (-energy[name], name)):
        so_far += energy[name]
        share, cumulative = (energy[name] / whole, so_far / whole) if whole else (0.0, 0.0)
        found.append(Consumer(name, energy[name] / KWH, share, cumulative, _cost(cost.detail[name], register)))
    return found


def advise(
    results: Mapping[str, Result], curve: Sequence[tuple[int, int, bool]], register: Workshop, window: Window, demand_price: float | None = None,
    leaks: Sequence[LeakTest] = (),
) -> list[Advice]:
    """What could be done, most money first, then most kWh.

    Args:
        results: of `energy_standby` and `electricity_cost` in the window.
        curve: `electricity.quarters`.
        demand_price: currency per kW and month; None: the register has none, so that a flatter peak has no price.
        leaks: `compressed_air.leak_tests` of the window.
    """
    found = [*_switch_off(results["energy_standby"], results["electricity_cost"], register, window)]
    found += _shift(results["electricity_cost"], register, window)
    found += _mend(leaks, results["electricity_cost"], register, window)
    found += _flatten(curve, results["electricity_cost"].coverage, window, demand_price)
    return sorted(found, key=lambda item: (-(item.money_year or 0), -item.kwh_year, item.kind, item.equipment))


def _cost(values: Mapping[str, int], register: Workshop) -> float | None:
    if not register.tariff or values.get("untariffed_mwh", 0):
        return None
    return sum(values.get(f"period_{number:02}_mwh", 0) * float(period.price) for number, period in enumerate(register.tariff)) / KWH


def _switch_off(standby: Result, cost: Result, register: Workshop, window: Window) -> list[Advice]:
    found = []
    scale = YEAR_US / window.length_us if window.length_us else 0.0
    for name, values in standby.detail.items():
        low = values.get("standby_mwh", 0) / KWH
        if not low:
            continue
        high = low + (values.get("unplaced_mwh", 0) + values.get("unknown_mwh", 0)) / KWH
        own = cost.detail.get(name, {})
        paid, energy = _cost(own, register), own.get("energy_mwh", 0) / KWH
        money = low * scale * paid / energy if paid is not None and energy else None
        found.append(Advice(
            "switch-off", name, low * scale, low * scale, high * scale, money,
            f"{name} 不可用（非工作）时仍用电 {low:.1f} kWh：断电", f"{name} used {low:.1f} kWh while it was not available: switch it off then",
            "all of it can be switched off while the machine says NotAvailable, at the mean price that this machine paid; idle time inside shifts is "
            "not in it", window.start_us, window.end_us, standby.coverage,
        ))
    return found


def _shift(cost: Result, register: Workshop, window: Window) -> list[Advice]:
    dear = [(number, cheap) for number, period in enumerate(register.tariff) if (cheap := _cheaper(period, register)) is not None]
    if not window.length_us or not dear:
        return []
    names = "/".join(dict.fromkeys(register.tariff[number].name for number, _ in dear))
    targets = "/".join(dict.fromkeys(cheap.name for _, cheap in dear))
    scale, found = MOVABLE * YEAR_US / window.length_us / KWH, []
    for name, values in cost.detail.items():
        used = {number: values.get(f"period_{number:02}_mwh", 0) for number, _ in dear}
        moved, unplaced = sum(used.values()) * scale, values.get("unplaced_mwh", 0) * scale
        money = sum(used[number] * (float(register.tariff[number].price) - float(cheap.price)) for number, cheap in dear) * scale
        if moved:
            kwh = sum(used.values()) / KWH
            found.append(Advice(
                "shift-load", name, moved, max(0.0, moved - unplaced), moved + unplaced, money,
                f"{name} 在{names}时段用电 {kwh:.1f} kWh：把一成移到{targets}时段",
                f"{name} used {kwh:.1f} kWh in {names}: move a tenth to {targets}",
                f"{MOVABLE:.0%} of the energy in the dearest hours can be moved to the cheapest of the same season; no energy is saved",
                window.start_us, window.end_us, cost.coverage,
            ))
    return found


def _cheaper(period: TariffPeriod, register: Workshop) -> TariffPeriod | None:
    """For the dearest period of its time of the year the cheapest one of that time; None for any other."""
    beside = [other for other in register.tariff if _meet(period, other)]
    cheap = min(beside, key=lambda other: float(other.price))
    dearest = max(float(other.price) for other in beside)
    return cheap if float(cheap.price) < float(period.price) == dearest else None


def _meet(one: TariffPeriod, other: TariffPeriod) -> bool:
    months = [set(item.months) if isinstance(item.months, tuple) else set(range(1, 13)) for item in (one, other)]
    begin = max(item.valid_from if isinstance(item.valid_from, str) else "" for item in (one, other))
    end = min(item.valid_to if isinstance(item.valid_to, str) else "9999" for item in (one, other))
    return bool(months[0] & months[1]) and begin <= end


def _mend(leaks: Sequence[LeakTest], cost: Result, register: Workshop, window: Window) -> list[Advice]:
    """Leaks that are shown to be more than well-kept systems have."""
    found = []
    scale = YEAR_US / window.length_us if window.length_us else 0.0
    for item in leaks:
        if item.low <= ACCEPTED:
            continue
        kwh, low, high = (
            (share - ACCEPTED) * extra * item.run_h * scale
            for share, extra in ((item.share, item.extra_kw), (item.low, item.extra_low_kw), (item.high, item.extra_high_kw))
        )
        own = cost.detail.get(item.equipment, {})
        paid, energy = _cost(own, register), own.get("energy_mwh", 0) / KWH
        found.append(Advice(
            "mend-leaks", item.equipment, kwh, low, high, kwh * paid / energy if paid is not None and energy else None,
            f"{item.equipment} 停产时仍有 {item.share:.0%} 的时间加载（{item.tests} 次，{item.low:.0%} 至 {item.high:.0%}）：查找并修补压缩空气泄漏",
            f"{item.equipment} is loaded {item.share:.0%} of the time while nothing works ({item.tests} tests, {item.low:.0%} to {item.high:.0%}): "
            "find and mend the leaks of compressed air",
            f"nobody draws air while all other machines rest, it leaks as much at work, mending leaves {ACCEPTED:.0%}, and loading costs "
            f"{item.extra_kw:.1f} kW more than running unloaded, at the mean price that this machine paid",
            window.start_us, window.end_us, cost.coverage,
        ))
    return found


def _flatten(curve: Sequence[tuple[int, int, bool]], coverage: Decimal, window: Window, demand_price: float | None) -> list[Advice]:
    known = sorted(energy for _, energy, whole in curve if whole)
    if len(known) < 1 / PEAK_SHARE:
        return []
    kept = known[-1 - int(PEAK_SHARE * len(known))]
    over = sum(energy - kept for energy in known if energy > kept) / KWH
    peak_kw, kept_kw = known[-1] * QUARTERS_H / KWH, kept * QUARTERS_H / KWH
    if peak_kw <= kept_kw:
        return []
    moved = over * YEAR_US / window.length_us
    money = None if demand_price is None else (peak_kw - kept_kw) * 12 * demand_price
    price = "no demand price was given, so no money" if demand_price is None else f"{demand_price:g} per kW and month, every month alike"
    return [Advice(
        "flatten-peak", "", moved, moved, moved, money,
        f"最大需量 {peak_kw:.1f} kW，99% 的刻钟不超过 {kept_kw:.1f} kW：错开启动，移动 {over:.2f} kWh",
        f"peak {peak_kw:.1f} kW, 99 % of the quarter hours stay under {kept_kw:.1f} kW: moving {over:.2f} kWh cuts it to that",
        f"what lies above can be moved to other quarter hours; {price}", window.start_us, window.end_us, coverage,
    )]
