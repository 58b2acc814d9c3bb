"""`python -m benchmarks.history [--days 60] [--workers 2]`: how long the history of the demo's machines takes.

They are twelve, and a main meter is the thirteenth.

Aim: 60 days, gauges at 10 s, in under 90 s on two cores and under 2 GB. Exit code 1 if it is missed.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from simulators.history import history
from simulators.settings import Equipment, Server, load_settings

CONFIG = Path(__file__).resolve().parents[1] / "config" / "demo" / "simulators.toml"
END_US = 1_767_571_200_000_000


def main() -> int:
    """Run it once and print one line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    settings = load_settings(CONFIG)
    main_meter = Server("grid", "opc.tcp://127.0.0.1:4899/", "None", [Equipment(id="meter-01", kind="main_meter", rated_power_w=250_000)])
    settings = msgspec.structs.replace(settings, server=[*settings.server, main_meter])
    machines = sum(len(block.equipment) for block in settings.blocks())
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "history"
        start_s = time.perf_counter()
        readings = history(settings, days=arguments.days, out=out, end_us=END_US, workers=arguments.workers)
        took_s = time.perf_counter() - start_s
        size_mb = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    # The largest worker, that many times, and this process.
    peak_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + arguments.workers * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
    print(f"{arguments.days} days, {machines} machines: {readings:,} readings, {took_s:.1f} s, {readings / took_s / 1e6:.2f} M/s, "
          f"{peak_mb:.0f} MB, {size_mb:.0f} MB on disk")
    return 0 if took_s < 90.0 * arguments.days / 60 and peak_mb < 2000 else 1


if __name__ == "__main__":
    sys.exit(main())
