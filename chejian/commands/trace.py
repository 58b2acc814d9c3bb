"""`chejian trace`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from analytics.trace import Passage, Record
    from workshop.register import Workshop


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("trace")(trace)


def trace(
    identifier: Annotated[str, typer.Argument(help="88.<node>.<enterprise>/<serial>; from a bundle the serial alone does as well")],
    window: Annotated[tuple[str, str] | None, typer.Option(
        metavar="FROM TO", help="2026-01-05T08:00 2026-01-05T20:00 in the workshop's time, or µs UTC; default: the bundle's, or the last 7 days.",
    )] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle: folder or zip. Without it the gateway is asked.")] = None,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of the gateway.")] = Path("viewer.token"),
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Where a part came from: machines, order, material lot, program, tools, energy, inspection. 追溯。

    From a bundle it is computed from the signed batches; `chejian evidence verify` says whether they may be trusted. Exit 1: no such part.
    """
    import msgspec

    from workshop.errors import ConfigError, Rejected

    try:
        passages, records, register = _bundle(identifier, bundle, window) if bundle else _gateway(identifier, url, token_file, window)
    except Rejected as error:
        raise ConfigError(str(error)) from error
    if json:
        typer.echo(msgspec.json.encode({"identifier": identifier, "passages": passages, "records": records}).decode())
    else:
        typer.echo("\n".join(_lines(passages, records, register)) or f"{identifier}: no reading told it / 未找到")
    if not passages and not records:
        raise typer.Exit(1)


Found = tuple["list[Passage]", "list[Record]", "Workshop"]


def _bundle(identifier: str, path: Path, asked: tuple[str, str] | None) -> Found:
    from analytics.trace_search import trace as search
    from chejian.commands.indicators import replayed_in
    from evidence.replay import Shelf
    from workshop.errors import ConfigError
    from workshop.identifier import PREFIX, split_identifier

    replayed, window = replayed_in(path, asked)
    serial = identifier
    if PREFIX.fullmatch(identifier.partition("/")[0]):
        prefix, serial = split_identifier(identifier)
        if replayed.register.identifier_prefix != prefix:
            raise ConfigError(f"{path}: the register's identifier_prefix is not '{prefix}'; give the serial alone to look for it all the same")
    found = search(Shelf(replayed), replayed.register, serial, window, replayed.parts.table.missing)
    return list(found.passages), list(found.records), replayed.register


def _gateway(identifier: str, url: str, token_file: Path, asked: tuple[str, str] | None) -> Found:
    from urllib.parse import quote

    import msgspec

    from analytics.trace import Passage, Record
    from chejian.commands.files import read_file
    from chejian.commands.windows import parse_window
    from chejian.demo.client import GatewayClient
    from workshop.errors import ConfigError
    from workshop.identifier import split_identifier
    from workshop.register import Workshop

    split_identifier(identifier)
    client = GatewayClient(url, read_file(token_file).decode().strip())
    register = msgspec.convert(client.get("/v1/workshop")["register"], Workshop)
    span = parse_window(asked, register) if asked else None
    between = {"from_us": span.start_us, "to_us": span.end_us} if span else {}
    passages, records, page = list[Passage](), list[Record](), 0
    while True:
        try:
            answer = client.get(f"/v1/trace/{quote(identifier)}", page=page, **between)
        except ConfigError as error:
            if " 404 " in str(error) and "no reading told" in str(error):
                return passages, records, register
            raise
        passages += msgspec.convert(answer["passages"], list[Passage])
        records += msgspec.convert(answer["records"], list[Record])
        if answer["next"] is None:
            return passages, records, register
        page = answer["next"]


def _lines(passages: "list[Passage]", records: "list[Record]", register: "Workshop") -> list[str]:
    from analytics.explain import local_time

    unknown = "? 未知"
    lines = []
    for one in passages:
        end = local_time(one.to_us, register) if one.to_us is not None else unknown
        energy = f"{one.energy_mwh / 1_000_000:.4f} kWh" if one.energy_mwh is not None else unknown
        lines.append(f"{one.equipment} ({one.process})  {local_time(one.from_us, register)} … {end}")
        made = f"order 订单 {one.order or unknown}  lot 批次 {one.lot or unknown}  program 程序 {one.program or unknown}"
        lines.append(f"  {made}  energy 用电 {energy}")
        lines += [f"  operation 工序 {step.number}  tool 刀具 {unknown if step.tool is None else step.tool}  "
                  f"{local_time(step.from_us, register)} … {local_time(step.to_us, register)}" for step in one.operations]
        lines += [f"  {item.signal} {item.low:g} … {item.high:g} {item.unit}, mean 均值 {item.mean:.4g} ({item.readings})"
                  for item in one.parameters]
        lines += [f"  missing data 数据缺失 {one.missing_us / 1e6:.3f} s"] if one.missing_us else []
        lines += [f"  {one.note}"] if one.note else []
    for record in records:
        values = ", ".join(f"{role} {'' if value is None else value}" for role, value in record.values.items())
        lines.append(f"{record.equipment} ({record.process})  {local_time(record.at_us, register)}  inspection 检测: {values}")
    return lines
