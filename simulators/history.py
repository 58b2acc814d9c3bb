"""The past of the simulated machines as Parquet: many days in a minute, the same machines as live.

Live and history use the same settings, programs, personalities and functions of `simulators.physics`; live computes one value, history a column.
They do not throw the same dice in the same order: the history of a day is its own draw, from (seed, equipment, day). Days are local days of the
calendar.

In the folder: `readings/`, `truth/parts/`, `orders/` (see `simulators.past.files`), `truth/faults.jsonl` (kind, equipment, start_us, end_us,
severity, signal, is_fraud) and `history.json` (what was asked for, days, readings, when the improvement came).
"""

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from simulators import main_meter
from simulators.errors import SimulatorError
from simulators.incidents import build_schedule
from simulators.machine import generator
from simulators.past.cnc import CncCarry, cnc_day, first_cnc
from simulators.past.columns import Column, Columns, repeated
from simulators.past.files import write_parts, write_readings
from simulators.past.others import compressor_day, first_other, inspection_day, robot_day
from simulators.past.plan import Before, Day, Improvement
from simulators.past.shown import Memory, shown
from simulators.physics import electricity
from simulators.physics.thermal import Floats, ambient
from simulators.schedule import Schedule
from simulators.settings import Equipment, Settings
from simulators.shifts import Calendar, local_day, midnight_us

_OTHERS = {"robot": robot_day, "inspection_station": inspection_day, "compressor": compressor_day}
_COST = {"machining_centre": 0, "lathe": 0, "robot": 1, "inspection_station": 2, "compressor": 3, "main_meter": 4}
_UNSEEN = ("gripper_leak", "power_quality_event")
"""Faults that show in no signal of the register, so that a history does not draw them."""
Progress: TypeAlias = Callable[[str], None]


class _Job(msgspec.Struct, frozen=True):
    """One machine's whole history."""

    settings: Equipment
    seed: int
    calendar: Calendar
    schedule: Schedule
    first_day: int
    days: int
    improvement: Improvement
    gauge_us: int
    repeat_us: int | None
    cycle_factor: float
    out: Path
    model: "_Job | None" = None
    """The job whose machine this one poses as, a fraud."""
    detail: bool = False

    def day(self, number: int) -> Day:
        before = number < self.first_day + round(self.days * self.improvement.after)
        factors = self.improvement.before() if before and self.improvement.after else Before()
        return Day(
            self.settings, self.seed, self.calendar, self.schedule, number, factors, self.gauge_us, self.repeat_us, self.cycle_factor,
            self.detail,
        )


