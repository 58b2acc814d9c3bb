"""`chejian policy …`."""

from typing import Annotated

import typer

policy = typer.Typer(help="Policy packs: the documents as dated rules. 政策包。", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(policy, name="policy")


@policy.command("list")
def list_() -> None:
    """Lists the packs that this program ships, with validity and digest."""
    from rich.console import Console
    from rich.table import Table

    from evidence.packs import load_packs

    table = Table()
    for name in ("pack 政策包", "title 名称", "number 文号", "in force 有效期", "digest 摘要"):
        table.add_column(name, overflow="fold")
    for pack in load_packs().values():
        head = pack.pack
        table.add_row(pack.id, head.title_zh, head.document, f"{head.effective_from} … {head.effective_to}", pack.digest)
    Console().print(table)


@policy.command("show")
def show(identifier: Annotated[str, typer.Argument(help="Id of a pack, such as changsha-2015")]) -> None:
    """Prints the clauses of one pack with their quotes, rules and readings."""
    from evidence.packs import load_packs
    from workshop.errors import ConfigError

    packs = load_packs()
    if identifier not in packs:
        raise ConfigError(f"no pack '{identifier}'; there are {', '.join(sorted(packs))}")
    pack = packs[identifier]
    head = pack.pack
    typer.echo(f"{pack.id}: {head.title_zh} {head.document}, in force {head.effective_from} to {head.effective_to}")
    for clause in pack.clauses:
        typer.echo(f"\n{clause.id} [{clause.status}] {clause.source.quote}\n  {clause.note}")
        for metric in clause.metrics:
            declared = f"declared 申报: {metric.figure}" if isinstance(metric.figure, str) else "declared 申报"
            typer.echo(f"  {metric.title_zh} {metric.title_en}: {metric.indicator or declared}")
