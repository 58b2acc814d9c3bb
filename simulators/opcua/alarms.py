"""Alarms of machines as conditions (Part 9): one AlarmCondition a machine, active while its controller shows an alarm number.

The type is AlertType of OPC 40501-1 (a subtype of AlarmConditionType with ErrorCode). Events are sent from the machine, from its folder
Notification/Messages and from the Server object, so that whichever a client subscribes to tells it. Severity 700 while active, 100 when it goes.
"""

import contextlib
from typing import Any

from asyncua import ua
from asyncua.server.event_generator import EventGenerator
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaStatusCodeError

from simulators.machine import Machine, Values
from simulators.opcua.companion import Companion
from simulators.opcua.values import date_time

_ALERT = 39
_SERVER = ua.NodeId(ua.Int32(ObjectIds.Server))


class Alarms:
    """The conditions of one server's machines."""

    def __init__(self, server: Server, companion: Companion) -> None:
        self._server = server
        self._companion = companion
        self._conditions: dict[str, tuple[EventGenerator, list[ua.NodeId]]] = {}
        self._current: dict[str, int] = {}

    async def add(self, machine: Machine, itself: ua.NodeId) -> None:
        """Prepare the condition of a machine whose companion node is `itself`."""
        notifiers = [itself]
        with contextlib.suppress(UaStatusCodeError):
            messages = self._server.get_node(self._companion.node(machine.equipment, "Notification/Messages"))
            await messages.read_browse_name()
            notifiers.insert(0, messages.nodeid)
        for notifier in notifiers:
            await self._server.get_node(notifier).set_event_notifier([ua.EventNotifier.SubscribeToEvents])
        await self._companion.nodes.refer(_SERVER, ObjectIds.HasNotifier, itself, ua.NodeClass.Object)
        generator = await self._server.get_event_generator(self._companion.nodes.numeric("mt", _ALERT), itself)
        condition: Any = generator.event
        condition.SourceNode, condition.SourceName = itself, machine.equipment
        condition.ConditionName = "Alarm"
        condition.NodeId = self._companion.node(machine.equipment, "Alarm")
        condition.BranchId = ua.NodeId()
        condition.ConditionClassId = ua.NodeId(ua.Int32(ObjectIds.ProcessConditionClassType))
        condition.ConditionClassName = ua.LocalizedText("ProcessConditionClassType")
        condition.Quality = ua.StatusCode()
        # asyncua takes the type of a field from the value in the type's node, which has none.
        condition.add_property("ErrorCode", "", ua.VariantType.String)
        _two_state(condition, "EnabledState", True, "Enabled")
        # Source and folder first: the one that is told last is what ConditionRefresh repeats.
        self._conditions[machine.equipment] = (generator, [*notifiers, _SERVER])

    async def update(self, machine: Machine, now_us: int, values: Values) -> None:
        """Send the event of an alarm that came, went, or gave way to another."""
        prepared = self._conditions.get(machine.equipment)
        alarm = int(values.get("alarm", 0))
        if prepared is None or alarm == self._current.get(machine.equipment, 0):
            return
        self._current[machine.equipment] = alarm
        generator, notifiers = prepared
        condition: Any = generator.event
        active = alarm != 0
        if active:
            condition.ErrorCode = str(alarm)
        condition.LastSeverity = condition.Severity
        condition.Severity = 700 if active else 100
        condition.Retain = active
        _two_state(condition, "ActiveState", active, "Active" if active else "Inactive")
        # Nobody acknowledges here: the operator who clears an alarm at the panel has seen it.
        _two_state(condition, "AckedState", not active, "Unacknowledged" if active else "Acknowledged")
        text = str(values.get("alarm_text", "")) or f"Alarm {condition.ErrorCode}"
        for notifier in notifiers:
            condition.emitting_node = notifier
            await generator.trigger(date_time(now_us), text if active else f"{text} cleared")


def _two_state(condition: Any, name: str, is_true: bool, text: str) -> None:
    setattr(condition, name, ua.LocalizedText(ua.String(text)))
    condition.data_types[name] = ua.VariantType.LocalizedText
    setattr(condition, f"{name}/Id", is_true)
    condition.data_types[f"{name}/Id"] = ua.VariantType.Boolean
