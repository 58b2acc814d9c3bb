"""A day of a machining centre or lathe as columns: the same parameters and functions as `simulators.cnc`, for all parts at once.

What is simpler than live: a short stop or a break comes between two parts, never within one; wear that goes beyond a tool's life is carried to
the next tool, and coolant loss does not speed it up; an order ends with the day at the latest; the bearing of `faults` in the settings is sound,
because it begins to wear when the live run begins.
"""

import math

import msgspec
import numpy as np

from simulators.cnc import ORDER_PARTS, SET_UP_US, STOP_ALARMS, THERMAL_S, TOOL_CHANGE_US, WARMED_UP
from simulators.cnc_detail import SOUND_VIBRATION, TEMPERATURE_STEP
from simulators.machine import generator
from simulators.past.columns import Column, Columns, Ints, Steps
from simulators.past.detail import coolant_columns, part_columns, tool_columns
from simulators.past.plan import Day
from simulators.past.work import Work, ends_of, place, states
from simulators.personality import Personality, personality
from simulators.physics import scrap, spindle
from simulators.physics.cutting import BLUNTING
from simulators.physics.noise import colour, noise_column, quantise_column
from simulators.physics.thermal import Floats, ambient, first_order
from simulators.programs import PROGRAMS
from simulators.shifts import Interruption


class CncCarry(msgspec.Struct):
    """What a machine takes over into the next day."""

    free_us: int
    good: int
    scrap: int
    energy_wh: float
    wear: list[float]
    orders: int
    program: int
    temperature: float
    power_w: float


class Parts(msgspec.Struct):
    """What became of every part of a day: the truth, and the genealogy."""

    number: Ints
    """The serial is `<equipment>-<number, six digits>`."""
    start_us: Ints
    end_us: Ints
    reason: Ints
    """Index into `scrap.CODES`, -1 for a good part."""
    wear: Floats
    order: Ints
    program: Ints


class _Draw(msgspec.Struct):
    """Everything that is drawn for a day, more parts than fit into it."""

    order: Ints
    program: Ints
    override: Floats
    work_s: Floats
    wait_s: Floats
    before_s: Floats
    set_up: Ints
    stopped: Ints
    alarm: Ints
    wear: Floats
    """One row per tool, before each part."""
    reached: Floats
    """The same after it, not taken back at tool changes."""
    jitter: Floats


def first_cnc(day: Day) -> CncCarry:
    """A machine that was bought new: counters at 0, tools somewhere in their lives."""
    dice = generator(day.seed, day.settings.id, "history")
    wear = [float(value) for value in dice.uniform(0.0, 0.9, 3)]
    return CncCarry(day.start_us, 0, 0, float(dice.integers(1_000_000, 90_000_000)), wear, 0, 0, WARMED_UP - 10.0, 0.0)


