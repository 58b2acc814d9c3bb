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
