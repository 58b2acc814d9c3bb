"""What a CNC's controller knows beyond the register's signals, for a whole day: coolant, tools and the part in process.

As `simulators.cnc_detail` shows them live, but for one thing: between two parts there is none in process here, and live it is the next one.
"""

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


def part_columns(day: Day, phases: Ints, end: Ints, number: Ints, order: Ints, program: Ints) -> Columns:
    """Serial of the part in process (empty between two), its order, its material lot and the operation that is running (0: none).

    Args:
        phases: i64[parts, operations + 2], when approach, operations and taking out begin, µs UTC.
        end, number, order, program: i64[parts].
    """
    count, machine, start = len(number), day.settings.id, phases[:, 0] if len(number) else number
    serials = [f"{machine}-{one:06d}" for one in number.tolist()]
    times = np.concatenate([end, start])  # of two things at one time the beginning counts
    column = changes(times, np.concatenate([np.full(count, count), np.arange(count)]).astype(np.int64))
    orders, which = np.unique(order, return_inverse=True)
    kinds = PROGRAMS[day.settings.kind]
    first = np.searchsorted(order, orders)
    lots = [f"LOT-{kinds[int(program[at])].material.name}-{int(one) // 5:06d}" for one, at in zip(orders, first, strict=True)]
    operations = phases.shape[1] - 2
    running = np.concatenate([phases[:, 1:].ravel(), end])
    codes = np.concatenate([np.tile(np.append(np.arange(1, operations + 1), 0), count), np.zeros(count, np.int64)]).astype(np.int64)
    return {
        "part_serial": Column(column.times, column.values, [*serials, ""]),
        "order": Column(start[first], which[first].astype(np.int64), [f"WO-{machine}-{int(one):06d}" for one in orders]),
        "material_lot": Column(start[first], which[first].astype(np.int64), lots),
        "operation_number": changes(running, codes),
    }
