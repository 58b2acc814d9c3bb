"""`chejian declare`, `chejian figures`: what no sensor can know goes on record, with its author, its time and the digest of what it rests on."""

from pathlib import Path
from typing import Annotated

import typer

_ATTACHMENT_BYTES = 2**28


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("declare")(declare)
    app.command("figures")(figures)


def declare(
    name: Annotated[str, typer.Argument(help="A name that `chejian figures` lists, such as headcount.")],
    value: Annotated[str, typer.Argument(help="Decimal, such as 42 or 1200.5.")],
    from_: Annotated[str, typer.Option("--from", help="From when on: 2026-01-01 in the workshop's time, or µs UTC.")],
    to: Annotated[str, typer.Option(help="Until when, not included.")],
    unit: Annotated[str | None, typer.Option(help="Default: the figure's own unit.")] = None,
    attachment: Annotated[Path | None, typer.Option(help="The document it rests on. Its SHA-256 goes on record, the document stays here.")] = None,
    note: Annotated[str, typer.Option(help="A sentence about it.")] = "",
    other: Annotated[bool, typer.Option("--other", help="Take a name that is not in the list; no indicator will read it.")] = False,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with an engineer's token.")] = Path("engineer.token"),
    json: Annotated[bool, typer.Option("--json", help="Print the entry as JSON.")] = False,
) -> None:
    """Puts a declared figure on record, as a control entry with your name. 申报值。"""
    import difflib
    import re
    from fractions import Fraction

    import msgspec

    from analytics.declared_figures import CATALOGUE, fault_of
    from chejian.commands.files import read_file
    from chejian.commands.windows import parse_window
    from chejian.demo.client import GatewayClient
    from workshop.errors import ConfigError
    from workshop.register import Workshop

    if name not in CATALOGUE and not other:
        near = difflib.get_close_matches(name, CATALOGUE, 1, 0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"no known figure '{name}'{hint} `chejian figures` lists them; --other declares a name of your own")
    unit = unit or (CATALOGUE[name].unit if name in CATALOGUE else "")
    if not re.fullmatch(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", value):
        raise ConfigError(f"value '{value}': a decimal such as 42 or 1200.5, without thousands separators")
    if not unit:
        raise ConfigError(f"--unit is needed for '{name}', which is not in the list; 1 for a number without a unit")
    if fault := fault_of(name, Fraction(value), unit):
        raise ConfigError(fault)
    digest = "" if attachment is None else _digest_of(attachment)
    client = GatewayClient(url, read_file(token_file).decode().strip())
    try:
        window = parse_window((from_, to), msgspec.convert(client.get("/v1/workshop")["register"], Workshop))
        entry = client.post("/v1/declarations", {
            "name": name, "value": value, "unit": unit, "from_us": window.start_us, "to_us": window.end_us, "attachment": digest, "note": note,
        })
    finally:
        client.close()
    if json:
        typer.echo(msgspec.json.encode(entry).decode())
    else:
        rests = f"document sha256 {digest}" if digest else "no document"
        typer.echo(f"control entry {entry['index']}: {entry['author']} declares {name} = {value} {unit}; {rests}")


def figures(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Lists the figures that can be declared, with their units, and the indicators and clauses that read them. 可申报的数值。"""
    import json as json_module

    from rich.console import Console
    from rich.table import Table

    from analytics.declared_figures import CATALOGUE
    from analytics.indicator import load_indicators
    from evidence.packs import load_packs

    clauses: dict[str, list[str]] = {name: [] for name in CATALOGUE}
    for pack in load_packs().values():
        for clause in pack.clauses:
            for figure in (metric.figure for metric in clause.metrics):
                if isinstance(figure, str):
                    clauses[figure].append(f"{pack.id} {clause.id}")
    readers = {name: [item.id for item in load_indicators().values() if name in item.facts] for name in CATALOGUE}
    rows = [
        {"name": name, "kind": item.kind.value, "units": list(item.units), "zh": item.zh, "en": item.en, "indicators": readers[name],
         "clauses": clauses[name]}
        for name, item in CATALOGUE.items()
    ]
    if json:
        typer.echo(json_module.dumps(rows, ensure_ascii=False))
        return
    table = Table()
    for head in ("name", "名称", "meaning", "kind", "units", "indicators, clauses"):
        table.add_column(head, overflow="fold")
    for name, item in CATALOGUE.items():
        table.add_row(name, item.zh, item.en, item.kind.value, ", ".join(item.units), ", ".join([*readers[name], *clauses[name]]))
    Console().print(table)


def _digest_of(path: Path) -> str:
    from chejian.commands.files import read_file
    from workshop.canonical import sha256_hex
    from workshop.errors import ConfigError

    if path.is_file() and path.stat().st_size > _ATTACHMENT_BYTES:
        raise ConfigError(f"{path}: over {_ATTACHMENT_BYTES} bytes; give the document itself, not an archive of them")
    return sha256_hex(read_file(path))
