"""What gauges showed in the last hour, for HistoryRead: two numbers a value, in rings of fixed size."""

from array import array
from datetime import datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.history import HistoryStorageInterface
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from simulators.opcua.values import EPOCH, GOOD, date_time, time_us

KEPT_US = 3_600_000_000
_MOST = 36_000


class _Ring:
    """Stamps and values, oldest first from `_next` when full."""

    def __init__(self, size: int) -> None:
        self._stamps = array("q")
        self._values = array("d")
        self._size = size
        self._next = 0

    def add(self, stamp_us: int, value: float) -> None:
        if len(self._stamps) < self._size:
            self._stamps.append(stamp_us)
            self._values.append(value)
            return
        self._stamps[self._next], self._values[self._next] = stamp_us, value
        self._next = (self._next + 1) % self._size

    def between(self, from_us: int, to_us: int) -> list[tuple[int, float]]:
        rows = [*zip(self._stamps, self._values, strict=True)]
        rows = rows[self._next :] + rows[: self._next]
        newest_us = rows[-1][0] if rows else 0
        return [row for row in rows if max(from_us, newest_us - KEPT_US) <= row[0] <= to_us]


class Past(HistoryStorageInterface):
    """The rings of one server. The face writes them; asyncua's own way, a subscription and a task for each value, costs far more."""

    def __init__(self) -> None:
        super().__init__(max_history_data_response_size=10_000)
        self._rings: dict[ua.NodeId, _Ring] = {}

    async def keep(self, server: Server, node_id: ua.NodeId, period_us: int) -> None:
        """Keep this variable, which gets a value every period, µs; clients are told by Historizing and AccessLevel."""
        self._rings[node_id] = _Ring(min(_MOST, KEPT_US // period_us + 1))
        node = server.get_node(node_id)
        await node.write_attribute(AttributeIds.Historizing, ua.DataValue(ua.Variant(True, ua.VariantType.Boolean)))
        for attribute in (AttributeIds.AccessLevel, AttributeIds.UserAccessLevel):
            await node.set_attr_bit(attribute, ua.AccessLevel.HistoryRead)

    def add(self, node_id: ua.NodeId, stamp_us: int, value: float) -> None:
        """Remember a value, if the variable is kept."""
        ring = self._rings.get(node_id)
        if ring is not None:
            ring.add(stamp_us, value)

    async def read_node_history(
        self, node_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[ua.DataValue], datetime | None]:
        """Values from start to end, both included; newest first if the start is missing or later (Part 11, 6.4.3)."""
        ring = self._rings.get(node_id)
        if ring is None:
            raise ServiceError(StatusCodes.BadHistoryOperationUnsupported)
        from_us, to_us = _bound(start, 0), _bound(end, 2**62)
        backwards = start is None or start <= ua.get_win_epoch() or from_us > to_us
        rows = ring.between(min(from_us, to_us), max(from_us, to_us))
        if backwards:
            rows.reverse()
        if nb_values:
            rows = rows[:nb_values]
        page, rest = rows[: self.max_history_data_response_size], rows[self.max_history_data_response_size :]
        values = [ua.DataValue(ua.Variant(value, ua.VariantType.Double), GOOD, date_time(us), date_time(us)) for us, value in page]
        return values, EPOCH + timedelta(microseconds=rest[0][0]) if rest else None

    async def init(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def new_historized_node(self, node_id: ua.NodeId, period: timedelta | None, count: int = 0) -> None:
        """Not used: see `keep`."""

    async def save_node_value(self, node_id: ua.NodeId, datavalue: ua.DataValue) -> None:
        """Not used: see `add`."""

    async def new_historized_event(self, source_id: ua.NodeId, evtypes: Any, period: timedelta | None, count: int = 0) -> None:
        """Events have no history here."""

    async def save_event(self, event: Any) -> None:
        """Events have no history here."""

    async def read_event_history(self, source_id: ua.NodeId, start: Any, end: Any, nb_values: int, evfilter: Any) -> Any:
        """Events have no history here."""
        raise ServiceError(StatusCodes.BadHistoryOperationUnsupported)


def _bound(stamp: datetime | None, missing: int) -> int:
    return missing if stamp is None or stamp <= ua.get_win_epoch() else time_us(stamp)