def cnc_day(day: Day, carry: CncCarry) -> tuple[Columns, Parts]:
    """All signals and parts of the day; `carry` goes on to the next."""
    settings, own = day.settings, personality(day.seed, day.settings.id)
    dice = generator(day.seed, settings.id, "history", str(day.number))
    draw = _draw(day, carry, own, dice)
    work, pauses, carry.free_us = place(day, draw.before_s, draw.work_s, draw.wait_s, carry.free_us)
    made = len(work.index)
    steps = _steps(day, own, draw, work, pauses)
    grid = day.grid()
    hall = ambient(grid)
    temperature, energy_wh, power_w = _heat_and_energy(day, own, steps, grid, hall, carry)
    bearing = bearing_column(day, grid)
    reason, wear = _judge(day, draw, work, pauses, (grid, temperature), dice)
    good = reason < 0
    number = carry.good + carry.scrap + 1 + np.arange(made, dtype=np.int64)
    parts = Parts(number, work.start, work.end, reason, wear, carry.orders + draw.order[:made], draw.program[:made])
    columns = states(day, work, pauses, _within(draw.set_up, made), *_stops(draw, made))
    columns |= _gauges(day, own, steps, grid, temperature, bearing)
    if day.detail:
        columns |= coolant_columns(day, steps, grid) | tool_columns(day, *_operations(day, draw, work), draw.wear[:, :made])
    if day.detail or settings.serials:
        told = part_columns(day, _phases(day, draw, work), work.end, number, parts.order, parts.program)
        columns |= {name: column for name, column in told.items() if day.detail or name != "operation_number"}
    index = np.clip(np.searchsorted(work.start, grid, side="right") - 1, 0, max(made - 1, 0))
    columns["feed_override"] = Column(grid, draw.override[index])
    columns["power"] = Column(grid, quantise_column(power_w, 10.0))
    columns["energy_import"] = Column(grid, energy_wh.astype(np.int64))
    begins = np.flatnonzero(np.append(True, np.diff(draw.order[:made]) != 0)) if made else np.zeros(0, dtype=np.int64)
    words = [program.name for program in PROGRAMS[settings.kind]]
    columns["program"] = Column(
        np.concatenate([[day.start_us], work.start[begins]]).astype(np.int64),
        np.concatenate([[carry.program], draw.program[begins]]).astype(np.int64), words,
    )
    counters = (("part_count", good | ~good, carry.good + carry.scrap), ("good_count", good, carry.good), ("scrap_count", ~good, carry.scrap))
    for name, counted, before in counters:
        times = np.concatenate([[day.start_us], work.end[counted]]).astype(np.int64)
        columns[name] = Column(times, before + np.arange(len(times), dtype=np.int64))
    carry.good, carry.scrap = carry.good + int(good.sum()), carry.scrap + int((~good).sum())
    if made:
        carry.orders += int(draw.order[made - 1]) + 1
        carry.program = int(draw.program[made - 1])
        carry.wear = [float(value) for value in draw.reached[:, made - 1] % 1.0]
    return columns, parts


def bearing_column(day: Day, times: Ints) -> Floats:
    """Severity of the scheduled bearing wear at these times, as `Cnc.bearing` has it; at its end maintenance replaces the bearing."""
    worn = np.zeros(len(times))
    for entry in day.schedule.entries(day.settings.id):
        if entry.kind == "bearing_wear":
            share = (times - entry.start_us) / max(1, entry.end_us - entry.start_us)
            inside = (share >= 0.0) & (share < 1.0)
            grown = entry.severity * np.expm1(3.0 * np.clip(share, 0.0, 1.0)) / math.expm1(3.0)
            worn = np.maximum(worn, np.where(inside, grown, 0.0))
    return worn


