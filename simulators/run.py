"""Simulated equipment at work: everything that the settings name, until told to stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any

from simulators.clock import Clock
from simulators.control import Control
from simulators.errors import SimulatorError
from simulators.face import Face, Stage
from simulators.faces import load_face
from simulators.incidents import build_schedule
from simulators.kinds import build_machines
from simulators.machine import Machine
from simulators.schedule import Schedule
from simulators.settings import Block, Settings
from simulators.truth import TruthWriter

_FLUSH_S = 1.0
_STEER_S = 0.25


async def run(
    settings: Settings, *, clock: Clock, truth_dir: Path | None, only: Sequence[str] | None = None, seed: int | None = None,
    ready: Callable[[str], None] | None = None, stop: asyncio.Event, pause: asyncio.Event,
) -> None:
    """Run servers and brokers' clients until `stop` is set.

    The truth (`simulators.truth`) also gets the events `started` (with `seed`), `paused`, `stopped`, and those of the machines: `part` (with `serial`
    and `good`), `wear_started`, `wear` (with `severity`); and `fault_started`, `fault_ended`, `fraud_started`, `fraud_ended` of the schedule. While
    it runs, faults can be started through the file that `simulators.control` writes to the truth's folder.

    Args:
        settings: what there is.
        clock: simulated time, the same for all processes of a run.
        truth_dir: folder for the truth, `truth-<names>.jsonl`; None keeps none.
        only: names of the servers and brokers to run in this process; None for all.
        seed: instead of that in the settings.
        ready: is told the name of each server or broker as soon as clients can reach it.
        stop: ends everything, within three seconds.
        pause: when set, no machine offers anything any more; servers, links and connections stay as they are.

    Raises:
        SimulatorError: an unknown name or face (exit code 2), a port in use or no broker (exit code 3).
    """
    blocks = _chosen(settings, only)
    seed = settings.seed if seed is None else seed
    truth = TruthWriter(truth_dir, "all" if only is None else "+".join(block.name for block in blocks))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(truth.close)
        truth.event("started", clock(), seed=seed)
        stack.callback(lambda: truth.event("stopped", clock()))
        schedule = build_schedule(settings, seed, clock(), calendar=settings.calendar)
        groups = build_machines([block.equipment for block in blocks], seed, schedule, settings.calendar)
        equipment = {machine.equipment for machines in groups for machine in machines}
        flushing = await stack.enter_async_context(_background(_flush(truth)))
        steering = await stack.enter_async_context(_background(_steer(schedule, Control(truth_dir, equipment), equipment, clock, truth)))
        scans: list[asyncio.Task[None]] = []
        for block, machines in zip(blocks, groups, strict=True):
            face = await load_face(block.face)(block, Stage(machines, clock, truth, seed, schedule))
            stack.push_async_callback(face.close)
            for machine in machines:
                scans.append(await stack.enter_async_context(_background(_scan(face, machine, clock, truth))))
            if ready is not None:
                ready(block.name)
        await _until(pause, stop, [*scans, flushing, steering])
        await _cancel(scans)
        if not stop.is_set():
            truth.event("paused", clock())
            truth.flush()
            await _until(stop, stop, [flushing])


def _chosen(settings: Settings, only: Sequence[str] | None) -> list[Block]:
    blocks = settings.blocks()
    if only is None:
        return blocks
    names = [block.name for block in blocks]
    for name in only:
        if name not in names:
            raise SimulatorError(f"--only {name}: there is no such server or broker; there are {', '.join(names)}")
    return [block for block in blocks if block.name in only]


async def _scan(face: Face, machine: Machine, clock: Clock, truth: TruthWriter) -> None:
    while True:
        await asyncio.sleep(clock.seconds_until(machine.due_us))
        await face.offer(machine, clock())
        for event in machine.take_events():
            truth.event(event.name, event.time_us, machine.equipment, **event.details)


async def _steer(schedule: Schedule, control: Control, equipment: Collection[str], clock: Clock, truth: TruthWriter) -> None:
    """Obey commands from outside, and tell the truth what begins and ends."""
    while True:
        for entry in control.take(clock()):
            schedule.add(entry)
        for name, event in schedule.take_events(clock()):
            if name in equipment:
                truth.event(event.name, event.time_us, name, **event.details)
        await asyncio.sleep(_STEER_S)


async def _flush(truth: TruthWriter) -> None:
    while True:
        await asyncio.sleep(_FLUSH_S)
        truth.flush()


async def _until(one: asyncio.Event, other: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for one of two events; a task that fails meanwhile fails the run instead of leaving a machine silent."""
    waits = [asyncio.create_task(one.wait()), asyncio.create_task(other.wait())]
    try:
        await asyncio.wait([*waits, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    for task in tasks:
        if task.done():
            task.result()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    # A task that has failed was or will be reported by _until; here only the end matters.
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A task that ends with the block at the latest."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        await _cancel([task])
