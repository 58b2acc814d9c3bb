"""What the births of an edge node define: names, aliases, datatypes; and what its data say by them. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from edge.gathering import Gathering
from edge.json_values import to_value
from edge.source import MappedSignal
from edge.sparkplug.payload import Metric, Payload, value_of
from workshop.errors import Rejected
from workshop.reading import AGED, HISTORICAL, Reading, Value

MOST_METRICS = 50_000
"""Metrics of one edge node that are remembered between two births of it; those of the register always are."""
_OLD_US = 60_000_000


class Definition(msgspec.Struct):
    """A metric as its birth defines it."""

    name: str
    device: str
    datatype: int
    signal: MappedSignal | None


class Unknown(Exception):
    """Data that no birth has defined: the births are needed again."""


class Births:
    """The definitions of one edge node and its devices; `""` stands for the node itself."""

    def __init__(self, signals: dict[tuple[str, str], MappedSignal]) -> None:
        """For the signals of this node, by (device, metric name)."""
        self.problems: dict[str, str] = {}
        self.born: set[str] = set()
        """Devices that are online."""
        self._signals = signals
        self._names: dict[tuple[str, str], Definition] = {}
        self._aliases: dict[int, Definition] = {}
        self._told: dict[str, _Last] = {}
        """Signal → the last reading since something may have been lost, to know it when a birth repeats it."""

    def lose(self, signals: Iterable[str]) -> None:
        """Something of these may be lost: the next birth is not left out, for the recorder learns from a repeated value that nothing was."""
        for signal in signals:
            self._told.pop(signal, None)

    def forget(self) -> None:
        """A new birth of the node: everything before it is void."""
        self._names, self._aliases = {}, {}
        self.born.clear()

    def define(self, device: str, payload: Payload) -> list[str]:
        """Takes a birth; returns what is wrong with it, in words. Metrics with faults are left out."""
        wrong, is_full = [], False
        for metric in payload.metrics:
            if not metric.name or metric.datatype is None:
                wrong.append(f"a metric of the birth lacks {'datatype' if metric.name else 'name'}")
                continue
            if len(self._names) >= MOST_METRICS and (device, metric.name) not in self._signals:
                is_full = True
                continue
            definition = Definition(metric.name, device, metric.datatype, self._signals.get((device, metric.name)))
            if metric.alias is not None:
                if metric.alias in self._aliases and self._aliases[metric.alias].device != device:
                    wrong.append(f"alias {metric.alias} of '{metric.name}' belongs to '{self._aliases[metric.alias].name}' already")
                    continue
                self._aliases[metric.alias] = definition
            self._names[device, metric.name] = definition
        if is_full:
            wrong.append(f"more than {MOST_METRICS} metrics of one edge node; those that are not of the register are left out")
        if not is_full or any(owner == device for owner, _ in self._signals):
            self.born.add(device)
        for (owner, name), signal in self._signals.items():
            if owner == device:
                if (owner, name) in self._names:
                    self.problems.pop(signal.id, None)
                else:
                    self.problems[signal.id] = f"the birth of '{device or 'the node'}' has no metric '{name}'"
        return wrong

    def gather(
        self, device: str, payload: Payload, data: bytes, received_us: int, gathering: Gathering, *, is_birth: bool = False,
    ) -> None:
        """Adds the readings of a birth or of data.

        Args:
            is_birth: what did not change is left out, and values may be old, which says nothing against a clock.
        Raises:
            Unknown: a metric that no birth has defined; the others were added.
        """
        unknown = ""
        for metric in payload.metrics:
            definition = self._find(device, metric)
            if definition is None:
                unknown = unknown or (f"alias {metric.alias}" if metric.name is None else f"'{metric.name}'")
            elif definition.signal is not None:
                self._add(definition.signal, definition, metric, _Told(data, received_us, is_birth), gathering)
        if unknown:
            raise Unknown(f"{unknown} was in no birth")

    def _find(self, device: str, metric: Metric) -> Definition | None:
        found = self._aliases.get(metric.alias) if metric.alias is not None else None
        if metric.name:
            found = self._names.get((device, metric.name))
        return found if found is not None and found.device == device else None

    def _add(self, signal: MappedSignal, definition: Definition, metric: Metric, told: "_Told", gathering: Gathering) -> None:
        try:
            value, quality, status = value_of(metric, metric.datatype or definition.datatype)
            if value is not None:
                value = to_value(value, signal)
        except Rejected as error:
            self.problems[signal.id] = str(error)
            gathering.refuse(told.data, f"{signal.id}: {signal.address}: {error}", (signal.id,))
            return
        self.problems.pop(signal.id, None)
        time_us = told.received_us if metric.time_us is None else metric.time_us
        if told.is_birth and (last := self._told.get(signal.id)) is not None and (last.time_us, last.value) == (time_us, value):
            if not last.is_historical:
                return
            # 35: it is stored, as something of the past; only now it is said to hold.
            gathering.repeat((signal.id,))
        self._told[signal.id] = _Last(time_us, value, metric.is_historical)
        if metric.is_historical:
            status = status or HISTORICAL
        elif told.is_birth and told.received_us - time_us > _OLD_US:
            status = status or AGED
        gathering.add(Reading(signal.id, time_us, told.received_us, value, quality, status), is_historical=metric.is_historical)


class _Last(NamedTuple):
    time_us: int
    value: Value
    is_historical: bool


class _Told(NamedTuple):
    data: bytes
    received_us: int
    is_birth: bool
