"""Forecasts of the public steel plant's load, day-ahead and one step ahead, beside the naive ones.

    python -m benchmarks.energy

Trained up to and with 2018-07-31, tested on August and September. The data lie outside the repository, in ../shared/data.
"""

import time
from datetime import date
from pathlib import Path

from analytics.energy.forecast import run_forecast
from analytics.energy.table import parse_step, parse_table

DATA = Path(__file__).parents[2] / "shared" / "data" / "steel_energy" / "steel_energy_jan_sep.csv"


def main() -> None:
    """Prints one table."""
    if not DATA.exists():
        print(f"no {DATA}: nothing to measure")
        return
    table = parse_table(DATA.read_bytes(), DATA.name, "date", "Usage_kWh")
    print(f"{'horizon':>8} {'forecast':<14} {'RMSE':>8} {'MAE':>8} {'below':>7}")
    for horizon in (96, 1):
        began = time.perf_counter()
        run = run_forecast(table, parse_step("15min"), horizon, date(2018, 7, 31), DATA.name)
        took = time.perf_counter() - began
        report = run.report
        print(f"{horizon:>8} {'model':<14} {report.rmse:8.2f} {report.mae:8.2f}")
        for name, found in report.baselines.items():
            if found is not None:
                print(f"{'':>8} {name:<14} {found.rmse:8.2f} {found.mae:8.2f} {1 - report.rmse / found.rmse:7.1%}")
        width = float((run.high - run.low).mean())
        print(f"{'':>8} 90 % interval: covers {report.interval.coverage:.1%}, mean width {width:.1f}; MASE {report.mase:.3f}; {took:.1f} s")


if __name__ == "__main__":
    main()
