"""How much the load face gives from one core: `python -m benchmarks.load_face`. Prints a table; ends with 1 when a bar is missed.

Server and client are processes of their own, the server pinned to one core. The bars: 1,000,000 values/s at 1,000 values a message, 250,000/s at 100,
in the best second of five: what other programs take from the others is not the load's doing. The last figure is what a whole second of the server's
processor time would give.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_BARS = {1000: 1_000_000, 100: 250_000}
_SIGNALS = 1000
_SECONDS = 5.5


def measure(per_message: int, folder: Path) -> dict[str, Any]:
    """One run; the rate is set far above what can be reached, so that a message is always due."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = folder / f"load-{per_message}.toml"
    config.write_text(
        f'seed = 1\n[[load]]\nname = "load"\nurl = "opc.tcp://127.0.0.1:{port}/"\nsignals = {_SIGNALS}\nrate_hz = 20000\n'
        f"values_per_message = {per_message}\n", encoding="utf-8",
    )
    cores = sorted(os.sched_getaffinity(0))
    server = subprocess.Popen([sys.executable, "-m", "simulators", str(config)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "ready load"
        os.sched_setaffinity(server.pid, {cores[0]})
        before = _cpu_s(server.pid)
        command = [sys.executable, "-m", "benchmarks.load_client", "127.0.0.1", str(port), str(_SIGNALS), str(_SECONDS)]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if len(cores) > 1:
            os.sched_setaffinity(client.pid, {cores[1]})
        out, _ = client.communicate(timeout=60)
        found: dict[str, Any] = json.loads(out)
        found["server_cpu_s"] = _cpu_s(server.pid) - before
        return found
    finally:
        server.terminate()
        server.wait(10)


def _cpu_s(pid: int) -> float:
    """User and system time of a process, s (proc(5), fields 14 and 15)."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure each bar."""
    missed = 0
    print(f"{'values a message':>18} {'best/s':>12} {'mean/s':>12} {'MB/s':>7} {'messages/s':>11} {'holes':>6} {'per CPU s':>12}  bar")
    with tempfile.TemporaryDirectory() as folder:
        for per_message, bar in _BARS.items():
            found = measure(per_message, Path(folder))
            best, seconds = max(found["slices"]), found["seconds"]
            reached = best >= bar and found["holes"] == 0
            missed += not reached
            print(
                f"{per_message:>18,} {best:>12,} {found['values'] / seconds:>12,.0f} {found['bytes'] / seconds / 1e6:>7.1f} "
                f"{found['messages'] / seconds:>11,.0f} {found['holes']:>6} {found['values'] / found['server_cpu_s']:>12,.0f}  "
                f"{bar:,} {'reached' if reached else 'MISSED'}"
            )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
