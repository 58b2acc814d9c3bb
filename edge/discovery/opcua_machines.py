"""Machines in an address space: by type definition first (OPC 40001-1 Machinery, 40501-1 MachineTool, 40010-1 Robotics), by names second. Pure."""

import base64
from collections.abc import Iterator
from typing import Any

from asyncua import ua

from edge.discovery.found import Machine, Variable, id_for, safe, slug
from edge.discovery.opcua_walk import Key, Node, Space
from edge.discovery.vocabulary import role_named
from edge.opcua.address import NAMESPACES, write_node
from edge.opcua.units import Stated

_DI, _MACHINERY, _TOOL, _ROBOT = (NAMESPACES[name] for name in ("di", "machinery", "machinetool", "robotics"))
_CLASSES: dict[Key, str] = {(_TOOL, 13): "machine_tool", (_ROBOT, 1002): "robot"}
_IDENTIFICATION: Key = (_MACHINERY, 1004)
_RULES: dict[Key, dict[tuple[str, ...], str]] = {
    (_MACHINERY, 1002): {("CurrentState", "Number"): "item_state"},
    (_MACHINERY, 1008): {("CurrentState", "Number"): "operation_mode"},
    (_MACHINERY, 1009): {("OperationCycleCounter",): "cycle_count"},
    (_TOOL, 32): {("Name",): "program"},
    (_TOOL, 20): {("PartsProducedInLifetime",): "produced_count"},
    (_TOOL, 26): {("FeedOverride",): "feed_override"},
    (_TOOL, 16): {("FeedOverride",): "feed_override"},
    (_TOOL, 22): {("Override",): "spindle_override"},
    (_TOOL, 50): {("ControlIdentifier1",): "tool_number"},
    (_ROBOT, 1011): {("ParameterSet", "TaskProgramName"): "program"},
    (_ROBOT, 1013): {
        ("ParameterSet", "OperationalMode"): "operational_mode", ("ParameterSet", "EmergencyStop"): "emergency_stop",
        ("ParameterSet", "ProtectiveStop"): "protective_stop",
    },
    (_ROBOT, 1004): {("ParameterSet", "SpeedOverride"): "speed_override"},
    (_ROBOT, 16601): {("ParameterSet", "ActualPosition"): "axis_{place}_position"},
    (_ROBOT, 1019): {("ParameterSet", "MotorTemperature"): "axis_{place}_temperature"},
}
"""Type → path below an object of this type → role."""
_BY_NAME: dict[tuple[str, str], Key] = {
    (_MACHINERY, "MachineryItemState"): (_MACHINERY, 1002), (_MACHINERY, "MachineryOperationMode"): (_MACHINERY, 1008),
    (_TOOL, "ActiveProgram"): (_TOOL, 32), (_TOOL, "Statistics"): (_TOOL, 20), (_DI, "Identification"): _IDENTIFICATION,
}
"""A server may follow a specification by its names without having its types."""
_MODELS = frozenset((_DI, _MACHINERY, _TOOL, _ROBOT, NAMESPACES["ia"], ""))
_PROPERTIES = ("EngineeringUnits", "EURange", "EnumStrings", "EnumValues", "Definition", "InstrumentRange", "ValuePrecision")
_ENOUGH = 3


def variables_of(space: Space) -> list[Node]:
    """Every variable that may be a signal or part of a nameplate."""
    return [node for node in space.root.walk() if node.is_variable and node.name not in _PROPERTIES]


def machines_of(space: Space, values: dict[ua.NodeId, Any], stated: dict[ua.NodeId, Stated], periods: dict[ua.NodeId, float]) -> list[Machine]:
    """The machines of a server; one that shows itself by a standard model and in its own words stands twice, with one id.

    Args:
        values: what the variables hold, those that could be read.
        stated: units and ranges.
        periods: how often a variable came anew, s; only those that did.
    """
    facts = _Facts(space, values, stated, periods)
    modelled = [node for node in space.root.walk() if not node.is_variable and _is_machine(node)]
    inside = {id(below) for node in modelled for below in node.walk()}
    plain = [node for node in space.root.walk() if not node.is_variable and id(node) not in inside and _is_plain(node)]
    return [facts.modelled(node) for node in modelled] + [facts.plain(node) for node in plain]


