"""`chejian demo`."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(name="demo")(demo_command)


def demo_command(
    seconds: Annotated[int | None, typer.Option(min=5, help="End after this many seconds of live data; without it, Ctrl-C ends the demo.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write readings, gaps, indicators and verdicts to this file.")] = None,
    web: Annotated[bool, typer.Option("--web/--no-web", help="Serve the overview page.")] = True,
    speed: Annotated[float, typer.Option(min=0.1, max=100, help="Seconds of demo time per real second.")] = 1.0,
    seed: Annotated[int | None, typer.Option(min=0, max=2**53 - 1, help="Seed of the simulated machines; the configuration has one.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Judge by the rules of this date, YYYY-MM-DD; else each pack on its last day.")] = None,
    dir: Annotated[Path | None, typer.Option(help="Folder for the run's folder; default: ./run")] = None,
    config: Annotated[Path | None, typer.Option(help="The pilot's configuration; default: config/demo of the checkout.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the page; default: a free one.")] = None,
    broker: Annotated[str, typer.Option(help="auto (mosquitto where it is installed), mosquitto, or amqtt in this process.")] = "auto",
    history_days: Annotated[int, typer.Option(min=0, max=366, help="Days before today that are imported behind the live line; 0: none.")] = 28,
    lang: Annotated[str | None, typer.Option(help="zh or en; default: LANG.")] = None,
) -> None:
    """The whole line on simulated equipment: 13 machines, edge, gateway, analytics, page, verdicts, evidence. 在模拟设备上运行整条链路。

    Real processes, real ports (free ones are found), real protocols. At the end it exports a bundle and verifies it.
    Exit codes: 0 the evidence holds and every reading is accounted for, 1 not, 2 wrong input, 3 something did not start.
    """
    from rich.console import Console

    from chejian.cli import language_of
    from chejian.demo.run import Options, demo
    from workshop.errors import ConfigError

    if broker not in ("auto", "mosquitto", "amqtt"):
        raise ConfigError(f"--broker '{broker}': there are auto, mosquitto, amqtt")

    options = Options(seconds, json, web, speed, seed, as_of, dir, config, language_of(lang), broker, port, history_days)
    raise typer.Exit(demo(options, Console()))
