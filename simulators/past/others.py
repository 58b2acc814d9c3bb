"""A day of a robot, an inspection station or a compressor as columns: parameters and functions of `simulators.robot`, `inspection` and `meter`."""

import math

import msgspec
import numpy as np

from simulators import inspection, meter, robot
from simulators.machine import generator
from simulators.past.columns import Column, Columns, Ints, Steps, changes
from simulators.past.plan import Day
from simulators.past.work import place, states
from simulators.personality import personality
from simulators.physics.noise import colour, noise_column, quantise_column
from simulators.physics.thermal import Floats, ambient, first_order, growth_um
from simulators.shifts import interruptions

_NONE = np.zeros(0, dtype=np.int64)


class Carry(msgspec.Struct):
    """What one of these machines takes over into the next day."""

    free_us: int
    count: int
    rejected: int
    energy_wh: float
    temperature: float
    power_w: float = 0.0
    pressure_bar: float = 7.0


def first_other(day: Day) -> Carry:
    """A machine that was bought new."""
    dice = generator(day.seed, day.settings.id, "history")
    return Carry(day.start_us, 0, 0, float(dice.integers(1_000_000, 90_000_000)), 36.0 if day.settings.kind == "robot" else 68.0)


def robot_day(day: Day, carry: Carry) -> Columns:
    """All signals of a robot's day."""
    settings, own = day.settings, personality(day.seed, day.settings.id)
    dice = generator(day.seed, settings.id, "history", str(day.number))
    cycle_s = settings.ideal_cycle_ms / 1000.0 * day.cycle_factor * day.factors.cycle
    count = math.ceil(86_400.0 / cycle_s) + 50
    fast = dice.uniform(80.0, 120.0, count)
    wait_s = cycle_s * dice.uniform(own.short, own.long + 0.05, count)
    stop_s = settings.stop_every_s * day.cycle_factor
    gaps = np.cumsum(dice.exponential(stop_s, math.ceil(86_400.0 / stop_s * 1.5) + 20))
    stopped = np.unique(np.searchsorted(np.cumsum(cycle_s + wait_s), gaps))
    stopped = stopped[stopped < count]
    before_s = np.zeros(count)
    before_s[stopped] += dice.uniform(1.5, 4.0, len(stopped)) * day.cycle_factor
    work, pauses, carry.free_us = place(day, before_s, np.full(count, cycle_s), wait_s, carry.free_us)
    made = len(work.index)
    stopped = stopped[stopped < made]
    idle_w = settings.rated_power_w * robot.IDLE_SHARE * own.idle * day.factors.power
    drive_w = settings.rated_power_w * robot.SPEED_SHARE * own.cutting / 100.0 * day.factors.power
    begins = np.cumsum([0.0, *(share for _, share, _ in robot.SHARES)])
    parts = np.array([part for _, _, part in robot.SHARES] + [0.0])
    times = work.start[:, None] + np.rint(begins * (work.end - work.start)[:, None]).astype(np.int64)
    speed = fast[:made, None] * parts
    gripper = np.tile([0, 1, 1, 0], (made, 1))
    steps = Steps(np.append(day.start_us, times.ravel()), np.append(idle_w, (idle_w + drive_w * speed).ravel()), *[np.append(0.0, speed.ravel())] * 2)
    grid = day.grid()
    columns = states(day, work, pauses, _NONE, stopped, np.full(len(stopped), robot.STOP_ALARM, dtype=np.int64))
    _energy(day, steps, grid, carry, columns, 1.0)
    edges = np.append(grid, day.end_us)
    mean_speed = np.diff(steps.integral(steps.load, edges)) / (day.gauge_us / 1e6)
    motor = _warm(day, carry, ambient(grid) + robot.WARMTH * own.warmth * mean_speed, robot.THERMAL_S)
    columns["motor_temperature"] = Column(grid, quantise_column(motor + _noise(day, "motor_temperature", 0.1, len(grid)), 0.1))
    now = steps.at(grid)[0]
    columns["joint_speed"] = Column(grid, quantise_column(now * (1.0 + _noise(day, "joint_speed", 0.02, len(grid))), 0.01))
    columns["gripper_closed"] = changes(np.append(day.start_us, times[:, :4].ravel()), np.append(0, gripper.ravel()).astype(np.int64))
    columns["program"] = Column(np.array([day.start_us]), np.zeros(1, dtype=np.int64), [robot.program_name(day.seed, settings.id)])
    columns["cycle_count"] = _counter(day, work.end, carry.count)
    carry.count += made
    return columns


