"""The method that sets a machine's part counters back to zero, as an operator's key does at the panel; only an admin may call it."""

from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

from simulators.machine import Machine, Values
from simulators.opcua.companion import Companion
from simulators.opcua.users import caller_is_admin

_PARTS = "{part}"


class Counters:
    """What each counter showed when it was last reset. The machine goes on counting; its face shows the difference, and the truth has it so."""

    def __init__(self, server: Server, companion: Companion, tell: Callable[[str], None]) -> None:
        """`tell` is told the equipment whose counters were reset."""
        self._server = server
        self._companion = companion
        self._tell = tell
        self._base: dict[str, dict[str, int]] = {}
        self._due: set[str] = set()

    async def add(self, machine: Machine) -> None:
        """Add ResetCounters to the Production object of a machine."""
        parent = self._server.get_node(self._companion.node(machine.equipment, "Production"))
        equipment = machine.equipment
        index = parent.nodeid.NamespaceIndex

        async def reset(_parent: ua.NodeId, *_arguments: Any) -> ua.StatusCode:
            if not caller_is_admin():
                return ua.StatusCode(ua.UInt32(StatusCodes.BadUserAccessDenied))
            self._due.add(equipment)
            self._tell(equipment)
            return ua.StatusCode()

        node_id = self._companion.node(equipment, "Production/ResetCounters")
        await parent.add_method(node_id, ua.QualifiedName("ResetCounters", index), reset, [], [])

    def shown(self, machine: Machine, values: Values) -> Values:
        """The values with every counter of parts as of its last reset; a reset takes effect at the scan after it."""
        counters = [name for name, unit in machine.units.items() if unit == _PARTS and name in values]
        if machine.equipment in self._due:
            self._due.discard(machine.equipment)
            self._base[machine.equipment] = {name: int(values[name]) for name in counters}
        base = self._base.get(machine.equipment)
        return values if base is None else {**values, **{name: int(values[name]) - base.get(name, 0) for name in counters}}
