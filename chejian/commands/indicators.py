"""`chejian indicators …`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from analytics.explain import Sensitivity
    from analytics.indicator import Indicator, Result
    from evidence.replay import Replay
    from workshop.register import Workshop
    from workshop.window import Window

indicators = typer.Typer(help="Indicators: what each figure means. 指标。", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(indicators, name="indicators")


@indicators.command("list")
def list_(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Lists all indicators with unit and version."""
    import json as json_module

    from rich.console import Console
    from rich.table import Table

    from analytics.indicator import load_indicators

    known = load_indicators()
    if json:
        fields = ("id", "version", "unit", "title_zh", "title_en")
        typer.echo(json_module.dumps([{name: getattr(item, name) for name in fields} for item in known.values()], ensure_ascii=False))
        return
    table = Table()
    for name in ("id", "title 名称", "unit 单位", "version 版本"):
        table.add_column(name, overflow="fold")
    for item in known.values():
        table.add_row(item.id, f"{item.title_zh} {item.title_en}", item.unit, str(item.version))
    Console().print(table)


def _find(identifier: str) -> "Indicator":
    from analytics.indicator import load_indicators
    from workshop.errors import ConfigError

    known = load_indicators()
    if identifier not in known:
        raise ConfigError(f"no indicator '{identifier}'; there are {', '.join(sorted(known))}")
    return known[identifier]


@indicators.command("show")
def show(identifier: Annotated[str, typer.Argument(help="Id of an indicator, such as oee")]) -> None:
    """Prints definition, formula, roles and source of one indicator."""
    item = _find(identifier)
    typer.echo(f"{item.id} version {item.version}: {item.title_zh} {item.title_en}\nunit: {item.unit}\nformula: {item.formula}\n"
               f"roles: {', '.join(item.roles) or 'none: the register alone'}\nsource: {item.source}\n"
               f"minimum coverage: {item.min_coverage}\n{item.notes_zh}\n{item.notes_en}")


@indicators.command("explain")
def explain(
    identifier: Annotated[str, typer.Argument(help="Id of an indicator, such as oee")],
    window: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FROM TO", help="2026-01-05T08:00 2026-01-05T20:00 in the workshop's time, or µs UTC; default: the bundle's window."),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="A bundle: folder or zip. Without it the gateway is asked.")] = None,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of the gateway.")] = Path("viewer.token"),
    lang: Annotated[str | None, typer.Option(help="zh or en; default: LANG.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print result and sensitivities as JSON.")] = False,
) -> None:
    """Explains a figure: the formula with the numbers put in, counts per equipment, what was left out, sensitivity, sources.

    From a bundle it is computed from the batches as they lie there; `chejian evidence verify` says whether they may be trusted. A gateway answers
    from its engine, which is no evidence, and without recomputed sensitivities.
    """
    import msgspec

    from analytics.explain import explain as explain_result
    from chejian.cli import language_of

    item = _find(identifier)
    found = _from_bundle(item, bundle, window) if bundle else _from_gateway(item, url, token_file, window)
    result, register, span, changes, beside = found
    if json:
        typer.echo(msgspec.json.encode({"window": span, "result": result, "sensitivity": changes, "beside": beside}).decode())
    else:
        typer.echo(explain_result(item, result, register, span, language_of(lang), changes, beside).text)


