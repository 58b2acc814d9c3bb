"""What was found: machines, and in each of them variables with an address. The same for every protocol."""

import re
from typing import Any

import msgspec

_UNWANTED = re.compile(r"[^a-z0-9]+")
_MAX_TEXT = 100


class Variable(msgspec.Struct, frozen=True):
    """One value of a machine."""

    address: str
    """As an edge's file has it."""
    name: str
    """The last part of what the machine calls it."""
    value: Any = None
    """What it was when we looked: a number, a bool, a text, or None."""
    unit: str = ""
    """UCUM code, where the machine states one."""
    low: float | None = None
    high: float | None = None
    role: str = ""
    """Where a companion specification defines what it means; otherwise the name has to tell."""
    place: int = 1
    """Which one of its kind, where a machine has several: axis 1, axis 2 …"""
    period_s: float | None = None
    """How often it came anew while we listened; None if it did not: it comes when it changes."""


class Machine(msgspec.Struct):
    """One piece of equipment, as it shows itself."""

    id: str
    """In the form of the register."""
    name: str
    equipment_class: str = ""
    is_modelled: bool = False
    """Whether a companion specification says what it is."""
    serial_number: str = ""
    manufacturer: str = ""
    model: str = ""
    variables: list[Variable] = []
    extra: dict[str, dict[str, Any]] = {}
    """Further tables that a map of this machine needs in the edge's file: kind → keys."""


def slug(text: str) -> str:
    """A name in the form of an id: lower-case letters, digits, single hyphens."""
    return _UNWANTED.sub("-", text.lower()).strip("-")[:63]


def id_for(*names: str) -> str:
    """An id from the first of these names that gives one with a letter in it: of a name in Chinese often only a number is left."""
    slugs = [slug(name) for name in names]
    return next((one for one in slugs if re.search("[a-z]", one)), next((f"machine-{one}" for one in slugs if one), "machine"))


def safe(text: Any) -> str:
    """Text from outside, fit to be shown and written: printable, on one line, not endless."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text or ""))[:_MAX_TEXT].strip()


def merge(machines: list[Machine]) -> list[Machine]:
    """One machine for each id: a controller often shows the same one by a standard model and in its own words."""
    merged: dict[str, Machine] = {}
    for machine in sorted(machines, key=lambda one: not one.is_modelled):
        known = merged.setdefault(machine.id, machine)
        if known is not machine:
            known.variables.extend(machine.variables)
    return [merged[name] for name in sorted(merged)]
