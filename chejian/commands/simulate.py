"""`chejian simulate …`."""

from pathlib import Path
from typing import Annotated

import typer

simulate = typer.Typer(help="Simulated equipment on real ports. 模拟设备。", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(simulate, name="simulate")


@simulate.command("run")
def run(
    config: Annotated[Path, typer.Argument(help="simulators.toml")],
    only: Annotated[list[str] | None, typer.Option(help="Run only these servers or broker sets; may be given several times.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Folder for the record of everything that the machines offered.")] = None,
    clock: Annotated[str | None, typer.Option(help="ANCHOR_US,REAL_US,SPEED: a scaled clock shared with other processes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the seed in the file.")] = None,
) -> None:
    """Runs the machines until SIGTERM or Ctrl-C; SIGUSR1 stops what they offer and keeps their servers up."""
    from chejian.process import run_until_signal, start_logs
    from simulators.clock import Clock
    from simulators.run import run as run_simulators
    from simulators.settings import load_settings

    start_logs()
    settings = load_settings(config)
    now = Clock.parse(clock) if clock else Clock()

    def ready(name: str) -> None:
        print(f"ready {name}", flush=True)

    run_until_signal(lambda stop, pause: run_simulators(
        settings, clock=now, truth_dir=truth, only=only or None, seed=seed, ready=ready, stop=stop, pause=pause))


@simulate.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Shows the kinds of machines, the faces that they have, the faults that they may suffer, and the frauds for training evaluators."""
    import json as json_module

    from rich.console import Console
    from rich.table import Table

    from simulators import catalogue

    if json:
        typer.echo(json_module.dumps({
            "machines": catalogue.machines(), "faces": catalogue.faces(), "faults": [item.name for item in catalogue.FAULTS],
            "frauds": [item.name for item in catalogue.FRAUDS]}))
        return
    console = Console()
    console.print("machines 设备: " + ", ".join(catalogue.machines()))
    console.print("faces 接口: " + ", ".join(catalogue.faces()))
    faults = Table(title="faults 故障", title_justify="left")
    for name in ("name", "machines", "layer", "floor: what severity 1 does at least", "usual, s"):
        faults.add_column(name, overflow="fold")
    for fault_kind in catalogue.FAULTS:
        faults.add_row(fault_kind.name, ", ".join(fault_kind.applies_to), fault_kind.layer, fault_kind.floor, f"{fault_kind.usual_s:g}")
    frauds = Table(title="frauds 造假 (on request only)", title_justify="left")
    for name in ("name", "weak, medium, strong"):
        frauds.add_column(name, overflow="fold")
    for fraud_kind in catalogue.FRAUDS:
        frauds.add_row(fraud_kind.name, " · ".join(fraud_kind.strengths))
    console.print(faults, frauds)


@simulate.command("history")
def history(
    out: Annotated[Path, typer.Option(help="Folder for the Parquet files.")],
    config: Annotated[Path | None, typer.Argument(help="simulators.toml; without it, the machines of the demo.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="Whole local days, the last of them yesterday.")] = 28,
    seed: Annotated[int | None, typer.Option(help="Instead of the seed in the file.")] = None,
    gauge_s: Annotated[float, typer.Option(min=0.1, help="Seconds between two readings of a gauge.")] = 60.0,
    repeat_s: Annotated[float | None, typer.Option(min=1, help="Repeat states and counters at least so often, s; else on change only.")] = None,
    cycle_factor: Annotated[float, typer.Option(min=1, help="Stretch the cycles: 60 makes the demo's seconds into minutes.")] = 1.0,
    end_us: Annotated[int | None, typer.Option(help="End on the day before this instant, µs UTC; default: now.")] = None,
    detail: Annotated[bool, typer.Option("--detail", help="CNC machines also show coolant flow and level, tool number and tool wear.")] = False,
) -> None:
    """Writes the past of the same machines: shifts, faults, and an improvement half-way, so that a claim of a reduction has a baseline."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from chejian.clock import real_clock
    from chejian.demo.plan import CONFIG
    from simulators.history import history as write_history
    from simulators.settings import load_settings

    settings = load_settings(config or CONFIG / "simulators.toml")
    with Progress(TextColumn("{task.description}"), SpinnerColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task(f"history of {days} days 历史数据")
        rows = write_history(
            settings, days=days, out=out, end_us=end_us if end_us is not None else real_clock(), seed=seed, gauge_s=gauge_s, repeat_s=repeat_s,
            cycle_factor=cycle_factor, detail=detail, progress=lambda said: progress.update(task, description=said))
    typer.echo(f"{rows} readings in {out}")


@simulate.command("fault")
def fault(
    kind: Annotated[str, typer.Argument(help="A fault of `chejian simulate list`, such as bearing_wear")],
    equipment: Annotated[str, typer.Argument(help="Id of the machine, such as cnc-01")],
    control: Annotated[Path, typer.Option(help="The truth folder of the running simulators.")],
    for_s: Annotated[float | None, typer.Option(help="How long, s of simulated time; default: as long as this kind usually lasts.")] = None,
    severity: Annotated[float, typer.Option(help="1 is the stated floor.")] = 1.0,
    signal: Annotated[str, typer.Option(help="The signal, for faults of a sensor.")] = "",
) -> None:
    """Starts a fault in running simulators."""
    from simulators.control import start_fault

    start_fault(control, kind, equipment, for_s=for_s, severity=severity, signal=signal)
    typer.echo(f"{kind} asked for at {equipment}")
