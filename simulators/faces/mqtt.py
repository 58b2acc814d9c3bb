"""Machines as an MQTT broker hears them: each publishes JSON of its vendor's own making, MQTT 3.1.1, QoS 1, client id = equipment id.

`<prefix>/<equipment>/link`, retained: `online` while connected, `offline` as last will. Data topic and payload by kind; every payload has every
signal, and the field names are the vendors', not the register's. In all of them `seq` is 0 for the first message of a process and grows by 1, and
`boot` is the time when the process began, µs since 1970, so that a restart and a loss can be told apart.

robot, `<prefix>/<equipment>/state`, `ts` in whole ms since 1970:
    {"ts": 1767571200123, "seq": 7, "boot": 1767571193000000, "state": 3, "mode": 3, "prog": "HANDLING_4", "cycles": 4711, "tempMotor": 36.4,
     "vJoint": 96.31, "grip": 0, "P": 1602.0, "E": 50123456, "alm": 0}
inspection_station, `<prefix>/<equipment>/result`, one a part, `ts` in ISO 8601 with µs at +08:00, code empty for a good part, d in mm:
    {"ts": "2026-01-05T08:00:00.123456+08:00", "seq": 7, "boot": 1767571193000000, "state": 3,
     "part": {"sn": "EP-0001234", "result": "OK", "code": "", "d": 25.003}, "count": {"n": 1234, "ng": 18}, "P": 431.2, "E": 50123456}
compressor, `<prefix>/<equipment>/meter`, `ts` in µs since 1970:
    {"ts": 1767571200123456, "seq": 7, "boot": 1767571193000000, "state": 3, "pBar": 7.12, "tOil": 75.2, "P": 31450.0, "E": 50123456}

Truth: everything that a machine had to say, from its first message on. Events: `connected`, `disconnected`; `dropped` (with `seq`) for a message that
the full store gave up, `undelivered` (with `count`) for those that were left when it was closed.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from simulators.errors import SimulatorError
from simulators.face import Face, Stage
from simulators.machine import Machine, Values
from simulators.mqtt_client import StoringClient
from simulators.outage import Outage
from simulators.settings import Broker

__all__ = ["open_face"]

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHINA = timezone(timedelta(hours=8))
_CONNECT_S = 5.0
_DISTURBED = 5


def _robot(stamp_us: int, values: Values) -> dict[str, Any]:
    return {
        "ts": stamp_us // 1000, "state": values["item_state"], "mode": values["operation_mode"], "prog": values["program"],
        "cycles": values["cycle_count"], "tempMotor": values["motor_temperature"], "vJoint": values["joint_speed"], "grip": values["gripper_closed"],
        "P": values["power"], "E": values["energy_import"], "alm": values["alarm"],
    }


def _inspection(stamp_us: int, values: Values) -> dict[str, Any]:
    code = values["defect_code"]
    return {
        "ts": (_EPOCH + timedelta(microseconds=stamp_us)).astimezone(_CHINA).isoformat(timespec="microseconds"), "state": values["item_state"],
        "part": {"sn": values["serial"], "result": "NG" if code else "OK", "code": code, "d": values["diameter"]},
        "count": {"n": values["inspected_count"], "ng": values["rejected_count"]}, "P": values["power"], "E": values["energy_import"],
    }


def _compressor(stamp_us: int, values: Values) -> dict[str, Any]:
    return {
        "ts": stamp_us, "state": values["item_state"], "pBar": values["pressure"], "tOil": values["oil_temperature"],
        "P": values["power"], "E": values["energy_import"],
    }


class _Vendor(msgspec.Struct, frozen=True):
    """How one kind of equipment speaks."""

    topic: str
    payload: Callable[[int, Values], dict[str, Any]]
    resolution_us: int = 1
    """Of its clock: a stamp that the payload cannot carry would make the truth differ from what was sent."""


_VENDORS = {
    "robot": _Vendor("state", _robot, resolution_us=1000),
    "inspection_station": _Vendor("result", _inspection),
    "compressor": _Vendor("meter", _compressor),
}


async def open_face(block: Broker, stage: Stage) -> Face:
    """Connect every machine of this block to its broker; all are online when this returns.

    Raises:
        SimulatorError: a kind that has no MQTT payload (exit code 2); no broker answers (exit code 3).
    """
    for machine in stage.machines:
        if machine.kind not in _VENDORS:
            raise SimulatorError(f"broker {block.name!r}: {machine.equipment} is a {machine.kind}; by MQTT there are {', '.join(sorted(_VENDORS))}")
    face = _MqttFace(block, stage)
    try:
        await face.connect()
    except TimeoutError as error:
        await face.close()
        raise SimulatorError(
            f"broker {block.name!r}: no MQTT broker lets us in at {block.host}:{block.port}; start one (mosquitto) or give another host or port "
            "in simulators.toml", exit_code=3,
        ) from error
    return face


class _MqttFace:
    """The connected machines of one broker."""

    def __init__(self, block: Broker, stage: Stage) -> None:
        self._stage = stage
        self._boot_us = stage.clock()
        self._seq = dict.fromkeys((machine.equipment for machine in stage.machines), 0)
        self._topics: dict[str, str] = {}
        self._clients: dict[str, StoringClient] = {}
        self._held: dict[str, list[bytes]] = {}
        self._faults: list[asyncio.Task[None]] = []
        for machine in stage.machines:
            stem = f"{block.prefix}/{machine.equipment}"
            self._topics[machine.equipment] = f"{stem}/{_VENDORS[machine.kind].topic}"
            client = StoringClient(machine.equipment, block.host, block.port, link_topic=f"{stem}/link", changed=self._changed)
            self._clients[machine.equipment] = client

    async def connect(self) -> None:
        """Wait until every machine is online; TimeoutError if one is not in time."""
        async with asyncio.timeout(_CONNECT_S):
            for client in self._clients.values():
                client.start()
            for client in self._clients.values():
                await client.online.wait()
        for equipment, client in self._clients.items():
            self._faults.append(asyncio.create_task(Outage(self._stage.schedule, self._stage.clock, [equipment], client.cut).run()))

    async def offer(self, machine: Machine, now_us: int) -> None:
        """Scan, and hand the vendor's message to the machine's client, which sends it now or when the broker is back."""
        vendor = _VENDORS[machine.kind]
        offset_us = self._stage.schedule.clock_offset_us(machine.equipment, now_us)
        stamp_us = (now_us + offset_us) // vendor.resolution_us * vendor.resolution_us
        values = machine.scan(now_us - now_us % vendor.resolution_us)
        seq = self._seq[machine.equipment]
        self._seq[machine.equipment] = seq + 1
        payload = {**vendor.payload(stamp_us, values), "seq": seq, "boot": self._boot_us}
        self._stage.truth.reading(machine.equipment, stamp_us, values)
        for message in self._disturbed(machine.equipment, now_us, seq, json.dumps(payload, ensure_ascii=False, allow_nan=False).encode()):
            dropped = self._clients[machine.equipment].send(self._topics[machine.equipment], message)
            if dropped is not None:
                self._stage.truth.event("dropped", now_us, machine.equipment, seq=json.loads(dropped)["seq"])

    def _disturbed(self, equipment: str, now_us: int, seq: int, message: bytes) -> list[bytes]:
        """What is sent at this scan: as a rule its message; by fault every fifth one twice, or after its follower."""
        messages = [message]
        if seq % _DISTURBED == 0 and self._stage.schedule.active("mqtt_duplicate", equipment, now_us) is not None:
            messages.append(message)
        if seq % _DISTURBED == 0 and self._stage.schedule.active("mqtt_out_of_order", equipment, now_us) is not None:
            self._held[equipment] = messages
            return []
        return [*messages, *self._held.pop(equipment, [])]

    async def close(self) -> None:
        """Deliver what is still on its way, say `offline` and disconnect."""
        for fault in self._faults:
            fault.cancel()
        await asyncio.gather(*self._faults, return_exceptions=True)
        for equipment, messages in self._held.items():
            for message in messages:
                self._clients[equipment].send(self._topics[equipment], message)
        left = await asyncio.gather(*(client.close() for client in self._clients.values()))
        for equipment, count in zip(self._clients, left, strict=True):
            if count:
                self._stage.truth.event("undelivered", self._stage.clock(), equipment, count=count)

    def _changed(self, equipment: str, is_online: bool) -> None:
        name = "connected" if is_online else "disconnected"
        self._stage.truth.event(name, self._stage.clock(), equipment)
        _log.info("%s: %s", equipment, name)
