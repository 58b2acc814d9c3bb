"""`chejian import` and `chejian export`: history from and to CSV and Parquet."""

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chejian.importing import Summary

Url = Annotated[str, typer.Option(help="The gateway's address.")]
_RULES = 2
"""Number of the rules by which rows are taken or refused: an import that was stopped under others begins anew."""


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("import")(import_)
    app.command("export")(export)


def import_(
    path: Annotated[Path, typer.Argument(help="A CSV or Parquet file, a folder of them, or a history of 'chejian simulate history'.")],
    register: Annotated[Path, typer.Option(help="The register, workshop.toml.")] = Path("workshop.toml"),
    url: Url = "http://127.0.0.1:8410",
    edge: Annotated[str, typer.Option(help="The edge of provenance imported under which the rows are sealed.")] = "import",
    data: Annotated[Path, typer.Option(help="Its folder: key, enrolment, journal.")] = Path("run/import"),
    token: Annotated[str | None, typer.Option(help="One-time token, to enrol this edge first.")] = None,
    admin_token: Annotated[Path | None, typer.Option(help="The administrator's token file, to enrol this edge at its first import.")] = None,
    mapping: Annotated[Path | None, typer.Option("--map", help='TOML with [signals] "name in the file" = "equipment/name".')] = None,
    dry_run: Annotated[bool, typer.Option(help="Only show the mapping and what would be taken and refused; nothing is sent.")] = False,
    refused: Annotated[Path | None, typer.Option(help="A new CSV file for every refused row: file, line, reason.")] = None,
    again: Annotated[bool, typer.Option(help="Take what was imported before once more.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Imports history, marked as imported; rows that the register does not know are refused and shown. 导入历史数据。"""
    from rich.progress import Progress

    from chejian.clock import real_clock
    from chejian.commands.files import read_register
    from chejian.enrolment import ANSWER, enrol_folder
    from chejian.history_folder import lots_of
    from chejian.import_edge import Importer
    from chejian.importing import Sieve
    from chejian.refused_file import RefusedFile
    from workshop.canonical import sha256_hex

    workshop, names, lots = read_register(register), _mapping(mapping), lots_of(path)
    rules = sha256_hex(repr((_RULES, workshop.digest, sorted(names.items()))).encode())
    if not dry_run:
        if admin_token is not None and token is None and not (data / ANSWER).exists():
            token = _invite(url, edge, admin_token)
        if token is not None:
            enrol_folder(url, token, edge, data)
    importer = None if dry_run else Importer(url, edge, data, real_clock, rules)
    try:
        if importer is not None:
            importer.check_gateway()
        with (
            RefusedFile(refused) as told,
            Progress(*Progress.get_default_columns(), "{task.fields[rows]} rows 行", disable=json) as progress,
        ):
            sieve = Sieve(workshop, names, told)
            task = progress.add_task("import 导入", total=sum(lot.bytes for lot in lots), rows=0)
            for lot in lots:
                blocks = (block for file in lot.files for block in sieve.blocks(file, lambda _: progress.update(task, rows=sieve.summary.rows)))
                if importer is None:
                    for _ in blocks:
                        pass
                elif again or not importer.taken(lot):
                    importer.take(lot, blocks)
                else:
                    sieve.summary.examples.append(f"{lot.name}: imported before, left out; --again takes it once more")
                progress.advance(task, lot.bytes)
    finally:
        if importer is not None:
            importer.close()
    _show(sieve.summary, "would be taken" if dry_run else "taken", json)


def export(
    out: Annotated[Path, typer.Argument(help="A new file: .csv or .parquet.")],
    from_us: Annotated[int, typer.Option(help="Start, µs UTC.")],
    to_us: Annotated[int, typer.Option(help="End, µs UTC, not included.")],
    signal: Annotated[list[str] | None, typer.Option(help="Signal ids; all when none is named.")] = None,
    url: Url = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of a viewer.")] = Path("viewer.token"),
) -> None:
    """Exports readings as they stand in the gateway's engine, hour by hour and page by page. 导出历史数据。"""
    from rich.progress import Progress

    from chejian.commands.files import read_file
    from chejian.history_export import write
    from store.engines.gateway import GatewaySettings, open_engine
    from workshop.window import Window

    engine = open_engine(GatewaySettings(url=url, token=read_file(token_file).decode().strip()))
    try:
        names, hours = signal or engine.signals(), list(Window(from_us, to_us).hours())
        with Progress() as progress:
            task = progress.track(hours, description="export 导出")
            rows = write(out, (page for hour in task for page in engine.pages(names, hour) if len(page)))
    finally:
        engine.close()
    typer.echo(f"{out}: {rows} readings")


def _invite(url: str, edge: str, admin_token: Path) -> str:
    import httpx
    import msgspec

    from chejian.commands.files import read_file
    from workshop.errors import ConfigError, NotConnected

    headers = {"Authorization": f"Bearer {read_file(admin_token).decode('utf-8', 'replace').strip()}"}
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/v1/edges", json={"edge": edge, "provenance": "imported"}, headers=headers, trust_env=False,
            verify=ssl.create_default_context(),
        )
    except httpx.HTTPError as error:
        raise NotConnected(f"{url}: {error or type(error).__name__}; is the gateway running there?") from error
    if not answer.is_success:
        raise ConfigError(f"{url}: does not let edge '{edge}' in: {answer.status_code} {answer.text[:200]}")
    return str(msgspec.json.decode(answer.content)["token"])


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
    from rich.text import Text

    if as_json:
        typer.echo(msgspec.json.encode(summary).decode())
        return
    console = Console()
    table = Table("in the files 文件中", "signal 信号", "rows 行数")
    for name, own in sorted(summary.mapping.items()):
        known = name not in summary.unknown
        said = own if known else f"{own}: not in the register 不在台账中"
        table.add_row(Text(name), Text(said), str(summary.signals.get(own, 0)) if known else "0")
    console.print(table)
    for name in summary.unused:
        console.print(f"the mapping's '{name}' stands in none of the files 映射中的名称未出现", markup=False)
    for reason, rows in sorted(summary.refused.items()):
        console.print(f"refused 拒收 {rows}: {reason}", markup=False)
    for example in summary.examples:
        console.print(f"  {example}", markup=False)
    console.print(f"{summary.rows} rows of {summary.files} files {what}, {sum(summary.refused.values())} refused", markup=False)