def inspection_day(day: Day, carry: Carry) -> Columns:
    """All signals of an inspection station's day: one record for every part."""
    settings, own = day.settings, personality(day.seed, day.settings.id)
    dice = generator(day.seed, settings.id, "history", str(day.number))
    ideal_s = settings.ideal_cycle_ms / 1000.0 * day.cycle_factor * day.factors.cycle
    count = math.ceil(86_400.0 / ideal_s) + 50
    work, pauses, carry.free_us = place(day, np.zeros(count), ideal_s * dice.uniform(1.02, 1.15, count), np.zeros(count), carry.free_us)
    made = len(work.end)
    number = carry.count + 1 + np.arange(made, dtype=np.int64)
    wear = (number % inspection.TOOL_PARTS) / inspection.TOOL_PARTS
    warm = growth_um(0.025, 1.0) * (ambient(work.end) - 22.0) / 1000.0
    drift = inspection.WEAR_MM * (wear - 0.5) + warm
    offset = np.clip(drift + dice.normal(0.0, inspection.SIGMA_MM, made), -inspection.TOLERANCE_MM, inspection.TOLERANCE_MM)
    bad = dice.random(made) < settings.scrap_probability * day.factors.scrap * (0.45 + 1.65 * wear**2)
    large = bad & (dice.random(made) < inspection.DIAMETER_SHARE)
    surface = 2 + dice.integers(0, len(inspection.SURFACE_DEFECTS), made)
    code = np.where(large, 1, np.where(bad, surface, 0)).astype(np.int64)
    diameter = inspection.NOMINAL_MM + np.where(large, inspection.TOLERANCE_MM + 0.002 + np.abs(offset), offset)
    power_w = settings.rated_power_w * own.idle * day.factors.power * dice.uniform(0.34, 0.38, made)
    steps = Steps(np.append(day.start_us, work.end), np.append(0.36 * settings.rated_power_w * day.factors.power, power_w), *[np.zeros(made + 1)] * 2)
    columns: Columns = {
        "item_state": states(day, work, pauses, _NONE, _NONE, _NONE)["item_state"],
        "inspected_count": _counter(day, work.end, carry.count),
        "rejected_count": _counter(day, work.end[bad], carry.rejected),
        "serial": Column(work.end, np.arange(made, dtype=np.int64), [f"EP-{value:07d}" for value in number.tolist()]),
        "defect_code": Column(work.end, code, ["", "DIAMETER", *inspection.SURFACE_DEFECTS]),
        "diameter": Column(work.end, quantise_column(diameter, 0.001)),
    }
    _energy(day, steps, day.grid(), carry, columns, 0.1)
    carry.count, carry.rejected = carry.count + made, carry.rejected + int(bad.sum())
    return columns


