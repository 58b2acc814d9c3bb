"""Node ids as a person writes them, and what they are on a server. Pure: no connection."""

import base64
import binascii
import uuid
from typing import Any
from urllib.parse import unquote

import msgspec
from asyncua import ua

from workshop.errors import ConfigError


class NodeAddress(msgspec.Struct, frozen=True):
    """A node id as a person writes it: with the namespace's URI, because an index holds only for one run of one server."""

    uri: str
    """Empty for namespace 0."""
    identifier: int | str | uuid.UUID | bytes

    def resolve(self, namespaces: list[str]) -> ua.NodeId | None:
        """The node id on a server with this NamespaceArray; None if it does not have the namespace."""
        if self.uri and self.uri not in namespaces:
            return None
        index = namespaces.index(self.uri) if self.uri else 0
        identifier: Any = self.identifier
        return ua.NodeId(identifier, ua.Int16(index))


def parse_node(text: str, where: str) -> NodeAddress:
    """A node id from its text form (OPC 10000-6, 5.3.1.11): `nsu=<URI>;s=<text>`, or `i=<number>` in namespace 0.

    Raises:
        ConfigError: another form; an index (`ns=2`) is refused because it may mean another namespace after the server's next start.
    """
    rest, uri = text, ""
    if text.startswith("nsu="):
        escaped, _, rest = text[4:].partition(";")
        uri = unquote(escaped)
    kind, equals, value = rest.partition("=")
    form = "write nsu=<URI>;s=<text> (or i=, g=, b=)"
    if kind in ("ns", "svr"):
        raise ConfigError(f"{where}: node '{text}': an index holds only for one run of one server; {form}")
    try:
        match kind:
            case "s" if equals and value:
                return NodeAddress(uri, value)
            case "i":
                return NodeAddress(uri, int(value))
            case "g":
                return NodeAddress(uri, uuid.UUID(value))
            case "b":
                return NodeAddress(uri, base64.b64decode(value, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ConfigError(f"{where}: node '{text}': {error}; {form}") from error
    raise ConfigError(f"{where}: node '{text}' is not a node id; {form}")
