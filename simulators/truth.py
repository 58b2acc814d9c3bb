"""What was really offered to a sampler: the record that every test of the line compares with.

One JSON object a line, floats as Python's repr writes them, so that they come back bit by bit:

    {"t": 1767571200123456, "e": "cnc-01", "v": {"item_state": 3, "spindle_load": 43.7, "program": "O1001"}}
    {"event": "link_down", "t": 1767571210000000, "e": "cnc-05"}

Readings: for OPC UA, of every node the value that was current when its first monitored item was created, and every later write; for MQTT everything
that a machine had to say. What is offered while a link is down is included. `t` is the source time, µs UTC, as the device sends it.
Events: `t` is the simulated clock, µs UTC; which ones there are, the modules that write them say.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import msgspec

from simulators.errors import SimulatorError
from simulators.machine import Value


class TruthWriter:
    """Appends to one file of truth. What was written before the last flush survives a kill."""

    def __init__(self, folder: Path | None, process: str) -> None:
        """A new file `truth-<process>.jsonl` in the folder, or with a number if there is one already; without a folder, nothing is kept.

        Raises:
            SimulatorError: the folder cannot be written to.
        """
        try:
            # A restarted process must not write behind a line that a kill has torn: a new file for each run.
            self._file = _new_file(folder, process)
        except OSError as error:
            raise SimulatorError(f"truth: {folder}: cannot be written ({error.strerror}); give another folder") from error

    def reading(self, equipment: str, source_time_us: int, values: Mapping[str, Value]) -> None:
        """Record readings that a sampler can get: names and values of one piece of equipment with one source time, µs UTC."""
        self._write({"t": source_time_us, "e": equipment, "v": values})

    def event(self, name: str, time_us: int, equipment: str | None = None, **details: Value) -> None:
        """Record something that happened, at this time, µs UTC, to one piece of equipment or to the process."""
        where = {} if equipment is None else {"e": equipment}
        self._write({"event": name, "t": time_us, **where, **details})

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Flush and end."""
        self._file.close()

    def _write(self, line: Mapping[str, object]) -> None:
        # allow_nan: a NaN would be a mistake of the simulator, and must not hide in the record.
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n")


class Truth(msgspec.Struct):
    """Readings as columns of equal length, in the order of the files, and events."""

    equipment: list[str]
    name: list[str]
    source_time_us: list[int]
    value: list[Value]
    events: list[dict[str, Any]]

    def __len__(self) -> int:
        """The number of readings."""
        return len(self.value)

    def rows(self) -> Iterator[tuple[str, str, int, Value]]:
        """Equipment, name, source time (µs UTC) and value of every reading."""
        return zip(self.equipment, self.name, self.source_time_us, self.value, strict=True)


def read_truth(paths: Iterable[Path]) -> Truth:
    """The truth of one or more processes.

    A last line without its end is left out: a killed process had not finished offering it.

    Raises:
        SimulatorError: a file cannot be read or is not a record of truth; names file and line.
    """
    truth = Truth([], [], [], [], [])
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SimulatorError(f"{path}: cannot be read ({error.strerror}); give the files truth-*.jsonl") from error
        # Only "\n" ends a line here: a program name may contain any other separator that splitlines() knows.
        for number, line in enumerate(text.split("\n")[:-1], start=1):
            try:
                _add(truth, json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise SimulatorError(f"{path}: line {number} is not a record of truth; was the file edited?") from error
    return truth


def _add(truth: Truth, line: dict[str, Any]) -> None:
    if "event" in line:
        truth.events.append(line)
        return
    for name, value in line["v"].items():
        truth.equipment.append(line["e"])
        truth.name.append(name)
        truth.source_time_us.append(line["t"])
        truth.value.append(value)


def _new_file(folder: Path | None, process: str) -> TextIO:
    if folder is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        suffix = "" if number == 1 else f"-{number}"
        try:
            return (folder / f"truth-{process}{suffix}.jsonl").open("x", encoding="utf-8")
        except FileExistsError:
            number += 1
