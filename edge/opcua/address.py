"""Addresses as a person writes them, and what they are on a server. Pure: no connection.

    nsu=urn:example:cnc;s=cnc-01.SpindleLoad                    a node by its identifier; i=, g=, b= as well
    /Objects/machinery:Machines/cell:cnc-01/di:Identification   a node by the names on the way to it
    nsu=urn:example:cnc;s=Axes#[2].Load                         one member of an array or structure; ## is a # of the name itself
"""

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from asyncua import ua

from workshop.errors import ConfigError

Member = tuple[str | int, ...]
"""Names of fields and places in arrays, from the outside in."""
NAMESPACES = {
    "di": "http://opcfoundation.org/UA/DI/", "ia": "http://opcfoundation.org/UA/IA/", "machinery": "http://opcfoundation.org/UA/Machinery/",
    "machinetool": "http://opcfoundation.org/UA/MachineTool/", "robotics": "http://opcfoundation.org/UA/Robotics/",
    "cnc": "http://opcfoundation.org/UA/CNC", "processvalues": "http://opcfoundation.org/UA/Machinery/ProcessValues/",
    "jobs": "http://opcfoundation.org/UA/Machinery/Jobs/",
}
"""Short names that every file may use; an edge's file can add its own, in `namespaces` of the source."""
_ROOT = 84
_MEMBER = re.compile(r"\[(\d{1,7})\]|(?:^|\.)([^\[\].#]+)")
_ESCAPED = re.compile(r"&(.)")
_STEP = re.compile(r"/((?:&.|[^/&])*)", re.DOTALL)


class NodeAddress(msgspec.Struct, frozen=True):
    """A node, with the namespaces' URIs, because an index holds only for one run of one server."""

    uri: str
    """Empty for namespace 0."""
    identifier: int | str | uuid.UUID | bytes
    steps: tuple[tuple[str, str], ...] = ()
    """(namespace, name) from this node on: a browse path."""
    member: Member = ()

    @property
    def uris(self) -> list[str]:
        """The namespaces that the server has to have."""
        return list(dict.fromkeys(uri for uri in (self.uri, *(uri for uri, _ in self.steps)) if uri))

    def resolve(self, namespaces: list[str]) -> ua.NodeId | None:
        """The id of the node, or of the one where the path begins, on a server with this NamespaceArray; None if it does not have the namespace."""
        if self.uri and self.uri not in namespaces:
            return None
        index = namespaces.index(self.uri) if self.uri else 0
        identifier: Any = self.identifier
        return ua.NodeId(identifier, ua.Int16(index))


def parse_node(text: str, where: str, short: Mapping[str, str] | None = None) -> NodeAddress:
    """An address from its text form.

    Args:
        short: short names of namespaces besides `NAMESPACES`.
    Raises:
        ConfigError: another form; an index (`ns=2`, `2:Name`) is refused because it may mean another namespace after the server's next start.
    """
    itself, hash_, rest = _split(text)
    member = _member(rest, f"{where}: node '{text}'") if hash_ else ()
    if itself.startswith("/"):
        steps = _steps(itself, f"{where}: node '{text}'", {**NAMESPACES, **(short or {})})
        return NodeAddress("", _ROOT, steps, member)
    address = _identifier(itself, where)
    return msgspec.structs.replace(address, member=member)


def write_node(uri: str, kind: str, identifier: str) -> str:
    """The text form (OPC 10000-6, 5.3.1.11): `write_node("urn:x", "s", "cnc-01.Load")` is `nsu=urn:x;s=cnc-01.Load`."""
    escaped = uri.replace("%", "%25").replace(";", "%3B").replace("#", "%23")
    return (f"nsu={escaped};" if uri else "") + f"{kind}={identifier}".replace("#", "##")


def _split(text: str) -> tuple[str, bool, str]:
    """The node and the member at the first single #; doubled ones are part of the node."""
    pieces = text.split("#")
    node = pieces[0]
    at = 1
    while at < len(pieces):
        if pieces[at] or at + 1 >= len(pieces):
            return node, True, "#".join(pieces[at:])
        node += "#" + pieces[at + 1]
        at += 2
    return node, False, ""


def _member(text: str, where: str) -> Member:
    member: list[str | int] = []
    at = 0
    while at < len(text) and (found := _MEMBER.match(text, at) if at == 0 or text[at] in ".[" else None):
        member.append(int(found.group(1)) if found.group(1) is not None else found.group(2))
        at = found.end()
    if at != len(text) or not member:
        raise ConfigError(f"{where}: '#{text}' names no member; write #[0], #Name or #Axes[2].Load, and ## for a # that belongs to the node itself")
    return tuple(member)


def _steps(text: str, where: str, short: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The steps of a browse path; `&` makes a sign that means something a part of a name (OPC 10000-4, A.2)."""
    steps = []
    at = 0
    while at < len(text):
        if text.startswith("/nsu=", at) and ";" in text[at:]:  # a namespace by its URI, in which / and : mean nothing
            end = text.index(";", at)
            uri, at = unquote(text[at + 5 : end]), end
            found = re.compile(r";((?:&.|[^/&])*)", re.DOTALL).match(text, at)
            name = found.group(1) if found is not None else ""
        else:
            found = _STEP.match(text, at)
            written = found.group(1) if found is not None else ""
            prefix, colon, name = _prefix(written)
            if colon and prefix not in short:
                hint = "an index holds only for one run of one server" if prefix.isdigit() else f"there is no short name '{prefix}'"
                there = ", ".join(sorted(short))
                raise ConfigError(f"{where}: {hint}; there are {there}; add yours to namespaces, write nsu=<URI>;Name, or &: for a : in a name")
            uri = short[prefix] if colon else ""
        if found is None or not name:
            raise ConfigError(f"{where}: an empty name in the path, or & at its end; it should look like /Objects/machinery:Machines/cell:cnc-01")
        steps.append((uri, _ESCAPED.sub(r"\1", name)))
        at = found.end()
    return tuple(steps)


def _prefix(written: str) -> tuple[str, bool, str]:
    for found in re.finditer(r"&.|:", written, re.DOTALL):
        if found.group() == ":":
            return written[: found.start()], True, written[found.end() :]
    return "", False, written


def _identifier(text: str, where: str) -> NodeAddress:
    rest, uri = text, ""
    if text.startswith("nsu="):
        escaped, _, rest = text[4:].partition(";")
        uri = unquote(escaped)
    kind, equals, value = rest.partition("=")
    form = "write nsu=<URI>;s=<text> (or i=, g=, b=), or a path such as /Objects/machinery:Machines"
    if kind in ("ns", "svr"):
        raise ConfigError(f"{where}: node '{text}': an index holds only for one run of one server; {form}")
    try:
        match kind:
            case "s" if equals and value:
                return NodeAddress(uri, value)
            case "i":
                number = int(value)
                if 0 <= number < 2**32:
                    return NodeAddress(uri, number)
            case "g":
                return NodeAddress(uri, uuid.UUID(value))
            case "b":
                return NodeAddress(uri, base64.b64decode(value, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ConfigError(f"{where}: node '{text}': {error}; {form}") from error
    raise ConfigError(f"{where}: node '{text}' is not a node id; {form}")
