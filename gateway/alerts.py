"""Alerts on their way out: collected for a while, sent as one message, tried again until they arrive. What cannot be kept is counted, and said."""

import random
import threading
import time
from collections.abc import Sequence

import msgspec
import structlog

from gateway.alert_channels import Alert, Channel, Message
from gateway.monitoring import Monitoring
from workshop.errors import NotConnected
from workshop.window import Clock

MOST = 200
"""Different alerts that wait at one channel; further ones are only counted."""
RECENT = 200
FIRST_RETRY_S, LONGEST_RETRY_S = 2.0, 600.0

log = structlog.get_logger()


class _Outbox:
    """What waits for one channel: one alert of each kind, subject and state, so that it cannot grow without bound."""

    def __init__(self, channel: Channel, origin: str, digest_s: float, monitoring: Monitoring, first_retry_s: float) -> None:
        self.channel, self._origin, self._digest_s, self._monitoring = channel, origin, digest_s, monitoring
        self._first_retry_s = first_retry_s
        self._waiting: dict[tuple[str, str, bool], Alert] = {}
        self._left_out = 0
        self._lock = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"alerts {channel.place}", daemon=True)
        self._thread.start()

    def put(self, alerts: Sequence[Alert]) -> None:
        with self._lock:
            for alert in alerts:
                key = (alert.kind, alert.about, alert.over)
                if (held := self._waiting.get(key)) is not None:
                    self._waiting[key] = msgspec.structs.replace(alert, count=held.count + alert.count, time_us=held.time_us)
                elif len(self._waiting) < MOST:
                    self._waiting[key] = alert
                else:
                    self._left_out += alert.count
            self._lock.notify()

    def close(self) -> None:
        self._stop.set()
        with self._lock:
            self._lock.notify()
        self._thread.join(5.0)

    def _run(self) -> None:
        tries = 0
        while True:
            with self._lock:
                while not self._waiting and not self._stop.is_set():
                    self._lock.wait()
            if self._stop.wait(self._digest_s if tries == 0 else 0.0):
                return
            message = self._take()
            try:
                self.channel.send(message)
            except NotConnected as error:
                tries += 1
                self._monitoring.alerts.labels("failed").inc()
                if tries == 1:
                    log.warning("alert could not be delivered; trying again", reason=str(error))
                self._give_back(message)
                wait_s = min(LONGEST_RETRY_S, self._first_retry_s * 2.0 ** min(tries - 1, 20))
                # Not security: two gateways must only not knock at the same time.
                if self._stop.wait(wait_s * random.uniform(0.8, 1.2)):
                    return
            else:
                tries = 0
                self._monitoring.alerts.labels("sent").inc(len(message.alerts))

    def _take(self) -> Message:
        with self._lock:
            message = Message(1, self._origin, tuple(sorted(self._waiting.values(), key=lambda alert: alert.time_us)), self._left_out)
            self._waiting, self._left_out = {}, 0
            return message

    def _give_back(self, message: Message) -> None:
        with self._lock:
            newer, self._waiting = self._waiting, {}
            self._left_out += message.left_out
        self.put(message.alerts)
        self.put(list(newer.values()))


class Alerts:
    """Takes alerts and passes them on to every channel.

    Args:
        origin: name of the gateway's logs, which stands in every message.
    """

    def __init__(
        self, channels: Sequence[Channel], origin: str, clock: Clock, monitoring: Monitoring, digest_s: float, first_retry_s: float = FIRST_RETRY_S,
    ) -> None:
        self._channels, self._origin, self._clock = channels, origin, clock
        self._outboxes = [_Outbox(channel, origin, digest_s, monitoring, first_retry_s) for channel in channels]
        self._recent: list[Alert] = []
        self._said = 0
        # Two threads that speak at once must not lose one of the two.
        self._recent_lock = threading.Lock()

    def say(self, kind: str, about: str, text: str, *, over: bool = False, count: int = 1) -> None:
        """Tells everybody, soon."""
        alert = Alert(kind, about, text[:1000], self._clock(), over, count)
        with self._recent_lock:
            self._recent = [*self._recent, alert][-RECENT:]
            self._said += 1
        for outbox in self._outboxes:
            outbox.put([alert])

    @property
    def has_somebody(self) -> bool:
        """Whether there is anybody to tell; a gateway with a platform alone keeps alerts for that."""
        return bool(self._channels)

    def recent(self) -> list[Alert]:
        """The last ones said, in order."""
        return list(self._recent)

    def since(self, number: int) -> tuple[int, list[Alert]]:
        """How many were said since the start, and those after the first `number`, in order, as far back as they are kept.

        By number, not by time: two can be of one microsecond, and a clock can step back.
        """
        with self._recent_lock:
            new = self._said - number
            return self._said, self._recent[-new:] if new > 0 else []

    def test(self, author: str) -> dict[str, str]:
        """Sends a test to every channel at once; place → "sent", or why not."""
        alert = Alert("test", "", f"测试，由 {author} 触发。Test, asked for by {author}.", self._clock())
        outcome = {}
        for channel in self._channels:
            begun_s = time.monotonic()
            try:
                channel.send(Message(1, self._origin, (alert,), 0))
                outcome[channel.place] = "sent"
            except NotConnected as error:
                outcome[channel.place] = str(error)
            log.info("test alert", place=channel.place, outcome=outcome[channel.place], seconds=round(time.monotonic() - begun_s, 3))
        return outcome

    def close(self) -> None:
        """Ends the threads; what waits is not sent any more, it stands in the control log or shows again after the next start."""
        for outbox in self._outboxes:
            outbox.close()
