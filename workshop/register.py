"""The register (台账): all equipment of a workshop, connected or not. It is the denominator of every rate."""

import re
from collections.abc import Iterator

import msgspec

from workshop.canonical import canonical_json, sha256_hex
from workshop.signal import Signal, signal_id

EQUIPMENT_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Process(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A production process (工序); *key* ones are the denominator of 关键工序数控化率."""

    id: str
    title_zh: str
    title_en: str
    key: bool = False


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shift in local time; one that ends at or before its start runs over midnight and belongs to the day on which it starts."""

    name: str
    start: str
    end: str
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    """ISO weekdays on which it starts, 1 = Monday."""


class TariffPeriod(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the day with one price of electricity (尖峰平谷), local time, half-open."""

    name: str
    start: str
    end: str
    price: str
    """Currency per kWh as decimal text."""
    valid_from: str | msgspec.UnsetType = msgspec.UNSET
    """First local date on which it holds, YYYY-MM-DD. Like the next two not written where it is not given: other registers keep their digests."""
    valid_to: str | msgspec.UnsetType = msgspec.UNSET
    """Last local date on which it holds."""
    months: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET
    """Months of its season, 1 to 12; a time after midnight is of the new day's month."""


class Round(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An inspection round (巡检) that is due every day at these times, local; it counts as on time from `tolerance_min` before to as much after."""

    name: str
    times: tuple[str, ...]
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    """ISO weekdays, 1 = Monday."""
    tolerance_min: int = 30


class Equipment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A work unit (ISA-95) in the register."""

    id: str
    title_zh: str
    title_en: str
    equipment_class: str
    """machining_centre, lathe, robot, inspection_station, compressor, press …"""
    work_center: str
    """ISA-95 path below the area."""
    serial_number: str
    digital: bool
    """生产设备数字化: has a digital interface, built in or retrofitted."""
    numerically_controlled: bool
    process: str
    """Id of the process that it performs."""
    rated_power_w: int
    in_service_from: str
    """Local date, YYYY-MM-DD."""
    in_service_to: str | None = None
    """Local date of its last day, or None."""
    manufacturer: str = ""
    model: str = ""
    ideal_cycle_ms: int | None = None
    """Planned run time per item, PRI of ISO 22400-2, ms; None where it makes no parts."""
    signals: tuple[Signal, ...] = ()
    rounds: tuple[Round, ...] | msgspec.UnsetType = msgspec.UNSET
    """Rounds that are due here; where there are none, it is not written, so that registers without rounds keep their digests."""
    opportunities: int | msgspec.UnsetType = msgspec.UNSET
    """Opportunities for a defect that one part has here (缺陷机会数); not written where nothing is said."""

    def signal(self, role: str) -> Signal | None:
        """The signal with this role, or None; a role occurs at most once on one piece of equipment."""
        for signal in self.signals:
            if signal.role == role:
                return signal
        return None


class Workshop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All equipment of one workshop with calendar and prices. Its digest stands under every verdict."""

    id: str
    title_zh: str
    title_en: str
    enterprise: str
    site: str
    area: str
    time_zone: str
    equipment: tuple[Equipment, ...]
    processes: tuple[Process, ...]
    shifts: tuple[Shift, ...] = ()
    tariff: tuple[TariffPeriod, ...] = ()
    currency: str = "CNY"
    v: int = 1
    identifier_prefix: str | msgspec.UnsetType = msgspec.UNSET
    """88.<node>.<enterprise>, the prefix of the identifiers of its parts (工业互联网标识), of which the shape alone is checked; not written where
    there is none."""
    operators: str | msgspec.UnsetType = msgspec.UNSET
    """"named": control log and audit say who did what by name; not written otherwise, when people stand there under pseudonyms."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the RFC 8785 JSON with defaults filled in."""
        return sha256_hex(canonical_json(self))

    def find(self, equipment: str) -> Equipment | None:
        """The equipment with this id, or None."""
        return next((item for item in self.equipment if item.id == equipment), None)

    def signals_with_role(self, role: str) -> list[tuple[Equipment, Signal]]:
        """Every signal with this role, with its equipment, in the register's order."""
        return [(item, signal) for item in self.equipment for signal in item.signals if signal.role == role]

    def signals(self) -> Iterator[tuple[str, Equipment, Signal]]:
        """(signal id, equipment, signal) for every signal, in the register's order."""
        for item in self.equipment:
            for signal in item.signals:
                yield signal_id(item.id, signal.name), item, signal
