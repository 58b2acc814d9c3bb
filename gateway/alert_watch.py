"""What is worth telling: silent edges, alarms, an engine that takes no rows, quarantine, gaps, a full disk. Each change is told once."""

import shutil
import threading
from pathlib import Path

import structlog

from gateway.alert_settings import AlertSettings
from gateway.alerts import Alerts
from gateway.monitoring import Monitoring
from gateway.writer import Writer
from store.archive import Archive
from workshop.batch import Provenance
from workshop.errors import ChejianError
from workshop.window import SECOND_US, Clock

LOOK_S = 2.0
CALM_LOOKS = 3
"""Of the engine a state counts only when it is seen so often in a row: a busy moment is no alarm."""
_LIVE = (Provenance.PLANT, Provenance.SIMULATED, Provenance.THIRD_PARTY)

log = structlog.get_logger()


class Watch:
    """Looks around every two seconds; `look` is one round."""

    def __init__(
        self, alerts: Alerts, settings: AlertSettings, archive: Archive, writer: Writer, monitoring: Monitoring, data: Path, clock: Clock,
    ) -> None:
        self._alerts, self._settings, self._archive, self._writer = alerts, settings, archive, writer
        self._monitoring, self._data, self._clock = monitoring, data, clock
        self._states: dict[tuple[str, str], bool] = {}
        self._engine_looks = 0
        self._counts = {"quarantine": monitoring.quarantined_total, "gap": monitoring.gaps_total}
        # What was so before the start has been told: the control log remembers alarms for ever.
        self._alarms = {record.edge: len(archive.alarms(record.edge)) for record in archive.edges()}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alert watch", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """One round."""
        now_us = self._clock()
        for record in self._archive.edges():
            last_us = self._archive.last_accepted_us(record.edge)
            if record.provenance in _LIVE and record.revoked_us is None and last_us is not None:
                silent = now_us - last_us > self._settings.silent_s * SECOND_US
                self._state("edge-silent", record.edge, silent, f"采集端无数据。nothing accepted for more than {self._settings.silent_s:g} s")
            alarms = self._archive.alarms(record.edge)
            for alarm in alarms[self._alarms.get(record.edge, 0):]:
                self._alerts.say("edge-alarm", record.edge, f"{alarm.what}: {alarm.detail}")
            self._alarms[record.edge] = len(alarms)
        self._engine_looks = 0 if self._writer.moving else self._engine_looks + 1
        stuck = self._engine_looks >= CALM_LOOKS
        self._state("engine", "", stuck, f"时序库不接收数据。the engine takes no rows; {self._writer.backlog_batches} batches wait in the archive")
        free = shutil.disk_usage(self._data).free
        self._state("disk", "", free < self._settings.free_bytes, f"磁盘空间不足。{free // 2**20} MiB are left on the disk of the data folder")
        for kind, now, words in (
            ("quarantine", self._monitoring.quarantined_total, "行被隔离，见 /v1/quarantine。rows were quarantined, see /v1/quarantine"),
            ("gap", self._monitoring.gaps_total, "段数据缺失，见 /v1/gaps。losses were declared, see /v1/gaps"),
        ):
            if now > self._counts[kind]:
                self._alerts.say(kind, "", f"{now - self._counts[kind]} {words}", count=now - self._counts[kind])
                self._counts[kind] = now

    def _state(self, kind: str, about: str, bad: bool, text: str) -> None:
        if bad != self._states.get((kind, about), False):
            self._states[kind, about] = bad
            self._alerts.say(kind, about, text, over=not bad)

    def _run(self) -> None:
        failing = False
        while not self._ended.wait(LOOK_S):
            try:
                self.look()
                failing = False
            except (ChejianError, OSError) as error:
                if not failing:
                    log.warning("alert watch cannot look", reason=str(error))
                failing = True
