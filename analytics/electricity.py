"""Electricity from the meters' counters: how much, in which state, when, at what price, as coal and as carbon dioxide.

An increase belongs to the moment just before the reading that shows it. Where the silence before that reading was longer than the signal's maximum
age, or readings are missing in it, nobody can say when the energy flowed: it counts in the total, and is `unplaced` in everything that asks when.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction

import msgspec
import numpy as np
from numpy.typing import NDArray

from analytics.boundary import Slots, merge_boundaries, slots_of
from analytics.definition import MEASURED, components, conclude, left_out, quotient
from analytics.factors import Factor, of_year
from analytics.indicator import Components, Exclusion, Indicator, Result
from analytics.measured import Measured
from analytics.series import ENERGY_SCALES, Inputs
from analytics.steps import Increases, Steps, cut, fresh, fresh_us, held, increases
from analytics.tariff import local_times, tariff_periods
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.states import ItemState
from workshop.window import HOUR_US, SECOND_US, Window

METER = "energy_import"
KWH = 1_000_000
"""mWh in a kWh."""
QUARTER_US = 900 * SECOND_US
QUARTER_KNOWN = Fraction(9, 10)
"""Of a quarter hour over all meters; with less it is no demand that anybody measured."""
_BY_STATE = {
    ItemState.EXECUTING: "executing_mwh", ItemState.NOT_EXECUTING: "idle_mwh", ItemState.OUT_OF_SERVICE: "idle_mwh",
    ItemState.NOT_AVAILABLE: "standby_mwh",
}


def measure_total(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Energy, mWh, by local year, and other counters that the indicator asks for."""
    grown = grown_of(inputs, window)
    values = _whole(indicator, inputs, grown)
    values |= inputs.once(("years", window), lambda: _by_year(inputs, grown))
    counters = [role for role in indicator.roles if role != METER and inputs.signal(role) is not None]
    for role in counters:
        values[role.removesuffix("_count")] = increases(inputs, role, window).total
    summed = [*([METER] if inputs.signal(METER) is not None else []), *counters]
    return components(indicator, inputs, window, fresh_us(inputs, summed), values, counters=summed)


