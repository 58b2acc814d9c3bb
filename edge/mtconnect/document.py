"""What an MTConnect document says: header, data items, observations, errors (MTConnect Standard 1.3 to 2.x, part 1). Pure.

Read by events, without a tree; a document that declares entities is refused, so that a small one cannot become a large one.
"""

from typing import Any
from xml.parsers import expat

import msgspec

from workshop.errors import Rejected

UNAVAILABLE = "UNAVAILABLE"
_CONDITIONS = ("Normal", "Warning", "Fault", "Unavailable")
_MAX_TEXT = 65_536


class Observation(msgspec.Struct, frozen=True):
    """A value of a data item."""

    item: str
    sequence: int
    timestamp: str
    element: str
    text: str
    native_code: str | None

    @property
    def is_condition(self) -> bool:
        """Whether it is the state of a condition and not a value."""
        return self.element in _CONDITIONS

    @property
    def is_unavailable(self) -> bool:
        """Whether the device says nothing of this item."""
        return self.text == UNAVAILABLE or self.element == "Unavailable"


class Document(msgspec.Struct):
    """One answer of an agent."""

    instance: int = 0
    first: int = 0
    following: int = 0
    """The sequence number to ask for next."""
    items: set[str] = msgspec.field(default_factory=set)
    observations: list[Observation] = msgspec.field(default_factory=list)
    errors: list[str] = msgspec.field(default_factory=list)
    """Error codes."""


def parse(body: bytes) -> Document:
    """A document.

    Raises:
        Rejected: not XML, entities, or numbers that are none.
    """
    reader = _Reader()
    try:
        reader.parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Rejected(f"not an MTConnect document: {error}") from error
    if not reader.has_header:
        raise Rejected("not an MTConnect document: no Header")
    return reader.document


class _Reader:
    def __init__(self) -> None:
        self.document = Document()
        self.has_header = False
        self.parser: Any = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._entity
        self.parser.buffer_text = True
        self._open: tuple[str, dict[str, str]] | None = None
        self._error: str | None = None
        self._pieces: list[str] = []
        self._size = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "Header":
            self.has_header = True
            document = self.document
            document.instance = _number(attributes.get("instanceId", "0"))
            document.first = _number(attributes.get("firstSequence", "0"))
            document.following = _number(attributes.get("nextSequence", "0"))
        elif name == "DataItem" and "id" in attributes:
            self.document.items.add(attributes["id"])
        elif name == "Error":
            self.document.errors.append(attributes.get("errorCode", ""))
        elif "dataItemId" in attributes and "sequence" in attributes:
            self._open, self._pieces, self._size = (name, attributes), [], 0

    def _text(self, text: str) -> None:
        self._size += len(text)
        if self._open is not None:
            if self._size > _MAX_TEXT:
                raise ValueError(f"a value of more than {_MAX_TEXT} characters")
            self._pieces.append(text)

    def _end(self, name: str) -> None:
        if self._open is None or self._open[0] != name.rpartition(":")[2]:
            return
        element, attributes = self._open
        self._open = None
        self.document.observations.append(Observation(
            attributes["dataItemId"], _number(attributes["sequence"]), attributes.get("timestamp", ""), element, "".join(self._pieces).strip(),
            attributes.get("nativeCode"),
        ))

    @staticmethod
    def _entity(*_declared: Any) -> None:
        raise ValueError("it declares entities")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise ValueError(f"'{text:.30}' is not a number")
    return int(text)
