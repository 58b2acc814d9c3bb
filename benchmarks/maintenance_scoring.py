"""`python -m benchmarks.maintenance_scoring [--machines 100] [--period 1]`: what it costs to score an hour of data of many machines on one core.

Each machine is a CNC with sixteen signals; gauges every `--period` seconds. Learning is not part of it: the machines have a sound day behind them;
nor is asking the gateway for the readings. Aim: 100 machines in under 5 s. Exit code 1 if it is missed.
"""

import argparse
import sys
import time

import msgspec
import numpy as np

from analytics.maintenance.watch.machine import State, Watch
from analytics.maintenance.watch.settings import WatchSettings
from workshop.block import Block, block_of
from workshop.reading import Reading
from workshop.register import Equipment
from workshop.signal import Signal, SignalKind
from workshop.window import HOUR_US, SECOND_US, Window

START_US = 1_767_571_200_000_000
_GAUGES = {"spindle_vibration": 1.2, "spindle_load": 45.0, "spindle_speed": 3000.0, "coolant_flow": 24.0, "active_power": 6000.0,
           "spindle_temperature": 35.0, "feed_override": 100.0, "coolant_level": 80.0}
_COUNTERS = ("energy_import", "produced_count", "good_count", "scrap_count")
_STATES = ("item_state", "operation_mode", "alarm", "tool_number")


def machine(name: str) -> Equipment:
    """A CNC in the register."""
    signals = (
        *(Signal(role, role, SignalKind.GAUGE) for role in _GAUGES), *(Signal(role, role, SignalKind.COUNTER, "W.h") for role in _COUNTERS),
        *(Signal(role, role, SignalKind.STATE) for role in _STATES),
    )
    return Equipment(name, "", "", "lathe", "cell", name, True, True, "turning", 15_000, "2020-01-01", signals=signals)


def hour(item: Equipment, number: int, period_s: int) -> Block:
    """All readings of one hour; counters and states once a minute."""
    dice = np.random.default_rng(number)
    columns = []
    for place, signal in enumerate(item.signals):
        step_s = period_s if signal.role in _GAUGES else 60
        time_us = START_US + number * HOUR_US + np.arange(0, 3600, step_s, dtype=np.int64) * SECOND_US
        if signal.role in _GAUGES:
            values = np.round(_GAUGES[signal.role] * (1 + 0.02 * dice.standard_normal(len(time_us))), 3)
        elif signal.role in _STATES:
            values = np.where(np.arange(len(time_us)) % 3 == 0, 2.0, 3.0)
        else:
            values = np.arange(len(time_us), dtype=np.float64) * 100 + number * 6_000
        columns.append((place, time_us, values, signal.role in _GAUGES))
    one = block_of([Reading(f"{item.id}/{signal.name}", START_US, START_US, 0.0) for signal in item.signals])
    rows = np.concatenate([np.full(len(time_us), place, np.int64) for place, time_us, _, _ in columns])
    block = one.take(rows)
    times = np.concatenate([time_us for _, time_us, _, _ in columns])
    return msgspec.structs.replace(block, source_time_us=times, received_time_us=times, value_f64=np.concatenate([v for _, _, v, _ in columns]))


def main() -> int:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--period", type=int, default=1)
    arguments = parser.parse_args()
    pattern = machine("cnc-000")
    learned = Watch(pattern, WatchSettings(learn_us=24 * HOUR_US))
    for number in range(25):
        learned.feed(hour(pattern, number, 10), Window(START_US + number * HOUR_US, START_US + (number + 1) * HOUR_US))
    state = msgspec.json.encode(learned.state)
    items = [machine(f"cnc-{number:03d}") for number in range(arguments.machines)]
    watches = [Watch(item, WatchSettings(learn_us=24 * HOUR_US), msgspec.json.decode(state, type=State)) for item in items]
    blocks = [hour(item, 25, arguments.period) for item in items]
    window = Window(START_US + 25 * HOUR_US, START_US + 26 * HOUR_US)
    assert learned.state.ready
    assert all(quantity.learned for quantity in learned.state.quantities.values())
    begun = time.process_time()
    for watch, block in zip(watches, blocks, strict=True):
        watch.feed(block, window)
        watch.health()
    took_s = time.process_time() - begun
    rows = sum(len(block) for block in blocks)
    print(f"{arguments.machines} machines, one hour, gauges every {arguments.period} s: {rows:,} readings scored in {took_s:.2f} s of one core; "
          f"state kept: {len(msgspec.json.encode(watches[0].state)) / 1024:.0f} KiB a machine")
    return 0 if took_s < 5.0 * arguments.machines / 100 else 1


if __name__ == "__main__":
    sys.exit(main())
