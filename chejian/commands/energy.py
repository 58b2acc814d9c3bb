"""`chejian energy …`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from analytics.energy.forecast import Forecast

energy = typer.Typer(help="Energy: forecasts of a load curve. 能源。", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(energy, name="energy")


@energy.callback()
def group() -> None:
    """Energy: forecasts of a load curve. 能源。"""


@energy.command("forecast")
def forecast(
    data: Annotated[Path, typer.Option(help="CSV file with one row per interval.")],
    time: Annotated[str, typer.Option(help="Name of the column with the time stamps, local time.")],
    value: Annotated[str, typer.Option(help="Name of the column with the load: energy or power per interval.")],
    step: Annotated[str, typer.Option(help="Length of an interval, such as 15min or 1h.")],
    horizon: Annotated[int, typer.Option(min=1, help="Steps ahead. 1: at every step; the steps of a day: daily at 00:00 for the next day.")],
    train_until: Annotated[str, typer.Option(help="Last day of the training data, YYYY-MM-DD, included; all later days are the test.")],
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Forecasts a load with prediction intervals, beside persistence, daily and weekly naive; broken time stamps are rebuilt or refused.

    Only the calendar and earlier values of the same column are used. Columns that would give the value away are named and left alone.
    """
    from datetime import date

    import msgspec

    from analytics.energy.forecast import run_forecast
    from analytics.energy.table import parse_step, parse_table
    from chejian.commands.files import read_file
    from workshop.errors import ConfigError

    try:
        day = date.fromisoformat(train_until)
    except ValueError as error:
        raise ConfigError(f"--train-until '{train_until}' is not a date YYYY-MM-DD") from error
    span = parse_step(step)
    run = run_forecast(parse_table(read_file(data), str(data), time, value), span, horizon, day, str(data))
    if json:
        typer.echo(msgspec.json.encode(run.report).decode())
        return
    width = float((run.high - run.low).mean())
    typer.echo(f"trained on {run.train_steps} steps up to and with {day}, tested on the {len(run.target)} after them, {horizon} steps ahead")
    _print(run.report, width)


def _print(report: "Forecast", width: float) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table()
    for name in ("forecast 预测", "RMSE", "MAE"):
        table.add_column(name, justify="left" if name.startswith("f") else "right")
    table.add_row("model 模型", f"{report.rmse:.3f}", f"{report.mae:.3f}")
    titles = {"persistence": "persistence 上一值", "daily_naive": "daily naive 昨日同时", "weekly_naive": "weekly naive 上周同时"}
    for name, found in report.baselines.items():
        table.add_row(titles[name], f"{found.rmse:.3f}" if found else "–", f"{found.mae:.3f}" if found else "–")
    console.print(table)
    mase = "undefined" if report.mase is None else f"{report.mase:.3f}"
    interval = f"{report.interval.level:.0%} interval: covers {report.interval.coverage:.1%}, mean width {width:.3f}"
    console.print(f"MASE {mase} · {interval}", highlight=False)
    for text in report.warnings:
        console.print(f"[yellow]![/] {text}", highlight=False, soft_wrap=True)
