"""`chejian doctor`."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("doctor")(doctor)


def doctor(
    gateway: Annotated[list[Path] | None, typer.Option(help="A gateway.toml; may be given several times.")] = None,
    edge: Annotated[list[Path] | None, typer.Option(help="An edge-*.toml; may be given several times.")] = None,
    influx_admin: Annotated[Path | None, typer.Option(
        help="File with an operator's token of InfluxDB 2: makes the bucket and the token file that gateway.toml names.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The findings as JSON.")] = False,
) -> None:
    """Says what is wrong with this installation, and how to mend it; exit code 1 if something does not work. 诊断。"""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from chejian.clock import real_clock
    from chejian.doctor import Level, looked
    from chejian.doctor_line import look_at_edge, look_at_gateway
    from chejian.doctor_machine import look_at_clock, look_at_programs

    found = looked("machine 本机", [look_at_programs, look_at_clock])
    for file in gateway or []:
        if influx_admin is not None:
            typer.echo(_set_up_influx(file, influx_admin), err=True)
        found += look_at_gateway(file, real_clock)
    for file in edge or []:
        found += look_at_edge(file, real_clock)
    if json:
        typer.echo(msgspec.json.encode(found).decode())
    else:
        table = Table("", "what 项目", "found 结果", "to do 处理")
        colours = {Level.OK: "green", Level.WARNING: "yellow", Level.BAD: "red"}
        for item in found:
            table.add_row(f"[{colours[item.level]}]{item.level}[/]", item.what, item.said, item.mend)
        Console().print(table)
    if any(item.level is Level.BAD for item in found):
        raise typer.Exit(1)


def _set_up_influx(file: Path, admin: Path) -> str:
    from chejian.commands.files import beside, read_file
    from chejian.influx_setup import set_up
    from gateway.settings import load_gateway
    from workshop.errors import ConfigError

    settings = load_gateway(file)
    tables = [table for table in (settings.engine, settings.second_engine) if table is not None and table["name"] == "influxdb"]
    if not tables:
        raise ConfigError(f"{file}: neither [engine] nor [second_engine] is influxdb")
    table = tables[0]
    try:
        url, org, bucket, token_file = (str(table[key]) for key in ("url", "org", "bucket", "token_file"))
    except KeyError as error:
        raise ConfigError(f"{file}: [engine] lacks {error}") from error
    return f"influxdb: {set_up(url, org, bucket, read_file(admin).decode().strip(), beside(file, token_file))}"