def _draw(day: Day, carry: CncCarry, own: Personality, dice: np.random.Generator) -> _Draw:
    settings, programs = day.settings, PROGRAMS[day.settings.kind]
    ideal_s = settings.ideal_cycle_ms / 1000.0 * day.cycle_factor * day.factors.cycle
    count = math.ceil(86_400.0 / ideal_s) + 50
    quantities = dice.integers(*ORDER_PARTS, count // ORDER_PARTS[0] + 2)
    order = np.repeat(np.arange(len(quantities)), quantities)[:count]
    # Each order has another program than the one before it.
    program = ((carry.program + np.cumsum(1 + dice.integers(0, len(programs) - 1, len(quantities)))) % len(programs))[order]
    override = dice.choice((95.0, 100.0), len(quantities), p=(0.25, 0.75))[order]
    first = np.flatnonzero(np.append(True, np.diff(order) != 0))
    gain = np.array([program.wear_per_part() for program in programs]).T[:, program] * own.wear
    reached = np.array(carry.wear)[:, None] + np.cumsum(gain, axis=1)
    wear = (reached - gain) % 1.0
    changed = 1 + np.flatnonzero((np.diff(np.floor(reached), axis=1, prepend=0.0)[:, :-1] > 0.0).any(axis=0))
    before_s = np.zeros(count)
    before_s[first] += SET_UP_US / 1e6
    before_s[changed] += TOOL_CHANGE_US / 1e6
    stop_s = settings.stop_every_s * day.cycle_factor
    gaps = np.cumsum(dice.exponential(stop_s, math.ceil(86_400.0 / stop_s * 1.5) + 20))
    work_s = ideal_s * 100.0 / override
    wait_s = ideal_s * dice.uniform(own.short, own.long, count)
    stopped = np.unique(np.searchsorted(np.cumsum(work_s + wait_s), gaps))
    stopped = stopped[stopped < count]
    before_s[stopped] += dice.uniform(1.5, 4.0, len(stopped))
    set_up = np.setdiff1d(np.union1d(first, changed), stopped)
    return _Draw(
        order.astype(np.int64), program.astype(np.int64), override, work_s, wait_s, before_s * day.cycle_factor, set_up.astype(np.int64),
        stopped.astype(np.int64), np.asarray(dice.choice(STOP_ALARMS, len(stopped)), dtype=np.int64), wear, reached,
        dice.uniform(0.96, 1.04, (3, count)),
    )


def _steps(day: Day, own: Personality, draw: _Draw, work: Work, pauses: list[Interruption]) -> Steps:
    """Every phase of every part: approach, the operations, taking out, and the time until the next."""
    settings, programs, made = day.settings, PROGRAMS[day.settings.kind], len(work.index)
    idle_w = settings.rated_power_w * spindle.IDLE_SHARE * own.idle * day.factors.power
    turning_w = idle_w + settings.rated_power_w * spindle.TURNING_SHARE * day.factors.power
    rated_w = spindle.RATED_SHARE * settings.rated_power_w
    program, override = draw.program[:made], draw.override[:made] / 100.0
    sharp = np.array([p.powers() for p in programs])[program].T * own.cutting
    cutting = np.minimum(sharp * (1.0 + BLUNTING * draw.wear[:, :made]) * override, 1.1 * rated_w) * draw.jitter[:, :made]
    times = _phases(day, draw, work)
    speeds = np.array([[o.cut.spindle_speed for o in p.operations] for p in programs])[program]
    fast, none = np.full((made, 1), 800.0), np.zeros((made, 1))
    load = 4.0 + 100.0 * cutting.T / rated_w
    low = np.full((made, 1), 4.0)
    flat_t = np.concatenate([times, work.end[:, None]], axis=1).ravel()
    flat_p = np.concatenate([none + turning_w, turning_w + cutting.T * day.factors.power, none + turning_w, none + idle_w], axis=1).ravel()
    flat_l = np.concatenate([low, load, low, none], axis=1).ravel()
    flat_s = np.concatenate([fast, speeds, fast, none], axis=1).ravel()
    off = ends_of(pauses, "off_shift")
    extra_t = np.array([day.start_us, *(time for span in off for time in span)], dtype=np.int64)
    extra_p = np.array([idle_w, *(power for _ in off for power in (0.1 * idle_w, idle_w))])
    times_all, zeros = np.concatenate([extra_t, flat_t]), np.zeros(len(extra_t))
    order = np.argsort(times_all, kind="stable")
    return Steps(
        times_all[order], np.concatenate([extra_p, flat_p])[order], np.concatenate([zeros, flat_l])[order], np.concatenate([zeros, flat_s])[order],
    )


def _phases(day: Day, draw: _Draw, work: Work) -> Ints:
    """When each part's approach, operations and taking out begin, i64[parts, operations + 2]."""
    programs = PROGRAMS[day.settings.kind]
    shares = np.array([[0.75 * o.seconds / p.seconds for o in p.operations] for p in programs])
    begins = np.concatenate([np.zeros((len(programs), 1)), 0.12 + np.cumsum(np.insert(shares, 0, 0.0, axis=1), axis=1)], axis=1)
    program = draw.program[:len(work.index)]
    return np.asarray(work.start[:, None] + np.rint(begins[program] * (work.end - work.start)[:, None]), dtype=np.int64)


def _operations(day: Day, draw: _Draw, work: Work) -> tuple[Ints, Ints]:
    """When each operation of each part begins, and the part's program."""
    return _phases(day, draw, work)[:, 1:-1], draw.program[:len(work.index)]


def _heat_and_energy(
    day: Day, own: Personality, steps: Steps, grid: Ints, hall: Floats, carry: CncCarry
) -> tuple[Floats, Floats, Floats]:
    """Spindle temperature, counter in W.h and mean power since the time before, at each time of the grid."""
    edges = np.append(grid, day.end_us)
    step_s = np.diff(edges) / 1e6
    mean_load = np.diff(steps.integral(steps.load, edges)) / step_s
    heat = spindle.warmth(mean_load, bearing_column(day, grid), day.severity("spindle_overheating", grid))
    keep = math.exp(-day.gauge_us / 1e6 / (THERMAL_S * day.cycle_factor))
    reached = first_order(hall + own.warmth * np.asarray(heat), keep, carry.temperature)
    temperature = np.concatenate([[carry.temperature], reached[:-1]])
    energy_ws = steps.integral(steps.power_w, edges)
    energy_wh = carry.energy_wh + energy_ws[:-1] / 3600.0
    mean_w = np.diff(energy_ws) / step_s
    power_w = np.concatenate([[carry.power_w or mean_w[0]], mean_w[:-1]])
    carry.temperature, carry.power_w, carry.energy_wh = float(reached[-1]), float(mean_w[-1]), carry.energy_wh + float(energy_ws[-1]) / 3600.0
    return temperature, energy_wh, power_w


def _gauges(day: Day, own: Personality, steps: Steps, grid: Ints, temperature: Floats, bearing: Floats) -> Columns:
    settings = day.settings
    load, speed = steps.at(grid)
    turning = speed > 0.0

    def noise(signal: str, sigma: float) -> Floats:
        dice = generator(day.seed, settings.id, "history", str(day.number), signal)
        return noise_column(colour(day.seed, settings.id, signal, sigma), dice, len(grid))

    sound = SOUND_VIBRATION[settings.kind] * own.vibration
    shake = np.where(turning, spindle.vibration(sound, load, bearing), spindle.STANDING_VIBRATION)
    louder = np.where(turning, 1.0, spindle.STANDING_NOISE)
    shown_load = np.where(turning, np.maximum(load + noise("spindle_load", spindle.NOISE_LOAD), 0.0), 0.0)
    warm = temperature + noise("spindle_temperature", spindle.NOISE_TEMPERATURE)
    return {
        "spindle_load": Column(grid, quantise_column(shown_load, 0.1)),
        "spindle_speed": Column(grid, quantise_column(speed * (1.0 + noise("spindle_speed", spindle.NOISE_SPEED)), 1.0)),
        "spindle_temperature": Column(grid, quantise_column(warm, TEMPERATURE_STEP[settings.kind])),
        "spindle_vibration": Column(grid, quantise_column(shake * np.exp(louder * noise("spindle_vibration", spindle.NOISE_VIBRATION)), 0.01)),
    }


def _judge(
    day: Day, draw: _Draw, work: Work, pauses: list[Interruption], thermal: tuple[Ints, Floats], dice: np.random.Generator
) -> tuple[Ints, Floats]:
    """Reason of each part (-1 for a good one) and the wear of its finishing tool."""
    made = len(work.index)
    finishing = np.array([program.finishing for program in PROGRAMS[day.settings.kind]])[draw.program[:made]]
    wear = np.take_along_axis(draw.wear[:, :made], finishing[None, :], axis=0)[0] if made else np.zeros(0)
    off_k = np.interp(work.end, *thermal) - WARMED_UP
    hazard = scrap.hazards(
        day.settings.scrap_probability * day.factors.scrap, wear, off_k, bearing_column(day, work.end),
        day.severity("axis_backlash", work.end), day.severity("coolant_loss", work.end),
    )
    reason = scrap.reasons(hazard, dice.random(made))
    for kind, code in scrap.CERTAIN.items():
        for start_us, _ in ends_of(pauses, kind):
            reason[(work.start <= start_us) & (work.end > start_us)] = scrap.CODES.index(code)
    return reason, wear


def _within(positions: Ints, made: int) -> Ints:
    return positions[positions < made]


def _stops(draw: _Draw, made: int) -> tuple[Ints, Ints]:
    return draw.stopped[draw.stopped < made], draw.alarm[draw.stopped < made]
