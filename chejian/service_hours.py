"""Components hour by hour: which hours are due, and measuring them through the gateway. A cache: nothing here is evidence."""

from collections.abc import Sequence

import structlog

from analytics.compute import LOOKBACK_US, inputs_by_hour, needed_signals, needed_texts
from analytics.indicator import Indicator
from analytics.input_digest import digest_of
from analytics.series import Series, series_of
from chejian.service_api import ServiceApi, row_of
from store.engine import Engine
from workshop.calendar import local_hours
from workshop.register import Workshop
from workshop.signal import split_signal_id
from workshop.window import HOUR_US, SECOND_US, Window
from workshop.wire import ComponentsRow

BACKFILL_US = 24 * HOUR_US
"""How far back hours are measured that the gateway does not have."""
SETTLE_US = 30 * SECOND_US
"""How long after its end an hour is measured: readings are under way for a while."""
RECHECKED = 3
"""So many of the newest full hours are measured again when another one ends, since readings may have come late."""

_log = structlog.get_logger()


class Hours:
    """Measures the hours of one revision of the register and posts them; restartable, since the gateway says what is there.

    Args:
        in_force: from the revision's entry to the next one's: hours that end in it are measured under it; None: all hours.
    """

    def __init__(
        self, api: ServiceApi, engine: Engine, register: Workshop, indicators: Sequence[Indicator], in_force: Window | None = None,
    ) -> None:
        self._api, self._engine, self._register, self._in_force = api, engine, register, in_force
        self._indicators = [indicator for indicator in indicators if needed_signals(indicator, register)]
        self._signals = sorted({name for indicator in self._indicators for name in needed_signals(indicator, register)})
        self._done: set[Window] = set()
        self._late: set[Window] = set()
        self._digests: dict[tuple[str, str, int], str] | None = None
        self.posted = 0

    def due(self, now_us: int) -> list[Window]:
        """Full hours that have ended and are not measured yet, and the newest few again when there is a new one; oldest first."""
        ended = [
            hour for hour in local_hours(self._register, Window(now_us - BACKFILL_US, now_us - SETTLE_US))
            if hour.length_us == HOUR_US and (self._in_force is None or self._in_force.start_us < hour.end_us <= self._in_force.end_us)
        ]
        fresh = [hour for hour in ended if hour not in self._done]
        return sorted({*fresh, *ended[-RECHECKED:]}) if fresh else []

    def measure_due(self, now_us: int) -> None:
        """Measures and posts what is due.

        Raises:
            NotConnected: the gateway is away; what was posted is done, the rest stays due.
        """
        due = sorted({*self.due(now_us), *self._late})
        if due and self._digests is None:
            self._digests = self._there(Window(due[0].start_us, due[-1].end_us))
            # What an earlier run of this service has posted needs no second look, but for the newest few.
            self._done |= {
                hour for hour in due[:-RECHECKED]
                if hour not in self._late and all(self._posted(hour, indicator) for indicator in self._indicators)
            }
            due = [hour for hour in due if hour not in self._done]
        for hour in due:
            if not self._has_readings(hour):
                self._finished(hour)
                continue
            rows = [row for row in self._measure(hour) if self._digest(row) != row.input_digest]
            self._post(rows)
            self._finished(hour)
            _log.info("hour measured", start_us=hour.start_us, rows=len(rows))

    def touch(self, windows: Sequence[Window]) -> None:
        """Readings or gaps of these times have come since the last round: hours that they touch, and that were measured, are measured again.

        An hour that nobody has posted (a history that is imported) is none of them: whoever asks for it has it measured from the readings.
        """
        for span in windows:
            reach = Window(span.start_us, span.end_us + LOOKBACK_US)
            if self._in_force is not None:
                reach = reach.clip(self._in_force)
            if not reach.length_us or not self._indicators:
                continue
            there = self._there(Window(reach.start_us - HOUR_US, reach.end_us + HOUR_US), self._indicators[:1])
            starts = {start_us for _, _, start_us in there} | {hour.start_us for hour in self._done}
            hours = [Window(start_us, start_us + HOUR_US) for start_us in starts]
            self._late |= {hour for hour in hours if hour.start_us < reach.end_us and hour.end_us > reach.start_us}

    def _finished(self, hour: Window) -> None:
        self._done.add(hour)
        self._late.discard(hour)

    def measure_running(self, now_us: int) -> None:
        """Measures and posts the hour that is running, as far as it has come; for people who look, and replaced by the full hour."""
        hour = list(local_hours(self._register, Window(now_us - HOUR_US, now_us)))[-1]
        if hour.length_us < HOUR_US:
            self._post(self._measure(hour))

    def _has_readings(self, hour: Window) -> bool:
        return bool(len(self._engine.read(self._signals, hour, limit=1)))

    def _measure(self, hour: Window) -> list[ComponentsRow]:
        rows: list[ComponentsRow] = []
        missing = self._api.missing(Window(hour.start_us - LOOKBACK_US, hour.end_us))
        for item in self._register.equipment:
            applying = [indicator for indicator in self._indicators if indicator.applies(item)]
            wanted = {name for indicator in applying for name in needed_signals(indicator, self._register) if split_signal_id(name)[0] == item.id}
            # One machine after the other: an hour of one fits into memory whatever the workshop's size.
            series: dict[str, Series] = {}
            if wanted:
                block = self._engine.read(sorted(wanted), Window(hour.start_us - LOOKBACK_US, hour.end_us))
                series = series_of(block, texts=needed_texts(applying, self._register))
            # Indicators share what they derive from the inputs of one machine; the digest of each is of what it reads alone.
            roles = sorted({role for indicator in applying for role in indicator.roles})
            for inputs, piece in inputs_by_hour(roles, self._register, item, series, hour, missing):
                digests = {chosen: digest_of(inputs.narrowed(chosen)) for chosen in {indicator.roles for indicator in applying}}
                rows += [row_of(indicator.measure(inputs, piece), digests[indicator.roles]) for indicator in applying]
        return rows

    def _there(self, window: Window, indicators: Sequence[Indicator] | None = None) -> dict[tuple[str, str, int], str]:
        return {
            (indicator.id, equipment, start_us): digest
            for indicator in (self._indicators if indicators is None else indicators)
            for (equipment, start_us), digest in self._api.hours_there(indicator.id, indicator.version, window).items()
        }

    def _posted(self, hour: Window, indicator: Indicator) -> bool:
        items = [item for item in self._register.equipment if indicator.applies(item)]
        return all((indicator.id, item.id, hour.start_us) in (self._digests or {}) for item in items)

    def _digest(self, row: ComponentsRow) -> str | None:
        return (self._digests or {}).get((row.indicator, row.equipment, row.start_us)) if row.end_us - row.start_us == HOUR_US else None

    def _post(self, rows: list[ComponentsRow]) -> None:
        self._api.post(rows)
        self.posted += len(rows)
        for row in rows:
            if self._digests is not None and row.end_us - row.start_us == HOUR_US:
                self._digests[row.indicator, row.equipment, row.start_us] = row.input_digest
