"""Tariffs with dates and seasons, by hand; registers without them keep their digests."""

import msgspec
import pytest

from analytics.compute import compute
from analytics.energy.advice import advise
from analytics.indicator import load_indicators
from tests.unit.analytics.plant import SIGNALS, block, machine, rows, window, workshop
from workshop.canonical import canonical_json
from workshop.errors import ConfigError
from workshop.register import TariffPeriod, Workshop
from workshop.register_file import check_register
from workshop.signal import Signal, SignalKind

KNOWN = load_indicators()
METER = Signal("energy", "energy_import", SignalKind.COUNTER, "kW.h", max_age_s=60)
SPAN = window(0, 7201)  # 21 September 2026, 23:00 to 01:00 of the 22nd in Shanghai
READINGS = block(rows("cnc-01/energy", [(t, 30 * t / 3600) for t in range(0, 7201, 30)]), rows("cnc-01/state", [(t, 3) for t in range(0, 7200, 5)]))


def register(*tariff: TariffPeriod) -> Workshop:
    return msgspec.structs.replace(workshop(machine(signals=(METER, SIGNALS[0]))), tariff=tariff)


def test_a_price_holds_from_its_first_to_its_last_day_and_in_its_months() -> None:
    old = TariffPeriod("旧", "00:00", "00:00", "1.00", valid_to="2026-09-21")
    new = TariffPeriod("新", "00:00", "00:00", "0.50", valid_from="2026-09-22", months=(7, 8, 9))
    found = compute(KNOWN["electricity_cost"], register(old, new), READINGS, SPAN)
    assert found.value == 45  # 30 kWh at 1.00 before midnight, 30 at 0.50 after it
    winter = msgspec.structs.replace(new, months=(12, 1))
    found = compute(KNOWN["electricity_cost"], register(old, winter), READINGS, SPAN)
    assert found.value is None
    assert found.counts["untariffed_mwh"] == 30_000_000


def test_a_register_without_dates_is_written_as_before() -> None:
    plain = canonical_json(TariffPeriod("峰", "08:00", "20:00", "1.02"))
    assert plain == canonical_json({"name": "峰", "start": "08:00", "end": "20:00", "price": "1.02"})
    assert b"valid_from" in canonical_json(TariffPeriod("峰", "08:00", "20:00", "1.02", valid_from="2026-01-01"))


@pytest.mark.parametrize(("changes", "words"), [
    ({"valid_from": "2026-1-1"}, "valid_from '2026-1-1' is not a date"),
    ({"months": ()}, "months are 1 to 12"), ({"months": (13,)}, "months are 1 to 12"),
    ({"valid_from": "2026-02-01", "valid_to": "2026-01-31"}, "is before valid_from"),
])
def test_bad_dates_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_register(register(msgspec.structs.replace(TariffPeriod("峰", "08:00", "20:00", "1.02"), **changes)))


def test_load_is_moved_within_its_season() -> None:
    summer = TariffPeriod("峰", "22:00", "00:00", "2.00", months=(9,)), TariffPeriod("谷", "00:00", "22:00", "0.80", months=(9,))
    winter = TariffPeriod("冬谷", "00:00", "00:00", "0.10", months=(1,))
    plant = register(*summer, winter)
    results = {name: compute(KNOWN[name], plant, READINGS, SPAN) for name in ("energy_standby", "electricity_cost")}
    (shift,) = advise(results, [], plant, SPAN)
    assert shift.money_year == pytest.approx(shift.kwh_year * 1.20)
