"""Machines as the devices of a Sparkplug B 3.0 edge node (chapters 5 and 6 of the specification).

Topics `spBv1.0/<group>/<N or D message>/<edge node>[/<equipment>]`. The NBIRTH has bdSeq and Node Control/Rebirth, the DBIRTH of a device all its
signals by their names in the register, with aliases that are unique over the node; DDATA only aliases, only what changed, all of one scan with one
timestamp in ms. What is scanned while the node is offline is stored, and sent after the births as `is_historical`; what was sent within the keepalive
before a connection was found broken is sent again so, because QoS 0 confirms nothing: a host may get a reading twice, with the same time and value.

Truth: every change of a signal, from the first scan on. Events: `connected`, `disconnected`; `dropped` (with `count`) when the full store gave up.
"""

import asyncio
import logging
from collections import deque
from pathlib import Path

import msgspec

from simulators.errors import SimulatorError
from simulators.face import Face, Stage
from simulators.machine import Machine, Value
from simulators.outage import Outage
from simulators.settings import EdgeNode
from simulators.sparkplug.connection import KEEPALIVE_S, BdSeq, Connection
from simulators.sparkplug.metrics import BD_SEQ, BOOLEAN, INT64, REBIRTH, Fact, Metric, birth, data, datatype_of

__all__ = ["open_face"]

_log = logging.getLogger(__name__)
_CONNECT_S = 5.0
_STORE = 10_000


async def open_face(block: EdgeNode, stage: Stage) -> Face:
    """Connect the edge node; it has been born when this returns, unless it waits for its primary host.

    Raises:
        SimulatorError: the folder of the state cannot be used (exit code 2); no broker answers (exit code 3).
    """
    try:
        face = _SparkplugFace(block, stage)
        await face.connect(wait=block.primary_host is None)
    except OSError as error:
        if isinstance(error, TimeoutError):
            await face.close()
            raise SimulatorError(
                f"edge_node {block.name!r}: no MQTT broker lets us in at {block.host}:{block.port}; start one (mosquitto) or give another host "
                "or port in simulators.toml", exit_code=3,
            ) from error
        raise SimulatorError(f"edge_node {block.name!r}: state: {error.filename}: {error.strerror}; give another folder") from error
    return face


class _Scan(msgspec.Struct, frozen=True):
    """What one scan of a device changed."""

    device: str
    time_us: int
    facts: list[Fact]


class _SparkplugFace:
    """An edge node and its devices."""

    def __init__(self, block: EdgeNode, stage: Stage) -> None:
        self._stage = stage
        self._devices: dict[str, dict[str, Metric]] = {}
        self._aliases = 0
        self._seq = 0
        self._store: deque[_Scan] = deque()
        self._sent: deque[tuple[int, _Scan]] = deque()
        self._born = asyncio.Event()
        self._name = block.name
        self._unconfirmed_us = int(1.5 * KEEPALIVE_S * 1e6 * stage.clock.speed)
        numbers = BdSeq(Path(block.state) / f"{block.group}-{block.name}.bdseq")
        self._connection = Connection(
            block.group, block.name, (block.host, block.port), numbers, primary_host=block.primary_host, now_us=stage.clock,
            came=self._came, gone=self._gone, rebirth=self._births,
        )
        # Births need every signal: the first scan is before the first connection.
        for machine in stage.machines:
            self._scan(machine, stage.clock())
        self._outage = Outage(stage.schedule, stage.clock, list(self._devices), self._connection.cut)
        self._faults: asyncio.Task[None] | None = None

    async def connect(self, *, wait: bool) -> None:
        """Start, and wait for the births; TimeoutError if they are not in time."""
        self._connection.start()
        self._faults = asyncio.create_task(self._outage.run())
        if wait:
            async with asyncio.timeout(_CONNECT_S):
                await self._born.wait()

    async def offer(self, machine: Machine, now_us: int) -> None:
        """Scan, and tell what has changed, now or when the node is back."""
        scan = self._scan(machine, now_us)
        if not scan.facts:
            return
        if self._connection.is_up:
            self._tell(scan, is_historical=False)
            return
        self._store.append(scan)
        if len(self._store) > _STORE:
            self._store.popleft()
            self._stage.truth.event("dropped", now_us, scan.device, count=1)

    async def close(self) -> None:
        """Die in good order."""
        if self._faults is not None:
            self._faults.cancel()
            await asyncio.gather(self._faults, return_exceptions=True)
        await self._connection.close()

    def _scan(self, machine: Machine, now_us: int) -> _Scan:
        # The wire carries whole ms; a finer stamp would make the truth differ from what was sent.
        offset_us = self._stage.schedule.clock_offset_us(machine.equipment, now_us)
        stamp_us = (now_us + offset_us) // 1000 * 1000
        metrics = self._devices.setdefault(machine.equipment, {})
        changed: dict[str, Value] = {}
        facts: list[Fact] = []
        for name, value in machine.scan(now_us).items():
            metric = metrics.get(name)
            if metric is None:
                self._aliases += 1
                metric = metrics[name] = Metric(name, self._aliases, datatype_of(value), value, stamp_us)
            elif metric.value == value:
                continue
            metric.value, metric.time_us = value, stamp_us
            changed[name] = value
            assert metric.alias is not None  # noqa: S101 – every signal of a device got one above
            facts.append(Fact(metric.alias, metric.datatype, value, stamp_us))
        if changed:
            self._stage.truth.reading(machine.equipment, stamp_us, changed)
        return _Scan(machine.equipment, stamp_us, facts)

    def _tell(self, scan: _Scan, *, is_historical: bool) -> None:
        now_us = self._stage.clock()
        self._connection.send("DDATA", data(now_us, self._next(), scan.facts, is_historical=is_historical), scan.device)
        self._sent.append((now_us, scan))
        while self._sent[0][0] < now_us - self._unconfirmed_us:
            self._sent.popleft()

    def _next(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq

    def _births(self) -> None:
        """NBIRTH and every DBIRTH, with nothing in between."""
        now_us = self._stage.clock()
        self._seq = 0
        node = [Metric(BD_SEQ, None, INT64, self._connection.bd_seq, now_us), Metric(REBIRTH, None, BOOLEAN, False, now_us)]
        self._connection.send("NBIRTH", birth(now_us, 0, node))
        for device, metrics in self._devices.items():
            self._connection.send("DBIRTH", birth(now_us, self._next(), metrics.values()), device)

    def _came(self) -> None:
        self._births()
        self._changed("connected")
        while self._store:
            self._tell(self._store.popleft(), is_historical=True)
        self._born.set()

    def _gone(self) -> None:
        # Older than what was stored meanwhile: in front of it.
        self._store.extendleft(scan for _, scan in reversed(self._sent))
        self._sent.clear()
        self._changed("disconnected")

    def _changed(self, name: str) -> None:
        for machine in self._stage.machines:
            self._stage.truth.event(name, self._stage.clock(), machine.equipment)
        _log.info("%s: %s", self._name, name)
