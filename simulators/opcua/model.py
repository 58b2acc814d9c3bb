"""Companion models as tables of text: their types, what those consist of, their enumerations.

A table is indented text; every name may carry the prefix of another model (`di:`, `machinery:`, `mt:`, `robotics:`, `ua:` for OPC UA itself).

    enum 64 ChannelState = Active Interrupted Reset
    type 16 ChannelMonitoringType : ElementMonitoringType
      M ChannelState variable ChannelState
      O ChannelModifiers object ChannelModifierType

The number is the NodeId in the model's namespace. Rules: M mandatory, O optional, P placeholder (in the type only: `<Name>`). Kinds: `object TYPE`,
`addin TYPE`, `variable DATATYPE`, `property DATATYPE`, `analog DATATYPE` (BaseAnalogType: unit and range), `measure DATATYPE` (AnalogUnitType: unit).
`state NUMBER NODEID NAME` is a state of a state machine type.
"""

from collections.abc import Iterator

import msgspec

from simulators.errors import SimulatorError

NAMESPACES = {
    "ua": "http://opcfoundation.org/UA/",
    "di": "http://opcfoundation.org/UA/DI/",
    "machinery": "http://opcfoundation.org/UA/Machinery/",
    "mt": "http://opcfoundation.org/UA/MachineTool/",
    "robotics": "http://opcfoundation.org/UA/Robotics/",
}
"""Namespace URIs by prefix."""


class Name(msgspec.Struct, frozen=True):
    """A name in the namespace of a model."""

    prefix: str
    text: str


class Member(msgspec.Struct):
    """A node that every instance of a type has (M), may have (O) or may have several of (P)."""

    rule: str
    name: Name
    kind: str
    """object, addin, variable, property, analog, measure."""
    type: Name
    """Type of an object, data type of everything else."""
    members: list["Member"] = []


class Type(msgspec.Struct):
    """An object type."""

    name: Name
    number: int
    base: Name
    members: list[Member] = []
    states: dict[int, tuple[int, str]] = {}
    """NodeId and name by StateNumber."""


class Enumeration(msgspec.Struct, frozen=True):
    """A data type of named integers from 0."""

    name: Name
    number: int
    values: tuple[str, ...]


class Model(msgspec.Struct):
    """What the tables say."""

    types: dict[Name, Type] = {}
    enumerations: dict[Name, Enumeration] = {}

    def bases(self, name: Name) -> Iterator[Type]:
        """The type and what it is derived from, as far as that is ours."""
        while name in self.types:
            yield self.types[name]
            name = self.types[name].base

    def members(self, name: Name) -> dict[Name, Member]:
        """All members of a type by name; what a derived type says goes before what its base says."""
        found: dict[Name, Member] = {}
        for one in self.bases(name):
            for member in one.members:
                found.setdefault(member.name, member)
        return found

    def states(self, name: Name) -> dict[int, tuple[Name, int, str]]:
        """Of a state machine type: by StateNumber the type that has the state, its NodeId there, its name."""
        return next(({number: (one.name, *state) for number, state in one.states.items()} for one in self.bases(name) if one.states), {})


def read_model(**tables: str) -> Model:
    """Read tables, the keyword is the prefix of each.

    Raises:
        SimulatorError: a line that is none of a table.
    """
    model = Model({}, {})
    for prefix, text in tables.items():
        _Reader(prefix, model).read(text)
    return model


class _Reader:
    """Reads one table into a model."""

    def __init__(self, prefix: str, model: Model) -> None:
        self._prefix = prefix
        self._model = model
        # The lists of members that are open, by indentation.
        self._open: list[list[Member]] = []
        self._type: Type | None = None

    def read(self, text: str) -> None:
        for line in text.splitlines():
            words = line.split()
            if words:
                try:
                    self._line((len(line) - len(line.lstrip())) // 2, words)
                except (IndexError, ValueError, AttributeError) as error:
                    raise SimulatorError(f"model {self._prefix}: not a line of a table: {line.strip()!r}") from error

    def _line(self, depth: int, words: list[str]) -> None:
        match words:
            case ["enum", number, name, "=", *values]:
                enumeration = Enumeration(self._name(name), int(number), tuple(values))
                self._model.enumerations[enumeration.name] = enumeration
            case ["type", number, name, ":", base]:
                self._type = Type(self._name(name), int(number), self._name(base), [], {})
                self._model.types[self._type.name] = self._type
                self._open = [self._type.members]
            case ["state", number, node, name] if self._type is not None:
                self._type.states[int(number)] = (int(node), name)
            case [("M" | "O" | "P") as rule, name, kind, of]:
                member = Member(rule, self._name(name), kind, self._name(of), [])
                self._open[depth - 1].append(member)
                del self._open[depth:]
                self._open.append(member.members)
            case _:
                raise ValueError(words)

    def _name(self, text: str) -> Name:
        prefix, colon, name = text.rpartition(":")
        return Name(prefix if colon else self._prefix, name)
