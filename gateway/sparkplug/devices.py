"""The machines as a Sparkplug node's devices: their metrics with the latest values, and which of them live."""

from collections.abc import Sequence

import msgspec

from gateway.sparkplug.metrics import Metric, metric_of
from workshop.reading import Quality
from workshop.register import Equipment
from workshop.wire import LatestReading


class Device(msgspec.Struct):
    """A machine; it lives while the edge says that it hears it."""

    metrics: dict[str, Metric]
    link: Metric | None = None
    """Its link state, where the register has one: it must be up, and not older than the register lets it be."""
    link_age_us: int = 0
    born: bool = False
    """Whether the platform has had its birth, and no death since."""

    def take(self, readings: Sequence[LatestReading]) -> list[Metric]:
        """Takes what has changed; the metrics of the birth that it is about."""
        changed = []
        for reading in readings:
            metric = self.metrics.get(reading.signal.partition("/")[2])
            if metric is not None:
                metric.value, metric.time_us, metric.quality = reading.value, reading.source_time_us, Quality(reading.quality)
                changed.append(metric)
        return changed

    def lives(self, now_us: int) -> bool:
        """Whether anything is heard of this machine."""
        if self.link is None:
            return any(metric.quality is not Quality.BAD for metric in self.metrics.values())
        return self.link.quality is not Quality.BAD and self.link.value == 1 and now_us - self.link.time_us <= self.link_age_us


def device_of(item: Equipment, first_alias: int, slack_us: int) -> Device:
    """The device of a piece of equipment; its metrics get aliases from this number on.

    Args:
        slack_us: how much later than at the edge its link state is looked at here.
    """
    metrics = {signal.name: metric_of(signal, first_alias + number) for number, signal in enumerate(item.signals)}
    link = item.signal("link_state")
    if link is None:
        return Device(metrics)
    return Device(metrics, metrics[link.name], link.max_age_s * 1_000_000 + slack_us)
