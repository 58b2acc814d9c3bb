"""Figures of predictive maintenance on public data, each with the command that makes it and the time it took.

    python benchmarks/maintenance.py

C-MAPSS and AI4I 2020 are simulated and synthetic data. The files are read from ../shared/data beside the repository; what is absent is left out.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = Path("../shared/data")
LEAKING = "UDI,Product ID,TWF,HDF,PWF,OSF,RNF"


def turbofans(part: str) -> list[str]:
    """The official test of one part of C-MAPSS."""
    folder = DATA / "cmapss"
    return ["--data", f"{folder}/train_{part}.txt.gz", "--task", "rul", "--group", "0", "--time", "1", "--cap", "125", "--protocol", "official-test",
            "--test", f"{folder}/test_{part}.txt.gz", "--test-rul", f"{folder}/RUL_{part}.txt.gz"]


def milling(*more: str) -> list[str]:
    """AI4I 2020, stratified folds."""
    table = f"{DATA}/ai4i2020/ai4i2020.csv"
    return ["--data", table, "--task", "classification", "--target", "Machine failure", "--protocol", "stratified-kfold", *more]


RUNS = [
    turbofans("FD001"), turbofans("FD003"), *(milling("--exclude", LEAKING, "--seed", str(seed)) for seed in range(5)), milling(),
    ["--data", f"{DATA}/ai4i2020/ai4i2020.csv", "--task", "classification", "--target", "Machine failure", "--exclude", LEAKING, "--protocol",
     "chronological"],
    ["--data", f"{DATA}/steel_energy/steel_energy_jan_sep.csv", "--task", "regression", "--target", "Usage_kWh", "--exclude", "date", "--protocol",
     "chronological"],
    ["--data", f"{DATA}/steel_energy/steel_energy_jan_sep.csv", "--task", "regression", "--target", "Usage_kWh", "--inputs", "NSM,Week*,Day*,Load*",
     "--protocol", "chronological"],
]
SHOWN = ("rmse", "nasa_score", "mae", "r2", "f1", "average_precision", "mcc", "interval_coverage")


def main() -> None:
    """Prints a line a run, as each ends."""
    for options in RUNS:
        print("chejian maintenance evaluate " + " ".join(f"'{word}'" if " " in word or "*" in word else word for word in options))
        if not (ROOT / options[1]).exists():
            print(f"    left out: {options[1]} is absent\n")
            continue
        start = time.monotonic()
        command = [sys.executable, "-m", "chejian", "maintenance", "evaluate", *options, "--json"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode not in {0, 1}:
            print(f"    {done.stderr.strip()}\n")
            continue
        report = json.loads(done.stdout)
        figures = "  ".join(f"{name} {report['metrics'][name]:.4g}" for name in SHOWN if name in report["metrics"])
        print(f"    {figures}\n    {report['verdict']}; {time.monotonic() - start:.0f} s", flush=True)
        for warning in report["warnings"]:
            print(f"    {warning['kind']}: {', '.join(warning['columns'])}")
        print()


if __name__ == "__main__":
    main()
