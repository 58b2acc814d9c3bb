"""What the watch over machines is set to; thresholds were chosen on sound histories of calibration seeds, see `benchmarks/maintenance_live.py`."""

import msgspec

from workshop.window import HOUR_US, SECOND_US

SCALES = (6, 24, 72)
"""Cells over which a deviation is averaged: with five minutes a cell half an hour, two hours, six hours of work."""

FALSE_ALARMS_PER_MONTH = 0.02
"""At most so many false alarms a machine and month, with 95 % confidence: none in 149 sound machine-months of calibration (3 / 149), on simulated
machines (`python -m benchmarks.maintenance_live --calibrate`). What yours do is for `chejian maintenance lead-times` to say."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deviation, in spreads of the machine's own sound history, from which on somebody is told; by kind of finding."""

    bearing_wear: float = 8.0
    coolant_loss: float = 12.0
    sensor_drift: float = 8.0


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a bearing costs, in the register's currency: advice weighs waiting against acting with it."""

    failure: float
    """A failure in operation: repair and standstill."""
    action: float
    """A replacement in a planned stop."""
    life_hour: float = 0.0
    """An hour of life that is thrown away by replacing early."""


class WatchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How machines are watched."""

    cell_us: int = 300 * SECOND_US
    """Length of a cell: everything is summarised in cells, aligned to 1970."""
    learn_us: int = 7 * 24 * HOUR_US
    """A machine's first time, taken to be sound: its normal state is learned from it."""
    limits: Limits = Limits()
    guard: float = 1.3
    """A machine's own limit is at least so many times the largest deviation that its sound history showed."""
    worn_vibration: float = 0.8
    """Increase of a spindle's vibration at which its bearing is to be replaced, as a share of the sound one's."""
    worn_tool: float = 1.0
    """Wear at which a tool is changed, as a share of its life (1: VB = 0.3 mm by ISO 3685)."""
    costs: Costs | None = None
    """Without them the advice has no figures."""
    alarm_meanings: dict[int, str] = {}
    """From the maker's list of alarms: what a number means, such as tool_breakage. Without it an unknown alarm is told as such."""