def _is_machine(node: Node) -> bool:
    if any(kind in _CLASSES for kind in node.types):
        return True
    if any(_is(child, _IDENTIFICATION) for child in node.children):
        return not any(_is_machine(above) for above in list(node.up())[1:])
    parent = node.parent
    return parent is not None and (parent.uri, parent.name) == (_MACHINERY, "Machines")


def _is_plain(node: Node) -> bool:
    own = [child for child in node.children if child.is_variable]
    return len({role_named(child.name) for child in own} - {""}) >= _ENOUGH


def _is(node: Node, kind: Key) -> bool:
    return kind in node.types or (not node.types[1:] and _BY_NAME.get((node.uri, node.name)) == kind)


class _Facts:
    """What is known of a server's variables."""

    def __init__(self, space: Space, values: dict[ua.NodeId, Any], stated: dict[ua.NodeId, Stated], periods: dict[ua.NodeId, float]) -> None:
        self._space, self._values, self._stated, self._periods = space, values, stated, periods

    def modelled(self, node: Node) -> Machine:
        """A machine that a companion specification describes."""
        plate = self._plate(node)
        name = plate.get("ComponentName") or node.name
        standard = next((_CLASSES[kind] for kind in node.types if kind in _CLASSES), "")
        class_ = slug(plate.get("DeviceClass", "")).replace("-", "_") or standard or "machine"
        machine = Machine(id_for(name, node.name, plate.get("SerialNumber", "")), safe(name), class_, True)
        machine.serial_number, machine.manufacturer = plate.get("SerialNumber", ""), plate.get("Manufacturer", "")
        machine.model = plate.get("Model", "")
        places: dict[Key, int] = {}
        for below in node.walk():
            for kind, rules in _RULES.items():
                if not below.is_variable and _is(below, kind):
                    places[kind] = places.get(kind, 0) + 1
                    machine.variables += self._by_rules(below, rules, places[kind])
            if below.is_variable and below.uri not in _MODELS and role_named(below.name):
                machine.variables.append(self._variable(below, ""))
        return machine

    def plain(self, node: Node) -> Machine:
        """A machine in its maker's own words: an object with variables whose names say what they are."""
        machine = Machine(id_for(node.name), safe(node.name), "machine")
        machine.variables = [self._variable(child, "") for child in node.children if child.is_variable]
        return machine

    def _by_rules(self, node: Node, rules: dict[tuple[str, ...], str], place: int) -> Iterator[Variable]:
        for path, role in rules.items():
            end: Node | None = node
            for name in path:
                end = next((child for child in end.children if child.name == name), None) if end is not None else None
            if end is not None and end.is_variable:
                yield self._variable(end, role.replace("{place}", str(place)), place)

    def _variable(self, node: Node, role: str, place: int = 1) -> Variable:
        said = self._stated.get(node.id, Stated())
        unit = said.unit if said.is_known else ""
        value = self._values.get(node.id)
        return Variable(
            self._address(node.id), safe(node.name), value if isinstance(value, (int, float, str)) else None, unit, said.low, said.high, role, place,
            self._periods.get(node.id),
        )

    def _plate(self, node: Node) -> dict[str, str]:
        plate = next((child for child in node.children if _is(child, _IDENTIFICATION)), None)
        if plate is None:
            return {}
        return {child.name: safe(_text(self._values.get(child.id))) for child in plate.children if child.is_variable}

    def _address(self, node: ua.NodeId) -> str:
        uri = self._space.namespaces[node.NamespaceIndex] if node.NamespaceIndex else ""
        identifier = node.Identifier
        if isinstance(identifier, bytes):
            return write_node(uri, "b", base64.b64encode(identifier).decode())
        kind = "i" if isinstance(identifier, int) else "s" if isinstance(identifier, str) else "g"
        return write_node(uri, kind, str(identifier))


def _text(value: Any) -> Any:
    return value.Text if isinstance(value, ua.LocalizedText) else value
