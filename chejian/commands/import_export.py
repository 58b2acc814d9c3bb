"""`chejian import` and `chejian export`: history from and to CSV and Parquet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chejian.importing import Summary

Url = Annotated[str, typer.Option(help="The gateway's address.")]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("import")(import_)
    app.command("export")(export)


def import_(
    path: Annotated[Path, typer.Argument(help="A CSV or Parquet file, or a folder of them.")],
    register: Annotated[Path, typer.Option(help="The register, workshop.toml.")] = Path("workshop.toml"),
    url: Url = "http://127.0.0.1:8410",
    edge: Annotated[str, typer.Option(help="The edge of provenance imported under which the rows are sealed.")] = "import",
    data: Annotated[Path, typer.Option(help="Its folder: key, enrolment, journal.")] = Path("run/import"),
    token: Annotated[str | None, typer.Option(help="One-time token, to enrol this edge first.")] = None,
    mapping: Annotated[Path | None, typer.Option("--map", help='TOML with [signals] "name in the file" = "equipment/name".')] = None,
    dry_run: Annotated[bool, typer.Option(help="Only show what would be taken and refused; nothing is sent.")] = False,
    again: Annotated[bool, typer.Option(help="Take files that were imported before once more.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Imports history, marked as imported; rows that the register does not know are refused and shown. 导入历史数据。"""
    from rich.progress import Progress

    from chejian.clock import real_clock
    from chejian.commands.files import read_register
    from chejian.enrolment import enrol_folder
    from chejian.history_files import files_of
    from chejian.importing import Importer, Summary, sift
    from gateway.indexing import Rules

    workshop = read_register(register)
    rules, rename, summary = Rules(workshop), _mapping(mapping), Summary()
    files = files_of(path)
    if dry_run:
        for file in files:
            for _ in sift(file, rules, rename, workshop, summary):
                pass
        _show(summary, "would be taken", json)
        return
    if token is not None:
        enrol_folder(url, token, edge, data)
    importer = Importer(url, edge, data, real_clock)
    try:
        with Progress(disable=json) as progress:
            task = progress.add_task("import 导入", total=len(files))
            for file in files:
                if again or not importer.taken(file):
                    importer.take(file, sift(file, rules, rename, workshop, summary), lambda _: None)
                else:
                    summary.examples.append(f"{file.name}: imported before, left out; --again takes it once more")
                progress.advance(task)
    finally:
        importer.close()
    _show(summary, "taken", json)


def export(
    out: Annotated[Path, typer.Argument(help="A new file: .csv or .parquet.")],
    from_us: Annotated[int, typer.Option(help="Start, µs UTC.")],
    to_us: Annotated[int, typer.Option(help="End, µs UTC, not included.")],
    signal: Annotated[list[str] | None, typer.Option(help="Signal ids; all when none is named.")] = None,
    url: Url = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of a viewer.")] = Path("viewer.token"),
) -> None:
    """Exports readings as they stand in the gateway's engine, hour by hour. 导出历史数据。"""
    from chejian.commands.files import read_file
    from chejian.history_files import write
    from store.engines.gateway import GatewaySettings, open_engine
    from workshop.window import Window

    engine = open_engine(GatewaySettings(url=url, token=read_file(token_file).decode().strip()))
    try:
        names = signal or engine.signals()
        rows = write(out, (engine.read(names, hour) for hour in Window(from_us, to_us).hours()))
    finally:
        engine.close()
    typer.echo(f"{out}: {rows} readings")


def _mapping(file: Path | None) -> dict[str, str]:
    import msgspec

    from chejian.commands.files import read_file
    from workshop.errors import ConfigError

    if file is None:
        return {}
    try:
        return msgspec.toml.decode(read_file(file), type=dict[str, dict[str, str]]).get("signals", {})
    except msgspec.DecodeError as error:
        raise ConfigError(f"{file}: {error}") from error


def _show(summary: "Summary", what: str, as_json: bool) -> None:
    import msgspec
    from rich.console import Console
    from rich.table import Table

    if as_json:
        typer.echo(msgspec.json.encode(summary).decode())
        return
    console = Console()
    table = Table("signal 信号", "rows 行数")
    for name, rows in sorted(summary.signals.items()):
        table.add_row(name, str(rows))
    console.print(table)
    for reason, rows in sorted(summary.refused.items()):
        console.print(f"refused 拒收 {rows}: {reason}", markup=False)
    for example in summary.examples:
        console.print(f"  {example}", markup=False)
    console.print(f"{summary.rows} rows of {summary.files} files {what}, {sum(summary.refused.values())} refused", markup=False)
