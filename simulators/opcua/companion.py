"""Machines as the companion specifications model them, beside their plain variables: found through the folder Machines of OPC 40001-1."""

from typing import Any

import msgspec
from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from simulators.errors import SimulatorError
from simulators.machine import Machine, Values
from simulators.opcua import machine_tool, robotics
from simulators.opcua.machinery import DI, MACHINERY, Show
from simulators.opcua.model import Member, Name, read_model
from simulators.opcua.nodes import Nodes
from simulators.opcua.types import KINDS, add_types, implied, resolve
from simulators.opcua.values import GOOD, Limits, Shown, State, Unit, date_time, engineering_units, node_id

_MACHINES = 1001
MODEL = read_model(di=DI, machinery=MACHINERY, mt=machine_tool.MACHINE_TOOL, robotics=robotics.ROBOTICS)


class Profile(msgspec.Struct, frozen=True):
    """How one kind of equipment is modelled."""

    type: Name
    places: dict[str, tuple[str, str]]
    show: Show


_MACHINE_TOOL = Profile(Name("mt", "MachineToolType"), machine_tool.PLACES, machine_tool.show_machine_tool)
PROFILES = {
    "machining_centre": _MACHINE_TOOL, "lathe": _MACHINE_TOOL,
    "robot": Profile(Name("robotics", "MotionDeviceSystemType"), robotics.PLACES, robotics.show_robot),
}
"""By kind of equipment; other kinds have no companion specification here."""
BY_DEFAULT = ("machining_centre", "lathe")


class _Leaf(msgspec.Struct):
    """A variable of an instance: where it is and what it holds."""

    node: ua.NodeId
    data_type: Name
    owner: Name
    """Type of the object that it stands in: tells what the states mean."""
    shown: Shown


class Companion:
    """The companion models of one server. Values are written when they change: these nodes hold no series that counts as evidence."""

    def __init__(self, server: Server, index: int) -> None:
        """`index` is the namespace of the instances."""
        self.nodes = Nodes(server)
        self._index = index
        self._leaves: dict[str, dict[str, _Leaf]] = {}
        self._profiles: dict[str, Profile] = {}

    async def build_types(self) -> None:
        """Add namespaces, types and the folder Machines."""
        await self.nodes.register()
        await add_types(MODEL, self.nodes)
        self._machines = self.nodes.numeric("machinery", _MACHINES)
        await self.nodes.add_object(
            self._machines, self.nodes.name(Name("machinery", "Machines")), ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder)), ObjectIds.Organizes,
            ua.NodeId(ua.Int32(ObjectIds.FolderType)),
        )

    async def add(self, machine: Machine, now_us: int, values: Values) -> ua.NodeId:
        """Add a machine that has these values; returns its node."""
        profile = self._profiles[machine.equipment] = PROFILES[machine.kind]
        shown = profile.show(machine, values)
        itself = self.node(machine.equipment, "")
        self._leaves[machine.equipment] = {}
        await self.nodes.add_object(
            itself, ua.QualifiedName(machine.equipment, self._index), self._machines, ObjectIds.Organizes, resolve(MODEL, self.nodes, profile.type)
        )
        build = _Build(self, machine.equipment, profile, shown, now_us, self._leaves[machine.equipment])
        await build.members(list(MODEL.members(profile.type).values()), profile.type, "")
        if missing := set(shown) - build.done:
            raise SimulatorError(f"{machine.equipment}: {profile.type.text} has no {', '.join(sorted(missing))}; see simulators.opcua")
        if "MachineryBuildingBlocks/MachineryItemState" in build.done:
            blocks, plate = self.node(machine.equipment, "MachineryBuildingBlocks"), self.node(machine.equipment, "Identification")
            await self.nodes.refer(blocks, ObjectIds.HasAddIn, plate, ua.NodeClass.Object)
        return itself

    async def update(self, machine: Machine, now_us: int, values: Values) -> None:
        """Write what has changed."""
        leaves = self._leaves.get(machine.equipment)
        if leaves is None:
            return
        for path, shown in self._profiles[machine.equipment].show(machine, values).items():
            leaf = leaves.get(path)
            if leaf is not None and leaf.shown != shown:
                leaf.shown = shown
                await self.nodes.server.iserver.aspace.write_attribute_value(leaf.node, AttributeIds.Value, self.value(leaf, now_us))

    def node(self, equipment: str, path: str) -> ua.NodeId:
        """The NodeId of a node by its path below the machine's own, which is the empty path."""
        return node_id(f"{equipment}/{path}" if path else f"{equipment}/", self._index)

    def value(self, leaf: _Leaf, now_us: int) -> ua.DataValue:
        """What a leaf holds, as its data type wants it."""
        stamp = date_time(now_us)
        return ua.DataValue(self._variant(leaf), GOOD, stamp, stamp)

    def _variant(self, leaf: _Leaf) -> ua.Variant:
        shown: Any = leaf.shown
        if isinstance(shown, Unit):
            return ua.Variant(engineering_units(shown.ucum))
        if isinstance(shown, Limits):
            return ua.Variant(ua.Range(ua.Double(shown.low), ua.Double(shown.high)))
        if isinstance(shown, State):
            owner, number, text = MODEL.states(leaf.owner)[shown.number]
            if shown.as_what == "id":
                return ua.Variant(self.nodes.numeric(owner.prefix, number), ua.VariantType.NodeId)
            shown = text
        if leaf.data_type in MODEL.enumerations:
            return ua.Variant(int(shown), ua.VariantType.Int32)
        if leaf.data_type.text == "LocalizedText":
            return ua.Variant(ua.LocalizedText(ua.String(shown)), ua.VariantType.LocalizedText)
        simple = {"Duration": "Double"}.get(leaf.data_type.text, leaf.data_type.text)
        return ua.Variant(shown, ua.VariantType[simple])


