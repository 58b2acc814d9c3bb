"""The uplink to a platform by MQTT: each machine's changed values, indicators and alarms, as JSON or as a Sparkplug B edge node. What counts as
connected is what the platform's broker has acknowledged. Values are only ever the latest: nothing queues up while the platform is away."""

import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.alert_channels import Alert
from gateway.live import LiveHub
from gateway.north_json import JsonPlatform
from gateway.north_link import Platform, Told
from gateway.north_log import ConnectedTimes
from gateway.north_settings import ROLE, Form, NorthSettings
from gateway.sparkplug.node import SparkplugPlatform
from workshop.block import Block, block_of
from workshop.errors import ChejianError
from workshop.reading import Quality, Reading
from workshop.register import Workshop
from workshop.window import HOUR_US, Clock, Window
from workshop.wire import LatestReading

log = structlog.get_logger()


class Northbound:
    """One thread that looks every few seconds, and the platform's own that talks.

    Args:
        folder: where a Sparkplug node keeps the number of its connections.
        measure: an indicator's result as JSON.
        alarms: how many there were, and those after the first so many.
        sealed: stores what was measured here as readings of the gateway's own edge.
    """

    def __init__(
        self, settings: NorthSettings, register: Workshop, origin: str, folder: Path, hub: LiveHub, times: ConnectedTimes, clock: Clock,
        measure: Callable[[str, Window], bytes], alarms: Callable[[int], tuple[int, list[Alert]]], sealed: Callable[[Block], object],
    ) -> None:
        self._settings, self._hub, self._times, self._clock = settings, hub, times, clock
        self._measure, self._alarms, self._sealed = measure, alarms, sealed
        self._links = {item.id: name for name, item, signal in register.signals() if signal.role == ROLE}
        self._version, self._said, self._measured_us = 0, 0, 0
        self._ended, self._awake, self._anew = threading.Event(), threading.Event(), threading.Event()
        told = Told(self._anew.set, self._acknowledged, self._awake.set, clock)
        self._platform: Platform = (
            SparkplugPlatform(settings, register, origin, folder, told) if settings.form is Form.SPARKPLUG
            else JsonPlatform(settings, register.id, origin, told)
        )
        self._thread = threading.Thread(target=self._run, name="northbound", daemon=True)

    def start(self) -> None:
        """Begins to connect; a platform that is away is tried again and again."""
        self._platform.start()
        self._thread.start()

    def close(self) -> None:
        """Says that we go, and ends both threads."""
        self._ended.set()
        self._awake.set()
        self._thread.join()
        self._platform.close()

    def _acknowledged(self, equipment: str) -> None:
        if self._times.acknowledged(equipment, self._clock()):
            self._note(equipment, 1)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._awake.wait(self._settings.every_s)
            self._awake.clear()
            try:
                for equipment in self._times.lapsed(self._clock()):
                    self._note(equipment, 0)
                if self._platform.connected and not self._ended.is_set():
                    self._send()
            except ChejianError as error:
                log.warning("northbound round failed", reason=str(error))

    def _send(self) -> None:
        # Cleared before it is looked: a platform that comes in between gets everything in the next round.
        if self._anew.is_set():
            self._anew.clear()
            self._version = 0
        self._version, changed = self._hub.since(self._version)
        machines: dict[str, list[LatestReading]] = {}
        for reading in changed:
            machines.setdefault(reading.signal.partition("/")[0], []).append(reading)
        if not self._platform.send_latest(machines):
            return
        self._send_alarms()
        now_us = self._clock()
        if self._settings.indicators and now_us - self._measured_us >= self._settings.indicators_every_s * 1e6:
            self._measured_us = now_us
            window = Window(now_us - round(self._settings.indicators_hours * HOUR_US), now_us)
            for name in self._settings.indicators:
                self._platform.send_indicator(name, window, self._measure(name, window))

    def _send_alarms(self) -> None:
        self._said, alarms = self._alarms(self._said)
        for alarm in alarms:
            self._platform.send_alarm(alarm)

    def _note(self, equipment: str, state: int) -> None:
        name = self._links.get(equipment)
        if name is not None:
            now_us = self._clock()
            self._sealed(block_of([Reading(name, now_us, now_us, state, Quality.GOOD)]))
