"""`chejian indicators …`."""

from typing import Annotated

import typer

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


@indicators.command("show")
def show(identifier: Annotated[str, typer.Argument(help="Id of an indicator, such as oee")]) -> None:
    """Prints definition, formula, roles and source of one indicator."""
    from analytics.indicator import load_indicators
    from workshop.errors import ConfigError

    known = load_indicators()
    if identifier not in known:
        raise ConfigError(f"no indicator '{identifier}'; there are {', '.join(sorted(known))}")
    item = known[identifier]
    typer.echo(f"{item.id} version {item.version}: {item.title_zh} {item.title_en}\nunit: {item.unit}\nformula: {item.formula}\n"
               f"roles: {', '.join(item.roles) or 'none: the register alone'}\nsource: {item.source}\nminimum coverage: {item.min_coverage}")
