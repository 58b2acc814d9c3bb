"""The register as a person writes it, workshop.toml, and the rules that every register keeps."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from workshop.errors import ConfigError
from workshop.identifier import PREFIX
from workshop.register import EQUIPMENT_ID, Equipment, Process, Round, Shift, TariffPeriod, Workshop
from workshop.signal import Signal, SignalKind

SIGNAL_NAME = re.compile(r"[a-z][a-z0-9_]*")
DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
LIMIT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
MOST_OPPORTUNITIES = 100_000
TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class _EquipmentFile(Equipment, frozen=True, forbid_unknown_fields=True):
    signal_set: str = ""


class _WorkshopFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """workshop.toml as a person writes it: equipment of one kind shares a signal set."""

    workshop: dict[str, str]
    equipment: tuple[_EquipmentFile, ...]
    processes: tuple[Process, ...]
    shifts: tuple[Shift, ...] = ()
    tariff: tuple[TariffPeriod, ...] = ()
    signal_sets: dict[str, tuple[Signal, ...]] = {}


def parse_register(text: bytes | str, file: str) -> Workshop:
    """The register from the text of a workshop.toml.

    Args:
        file: name to put in messages.
    Raises:
        ConfigError: not TOML, unknown key, wrong type, unknown signal set, or a rule of `check_register`.
    """
    try:
        raw = msgspec.toml.decode(text, type=_WorkshopFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    equipment = []
    for item in raw.equipment:
        if item.signal_set and item.signal_set not in raw.signal_sets:
            known = ", ".join(sorted(raw.signal_sets)) or "none"
            raise ConfigError(f"{file}: equipment '{item.id}': no signal set '{item.signal_set}'; there are {known}")
        fields = {name: getattr(item, name) for name in Equipment.__struct_fields__}
        fields["signals"] = raw.signal_sets.get(item.signal_set, ()) + item.signals
        equipment.append(Equipment(**fields))
    rest = {"equipment": tuple(equipment), "processes": raw.processes, "shifts": raw.shifts, "tariff": raw.tariff}
    allowed = set(Workshop.__struct_fields__) - set(rest) - {"v"}
    if unknown := set(raw.workshop) - allowed:
        raise ConfigError(f"{file}: [workshop] has no key '{min(unknown)}'; there are {', '.join(sorted(allowed))}")
    if missing := allowed - set(raw.workshop) - {"currency", "identifier_prefix", "operators"}:
        raise ConfigError(f"{file}: [workshop] lacks the key '{min(missing)}'")
    workshop = Workshop(**raw.workshop, **rest)  # type: ignore[arg-type]
    check_register(workshop, file)
    return workshop


def check_register(workshop: Workshop, file: str = "register") -> None:
    """Refuses a register that contradicts itself.

    Raises:
        ConfigError: empty register, duplicate id, unknown process, bad name, deadband on a counter or state, unknown time zone, bad date, time,
            weekday, power, cycle, limit or price.
    """
    if not workshop.equipment:
        raise ConfigError(f"{file}: no equipment: a rate over an empty register is undefined; add [[equipment]]")
    try:
        ZoneInfo(workshop.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"{file}: [workshop] time_zone '{workshop.time_zone}' is not an IANA zone such as Asia/Shanghai") from error
    if isinstance(workshop.identifier_prefix, str) and not PREFIX.fullmatch(workshop.identifier_prefix):
        raise ConfigError(f"{file}: [workshop] identifier_prefix '{workshop.identifier_prefix[:60]}': not of the form 88.118.1")
    if isinstance(workshop.operators, str) and workshop.operators != "named":
        raise ConfigError(f"{file}: [workshop] operators = '{workshop.operators[:60]}': say \"named\", or leave it out for pseudonyms")
    processes = {process.id for process in workshop.processes}
    if len(processes) != len(workshop.processes):
        raise ConfigError(f"{file}: a process stands twice; give each its own id")
    seen: set[str] = set()
    for item in workshop.equipment:
        if not EQUIPMENT_ID.fullmatch(item.id):
            raise ConfigError(f"{file}: equipment '{item.id}': an id is lower-case letters, digits and single hyphens, such as cnc-01")
        if item.id in seen:
            raise ConfigError(f"{file}: equipment '{item.id}' stands twice; give each its own id")
        seen.add(item.id)
        if item.process not in processes:
            raise ConfigError(f"{file}: equipment '{item.id}': no process '{item.process}'; there are {', '.join(sorted(processes)) or 'none'}")
        _check_numbers(item, file)
        _check_signals(item, file)
    periods: list[Shift | TariffPeriod] = [*workshop.shifts, *workshop.tariff]
    for period in periods:
        for value in (period.start, period.end):
            if not TIME_OF_DAY.fullmatch(value):
                raise ConfigError(f"{file}: '{period.name}': time '{value}' is not HH:MM between 00:00 and 23:59")
    for shift in workshop.shifts:
        if not shift.days or any(not 1 <= day <= 7 for day in shift.days):
            raise ConfigError(f"{file}: shift '{shift.name}': days are ISO weekdays, 1 = Monday to 7 = Sunday")
    for tariff in workshop.tariff:
        try:
            price = Decimal(tariff.price)
        except InvalidOperation as error:
            raise ConfigError(f"{file}: tariff '{tariff.name}': price '{tariff.price}' is not a decimal number") from error
        if not price.is_finite() or price < 0:
            raise ConfigError(f"{file}: tariff '{tariff.name}': price '{tariff.price}' is not a finite number of at least 0")
        _check_validity(tariff, f"{file}: tariff '{tariff.name}'")


def _check_validity(tariff: TariffPeriod, where: str) -> None:
    for name, text in (("valid_from", tariff.valid_from), ("valid_to", tariff.valid_to)):
        try:
            if isinstance(text, str) and date.fromisoformat(text).isoformat() != text:
                raise ValueError("another spelling")
        except ValueError as error:
            raise ConfigError(f"{where}: {name} '{text}' is not a date YYYY-MM-DD") from error
    if isinstance(tariff.valid_from, str) and isinstance(tariff.valid_to, str) and tariff.valid_to < tariff.valid_from:
        raise ConfigError(f"{where}: valid_to {tariff.valid_to} is before valid_from {tariff.valid_from}")
    if isinstance(tariff.months, tuple) and (not tariff.months or any(not 1 <= month <= 12 for month in tariff.months)):
        raise ConfigError(f"{where}: months are 1 to 12, at least one; leave them out where it holds all year")


def _check_numbers(item: Equipment, file: str) -> None:
    where = f"{file}: equipment '{item.id}'"
    for name, text in (("in_service_from", item.in_service_from), ("in_service_to", item.in_service_to)):
        try:
            # Of the ISO 8601 spellings only YYYY-MM-DD sorts as text.
            if text is not None and date.fromisoformat(text).isoformat() != text:
                raise ValueError("another spelling")
        except ValueError as error:
            raise ConfigError(f"{where}: {name} '{text}' is not a date YYYY-MM-DD") from error
    if item.in_service_to is not None and item.in_service_to < item.in_service_from:
        raise ConfigError(f"{where}: in_service_to {item.in_service_to} is before in_service_from {item.in_service_from}")
    if item.rated_power_w < 0:
        raise ConfigError(f"{where}: rated_power_w must be at least 0")
    if item.ideal_cycle_ms is not None and item.ideal_cycle_ms < 1:
        raise ConfigError(f"{where}: ideal_cycle_ms must be at least 1; leave it out where no parts are made")
    if isinstance(item.opportunities, int) and not 1 <= item.opportunities <= MOST_OPPORTUNITIES:
        raise ConfigError(f"{where}: opportunities {item.opportunities}: a part has between 1 and {MOST_OPPORTUNITIES} opportunities for a defect")
    for item_round in item.rounds if isinstance(item.rounds, tuple) else ():
        _check_round(item_round, f"{where}: round '{item_round.name[:40]}'")


def _check_round(item: Round, where: str) -> None:
    minutes = sorted(int(time[:2]) * 60 + int(time[3:]) for time in item.times if TIME_OF_DAY.fullmatch(time))
    if not item.times or len(minutes) != len(item.times):
        raise ConfigError(f"{where}: times are HH:MM between 00:00 and 23:59, at least one")
    if not item.days or any(not 1 <= day <= 7 for day in item.days):
        raise ConfigError(f"{where}: days are ISO weekdays, 1 = Monday to 7 = Sunday")
    apart = min((after - before for before, after in zip(minutes, [*minutes[1:], minutes[0] + 1440], strict=True)), default=1440)
    if not item.tolerance_min >= 1 or 2 * item.tolerance_min > apart:
        raise ConfigError(f"{where}: tolerance_min {item.tolerance_min}: at least 1, and at most half of the {apart} min between two rounds")


def _is_deadband(text: str) -> bool:
    number = text.removesuffix("%")
    return bool(DECIMAL.fullmatch(number)) and (number == text or float(number) <= 100)


def _check_limits(signal: Signal, where: str) -> None:
    given = {name: text for name, text in (("lower", signal.lower), ("upper", signal.upper)) if isinstance(text, str)}
    if given and signal.kind is not SignalKind.GAUGE:
        raise ConfigError(f"{where}: {min(given)} on a {signal.kind}: limits are for gauges")
    for name, text in given.items():
        if not LIMIT.fullmatch(text):
            raise ConfigError(f"{where}: {name} '{text[:40]}' is not a decimal number as text, such as \"80\" or \"-0.5\"")
    if len(given) == 2 and Decimal(given["lower"]) >= Decimal(given["upper"]):
        raise ConfigError(f"{where}: lower {given['lower']} is not below upper {given['upper']}")


def _check_signals(item: Equipment, file: str) -> None:
    names: set[str] = set()
    roles: set[str] = set()
    for signal in item.signals:
        where = f"{file}: equipment '{item.id}': signal '{signal.name}'"
        if not SIGNAL_NAME.fullmatch(signal.name):
            raise ConfigError(f"{where}: a name is lower-case letters, digits and underscores, such as spindle_load")
        if signal.name in names:
            raise ConfigError(f"{where} stands twice")
        if signal.role in roles:
            raise ConfigError(f"{where}: role '{signal.role}' stands twice on this equipment; indicators ask for one signal by its role")
        if signal.deadband is not None and signal.kind is not SignalKind.GAUGE:
            raise ConfigError(f"{where}: a deadband on a {signal.kind} would lose facts; it is allowed on gauges only")
        if signal.deadband is not None and not _is_deadband(signal.deadband):
            raise ConfigError(f"{where}: deadband '{signal.deadband}' is not a decimal number of at least 0, such as 0.5, or a percentage: 2%")
        _check_limits(signal, where)
        if signal.max_age_s <= 0:
            raise ConfigError(f"{where}: max_age_s must be at least 1")
        names.add(signal.name)
        roles.add(signal.role)
