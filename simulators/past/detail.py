"""What a CNC's controller knows beyond the register's signals, for a whole day: coolant and tools, as `simulators.cnc_detail` shows them live."""

import numpy as np

from simulators.cnc_detail import COOLANT_FLOW, FLOW_NOISE
from simulators.machine import generator
from simulators.past.columns import Column, Columns, Ints, Steps, changes
from simulators.past.plan import Day
from simulators.physics.noise import colour, noise_column, quantise_column
from simulators.physics.thermal import Floats
from simulators.programs import PROGRAMS

_TURNING = 4.0
"""Load of a spindle that turns without cutting, %."""


def coolant_columns(day: Day, steps: Steps, grid: Ints) -> Columns:
    """Flow in L/min while it cuts, and level in %."""
    loss = day.severity("coolant_loss", grid)
    dice = generator(day.seed, day.settings.id, "history", str(day.number), "coolant_flow")
    noise = noise_column(colour(day.seed, day.settings.id, "coolant_flow", FLOW_NOISE), dice, len(grid))
    flow = np.maximum(0.0, COOLANT_FLOW * np.maximum(0.0, 1.0 - 0.5 * loss) + noise)
    level = np.maximum(0.0, 82.0 - 30.0 * loss - 2.0 * ((grid // 3_600_000_000) % 8))
    return {
        "coolant_flow": Column(grid, quantise_column(np.where(steps.at(grid)[0] > _TURNING, flow, 0.0), 0.1)),
        "coolant_level": Column(grid, quantise_column(level, 0.5)),
    }


def tool_columns(day: Day, begins: Ints, program: Ints, wear: Floats) -> Columns:
    """Number and wear of the tool in the spindle, at the beginning of each operation.

    Args:
        begins: i64[parts, operations], µs UTC.
        program: i64[parts].
        wear: f64[operations, parts], share of its life before each part.
    """
    tools = np.array([[operation.tool.number for operation in one.operations] for one in PROGRAMS[day.settings.kind]], dtype=np.int64)
    order = np.argsort(begins.ravel(), kind="stable")
    times = begins.ravel()[order]
    keep = times < day.end_us
    number = changes(times[keep], tools[program].ravel()[order][keep])
    return {"tool_number": number, "tool_wear": Column(times[keep], quantise_column(np.minimum(wear.T.ravel()[order][keep], 1.0), 0.001))}
