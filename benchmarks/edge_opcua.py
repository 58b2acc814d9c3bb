"""What the edge's OPC UA fast path costs: `python -m benchmarks.edge_opcua`. Prints two tables; ends with 1 when a bar is missed.

The load face on one core, the whole edge (source, recorder, journal, sealing; no gateway) on the other: 5,000 signals at 20 Hz for a minute. Every
value in the edge's sealed batches is compared with the load's formula. Then, one after the other within a minute, asyncua's own handler, which only
counts, our source alone, which does the same, and the whole edge, at 20,000 values/s. CPU is user and system time of all threads of the process.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.edge_opcua_child import EACH, check, write_files

_BAR_CPU_S, _BAR_BYTES, _BAR_RATIO = 3.0, 250e6, 5.0
_FLAT_BYTES = 15e6
_SIGNALS, _FEWER = 5000, 1000
_READY_S = 120.0


@contextmanager
def load(folder: Path, signals: int, rate_hz: float, cores: list[int]) -> Iterator[str]:
    """A running load face; gives its url."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"opc.tcp://127.0.0.1:{probe.getsockname()[1]}/"
    config = folder / f"load-{rate_hz:g}.toml"
    config.write_text(
        f'seed = 1\n[[load]]\nname = "load"\nurl = "{url}"\nsignals = {signals}\nrate_hz = {rate_hz}\nvalues_per_message = 1000\n', encoding="utf-8"
    )
    server = subprocess.Popen([sys.executable, "-m", "simulators", str(config)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "ready load"
        os.sched_setaffinity(server.pid, {cores[0]})
        yield url
    finally:
        server.terminate()
        server.wait(10)


class Child:
    """A process under measurement, on the last core, that prints how many values it has."""

    def __init__(self, what: str, folder: Path, url: str, signals: int, cores: list[int]) -> None:
        write_files(folder, url, signals)
        self._signals = signals
        command = [sys.executable, "-m", "benchmarks.edge_opcua_child", what, str(folder), str(signals)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(self._process.pid, {cores[-1]})

    def watch(self, seconds: float) -> dict[str, Any]:
        """What `seconds` of it cost, from when values flow."""
        deadline = time.monotonic() + _READY_S
        while self._values() < 2 * self._signals:
            assert time.monotonic() < deadline, "no values"
        first, cpu_s, start = self._values(), self._cpu_s(), time.monotonic()
        memory: list[int] = []
        last = first
        while time.monotonic() < start + seconds:
            last = self._values()
            memory.append(self._resident())
        found = {"values": last - first, "cpu_s": self._cpu_s() - cpu_s, "seconds": time.monotonic() - start, "memory": memory}
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        return found

    def _values(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def _cpu_s(self) -> float:
        """User and system time, s (proc(5), fields 14 and 15)."""
        words = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def _resident(self) -> int:
        return int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(what: str, signals: int, rate_hz: float, seconds: float) -> dict[str, Any]:
    """One run of one program against one rate; of the edge with what its journal holds."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with load(folder, signals, rate_hz, cores) as url:
            found = Child(what, folder, url, signals, cores).watch(seconds)
        return found | (check(folder, signals, round(1e6 / rate_hz)) if what == "edge" else {})


def main() -> int:
    """Measure both bars."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure("edge", _SIGNALS, 20.0, options.seconds)
    cost = found["cpu_s"] / found["values"] * 1e6
    memory = found["memory"]
    quarter = len(memory) // 4
    growth = max(memory[-quarter:]) - max(memory[quarter : 2 * quarter])
    complete = not found["missing"] and not found["wrong"] and not found["gaps"]
    print(f"{_SIGNALS} signals of {_SIGNALS // EACH} machines at 20 Hz for {found['seconds']:.0f} s, 1,000 values a message")
    lines = [
        ("values/s", f"{found['values'] / found['seconds']:,.0f}", "100,000 offered", found["values"] / found["seconds"] > 95_000),
        ("values sealed", f"{found['rows']:,}", "", True),
        ("missing, wrong, gaps", f"{found['missing']}, {found['wrong']}, {found['gaps']}", "0, 0, 0", complete),
        ("CPU-s per million values", f"{cost:.2f}", f"at most {_BAR_CPU_S:g}", cost <= _BAR_CPU_S),
        ("largest memory, MB", f"{max(memory) / 1e6:.0f}", f"under {_BAR_BYTES / 1e6:.0f}", max(memory) < _BAR_BYTES),
        ("growth of memory, MB", f"{growth / 1e6:.1f}", f"flat: under {_FLAT_BYTES / 1e6:.0f}", growth < _FLAT_BYTES),
        ("bytes a value on disk", f"{found['bytes'] / max(1, found['rows']):.2f}", "", True),
    ]
    for name, value, bar, _ in lines:
        print(f"{name:>28} {value:>16}  {bar}")
    runs = {
        name: measure(what, _FEWER, 20.0, options.seconds / 5) for name, what in (
            ("asyncua's handler, counting", "asyncua"), ("our source, counting", "source"), ("the whole edge, to its disk", "edge"),
        )
    }
    print(f"\n{_FEWER} signals at 20 Hz, each program alone on its core, one after the other")
    print(f"{'':>28} {'values/s':>10} {'CPU of a core':>14} {'µs a value':>11} {'ratio':>6}")
    costs = [run["cpu_s"] / run["values"] for run in runs.values()]
    for (name, run), own in zip(runs.items(), costs, strict=True):
        print(f"{name:>28} {run['values'] / run['seconds']:>10,.0f} {run['cpu_s'] / run['seconds']:>14.1%} {1e6 * own:>11.2f} {costs[0] / own:>6.1f}")
    print(f"{'bar':>28} {'':>10} {'':>14} {'':>11} {_BAR_RATIO:>6.1f}  the whole edge against the handler")
    whole = runs["the whole edge, to its disk"]
    reached = all(good for *_, good in lines) and costs[0] / costs[2] >= _BAR_RATIO and not whole["missing"] and not whole["wrong"]
    if options.json:
        options.json.write_text(json.dumps({"full": found} | runs), encoding="utf-8")
    print("reached" if reached else "MISSED")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
