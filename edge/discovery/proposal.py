"""From machines that were found to signals that could be collected: one variable for each role, and why this one. Pure."""

import math

import msgspec

from edge.discovery.found import Machine, Variable
from edge.discovery.vocabulary import Role, role_named, role_of, suits
from workshop.register import Equipment, Workshop
from workshop.signal import Origin, Signal, SignalKind

_DEFINED = ("item_state", "operation_mode")
"""Their numbers mean something only where a standard says what: a maker's own come second, however often they come."""
_ON_CHANGE_S = 86_400


class Choice(msgspec.Struct, frozen=True):
    """A signal with the variable that gives it."""

    signal: Signal
    address: str
    is_new: bool
    """Whether the register does not have it yet."""
    remark: str = ""


class Proposal(msgspec.Struct, frozen=True):
    """What is proposed for one machine."""

    machine: Machine
    equipment: str
    """Its id in the register, or the one proposed."""
    is_new: bool
    """Whether the register does not have this equipment yet."""
    choices: tuple[Choice, ...]
    remarks: tuple[str, ...] = ()


def propose(machines: list[Machine], register: Workshop) -> list[Proposal]:
    """A proposal for each machine of which something is understood."""
    made = [_for_machine(machine, register) for machine in machines]
    return [one for one in made if one.choices]


def _for_machine(machine: Machine, register: Workshop) -> Proposal:
    known = register.find(machine.id) or _by_serial(machine, register)
    candidates: dict[str, list[Variable]] = {}
    remarks = []
    for variable in machine.variables:
        role = variable.role or role_named(variable.name)
        if not role:
            continue
        if not suits(role_of(role), variable.value):
            wanted = role_of(role).kind.value
            remarks.append(f"{variable.name}: {type(variable.value).__name__} is no {wanted}: not proposed as {role} ({variable.address})")
        elif "{" in variable.address:
            remarks.append(f"{variable.name}: its address has a brace in it, which means something else in an edge's file ({variable.address})")
        else:
            candidates.setdefault(role, []).append(variable)
    choices = []
    for role, variables in candidates.items():
        best, *others = sorted(variables, key=lambda one: _rank(role, one))
        remark = f"also there: {', '.join(dict.fromkeys(one.address for one in others))}" if others else ""
        present = known.signal(role) if known is not None else None
        if present is not None and present.origin is not Origin.MACHINE:
            continue
        choices.append(Choice(present or _signal(role_of(role), best, known), best.address, present is None, remark))
    return Proposal(machine, known.id if known is not None else machine.id, known is None, tuple(choices), tuple(remarks))


def _by_serial(machine: Machine, register: Workshop) -> Equipment | None:
    """The equipment with this serial number, if there is exactly one."""
    same = [item for item in register.equipment if machine.serial_number and item.serial_number == machine.serial_number]
    return same[0] if len(same) == 1 else None


def _rank(role: str, variable: Variable) -> tuple[bool, ...]:
    """What comes first is chosen. A value that comes again and again proves that the machine still says so; one that comes on change does not."""
    is_defined = bool(variable.role)
    if role in _DEFINED:
        return (not is_defined, variable.period_s is None)
    return (variable.period_s is None, not is_defined, variable.place != 1)


def _signal(role: Role, variable: Variable, known: Equipment | None) -> Signal:
    taken = {signal.name for signal in known.signals} if known is not None else set()
    name = role.name if role.name not in taken else f"{role.name}_{len(taken)}"
    max_age_s = _ON_CHANGE_S if variable.period_s is None else max(5, math.ceil(5 * variable.period_s))
    unit = variable.unit if variable.unit and role.kind in (SignalKind.GAUGE, SignalKind.COUNTER) else role.unit
    return Signal(name, role.role, role.kind, unit, max_age_s, title_zh=role.title_zh, title_en=role.title_en)
