"""Watches over subscriptions that live and report nothing although values change: now and then what was silent is read, and compared.

Only values are proof: a server may stamp what is read with the present time, and may report changes of value only. A value that is another than the
one that was reported last, at several looks in a row with no report in between, was never sent.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from asyncua import ua

from edge.opcua.connect import Connection
from edge.opcua.items import FLOATS, OTHER, Items, Unfit
from edge.opcua.limits import Limits, read_values
from edge.opcua.members import Members
from edge.opcua.structures import pick
from edge.opcua.subscribe import Wanted
from edge.opcua.values import SEVERITY_SHIFT
from workshop.errors import Rejected
from workshop.reading import Quality

LOOKS = 3
"""So many looks in a row, and a difference is no longer a report that is on its way, or a pulse between two samples."""
_NODES = 50
"""Read at one look, so that it costs the server little."""
_NEVER = 254
_UNKNOWN = object()


class Watch:
    """What was reported last of each signal, by client handle, and what is behind."""

    def __init__(self, signals: int) -> None:
        self._kind = np.full(signals, _NEVER, np.uint8)
        self._f64, self._i64 = np.zeros(signals, np.float64), np.zeros(signals, np.int64)
        self._others: dict[int, ua.Variant | Unfit] = {}
        self._came = np.zeros(signals, np.bool_)
        self._wanted: dict[int, Wanted] = {}
        self._behind: dict[int, int] = {}
        self._next = 0

    def expect(self, wanted: Iterable[Wanted]) -> None:
        """These are monitored anew: a first report is to come."""
        for each in wanted:
            # How wide a deadband in percent is depends on a range that only the server knows for certain: those are left out.
            if each.deadband is None or not each.deadband.endswith("%"):
                self._wanted[each.handle] = each
            self._kind[each.handle] = _NEVER
            self._behind.pop(each.handle, None)

    def note(self, items: Items) -> None:
        """These were reported."""
        ours = (items.handle >= 0) & (items.handle < len(self._kind))
        handle = items.handle[ours]
        kind = np.where(items.code[ours] >> np.uint32(SEVERITY_SHIFT) >= Quality.BAD, np.uint8(0), items.kind[ours])
        self._came[handle] = True
        self._kind[handle], self._f64[handle], self._i64[handle] = kind, items.value_f64[ours], items.value_i64[ours]
        for row, value in items.others.items():
            self._others[int(items.handle[row])] = value

    async def look(self, connection: Connection, limits: Limits, members: Members) -> list[int]:
        """Reads some of what was silent since the last look. Returns the handles that are proven to be left out.

        Raises:
            NotConnected: the connection is gone.
        """
        came, self._came = self._came, np.zeros(len(self._came), np.bool_)
        self._behind = {handle: looks for handle, looks in self._behind.items() if not came[handle]}
        silent = [handle for handle in self._wanted if not came[handle] and handle not in self._behind]
        start = self._next % max(len(silent), 1)
        some = [*self._behind, *(silent[start:] + silent[:start])][:_NODES]
        self._next += _NODES
        values = await read_values(connection, limits, [self._wanted[handle].node for handle in some])
        for handle, value in zip(some, values, strict=False):
            read = _read(value, handle, members)
            if read is _UNKNOWN or self._is_told(handle, read):
                self._behind.pop(handle, None)
            else:
                self._behind[handle] = self._behind.get(handle, 0) + 1
        return [handle for handle, looks in self._behind.items() if looks >= LOOKS]

    def _is_told(self, handle: int, read: Any) -> bool:
        """Whether this value is what was reported last, or within the deadband of it."""
        kind = int(self._kind[handle])
        if kind == _NEVER:
            return read is None
        told: Any = None
        if kind == OTHER:
            other = self._others.get(handle)
            if other is None or isinstance(other, Unfit):
                return True  # it came, and is in quarantine
            told = other.Value
        elif kind:
            told = float(self._f64[handle]) if kind in FLOATS else int(self._i64[handle])
        if isinstance(told, int | float) and isinstance(read, int | float):
            wide = float(self._wanted[handle].deadband or 0)
            return told == read or (told != told and read != read) or abs(told - read) <= wide  # noqa: PLR0124 – NaN
        return bool(told == read)


def _read(value: ua.DataValue, handle: int, members: Members) -> Any:
    """What was read, as far as it proves anything: a value that cannot be read does not."""
    code = 0 if value.StatusCode is None else int(value.StatusCode.value)
    if code >> SEVERITY_SHIFT >= Quality.BAD or value.Value is None:
        return _UNKNOWN
    path = members.paths.get(handle)
    if path is None:
        return value.Value.Value
    try:
        return pick(value.Value, path, members.layouts).Value
    except Rejected:
        return _UNKNOWN