def compressor_day(day: Day, carry: Carry) -> Columns:
    """All signals of a compressor's day: loaded and unloaded by turns, each with its own demand."""
    settings, own = day.settings, personality(day.seed, day.settings.id)
    dice = generator(day.seed, settings.id, "history", str(day.number))
    demand = dice.uniform(*meter.DEMAND_BAR_S, (math.ceil(86_400 / 12.0) + 20, 2))
    span = meter.HIGH_BAR - meter.LOW_BAR
    times, lengths = _turns(day, demand.ravel(), span)
    loaded = np.arange(len(times)) % 2 == 0
    rated_w = settings.rated_power_w * own.cutting * day.factors.power
    steps = Steps(times, np.where(loaded, meter.LOADED, meter.UNLOADED) * rated_w, loaded.astype(np.float64), np.zeros(len(times)))
    grid = day.grid()
    index = np.searchsorted(times, grid, side="right") - 1
    share = (grid - times[index]) / 1e6 / lengths[index]
    pressure = np.where(loaded[index], meter.LOW_BAR + span * share, meter.HIGH_BAR - span * share)
    columns: Columns = {
        "item_state": changes(times, np.where(loaded, 3, 2).astype(np.int64)),
        "pressure": Column(grid, quantise_column(pressure + _noise(day, "pressure", 0.01, len(grid)), 0.01)),
    }
    _energy(day, steps, grid, carry, columns, 10.0)
    share_loaded = np.diff(steps.integral(steps.load, np.append(grid, day.end_us))) / (day.gauge_us / 1e6)
    oil = _warm(day, carry, meter.UNLOADED_OIL + (meter.LOADED_OIL - meter.UNLOADED_OIL) * share_loaded, meter.OIL_S)
    columns["oil_temperature"] = Column(grid, quantise_column(oil + _noise(day, "oil_temperature", 0.1, len(grid)), 0.1))
    return columns


def _turns(day: Day, drawn: Floats, span_bar: float) -> tuple[Ints, Floats]:
    """When the compressor is loaded and unloaded by turns, µs UTC, and for how long, s: each as long as the demand at its beginning needs."""
    rests = [item for item in interruptions(day.calendar, day.settings.id, day.number) if item.reason in meter.AT_REST]
    tight = meter.tight_bar_s(day.seed, day.settings.id)
    leaking = any(entry.kind == meter.LEAK for entry in day.schedule.entries(day.settings.id))
    times, lengths, passed_s, number = list[int](), list[float](), 0.0, 0
    while (now_us := day.start_us + round(passed_s * 1e6)) < day.end_us:
        demand = tight if any(item.start_us <= now_us < item.end_us for item in rests) else float(drawn[number])
        if leaking:
            demand = meter.demand_bar_s(demand, day.schedule.active(meter.LEAK, day.settings.id, now_us), now_us)
        times.append(now_us)
        lengths.append(span_bar / (demand if number % 2 else meter.SUPPLY_BAR_S - demand))
        passed_s, number = passed_s + lengths[-1], number + 1
    return np.array(times, dtype=np.int64), np.array(lengths)


def _warm(day: Day, carry: Carry, targets: Floats, constant_s: float) -> Floats:
    reached = first_order(targets, math.exp(-day.gauge_us / 1e6 / (constant_s * day.cycle_factor)), carry.temperature)
    shown = np.concatenate([[carry.temperature], reached[:-1]])
    carry.temperature = float(reached[-1])
    return shown


def _noise(day: Day, signal: str, sigma: float, count: int) -> Floats:
    dice = generator(day.seed, day.settings.id, "history", str(day.number), signal)
    return noise_column(colour(day.seed, day.settings.id, signal, sigma), dice, count)


def _counter(day: Day, times: Ints, before: int) -> Column:
    return Column(np.append(day.start_us, times), before + np.arange(len(times) + 1, dtype=np.int64))


def _energy(day: Day, steps: Steps, grid: Ints, carry: Carry, columns: Columns, step_w: float) -> None:
    energy_ws = steps.integral(steps.power_w, np.append(grid, day.end_us))
    mean_w = np.diff(energy_ws) / (day.gauge_us / 1e6)
    columns["power"] = Column(grid, quantise_column(np.concatenate([[carry.power_w or mean_w[0]], mean_w[:-1]]), step_w))
    columns["energy_import"] = Column(grid, (carry.energy_wh + energy_ws[:-1] / 3600.0).astype(np.int64))
    carry.power_w, carry.energy_wh = float(mean_w[-1]), carry.energy_wh + float(energy_ws[-1]) / 3600.0