def measure_by_state(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Energy, mWh, by what the machine did; known where meter and state are."""
    grown = grown_of(inputs, window)
    values = dict.fromkeys(("executing_mwh", "idle_mwh", "standby_mwh", "unplaced_mwh", "unknown_mwh"), 0)
    placed = placed_of(inputs, grown)
    state = held(inputs, "item_state")
    then = state.at(grown.time_us - 1)
    values["unplaced_mwh"] = int(grown.amount[~placed].sum())
    for code in ItemState:
        values[_BY_STATE[code]] += int(grown.amount[placed & (then == code)].sum())
    values["unknown_mwh"] = grown.total - sum(values.values())
    pieces = cut(inputs.observed, [fresh(inputs, METER), state])
    known_us = sum(pieces.total_us((pieces.values[0] == 1) & (pieces.values[1] == code)) for code in ItemState)
    return components(indicator, inputs, window, known_us, {**_whole(indicator, inputs, grown), **values}, counters=(METER,))


def measure_by_price(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Energy, mWh, by period of the register's tariff, in its order."""
    grown = grown_of(inputs, window)
    values = _whole(indicator, inputs, grown)
    period = tariff_periods(inputs, grown.time_us - 1)
    placed = placed_of(inputs, grown)
    for number in range(len(inputs.register.tariff)):
        values[f"period_{number:02}_mwh"] = int(grown.amount[period == number].sum())
    values["untariffed_mwh"] = int(grown.amount[period < 0].sum())
    values["unplaced_mwh"] = int(grown.amount[~placed].sum())
    return components(indicator, inputs, window, fresh_us(inputs, (METER,)), values, counters=(METER,))


def measure_demand(indicator: Indicator, inputs: Inputs, window: Window) -> Components:
    """Energy, mWh, and known time, µs, by quarter hour, in and out of shifts."""
    grown = grown_of(inputs, window)
    placed = placed_of(inputs, grown)
    first, end = window.start_us // QUARTER_US, -(-window.end_us // QUARTER_US)
    slot = np.arange(first, end)
    pieces = cut([window] if window.length_us else [], [fresh(inputs, METER), Steps(slot * QUARTER_US, slot)])
    known = pieces.values[0] == 1
    values = {**_whole(indicator, inputs, grown), "unplaced_mwh": int(grown.amount[~placed].sum())}
    found = components(indicator, inputs, window, fresh_us(inputs, (METER,)), values, counters=(METER,))
    return msgspec.structs.replace(found, boundary={
        "quarters_mwh": slots_of(QUARTER_US, (grown.time_us[placed] - 1) // QUARTER_US, grown.amount[placed]),
        "quarters_known_us": slots_of(QUARTER_US, pieces.values[1][known], pieces.length_us[known]),
    })


def total(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Sum of all meters, kWh."""
    energy_mwh = measured.total("energy_mwh")
    known = measured.covered_us or energy_mwh
    value = Fraction(energy_mwh, KWH) if known else None
    return _conclude(indicator, measured, register, value)


def per_part(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Energy of all meters over all parts produced."""
    energy_mwh, parts = measured.total("energy_mwh"), measured.total("produced")
    why = f"{energy_mwh} mWh for {parts} parts" if parts else "undefined: no parts in the window"
    return _conclude(indicator, measured, register, quotient(energy_mwh, parts * KWH), why, counts={"produced": parts})


def in_state(name: str) -> Callable[[Indicator, Measured, Workshop, Window], Result]:
    """Energy in one kind of state, kWh; what cannot be placed widens the interval upwards."""
    def evaluate(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
        energy_mwh = measured.total(f"{name}_mwh")
        unclear_mwh = measured.total("unplaced_mwh") + measured.total("unknown_mwh")
        known = bool(measured.covered_us)
        kinds = ("executing", "idle", "standby", "unplaced", "unknown")
        return _conclude(
            indicator, measured, register, Fraction(energy_mwh, KWH) if known else None,
            "" if known else "undefined: no time in which meter and state are known",
            counts={f"{item}_mwh": measured.total(f"{item}_mwh") for item in kinds},
            high=Fraction(energy_mwh + unclear_mwh, KWH) if known else None, method="bounds: energy without a known state none … all of this kind",
        )

    return evaluate


def cost(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Σ energy × price of its period, in the register's currency."""
    prices = [Fraction(period.price) for period in register.tariff]
    by_name: dict[str, int] = {}
    exact = Fraction(0)
    for number, period in enumerate(register.tariff):
        energy_mwh = measured.total(f"period_{number:02}_mwh")
        by_name[f"{period.name}_mwh"] = by_name.get(f"{period.name}_mwh", 0) + energy_mwh
        exact += prices[number] * energy_mwh / KWH
    untariffed, unplaced = measured.total("untariffed_mwh"), measured.total("unplaced_mwh")
    known = bool(prices) and not untariffed and bool(measured.covered_us or measured.total("energy_mwh"))
    spread = (max(prices) - min(prices)) * unplaced / KWH if prices else Fraction(0)
    counts = {**by_name, "untariffed_mwh": untariffed, "unplaced_mwh": unplaced}
    why = (
        "" if prices else "undefined: no tariff in the register",
        f"undefined: {untariffed} mWh at times without a price in the register" if untariffed and prices else "",
        f"in {register.currency}, energy price alone: no charge for demand or power factor, no taxes",
    )
    return _conclude(
        indicator, measured, register, exact if known else None, *why, counts=counts,
        low=max(Fraction(0), exact - spread) if known else None, high=exact + spread if known else None,
        method="bounds: energy after a silence priced otherwise",
    )


def peak(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """The greatest quarter hour over all meters together, as mean power; what cannot be placed may all have flowed in one."""
    energy, known_us, known, amount = _quarters(measured)
    best = int(np.argmax(np.where(known, amount, -1))) if known.any() else -1
    counts = {
        "quarters": len(known), "quarters_known": int(known.sum()), "unplaced_mwh": measured.total("unplaced_mwh"),
        "peak_from_us": (known_us.first + best) * QUARTER_US if best >= 0 else 0,
    }
    per_kw = Fraction(HOUR_US // QUARTER_US, KWH)
    value = int(amount[best]) * per_kw if best >= 0 else None
    most = int(energy.values.max(initial=0)) + measured.total("unplaced_mwh")
    why = "" if best >= 0 else "undefined: no quarter hour of which nine tenths are known on all meters together"
    return _conclude(
        indicator, measured, register, value, why, counts=counts, high=most * per_kw if best >= 0 else None,
        method="bounds: quarter hours known in part, and energy without a time, as high as they can be",
    )


def load_factor(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
    """Mean over the greatest of the known quarter hours, all meters together."""
    _, _, known, amount = _quarters(measured)
    kept = amount[known]
    energy, greatest = int(kept.sum()), int(kept.max(initial=0))
    counts = {"quarters": len(known), "quarters_known": len(kept), "known_mwh": energy, "peak_mwh": greatest}
    why = "" if len(kept) else "undefined: no quarter hour of which nine tenths are known on all meters together"
    why = "undefined: nothing flowed" if len(kept) and not greatest else why
    return _conclude(indicator, measured, register, quotient(energy, greatest * len(kept)), why, counts=counts)


def quarters(measured: Measured) -> list[tuple[int, int, bool]]:
    """The load curve of all meters together: start of each quarter hour, µs UTC; energy, mWh; whether nine tenths of it are known."""
    _, known_us, known, amount = _quarters(measured)
    return [((known_us.first + place) * QUARTER_US, int(amount[place]), bool(known[place])) for place in range(len(known))]


def _quarters(measured: Measured) -> tuple[Slots, Slots, NDArray[np.bool_], NDArray[np.int64]]:
    energy, known_us = (_slots(measured, name) for name in ("quarters_mwh", "quarters_known_us"))
    enough_us = QUARTER_KNOWN * QUARTER_US * len(measured.by_equipment)
    known = known_us.values >= int(enough_us) if known_us.sums else np.zeros(0, np.bool_)
    amount = np.zeros(len(known), np.int64)
    slot = energy.first + np.arange(len(energy.sums) // 8) - known_us.first
    there = (slot >= 0) & (slot < len(amount))
    amount[slot[there]] = energy.values[there]
    return energy, known_us, known, amount


def converted(factor: Factor) -> Callable[[Indicator, Measured, Workshop, Window], Result]:
    """Energy times one coefficient, which stands in the reason with its source."""
    def evaluate(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
        energy_mwh = measured.total("energy_mwh")
        known = measured.covered_us or energy_mwh
        value = Fraction(energy_mwh, KWH) * Fraction(factor.value) if known else None
        return _conclude(indicator, measured, register, value, factor.sentence)

    return evaluate


def carbon(factors: tuple[Factor, ...]) -> Callable[[Indicator, Measured, Workshop, Window], Result]:
    """Energy of every local year times the factor of that year, or of the newest published before it."""
    def evaluate(indicator: Indicator, measured: Measured, register: Workshop, window: Window) -> Result:
        years = sorted({name for item in measured.by_equipment.values() for name in item.values if name.startswith("year_")})
        exact, said = Fraction(0), []
        for name in years:
            year = int(name.split("_")[1])
            factor = of_year(factors, year)
            exact += Fraction(measured.total(name), KWH) * Fraction(factor.value)
            said.append(f"energy of {year} with {factor.sentence}" + ("" if factor.year == year else f"; none published for {year} here"))
        known = measured.covered_us or measured.total("energy_mwh")
        value = exact if known else None
        return _conclude(indicator, measured, register, value, *said)

    return evaluate


def grown_of(inputs: Inputs, window: Window) -> Increases:
    """What the meter's counter grew by, mWh.

    Raises:
        ConfigError: a unit that is none of energy.
    """
    meter = inputs.signal(METER)
    if meter is not None and meter.unit not in ENERGY_SCALES:
        raise ConfigError(
            f"register: {inputs.equipment.id}/{meter.name}: unit '{meter.unit}' is no unit of an energy counter; there are {', '.join(ENERGY_SCALES)}"
        )
    return increases(inputs, METER, window)


def placed_of(inputs: Inputs, grown: Increases) -> NDArray[np.bool_]:
    """Which increases can be said to have been when they were read: after no long silence, and with nothing missing in it."""
    found: NDArray[np.bool_] = (grown.silence_us <= inputs.hold_us(METER)) & ~grown.blind
    return found


def _whole(indicator: Indicator, inputs: Inputs, grown: Increases) -> dict[str, int]:
    return {"energy_mwh": grown.total, "resets": grown.resets, "beginnings": grown.beginnings, "conflicts": inputs.conflicts(indicator.roles)}


def _by_year(inputs: Inputs, grown: Increases) -> dict[str, int]:
    """By local year what flowed in it, mWh."""
    years = local_times(inputs, grown.time_us - 1).astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
    return {f"year_{year}_mwh": int(grown.amount[years == year].sum()) for year in np.unique(years).tolist()}


def _slots(measured: Measured, name: str) -> Slots:
    borders = [item.boundary[name] for item in measured.by_equipment.values() if name in item.boundary]
    whole = merge_boundaries(borders) if borders else None
    return whole if isinstance(whole, Slots) else Slots(QUARTER_US, 0, b"")


def _conclude(
    indicator: Indicator, measured: Measured, register: Workshop, value: Fraction | None, *why: str, counts: Mapping[str, int] | None = None,
    low: Fraction | None = None, high: Fraction | None = None, method: str = MEASURED,
) -> Result:
    """With what is said of every figure about energy: resets, and equipment without a meter."""
    resets = measured.total("resets")
    unmetered = [item.id for item in register.equipment if item.signal(METER) is None]
    common = {name: measured.total(name) for name in ("energy_mwh", "resets", "beginnings", "conflicts")}
    return conclude(
        indicator, measured, value, {**common, **(counts or {})}, *why, left_out(unmetered, "without a meter, so not counted"),
        f"{resets} resets of counters: what flowed between the reading before and the reset is lost" if resets else "", low=low, high=high,
        method=method, excluded=[Exclusion(name, "no energy meter") for name in unmetered], summed=True,
    )
