"""Bearing scores: fits a detector per machine on its first data, scores what comes after, and says so when a bearing needs a look."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from analytics.maintenance.bearing import Alert, Detector, alert_of, fit, input_signals, score, watched
from store.engine import Engine
from workshop.block import Block, block_of
from workshop.errors import ConfigError, Rejected
from workshop.reading import Reading
from workshop.register import Equipment, Workshop
from workshop.signal import signal_id
from workshop.window import HOUR_US, SECOND_US, Window

CONSECUTIVE = 5
"""Short windows beyond the limit in a row before anybody is told."""
MOST_AT_ONCE_US = HOUR_US
"""Of a longer arrear this much is scored in one round."""

_SHORT_WINDOWS = 20
_FIRST_DATA_US = 24 * HOUR_US
_KEPT = 50

_log = structlog.get_logger()


class Fits(msgspec.Struct):
    """The file of fit periods: with it and the gateway's readings a restart learns the same again, so that no model needs to be kept."""

    feature_us: int
    windows: dict[str, Window] = {}


class Bearings:
    """The machines of one register that have a bearing score."""

    def __init__(self, engine: Engine, register: Workshop, *, fit_us: int, file: Path) -> None:
        """For a register.

        Args:
            file: fit periods of earlier runs; made when the first is known.
        Raises:
            ConfigError: the file is not one of ours.
        """
        self._engine, self._file, self._fit_us = engine, file, fit_us
        self._machines = [item for item in register.equipment if watched(item)]
        self._fits = _load(file) or Fits(min(max(fit_us // _SHORT_WINDOWS, SECOND_US), 60 * SECOND_US))
        self._detectors: dict[str, Detector] = {}
        self._recent: dict[str, list[tuple[int, float]]] = {}
        self._alerting: set[str] = set()
        self._until: dict[str, int] = {}
        self._reached: dict[str, int] = {}
        self.alerts: list[Alert] = []

    def scores(self, positions: Mapping[str, int], now_us: int) -> Block:
        """New scores as readings of the derived signals; the source time of a score is the end of the short window that it was computed on.

        Args:
            positions: by signal id, the time before which scores are on disk already.
        Raises:
            NotConnected: the gateway is away; the next round goes on from the same place.
        """
        found: list[Reading] = []
        self._reached = {}
        for item in self._machines:
            name = _output(item)
            # A score stands at the end of its short window, and there the next one begins.
            fresh = self._score(item, max(positions.get(name, 1) - 1, self._until.get(item.id, 0)))
            found += [Reading(name, end_us, now_us, value) for end_us, value in fresh]
        return block_of(found)

    def confirm(self) -> None:
        """What `scores` has just returned is on disk: the next round goes on after it, also where the spindle stood still and there was no score."""
        self._until |= self._reached

    def _score(self, item: Equipment, from_us: int) -> list[tuple[int, float]]:
        inputs = input_signals(item)
        newest = self._engine.latest(inputs)
        if len(newest) < len(inputs):
            return []
        # Readings come batch by batch: only what all inputs have passed is complete.
        complete_us = int(newest.source_time_us.min())
        detector = self._detectors.get(item.id) or self._fit(item, inputs, complete_us)
        if detector is None:
            return []
        start_us = max(detector.fitted.end_us, from_us)
        window = Window(start_us, max(start_us, min(complete_us, start_us + MOST_AT_ONCE_US)))
        if window.length_us < detector.feature_us:
            return []
        reach_us = max(signal.max_age_s for signal in item.signals) * SECOND_US
        scores = score(detector, self._engine.read(inputs, Window(window.start_us - reach_us, window.end_us)), window)
        self._reached[item.id] = window.end_us // detector.feature_us * detector.feature_us
        self._note(detector, item, scores)
        return scores

    def _fit(self, item: Equipment, inputs: list[str], complete_us: int) -> Detector | None:
        window = self._fits.windows.get(item.id)
        if window is None:
            first = self._engine.read(inputs[:1], Window(complete_us - _FIRST_DATA_US, complete_us), limit=1)
            if not len(first):
                return None
            start_us = int(first.source_time_us[0])
            window = Window(start_us, start_us + self._fit_us)
            self._remember(item, window)
        if complete_us < window.end_us:
            return None
        try:
            detector = fit(self._engine.read(inputs, window), item, window, feature_us=self._fits.feature_us)
        except Rejected as error:
            # It stood still: the fit period goes on until it has worked long enough.
            self._remember(item, Window(window.start_us, window.end_us + self._fit_us))
            _log.info("bearing fit goes on", equipment=item.id, reason=str(error))
            return None
        self._detectors[item.id] = detector
        _log.info("bearing fitted", equipment=item.id, windows=detector.windows, false_alarm_rate=round(detector.false_alarm_rate, 4))
        return detector

    def _note(self, detector: Detector, item: Equipment, scores: list[tuple[int, float]]) -> None:
        recent = self._recent.get(item.id, [])
        # After a full disk the same scores come again.
        recent = self._recent[item.id] = [*recent, *(one for one in scores if not recent or one[0] > recent[-1][0])][-_KEPT:]
        alert = alert_of(detector, recent, consecutive=CONSECUTIVE)
        if alert is None:
            self._alerting.discard(item.id)
        elif item.id not in self._alerting:
            self._alerting.add(item.id)
            self.alerts.append(alert)
            _log.warning(
                "bearing alert", equipment=item.id, since_us=alert.since_us, score=round(alert.score, 3), threshold=alert.threshold,
                false_alarm_rate=round(alert.false_alarm_rate, 4), signals=", ".join(alert.signals), advice=alert.advice_en,
            )

    def _remember(self, item: Equipment, window: Window) -> None:
        self._fits.windows[item.id] = window
        temporary = self._file.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(self._fits))
        temporary.replace(self._file)


def _output(item: Equipment) -> str:
    signal = item.signal("bearing_score")
    return signal_id(item.id, signal.name if signal else "bearing_score")


def _load(file: Path) -> Fits | None:
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=Fits)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not a file of fit periods ({error}); move it away to fit anew") from error
