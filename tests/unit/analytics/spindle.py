"""A spindle as columns: load that changes from part to part, vibration and temperature that follow it, and a bearing that may wear."""

import numpy as np

from tests.unit.analytics.plant import START_US, machine
from workshop.block import Block
from workshop.reading import ValueKind
from workshop.signal import Origin, Signal, SignalKind
from workshop.window import SECOND_US

GAUGES = ("spindle_vibration", "spindle_temperature", "spindle_load", "spindle_speed")
LATHE = machine(
    "lathe-01",
    signals=(*(Signal(name, name, SignalKind.GAUGE, max_age_s=5) for name in GAUGES),
             Signal("bearing_score", "bearing_score", SignalKind.GAUGE, max_age_s=60, origin=Origin.DERIVED)),
)


def spindle(seconds: int, *, wear_from_s: int | None = None, still: tuple[int, int] = (0, 0), seed: int = 1, load: float = 60.0) -> Block:
    """Readings of all four gauges each second from the start on; wear doubles the vibration within 300 s.

    Args:
        still: seconds [from, to) in which the spindle does not turn.
    """
    dice = np.random.default_rng(seed)
    second = np.arange(seconds)
    turning = (second < still[0]) | (second >= still[1])
    part = dice.uniform(0.5, 1.3, seconds // 20 + 1)[second // 20] * load * turning
    worn = np.zeros(seconds) if wear_from_s is None else np.clip((second - wear_from_s) / 300, 0, 3)
    vibration = np.where(turning, (0.8 + 0.01 * part) * (1 + worn) * dice.lognormal(0, 0.05, seconds), 0.04)
    temperature = 30 + 0.1 * part + 6 * worn + dice.normal(0, 0.1, seconds)
    speed = 2400.0 * turning * (1 + dice.normal(0, 0.001, seconds))
    values = np.concatenate((vibration, temperature, part, speed))
    rows = len(values)
    times = np.tile(START_US + second * SECOND_US, 4)
    return Block(
        [f"lathe-01/{name}" for name in GAUGES], [""], np.repeat(np.arange(4, dtype=np.int32), seconds), times, times + 1000,
        np.full(rows, ValueKind.F64, np.uint8), values, np.zeros(rows, np.int64), [], np.zeros(rows, np.uint8), np.zeros(rows, np.int32),
    )
