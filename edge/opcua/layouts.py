"""Layouts of structures as a server describes them: read after connecting, for those signals that are members of one."""

from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from edge.opcua.connect import Connection
from edge.opcua.limits import Limits, read_values
from edge.opcua.resolve import plain_id
from edge.opcua.structures import STRUCTURE, Field, Layout, Layouts
from edge.opcua.words import words

_MAX_TYPES, _MAX_BASES = 300, 8
_HAS_SUBTYPE = ua.NodeId(ua.Int32(45))
_LAST_BUILT_IN, _STRUCTURE, _ENUMERATION, _INT32 = 25, 22, 29, 6


async def read_layouts(connection: Connection, limits: Limits, nodes: list[ua.NodeId]) -> Layouts:
    """The layouts of the values of these nodes, and of everything inside them. What the server does not describe is left out.

    Raises:
        NotConnected: the connection is gone.
    """
    if not nodes:
        return Layouts()
    with words(connection.url, "read the types of structures"):
        types = await read_values(connection, limits, nodes, AttributeIds.DataType)
        waiting = [one.Value.Value for one in types if one.Value is not None]
        reader = _Reader(connection)
        while waiting and len(reader.seen) < _MAX_TYPES:
            fresh = [one for one in dict.fromkeys(waiting) if isinstance(one, ua.NodeId) and one not in reader.seen and not _is_built_in(one)]
            waiting = [inner for one in fresh for inner in await reader.read(one)]
        return reader.layouts()


class _Reader:
    def __init__(self, connection: Connection) -> None:
        self.seen: dict[ua.NodeId, Any] = {}
        self._kinds: dict[ua.NodeId, int] = {}
        self._session = connection.session

    async def read(self, data_type: ua.NodeId) -> list[ua.NodeId]:
        """Reads one type; returns the types of its fields."""
        (answer,) = await self._session.read_attributes([data_type], AttributeIds.DataTypeDefinition)
        definition = answer.Value.Value if answer.Value is not None and answer.StatusCode is not None and answer.StatusCode.is_good() else None
        self.seen[data_type] = definition
        if isinstance(definition, ua.StructureDefinition):
            return [field.DataType for field in definition.Fields or ()]
        self._kinds[data_type] = _INT32 if isinstance(definition, ua.EnumDefinition) else await self._base(data_type)
        return []

    async def _base(self, data_type: ua.NodeId) -> int:
        """The built-in type that a plain type is derived from; that of an ExtensionObject if none is found."""
        for _ in range(_MAX_BASES):
            if _is_built_in(data_type):
                return int(data_type.Identifier)
            if data_type.NamespaceIndex == 0 and data_type.Identifier == _ENUMERATION:
                return _INT32
            description = ua.BrowseDescription()
            description.NodeId, description.ReferenceTypeId = data_type, _HAS_SUBTYPE
            description.BrowseDirection, description.IncludeSubtypes = ua.BrowseDirection.Inverse, True
            description.ResultMask = ua.UInt32(0)
            parameters = ua.BrowseParameters()
            parameters.NodesToBrowse = [description]
            (result,) = await self._session.browse(parameters)
            if not result.References:
                break
            data_type = plain_id(result.References[0].NodeId)
        return _STRUCTURE

    def layouts(self) -> Layouts:
        """What was found."""
        found = Layouts({}, {})
        for data_type, definition in self.seen.items():
            if not isinstance(definition, ua.StructureDefinition):
                continue
            name = data_type.to_string()
            fields = tuple(self._field(field) for field in definition.Fields or ())
            kind = int(definition.StructureType)
            # 0 structure, 1 with optional fields, 2 union, 3 and 4 with subtyped values, which come as ExtensionObjects (OPC 10000-3, 8.49).
            found.by_type[name] = Layout(fields, has_optional=kind == 1, is_union=kind in (2, 4))
            found.by_encoding[definition.DefaultEncodingId.to_string()] = name
        return found

    def _field(self, field: ua.StructureField) -> Field:
        kind = STRUCTURE
        if _is_built_in(field.DataType):
            kind = int(field.DataType.Identifier)
        elif field.DataType in self._kinds:
            kind = self._kinds[field.DataType]
        layout = field.DataType.to_string() if kind == STRUCTURE else ""
        return Field(str(field.Name), kind, layout, is_array=int(field.ValueRank) >= 1, is_optional=bool(field.IsOptional))


def _is_built_in(data_type: ua.NodeId) -> bool:
    return bool(data_type.NamespaceIndex == 0 and isinstance(data_type.Identifier, int) and 1 <= data_type.Identifier <= _LAST_BUILT_IN)
