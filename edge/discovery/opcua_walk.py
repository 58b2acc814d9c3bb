"""A walk through the address space of an OPC UA server: every object and variable below Objects, level by level, bounded."""

from collections.abc import Iterator
from typing import cast

import msgspec
from asyncua import ua

from edge.opcua.connect import Connection
from edge.opcua.limits import Limits
from edge.opcua.resolve import plain_id
from edge.opcua.words import words

_OBJECTS = ua.NodeId(ua.Int32(85))
_HIERARCHICAL, _HAS_SUBTYPE = ua.NodeId(ua.Int32(33)), ua.NodeId(ua.Int32(45))
MAX_NODES, MAX_DEPTH = 20_000, 14
_PER_CALL = 50
Key = tuple[str, int | str]
"""Namespace and identifier of a type: the same on every server."""


class Node(msgspec.Struct, eq=False):
    """One object or variable."""

    id: ua.NodeId
    uri: str
    name: str
    is_variable: bool
    type_definition: ua.NodeId | None
    types: tuple[Key, ...] = ()
    """Its type and what that is derived from."""
    parent: "Node | None" = None
    children: list["Node"] = []

    def walk(self) -> Iterator["Node"]:
        """This node and everything below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def up(self) -> Iterator["Node"]:
        """This node and everything above it."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


class Space(msgspec.Struct):
    """What was found."""

    root: Node
    namespaces: list[str]
    is_whole: bool = True
    """Whether everything was seen; a server with more than `MAX_NODES` was not."""


async def walk(connection: Connection, limits: Limits) -> Space:
    """Everything below Objects, without the standard's own nodes.

    Raises:
        NotConnected: the connection is gone, or the server does not let us browse.
    """
    namespaces = await connection.namespaces()
    root = Node(_OBJECTS, "", "Objects", False, None, children=[])
    space = Space(root, namespaces)
    per_call = min(_PER_CALL, limits.per_browse)
    seen, level = {_OBJECTS}, [root]
    for _ in range(MAX_DEPTH):
        following: list[Node] = []
        for start in range(0, len(level), per_call):
            part = level[start : start + per_call]
            for parent, references in zip(part, await _browse(connection, [node.id for node in part]), strict=True):
                for reference in references:
                    child = _node(reference, namespaces)
                    # A node may be reached by several ways, or by a circle.
                    if child is None or child.id in seen or len(seen) >= MAX_NODES:
                        space.is_whole = space.is_whole and len(seen) < MAX_NODES
                        continue
                    seen.add(child.id)
                    child.parent = parent
                    parent.children.append(child)
                    following.append(child)
        level = following
    await _add_types(connection, root, namespaces, per_call)
    return space


def _node(reference: ua.ReferenceDescription, namespaces: list[str]) -> Node | None:
    if reference.NodeClass not in (ua.NodeClass.Object, ua.NodeClass.Variable) or reference.NodeId.NamespaceIndex == 0:
        return None
    node, name = plain_id(reference.NodeId), reference.BrowseName
    if node.NamespaceIndex >= len(namespaces) or name.NamespaceIndex >= len(namespaces):
        return None
    type_definition = plain_id(reference.TypeDefinition) if reference.TypeDefinition is not None else None
    return Node(
        node, namespaces[name.NamespaceIndex], str(name.Name or ""), reference.NodeClass == ua.NodeClass.Variable, type_definition, children=[],
    )


async def _browse(connection: Connection, nodes: list[ua.NodeId], *, types: bool = False) -> list[list[ua.ReferenceDescription]]:
    parameters = ua.BrowseParameters()
    parameters.RequestedMaxReferencesPerNode = ua.Counter(0)
    for node in nodes:
        description = ua.BrowseDescription()
        description.NodeId, description.IncludeSubtypes = node, True
        description.ReferenceTypeId = _HAS_SUBTYPE if types else _HIERARCHICAL
        description.BrowseDirection = ua.BrowseDirection.Inverse if types else ua.BrowseDirection.Forward
        description.ResultMask = ua.UInt32(63)
        parameters.NodesToBrowse.append(description)
    with words(connection.url, "browse"):
        results = await connection.session.browse(parameters)
        found = [list(result.References or ()) for result in results]
        waiting = {place: result.ContinuationPoint for place, result in enumerate(results) if result.ContinuationPoint}
        while waiting:
            more = ua.BrowseNextParameters()
            more.ReleaseContinuationPoints, more.ContinuationPoints = False, list(waiting.values())
            places, waiting_before = list(waiting), len(waiting)
            answers = await connection.session.browse_next(more)
            waiting = {}
            for place, answer in zip(places[:waiting_before], answers, strict=True):
                found[place] += answer.References or ()
                if answer.ContinuationPoint and len(found[place]) < MAX_NODES:
                    waiting[place] = answer.ContinuationPoint
    return found


async def _add_types(connection: Connection, root: Node, namespaces: list[str], per_call: int) -> None:
    """Fills in the types of objects, with what those are derived from: a maker's own type is still a machine tool's."""
    objects = [node for node in root.walk() if not node.is_variable and node.type_definition is not None]
    above: dict[ua.NodeId, ua.NodeId | None] = {}
    level = list({node.type_definition for node in objects if node.type_definition is not None})
    while level:
        following = []
        for start in range(0, len(level), per_call):
            part = level[start : start + per_call]
            for node, references in zip(part, await _browse(connection, part, types=True), strict=True):
                above[node] = base = plain_id(references[0].NodeId) if references else None
                if base is not None and base not in above:
                    following.append(base)
        level = list(dict.fromkeys(node for node in following if node not in above))
    for one in objects:
        chain: list[Key] = []
        kind = one.type_definition
        while kind is not None and len(chain) < MAX_DEPTH:
            if kind.NamespaceIndex < len(namespaces):
                chain.append((namespaces[kind.NamespaceIndex], cast(int | str, kind.Identifier)))
            kind = above.get(kind)
        one.types = tuple(chain)
