"""Sources, their machines and maps: which signal stands at which address. Pure.

A `[[source.equipment]]` means one machine, or with `*` in its id every machine of the register that fits and that no other entry of the file names.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge.source import MappedSignal, leaves_parts_open
from workshop.errors import ConfigError
from workshop.register import Equipment, Workshop
from workshop.signal import Origin, signal_id

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_EVERY = "*"


class EquipmentBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[source.equipment]]`: one piece of equipment behind a source and the map that it follows."""

    id: str
    """With `*`: every one of the register that fits, has a signal of the map and is named by no other entry."""
    map: str
    parts: dict[str, str] = {}
    """Values of further placeholders in the addresses of its map, such as `{unit}` or the machine's name at the broker."""


class SourceBlock(msgspec.Struct, frozen=True):
    """`[[source]]`: name, protocol, maps, equipment; every other key is an option of the protocol."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    protocol: str
    map: dict[str, dict[str, str]]
    """Name → signal → address; the signal `*` stands for every signal of the register that the map does not name."""
    equipment: tuple[EquipmentBlock, ...]
    options: dict[str, Any] = {}


def machines_of(sources: Sequence[SourceBlock], block: SourceBlock, register: Workshop, file: str) -> list[tuple[EquipmentBlock, bool]]:
    """The machines of a source, each with whether it is one of many that an id with `*` stands for.

    Raises:
        ConfigError: an id that is not in the register, a pattern that no machine fits.
    """
    where = f"{file}: source '{block.name}'"
    named = {item.id for source in sources for item in source.equipment}
    there = ", ".join(item.id for item in register.equipment)
    found: list[tuple[EquipmentBlock, bool]] = []
    for item in block.equipment:
        if _EVERY not in item.id:
            if register.find(item.id) is None:
                raise ConfigError(f"{where}: equipment '{item.id}' is not in the register; there are {there}")
            found.append((item, False))
            continue
        wanted = set(_map(block, item, where))
        fits = [
            one.id for one in register.equipment
            if one.id not in named and fnmatchcase(one.id, item.id.replace("[", "[[]")) and _has_any(one, wanted)
        ]
        if not fits:
            raise ConfigError(f"{where}: no equipment of the register fits '{item.id}' and has a signal of map '{item.map}'; there are {there}")
        found += [(msgspec.structs.replace(item, id=one), True) for one in fits]
    return found


def mapped_signals(sources: Sequence[SourceBlock], block: SourceBlock, register: Workshop, file: str) -> tuple[MappedSignal, ...]:
    """The signals of a source with their addresses.

    Raises:
        ConfigError: equipment, map or signal that does not exist; names file, source, equipment and what exists.
    """
    where = f"{file}: source '{block.name}'"
    if not block.equipment:
        raise ConfigError(f"{where}: no [[source.equipment]]: it would collect nothing; add one")
    mapped: list[MappedSignal] = []
    used: dict[str, set[str]] = {}
    for item, is_one_of_many in machines_of(sources, block, register, file):
        rows = _mapped(block, item, register, where, is_one_of_many=is_one_of_many)
        mapped += rows
        used.setdefault(item.map, set()).update(row.id.partition("/")[2] for row in rows)
    for name, found in used.items():
        # Of many machines each has some of the signals; one that none has is a slip of the pen.
        if unused := set(block.map[name]) - found - {_EVERY}:
            raise ConfigError(f"{where}: map '{name}': signal '{min(unused)}' is not one that the register expects from any of its machines")
    return tuple(mapped)


def _map(block: SourceBlock, item: EquipmentBlock, where: str) -> dict[str, str]:
    if item.map not in block.map:
        raise ConfigError(f"{where}: equipment '{item.id}': no map '{item.map}'; there are {', '.join(sorted(block.map)) or 'none'}")
    if not block.map[item.map]:
        raise ConfigError(f"{where}: map '{item.map}' is empty; name at least one signal")
    return block.map[item.map]


def _has_any(equipment: Equipment, wanted: set[str]) -> bool:
    own = {signal.name for signal in equipment.signals if signal.origin is Origin.MACHINE}
    return bool(own) if _EVERY in wanted else not own.isdisjoint(wanted)


def _mapped(block: SourceBlock, equipment: EquipmentBlock, register: Workshop, where: str, *, is_one_of_many: bool) -> list[MappedSignal]:
    item = register.find(equipment.id)
    assert item is not None  # noqa: S101 – machines_of has looked
    known = {signal.name: signal for signal in item.signals if signal.origin is Origin.MACHINE}
    addresses = dict(_map(block, equipment, where))
    if (pattern := addresses.pop(_EVERY, None)) is not None:
        # One line for a whole machine: {signal} tells its signals apart.
        addresses = dict.fromkeys(known, pattern) | addresses
    is_open = leaves_parts_open(block.protocol)
    mapped = []
    for name, address in addresses.items():
        if name not in known:
            if is_one_of_many:
                continue
            raise ConfigError(
                f"{where}: equipment '{equipment.id}': signal '{name}' is not one that the register expects from the machine; "
                f"there are {', '.join(known) or 'none'}"
            )
        parts = {**equipment.parts, "equipment": equipment.id, "signal": name}
        if (unknown := {found.group(1) for found in _PLACEHOLDER.finditer(address)} - set(parts)) and not is_open:
            there = ", ".join(f"{{{part}}}" for part in sorted(parts))
            raise ConfigError(f"{where}: map '{equipment.map}': signal '{name}': no placeholder {{{min(unknown)}}}; there are {there}")
        filled = _PLACEHOLDER.sub(partial(_part, parts), address)
        shared = _PLACEHOLDER.sub(partial(_part, equipment.parts), address) if is_one_of_many else ""
        identity, kind, unit = signal_id(equipment.id, name), known[name].kind, known[name].unit
        mapped.append(MappedSignal(identity, equipment.id, kind, filled, equipment.map, equipment.parts, unit, known[name].deadband, shared))
    return mapped


def _part(parts: dict[str, str], found: re.Match[str]) -> str:
    return parts.get(found.group(1), found.group(0))