@indicators.command("groups")
def groups(
    identifier: Annotated[str, typer.Argument(help="Id of an indicator, such as oee")],
    by: Annotated[str, typer.Option(help="equipment, class, work_center, area, process, shift, day, product, order or program")],
    bundle: Annotated[Path, typer.Option(help="A bundle: folder or zip. A gateway answers the same at /v1/indicators/{id}/groups.")],
    window: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FROM TO", help="2026-01-05T08:00 2026-01-05T20:00 in the workshop's time, or µs UTC; default: the bundle's window."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print groups and results as JSON.")] = False,
) -> None:
    """One figure by equipment, class, work centre, area, process, shift or day, or by product, order or program. 分组。

    Product, order and program are what the machine told, or planned orders; what nobody can say for what it was is a row of its own.
    """
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from analytics.grouping import BY, grouped
    from evidence.replay import Shelf
    from workshop.errors import ConfigError, Rejected

    item = _find(identifier)
    if by not in BY:
        raise ConfigError(f"--by {by}: there are {', '.join(BY)}")
    replayed, span = replayed_in(bundle, window)
    try:
        found = grouped(
            item, replayed.register, span, by, lambda register, part: replayed.components(item, register, part), replayed.facts, Shelf(replayed),
            replayed.parts.table.missing,
        )
    except Rejected as error:
        raise ConfigError(str(error)) from error
    if json:
        typer.echo(msgspec.json.encode([{"group": name, "result": result} for name, result in found]).decode())
        return
    table = Table(title=f"{item.title_zh} {item.title_en} [{item.unit}]", title_justify="left")
    for name in (by, "value 数值", "low 下限", "high 上限", "coverage 覆盖率"):
        table.add_column(name, overflow="fold")
    for name, result in found:
        table.add_row(name, *("–" if value is None else str(value) for value in (result.value, result.low, result.high, result.coverage)))
    Console().print(table)


def figure_of(
    identifier: str, bundle: Path | None, url: str, token_file: Path, window: tuple[str, str] | None
) -> "tuple[Result, Workshop, Window]":
    """One figure from a bundle, or from a gateway where there is none, with the register and the window that it is of."""
    item = _find(identifier)
    if bundle is None:
        return _from_gateway(item, url, token_file, window)[:3]
    replayed, span = replayed_in(bundle, window)
    return replayed.result(item, replayed.register, span), replayed.register, span


Explained = tuple["Result", "Workshop", "Window", list["Sensitivity"], list["Result"]]


def _from_bundle(item: "Indicator", path: Path, asked: tuple[str, str] | None) -> Explained:
    from analytics.explain import beside_of, sensitivities

    replayed, window = replayed_in(path, asked)
    result = replayed.result(item, replayed.register, window)
    changes = sensitivities(item, result, replayed.register, lambda register: replayed.result(item, register, window))
    beside = [replayed.result(_find(other), replayed.register, window) for other in beside_of(item)]
    return result, replayed.register, window, changes, beside


def replayed_in(path: Path, asked: tuple[str, str] | None) -> "tuple[Replay, Window]":
    """A bundle's readings, and the window that is asked for in it."""
    from chejian.commands.windows import parse_window
    from evidence.replay import replay
    from workshop.errors import ConfigError

    if not path.exists():
        raise ConfigError(f"{path}: no such bundle; give the folder or the zip that was exported")
    replayed = replay(path)
    window = parse_window(asked, replayed.register) if asked else replayed.window
    if window.start_us < replayed.window.start_us or window.end_us > replayed.window.end_us:
        raise ConfigError(f"{path}: --window reaches beyond the bundle's window [{replayed.window.start_us}, {replayed.window.end_us}) µs")
    return replayed, window


def _from_gateway(item: "Indicator", url: str, token_file: Path, asked: tuple[str, str] | None) -> Explained:
    import msgspec

    from analytics.explain import beside_of, sensitivities
    from analytics.indicator import Result
    from chejian.commands.files import read_file
    from chejian.commands.windows import parse_window
    from chejian.demo.client import GatewayClient
    from workshop.errors import ConfigError
    from workshop.register import Workshop

    if asked is None:
        raise ConfigError("--window FROM TO is needed to ask a gateway")
    client = GatewayClient(url, read_file(token_file).decode().strip())
    try:
        register = msgspec.convert(client.get("/v1/workshop")["register"], Workshop)
        window = parse_window(asked, register)
        result, *beside = (
            msgspec.convert(client.get(f"/v1/indicators/{name}", from_us=window.start_us, to_us=window.end_us), Result)
            for name in (item.id, *beside_of(item))
        )
    finally:
        client.close()
    if result.version != item.version:
        raise ConfigError(f"{url}: has {item.id} in version {result.version}, here it is {item.version}; use the same version of chejian")
    return result, register, window, sensitivities(item, result, register), beside
