"""`chejian gateway …`."""

from pathlib import Path
from typing import Annotated

import typer

gateway = typer.Typer(help="The gateway: takes signed batches, keeps journal and logs, answers questions. 网关。", no_args_is_help=True)

Config = Annotated[Path, typer.Argument(help="gateway.toml")]
ClockOption = Annotated[str | None, typer.Option(help="ANCHOR_US,REAL_US,SPEED: a scaled clock shared with other processes.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(gateway, name="gateway")


@gateway.command("run")
def run(config: Config, clock: ClockOption = None) -> None:
    """Serves the API until SIGTERM or Ctrl-C. The first start makes key, journal and an administrator's token."""
    from chejian.clock import clock_from
    from chejian.process import start_logs
    from gateway.serve import run as serve
    from gateway.settings import load_gateway

    start_logs()
    serve(load_gateway(config), clock=clock_from(clock))


@gateway.command("web")
def web(
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of role viewer.")] = Path("viewer.token"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8420,
    lang: Annotated[str | None, typer.Option(help="zh or en; default: LANG.")] = None,
    window_from_us: Annotated[int | None, typer.Option(help="Start of the window of the indicators, µs UTC; default: eight hours ago.")] = None,
    clock: ClockOption = None,
) -> None:
    """Serves the overview page: a client of the gateway's API in a process of its own."""
    from chejian.cli import language_of
    from chejian.commands.files import read_file
    from chejian.process import start_logs
    from gateway.web.app import run as serve

    start_logs()
    del clock  # the page asks the gateway for the time, so that it needs no clock of its own
    serve(url=url, token=read_file(token_file).decode().strip(), host=host, port=port, language=language_of(lang), window_from_us=window_from_us)


@gateway.command("rebuild")
def rebuild(
    config: Config, second: Annotated[bool, typer.Option(help="The one in [second_engine], such as before a migration.")] = False,
) -> None:
    """Makes the time-series engine anew from the journal; the gateway must not be running."""
    from rich.progress import Progress

    from chejian.clock import real_clock
    from gateway.rebuild import rebuild as rebuild_engine
    from gateway.settings import load_gateway

    with Progress() as progress:
        task = progress.add_task("rebuild 重建", total=None)
        rows = rebuild_engine(
            load_gateway(config), real_clock, lambda done, total: progress.update(task, completed=done, total=total), second=second,
        )
    typer.echo(f"{rows} readings in the engine")


@gateway.command("checkpoint")
def checkpoint(
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token.")] = Path("viewer.token"),
) -> None:
    """Prints the signed checkpoints of both logs; keep them outside the factory."""
    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient

    notes = GatewayClient(url, read_file(token_file).decode().strip()).get("/v1/checkpoint")
    typer.echo(notes["data"] + "\n" + notes["control"], nl=False)