def history(
    settings: Settings, *, days: int, out: Path, end_us: int, seed: int | None = None, gauge_s: float = 10.0, repeat_s: float | None = None,
    cycle_factor: float = 1.0, faults_per_day: float = 0.25, improvement: Improvement | None = None, workers: int = 2,
    progress: Progress | None = None, detail: bool = False,
) -> int:
    """Write so many whole local days, the last of them the one before that in which `end_us` (µs UTC) lies; returns the number of readings.

    States and counters on every change, the energy counter and gauges every `gauge_s`. The same arguments give the same bytes.

    Args:
        repeat_s: repeat states, texts and counters at least so often, s, as a source that reports on a period does; None never.
        cycle_factor: stretches everything that a machine's cycle sets, and random faults with it: 60 makes cycles of the demo's seconds into minutes,
            and a bearing that wears for an hour into one that wears for days.
        faults_per_day: random faults of each machine, unless the settings have their own number; scheduled ones begin at the first day.
        improvement: what got better on the way; None for the usual one, `Improvement(after=0)` for none.
        workers: processes; the result does not depend on it.
        progress: is told the equipment that is done.
        detail: CNC machines also show coolant_flow, coolant_level, tool_number, tool_wear, operation_number, part_serial, order and material_lot, as
            their richer faces do live.

    Raises:
        SimulatorError: impossible numbers; the folder holds a history already or cannot be written to.
    """
    _check(days, gauge_s, cycle_factor, out)
    seed = settings.seed if seed is None else seed
    calendar = settings.calendar or Calendar()
    improvement = improvement or Improvement()
    first_day = local_day(calendar, end_us) - days
    start_us = midnight_us(calendar, first_day)
    if not settings.random_faults_per_day:
        settings = msgspec.structs.replace(settings, random_faults_per_day=faults_per_day)
    schedule = build_schedule(settings, seed, start_us, days=days, not_drawn=_UNSEEN, calendar=calendar, stretch=cycle_factor)
    machines = sorted((item for block in settings.blocks() for item in block.equipment), key=lambda item: (_COST[item.kind], item.id))
    jobs = {
        item.id: _Job(
            item, seed, calendar, schedule, first_day, days, improvement, round(gauge_s * 1e6), None if repeat_s is None else round(repeat_s * 1e6),
            cycle_factor, out, detail=detail,
        ) for item in machines
    }
    for entry in schedule.entries():
        if entry.kind == "one_machine_as_two" and entry.signal in jobs:
            jobs[entry.equipment] = msgspec.structs.replace(jobs[entry.equipment], model=jobs[entry.signal])
    _write_truth(out, schedule)
    readings, powers = _run([jobs[item.id] for item in machines if item.kind != "main_meter"], workers, progress)
    for item in machines:
        if item.kind == "main_meter":
            # Sorted, so that the sum does not depend on which machine was done first.
            readings += _main_meter(jobs[item.id], np.sum([powers[name] for name in sorted(powers)], axis=0))
    about = {
        "days": days, "first_day": _date(first_day), "start_us": start_us, "end_us": midnight_us(calendar, first_day + days), "seed": seed,
        "gauge_s": gauge_s, "repeat_s": repeat_s, "cycle_factor": cycle_factor, "readings": readings, "improvement": msgspec.to_builtins(improvement),
        "improved_from_us": midnight_us(calendar, first_day + round(days * improvement.after)), "equipment": sorted(jobs),
    }
    (out / "history.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return readings


def _check(days: int, gauge_s: float, cycle_factor: float, out: Path) -> None:
    if not 1 <= days <= 3660:
        raise SimulatorError(f"history: {days} days are impossible; give 1 to 3660")
    if not 1.0 <= gauge_s <= 3600.0 or 86_400 % gauge_s:
        raise SimulatorError(f"history: gauges every {gauge_s} s are impossible; give a divisor of a day from 1 to 3600")
    if not 0.1 <= cycle_factor <= 1000.0:
        raise SimulatorError(f"history: cycle factor {cycle_factor} is impossible; give 0.1 to 1000")
    if (out / "history.json").exists() or (out / "readings").exists():
        raise SimulatorError(f"{out}: there is a history already; remove it or give another folder")


def _run(jobs: list[_Job], workers: int, progress: Progress | None) -> tuple[int, dict[str, Floats]]:
    readings, powers = 0, {}
    if workers == 1:
        for job in jobs:
            count, powers[job.settings.id] = _machine(job)
            readings += count
            if progress is not None:
                progress(job.settings.id)
        return readings, powers
    # Spawned, not forked: a forked process may inherit a lock that a thread of pyarrow holds.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(_machine, job): job.settings.id for job in jobs}
        for done in as_completed(running):
            count, powers[running[done]] = done.result()
            readings += count
            if progress is not None:
                progress(running[done])
    return readings, powers


def _machine(job: _Job) -> tuple[int, Floats]:
    """Write one machine, day by day; returns the readings and the true power at each time of the grid."""
    readings, powers, memory = 0, [], Memory()
    make, model = _maker(job), None if job.model is None else _maker(job.model)
    for number in range(job.first_day, job.first_day + job.days):
        day = job.day(number)
        columns = make(day, write=True)
        powers.append(columns["power"].values.astype(np.float64))
        posed = None if model is None or job.model is None else model(job.model.day(number), write=False)
        reported = _reported(day, shown(day, columns, memory, posed))
        if number == job.first_day + job.days - 1:
            # A part that is under way at the last midnight ends after it, which is no longer history.
            reported = {name: column.before(day.end_us) for name, column in reported.items()}
        readings += write_readings(job.out, _date(number), job.settings.id, reported)
    return readings, np.concatenate(powers)


class _maker:  # noqa: N801 – a function with a memory
    """Makes one day after the other of one machine."""

    def __init__(self, job: _Job) -> None:
        first = job.day(job.first_day)
        self._job = job
        self._cnc: CncCarry | None = first_cnc(first) if job.settings.kind in ("machining_centre", "lathe") else None
        self._other = first_other(first)

    def __call__(self, day: Day, *, write: bool) -> Columns:
        if self._cnc is None:
            return _OTHERS[self._job.settings.kind](day, self._other)
        columns, parts = cnc_day(day, self._cnc)
        if write:
            write_parts(self._job.out, _date(day.number), self._job.settings, parts)
        return columns


def _reported(day: Day, columns: Columns) -> Columns:
    """Counters without repetitions; with `repeat_us`, what is not a gauge also on a period."""
    result = {}
    for name, column in columns.items():
        if name == "energy_import":
            column = _changed(column)  # noqa: PLW2901
        if day.repeat_us is not None and column.values.dtype == np.int64 and name not in ("serial", "defect_code"):
            column = repeated(column, np.arange(day.start_us, day.end_us, day.repeat_us, dtype=np.int64))  # noqa: PLW2901
        result[name] = column
    return result


def _changed(column: Column) -> Column:
    new = np.append(True, np.diff(column.values) != 0)
    return Column(column.times[new], column.values[new])


def _main_meter(job: _Job, below_w: Floats) -> int:
    """The main meter above all others, see `simulators.main_meter`."""
    readings, memory, per_day = 0, Memory(), len(below_w) // job.days
    energy_wh = main_meter.WRAP_WH - float(generator(job.seed, job.settings.id, "behaviour").uniform(1e3, 5e4))
    for index in range(job.days):
        day = job.day(job.first_day + index)
        grid, noise = day.grid(), generator(job.seed, job.settings.id, "history", str(day.number))
        power_w = below_w[index * per_day:(index + 1) * per_day] * (1.0 + electricity.LOSS_SHARE) + electricity.LIGHTING_W
        counted = energy_wh + np.cumsum(power_w) * job.gauge_us / 3.6e9
        energy_wh = float(counted[-1])
        shown_w = np.ceil((power_w + np.abs(noise.normal(0.0, 40.0, len(grid)))) / 10.0) * 10.0
        columns = {
            "power": Column(grid, shown_w), "energy_import": Column(grid, counted.astype(np.int64) % main_meter.WRAP_WH),
            "ambient_temperature": Column(grid, np.rint(ambient(grid) * 10.0) / 10.0),
        }
        readings += write_readings(job.out, _date(day.number), job.settings.id, _reported(day, shown(day, columns, memory)))
    return readings


def _write_truth(out: Path, schedule: Schedule) -> None:
    try:
        (out / "truth").mkdir(parents=True, exist_ok=True)
        with (out / "truth" / "faults.jsonl").open("w", encoding="utf-8") as file:
            for entry in sorted(schedule.entries(), key=lambda item: (item.start_us, item.equipment, item.kind)):
                file.write(json.dumps(msgspec.to_builtins(entry)) + "\n")
    except OSError as error:
        raise SimulatorError(f"{out}: cannot be written ({error.strerror}); give another folder") from error


def _date(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
