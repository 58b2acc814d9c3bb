"""What the watch over one machine knows: plain data, so that it goes into a JSON file and a restart goes on where it stopped."""

import msgspec

from analytics.maintenance.watch.runs import Gauge
from analytics.maintenance.watch.tools import Tools
from analytics.maintenance.watch.trend import Learned


class Open(msgspec.Struct):
    """A finding that has not ended yet."""

    since_us: int
    calm: int = 0


class Quantity(msgspec.Struct):
    """One followed quantity: sound cells while it is learned, then the newest residuals."""

    values: list[float] = []
    conditions: list[list[float]] = []
    learned: Learned | None = None
    scale: float = 1.0
    """Mean of the values that were learned from: everything is a share of it."""
    tail: list[float] = []
    cells: list[int] = []
    """Numbers of the cells of the tail."""
    history: list[tuple[int, float]] = []
    """(cell, mean residual over the longest scale) once an hour, for the remaining life."""
    strength: float = 0.0
    """At the newest cell, in limits."""
    largest: float = 0.0
    """The largest since it was learned, in limits."""


class State(msgspec.Struct):
    """Everything that the watch over one machine knows."""

    equipment: str
    began_us: int = 0
    """First reading; 0 before it."""
    fed_us: int = 0
    """End of the last piece."""
    ready: bool = False
    carried: dict[str, tuple[int, float]] = {}
    gauges: dict[str, Gauge] = {}
    quantities: dict[str, Quantity] = {}
    alarms: list[int] = []
    """Numbers seen while sound."""
    alarm: tuple[int, float] = (0, 0.0)
    """Time and number of the last reading of the alarm that was looked at."""
    open: dict[str, Open] = {}
    tools: Tools = msgspec.field(default_factory=Tools)
