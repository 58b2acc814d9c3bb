"""The machines without any face and without waiting: simulated time jumps from scan to scan, and the truth is the same, byte for byte, every time.

A live run stamps what it offers with the time at which it got round to it; here every machine is scanned exactly when it is due. Tests, training data
and anyone who wants the truth of an hour in a second use this.
"""

import heapq
from pathlib import Path

from simulators.incidents import build_schedule
from simulators.kinds import build_machines
from simulators.settings import Settings
from simulators.truth import TruthWriter


def rehearse(settings: Settings, *, start_us: int, seconds: float, out: Path, seed: int | None = None) -> None:
    """Write the truth of so many simulated seconds from `start_us`, µs UTC, to `truth-rehearsal.jsonl` in the folder `out`.

    Raises:
        SimulatorError: an impossible fault or fraud in the settings; the folder cannot be written to.
    """
    seed = settings.seed if seed is None else seed
    schedule = build_schedule(settings, seed, start_us, calendar=settings.calendar)
    groups = build_machines([block.equipment for block in settings.blocks()], seed, schedule, settings.calendar)
    truth = TruthWriter(out, "rehearsal")
    machines = [machine for group in groups for machine in group]
    # A main meter comes after the machines that it measures, so that it sees the same instant.
    due = [(start_us, machine.kind == "main_meter", number) for number, machine in enumerate(machines)]
    heapq.heapify(due)
    end_us = start_us + round(seconds * 1e6)
    truth.event("started", start_us, seed=seed)
    while due and due[0][0] < end_us:
        now_us, late, number = heapq.heappop(due)
        machine = machines[number]
        for equipment, event in schedule.take_events(now_us):
            truth.event(event.name, event.time_us, equipment, **event.details)
        values = machine.scan(now_us)
        truth.reading(machine.equipment, now_us + schedule.clock_offset_us(machine.equipment, now_us), values)
        for event in machine.take_events():
            truth.event(event.name, event.time_us, machine.equipment, **event.details)
        heapq.heappush(due, (machine.due_us, late, number))
    truth.event("stopped", end_us)
    truth.close()
