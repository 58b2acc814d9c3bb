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
        table.add_row(pack.id, pack.title_zh, pack.document_number, f"{pack.effective_from} … {pack.effective_to}", pack.digest)
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
    typer.echo(f"{pack.id}: {pack.title_zh} {pack.document_number}, in force {pack.effective_from} to {pack.effective_to}")
    for clause in pack.clauses:
        typer.echo(f"\n{clause.id} [{clause.status}] {clause.quote}\n  {clause.note}")