class _Build:
    """One instance on its way into the address space."""

    def __init__(
        self, companion: Companion, equipment: str, profile: Profile, shown: dict[str, Shown], now_us: int, leaves: dict[str, _Leaf]
    ) -> None:
        self._companion = companion
        self._equipment = equipment
        self._profile = profile
        self._shown = shown
        self._now_us = now_us
        self._leaves = leaves
        self.done: set[str] = set()

    async def members(self, members: list[Member], owner: Name, stem: str) -> None:
        """Add below this path what the type has: all that is mandatory, and what is optional if there is something to show in it."""
        for member in members:
            if member.rule == "P":
                await self._places(stem)
                continue
            path = f"{stem}/{member.name.text}" if stem else member.name.text
            if member.rule == "M" or any(one == path or one.startswith(path + "/") for one in self._shown):
                await self._member(member, member.name, member.type, owner, path)

    async def _places(self, stem: str) -> None:
        """Add what the profile puts in place of the placeholders below this path."""
        for path, (of_type, text) in self._profile.places.items():
            if path.rpartition("/")[0] == stem and path not in self.done:
                prefix, _, type_name = of_type.partition(":")
                concrete = Name(prefix, type_name)
                # The BrowseName of such an instance is the maker's own, hence in the namespace of the instances.
                await self._object(path, ua.QualifiedName(text, self._companion._index), ObjectIds.HasComponent, concrete, [])

    async def _member(self, member: Member, name: Name, of_type: Name, owner: Name, path: str) -> None:
        nodes = self._companion.nodes
        if member.kind not in KINDS:
            reference = ObjectIds.HasAddIn if member.kind == "addin" else ObjectIds.HasComponent
            await self._object(path, nodes.name(name), reference, of_type, member.members)
            return
        if path not in self._shown:
            raise SimulatorError(f"{self._equipment}: {path} is mandatory in {owner.text} and has no value; see simulators.opcua")
        itself, parent = self._companion.node(self._equipment, path), self._companion.node(self._equipment, path.rpartition("/")[0])
        leaf = self._leaves[path] = _Leaf(itself, of_type, owner, self._shown[path])
        self.done.add(path)
        value, data_type = self._companion.value(leaf, self._now_us), resolve(MODEL, nodes, of_type)
        kind = ObjectIds.FiniteStateVariableType if name.text == "CurrentState" else KINDS[member.kind]
        await nodes.add_variable(itself, nodes.name(name), parent, data_type, value, kind)
        await self.members(implied(member), owner, path)

    async def _object(self, path: str, name: ua.QualifiedName, reference: int, of_type: Name, more: list[Member]) -> None:
        nodes = self._companion.nodes
        itself, parent = self._companion.node(self._equipment, path), self._companion.node(self._equipment, path.rpartition("/")[0])
        self.done.add(path)
        await nodes.add_object(itself, name, parent, reference, resolve(MODEL, nodes, of_type))
        await self.members([*more, *MODEL.members(of_type).values()], of_type, path)
        await self._places(path)
