"""`chejian energy …`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chejian.commands import energy_advice, energy_anomalies, energy_savings

if TYPE_CHECKING:
    from analytics.energy.baseline import Baseline
    from analytics.energy.forecast import Forecast

energy = typer.Typer(help="Energy: forecasts, unusual loads, baselines and savings. 能源：预测、负荷异常、基准与节能量。", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    energy_advice.add_to(energy)
    energy_anomalies.add_to(energy)
    energy_savings.add_to(energy)
    app.add_typer(energy, name="energy")


@energy.callback()
def group() -> None:
    """Energy: forecasts, unusual loads, baselines and savings. 能源：预测、负荷异常、基准与节能量。"""


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


@energy.command("baseline")
def baseline(
    data: Annotated[Path, typer.Option(help="CSV file with one row per month, day, shift or hour.")],
    time: Annotated[str, typer.Option(help="Name of the column with the dates.")],
    value: Annotated[str, typer.Option(help="Name of the column with the energy per interval.")],
    variables: Annotated[str, typer.Option(help="Columns that the energy depends on, such as output,degree_days.")],
    baseline_until: Annotated[str, typer.Option(help="Last day of the baseline, YYYY-MM-DD, included; later rows are the reporting period.")],
    expect: Annotated[str | None, typer.Option(help="Digest under which the baseline was fixed; another one is refused.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Fits an energy baseline on relevant variables and sets later use against it: savings with their uncertainty. 能源基准与节能量。"""
    from datetime import date

    import msgspec

    from analytics.energy.baseline import run_baseline
    from analytics.energy.table import parse_table
    from chejian.commands.files import read_file
    from workshop.errors import ConfigError

    try:
        day = date.fromisoformat(baseline_until)
    except ValueError as error:
        raise ConfigError(f"--baseline-until '{baseline_until}' is not a date YYYY-MM-DD") from error
    names = [name.strip() for name in variables.split(",") if name.strip()]
    found = run_baseline(parse_table(read_file(data), str(data), time, value), names, day, str(data), expect)
    if json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    print_baseline(found)
    for text in found.warnings:
        typer.echo(f"! {text}")


def print_baseline(found: "Baseline") -> None:
    """The line, how it fits, the savings with their interval, and the digest; without the warnings."""
    quality, saved = found.quality, found.savings
    typer.echo("baseline 基准: " + " + ".join(f"{number:.6g} · {name}" for name, number in found.coefficients.items()))
    fits = "within" if quality.within_limits else "beyond"
    typer.echo(
        f"CV(RMSE) {quality.cv_rmse:.1%}, NMBE {quality.nmbe:.1%}, {fits} ASHRAE 14's limits for {quality.limits} data; "
        f"{quality.intervals} intervals, autocorrelation {quality.autocorrelation:.2f}"
    )
    if saved is not None:
        between = "undefined" if saved.low is None else f"{saved.low:.6g} … {saved.high:.6g}"
        typer.echo(f"savings 节能量: {saved.adjusted:.6g} − {saved.measured:.6g} = {saved.savings:.6g}, {saved.level:.0%} interval {between}")
        if saved.enpi is not None:
            between = "undefined" if saved.enpi_low is None else f"{saved.enpi_low:.4f} … {saved.enpi_high:.4f}"
            typer.echo(f"EnPI 能源绩效: {saved.measured:.6g} / {saved.adjusted:.6g} = {saved.enpi:.4f}, baseline 基准 1, interval {between}")
    typer.echo(f"digest 摘要: {found.digest}")


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
