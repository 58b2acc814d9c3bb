"""`chejian edge …`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

edge = typer.Typer(help="The edge agent: reads machines, keeps a journal on disk, sends signed batches. 边缘采集。", no_args_is_help=True)

Config = Annotated[Path, typer.Argument(help="edge-*.toml")]
ClockOption = Annotated[str | None, typer.Option(help="ANCHOR_US,REAL_US,SPEED: a scaled clock shared with other processes.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(edge, name="edge")


def _load(config: Path) -> tuple[Any, Any, Path]:
    """Settings, register and data folder that an edge file names."""
    from chejian.commands.files import beside, read_file, read_register
    from edge.config import check_edge, load_edge

    settings = load_edge(read_file(config), str(config))
    register = read_register(beside(config, settings.register))
    check_edge(settings, register, str(config))
    return settings, register, beside(config, settings.data)


@edge.command("run")
def run(config: Config, clock: ClockOption = None) -> None:
    """Collects until SIGTERM or Ctrl-C, then seals and sends what it still holds."""
    from chejian.clock import clock_from, system_clock_state
    from chejian.enrolment import TokenFile, load_enrolment
    from chejian.process import run_until_signal, start_logs
    from edge.agent import run as run_agent
    from edge.config import check_provenance
    from store.journal import EdgeJournal
    from workshop.batch import ClockState

    start_logs()
    settings, register, data = _load(config)
    now = clock_from(clock)
    enrolment, key = load_enrolment(data, settings.edge)
    check_provenance(settings, enrolment.provenance, str(config))
    journal = EdgeJournal.open(
        data / "journal.sqlite", edge=settings.edge, provenance=enrolment.provenance, key=key, clock=now, limits=settings.journal.limits())
    try:
        run_until_signal(lambda stop, _: run_agent(
            settings, register, clock=now, key=key, journal=journal, token=TokenFile(data, enrolment), stop=stop, status=data / "status.json",
            file=str(config), clock_state=system_clock_state if clock is None else ClockState))
    finally:
        journal.close()


@edge.command("enrol")
def enrol(
    config: Config,
    token: Annotated[str | None, typer.Option(help="One-time token from the gateway's administrator (POST /v1/edges); asked for if missing.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with that token: keeps it out of the list of processes.")] = None,
) -> None:
    """Makes this edge's key and enrols it with the gateway by a one-time token."""
    from chejian.commands.files import beside, read_file
    from chejian.enrolment import enrol_folder
    from edge.config import load_edge
    from workshop.errors import ConfigError

    settings = load_edge(read_file(config), str(config))
    if token_file is not None:
        token = read_file(token_file).decode().strip()
    elif token is None and sys.stdin.isatty():
        token = str(typer.prompt("one-time token", hide_input=True))
    if not token:
        raise ConfigError("edge enrol: no one-time token; give --token-file FILE with what POST /v1/edges answered")
    answer = enrol_folder(settings.gateway.url, token, settings.edge, beside(config, settings.data))
    typer.echo(f"enrolled {answer.edge} at {settings.gateway.url} as {answer.provenance.value}; log origin {answer.origin}")


@edge.command("check")
def check(
    config: Config,
    json: Annotated[bool, typer.Option("--json", help="Print rows as JSON.")] = False,
    patience_s: Annotated[float, typer.Option(help="How long to wait for values, s.", min=0.5, max=3600)] = 5.0,
) -> None:
    """Connects once and prints every signal that would be collected, with its value, or the cause and what to do.

    Exit 3 if a signal gives nothing, 1 if one gives what is wrong.
    """
    import asyncio

    import msgspec

    from chejian.check_table import print_check
    from chejian.clock import real_clock
    from edge.check import check as check_sources
    from workshop.errors import NotConnected

    settings, register, _ = _load(config)
    rows = asyncio.run(check_sources(settings, register, real_clock, file=str(config), patience_s=patience_s))
    if json:
        typer.echo(msgspec.json.encode(rows))
    else:
        print_check(rows)
    if missing := [row for row in rows if row.cause and not row.quality]:
        first = missing[0]
        raise NotConnected(f"{len(missing)} of {len(rows)} signals gave nothing; the first is {first.signal}: {first.cause}")
    if any(row.cause for row in rows):
        raise typer.Exit(1)
