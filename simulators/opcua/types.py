"""The types of the companion models as nodes of a server: what a client that knows the specifications looks for."""

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from simulators.opcua.model import Enumeration, Member, Model, Name, Type
from simulators.opcua.nodes import Nodes
from simulators.opcua.values import node_id

KINDS = {
    "variable": ObjectIds.BaseDataVariableType, "property": ObjectIds.PropertyType, "analog": ObjectIds.BaseAnalogType,
    "measure": ObjectIds.AnalogUnitType,
}
"""Variable types by the kinds of the tables."""
_RULES = {"M": ObjectIds.ModellingRule_Mandatory, "O": ObjectIds.ModellingRule_Optional, "P": ObjectIds.ModellingRule_OptionalPlaceholder}
UNITS = Member("M", Name("ua", "EngineeringUnits"), "property", Name("ua", "EUInformation"))
RANGE = Member("M", Name("ua", "EURange"), "property", Name("ua", "Range"))


def implied(member: Member) -> list[Member]:
    """The members that a table line has without saying so: unit and range."""
    return [*member.members, *{"analog": [UNITS, RANGE], "measure": [UNITS]}.get(member.kind, [])]


def resolve(model: Model, nodes: Nodes, name: Name) -> ua.NodeId:
    """The NodeId of a type or data type."""
    if name.prefix == "ua":
        return ua.NodeId(ua.Int32(getattr(ObjectIds, name.text)))
    known = model.types.get(name) or model.enumerations[name]
    return nodes.numeric(name.prefix, known.number)


async def add_types(model: Model, nodes: Nodes) -> None:
    """Add every enumeration and type, bases first."""
    for enumeration in model.enumerations.values():
        await _add_enumeration(nodes, enumeration)
    added: set[Name] = set()
    for one in model.types.values():
        for base in reversed(list(model.bases(one.name))):
            if base.name not in added:
                added.add(base.name)
                await _add_type(model, nodes, base)
    for one in model.types.values():
        stem = one.name.text
        for member in one.members:
            await _add_member(model, nodes, member, nodes.numeric(one.name.prefix, one.number), one.name.prefix, stem)


async def _add_enumeration(nodes: Nodes, enumeration: Enumeration) -> None:
    name = enumeration.name
    itself = nodes.numeric(name.prefix, enumeration.number)
    attributes = ua.DataTypeAttributes()
    attributes.IsAbstract = False
    fields = [
        ua.EnumField(ua.Int64(value), ua.LocalizedText(ua.String(text)), ua.LocalizedText(), ua.String(text))
        for value, text in enumerate(enumeration.values)
    ]
    await nodes.add(itself, nodes.name(name), ua.NodeId(ua.Int32(ObjectIds.Enumeration)), ObjectIds.HasSubtype, attributes)
    definition = ua.DataValue(ua.Variant(ua.EnumDefinition(fields), ua.VariantType.ExtensionObject))
    await nodes.server.get_node(itself).write_attribute(AttributeIds.DataTypeDefinition, definition)
    strings = ua.Variant([ua.LocalizedText(ua.String(text)) for text in enumeration.values], ua.VariantType.LocalizedText)
    property_id = node_id(f"{name.text}.EnumStrings", nodes.index(name.prefix))
    localized = ua.NodeId(ua.Int32(ObjectIds.LocalizedText))
    await nodes.add_variable(property_id, ua.QualifiedName("EnumStrings"), itself, localized, ua.DataValue(strings), ObjectIds.PropertyType)
    await nodes.server.get_node(property_id).write_attribute(AttributeIds.ValueRank, ua.DataValue(ua.Variant(1, ua.VariantType.Int32)))


async def _add_type(model: Model, nodes: Nodes, one: Type) -> None:
    attributes = ua.ObjectTypeAttributes()
    attributes.IsAbstract = False
    itself = nodes.numeric(one.name.prefix, one.number)
    await nodes.add(itself, nodes.name(one.name), resolve(model, nodes, one.base), ObjectIds.HasSubtype, attributes)
    for number, (state, text) in one.states.items():
        state_id = nodes.numeric(one.name.prefix, state)
        # A state machine begins somewhere: that state has a type of its own (Part 5, B.4.5.3); only the production ones of MachineTool say where.
        of_type = ObjectIds.InitialStateType if text == "Initializing" else ObjectIds.StateType
        name = nodes.name(Name(one.name.prefix, text))
        await nodes.add_object(state_id, name, itself, ObjectIds.HasComponent, ua.NodeId(ua.Int32(of_type)))
        await nodes.add_variable(
            node_id(f"{one.name.text}.{text}.StateNumber", nodes.index(one.name.prefix)), ua.QualifiedName("StateNumber"), state_id,
            ua.NodeId(ua.Int32(ObjectIds.UInt32)), ua.DataValue(ua.Variant(number, ua.VariantType.UInt32)), ObjectIds.PropertyType,
        )


async def _add_member(model: Model, nodes: Nodes, member: Member, parent: ua.NodeId, prefix: str, stem: str) -> None:
    """Add a member of a type. Only those of the types themselves have numbers in the tables; their members are found by BrowseName."""
    path = f"{stem}.{member.name.text}"
    itself = node_id(path, nodes.index(prefix))
    shown = Name(member.name.prefix, f"<{member.name.text}>") if member.rule == "P" else member.name
    if member.kind in KINDS:
        await nodes.add_variable(itself, nodes.name(shown), parent, resolve(model, nodes, member.type), None, KINDS[member.kind])
    else:
        reference = ObjectIds.HasAddIn if member.kind == "addin" else ObjectIds.HasComponent
        await nodes.add_object(itself, nodes.name(shown), parent, reference, resolve(model, nodes, member.type))
    rule = ua.NodeId(ua.Int32(_RULES[member.rule]))
    await nodes.refer(itself, ObjectIds.HasModellingRule, rule, ua.NodeClass.Object)
    for one in implied(member):
        await _add_member(model, nodes, one, itself, prefix, path)
