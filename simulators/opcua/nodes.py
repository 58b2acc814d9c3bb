"""Adding nodes to a server's address space, in the form that the tables of the models need."""

from typing import Any

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from simulators.opcua.model import NAMESPACES, Name


class Nodes:
    """A server's address space with the namespaces of the models."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._index = {"ua": 0}

    async def register(self) -> None:
        """Give every model a namespace index; clients find it by the URI."""
        for prefix, uri in NAMESPACES.items():
            if prefix != "ua":
                self._index[prefix] = await self.server.register_namespace(uri)

    def index(self, prefix: str) -> int:
        """Namespace index of a model."""
        return self._index[prefix]

    def name(self, name: Name) -> ua.QualifiedName:
        """A BrowseName."""
        return ua.QualifiedName(name.text, self._index[name.prefix])

    def numeric(self, prefix: str, number: int) -> ua.NodeId:
        """A numeric NodeId of a model."""
        return ua.NodeId(ua.Int32(number), ua.Int16(self._index[prefix]))

    async def add(
        self, node_id: ua.NodeId, name: ua.QualifiedName, parent: ua.NodeId, reference: int, attributes: Any, of_type: ua.NodeId | None = None
    ) -> ua.NodeId:
        """Add one node; the class of its attributes says what it is."""
        attributes.DisplayName = attributes.Description = ua.LocalizedText(name.Name)
        item = ua.AddNodesItem()
        item.RequestedNewNodeId, item.BrowseName, item.ParentNodeId = node_id, name, parent
        item.ReferenceTypeId = ua.NodeId(ua.Int32(reference))
        item.NodeClass = ua.NodeClass[type(attributes).__name__.removesuffix("Attributes")]
        item.NodeAttributes = attributes
        if of_type is not None:
            item.TypeDefinition = of_type
        (result,) = await self.server.iserver.isession.add_nodes([item])
        result.StatusCode.check()
        return node_id

    async def add_object(self, node_id: ua.NodeId, name: ua.QualifiedName, parent: ua.NodeId, reference: int, of_type: ua.NodeId) -> ua.NodeId:
        """Add an object of a type."""
        attributes = ua.ObjectAttributes()
        attributes.EventNotifier = ua.Byte(0)
        return await self.add(node_id, name, parent, reference, attributes, of_type)

    async def add_variable(
        self, node_id: ua.NodeId, name: ua.QualifiedName, parent: ua.NodeId, data_type: ua.NodeId, value: ua.DataValue | None, of_type: int
    ) -> ua.NodeId:
        """Add a variable or, if its type is PropertyType, a property."""
        attributes = ua.VariableAttributes()
        attributes.DataType, attributes.ValueRank = data_type, ua.Int32(-1)
        attributes.AccessLevel = attributes.UserAccessLevel = ua.Byte(1)
        attributes.Historizing, attributes.MinimumSamplingInterval = False, ua.Double(0.0)
        attributes.Value = ua.Variant(None) if value is None else value.Value
        reference = ObjectIds.HasProperty if of_type == ObjectIds.PropertyType else ObjectIds.HasComponent
        await self.add(node_id, name, parent, reference, attributes, ua.NodeId(ua.Int32(of_type)))
        if value is not None:
            await self.server.iserver.aspace.write_attribute_value(node_id, AttributeIds.Value, value)
        return node_id

    async def refer(self, source: ua.NodeId, reference: int, target: ua.NodeId, target_class: ua.NodeClass) -> None:
        """Add a reference in both directions."""
        items = []
        for is_forward, one, other in ((True, source, target), (False, target, source)):
            item = ua.AddReferencesItem()
            item.SourceNodeId, item.TargetNodeId, item.IsForward = one, other, is_forward
            item.ReferenceTypeId, item.TargetNodeClass = ua.NodeId(ua.Int32(reference)), target_class
            items.append(item)
        for status in await self.server.iserver.isession.add_references(items):
            status.check()
