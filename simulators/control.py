"""Steering a run from outside: a file of commands that the run loop looks at once a second.

`control.jsonl` in a folder (that of the truth, usually), one JSON object a line: {"kind", "equipment", "for_s", "severity", "signal"}. Several
processes of one run may share the folder: each obeys the lines about its own equipment. A line is complete when it ends; the file only grows.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path

from simulators.catalogue import fault_kind, fraud_kind
from simulators.errors import SimulatorError
from simulators.schedule import Entry

FILE = "control.jsonl"


def start_fault(folder: Path, kind: str, equipment: str, *, for_s: float | None = None, severity: float = 1.0, signal: str = "") -> None:
    """Ask a run for a fault from now on, for so long (s of simulated time; None: as long as this kind usually lasts).

    Raises:
        SimulatorError: no such fault, an impossible severity or time, or the folder cannot be written to.
    """
    usual = fault_kind(kind)
    lasting_s = usual.usual_s if for_s is None else for_s
    if not 1.0 <= severity <= 100.0:
        raise SimulatorError(f"fault {kind}: severity {severity} is impossible; give 1 (the floor: {usual.floor}) to 100")
    if not 0.0 < lasting_s <= 1e9:
        raise SimulatorError(f"fault {kind}: {lasting_s} s is impossible; give a positive number of seconds")
    line = json.dumps({"kind": kind, "equipment": equipment, "for_s": lasting_s, "severity": severity, "signal": signal}) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # One write to a file opened for appending: two commands at once do not mix.
        handle = os.open(folder / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise SimulatorError(f"{folder}: cannot be written ({error.strerror}); give the folder of the run's truth") from error


class Control:
    """The reading end, in the run."""

    def __init__(self, folder: Path | None, equipment: Collection[str]) -> None:
        """What is already in the file belongs to an earlier run and is left alone."""
        self._path = None if folder is None else folder / FILE
        self._equipment = equipment
        self._read = 0 if self._path is None or not self._path.exists() else self._path.stat().st_size

    def take(self, now_us: int) -> list[Entry]:
        """Faults asked for since the last call; they begin now, µs UTC.

        Raises:
            SimulatorError: a line that is no command.
        """
        if self._path is None or not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._read += len(complete)
        entries = []
        for line in complete.splitlines():
            try:
                asked = json.loads(line)
                entry = Entry(
                    fault_kind(asked["kind"]).name, asked["equipment"], now_us, now_us + round(asked["for_s"] * 1e6), float(asked["severity"]),
                    asked.get("signal", ""),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise SimulatorError(f"{self._path}: {line.decode(errors='replace')!r} is no command; use chejian simulate fault") from error
            if entry.equipment in self._equipment:
                entries.append(entry)
        return entries


def check_fraud(kind: str, strength: int) -> None:
    """See that there is such a fraud at this strength.

    Raises:
        SimulatorError: there is not.
    """
    fraud_kind(kind)
    if strength not in (1, 2, 3):
        raise SimulatorError(f"fraud {kind}: strength {strength} is impossible; there are 1, 2 and 3")
