"""`chejian register …`: the register of equipment (台账)."""

from pathlib import Path
from typing import Annotated

import typer

register = typer.Typer(help="The register of all equipment (台账): the denominator of every rate.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(register, name="register")


@register.command("check")
def check(file: Annotated[Path, typer.Argument(help="workshop.toml")]) -> None:
    """Checks a register and prints its digest; exit 2 with the reason if it contradicts itself."""
    from chejian.commands.files import read_register

    workshop = read_register(file)
    typer.echo(f"{file}: {len(workshop.equipment)} pieces of equipment, {sum(1 for _ in workshop.signals())} signals, digest {workshop.digest}")


@register.command("revise")
def revise(
    file: Annotated[Path, typer.Argument(help="workshop.toml")],
    diff: Annotated[Path, typer.Argument(help="A unified diff of it, such as chejian edge discover proposes.")],
) -> None:
    """Applies a change to a register, if the result does not contradict itself; what was there is kept beside it.

    The gateway writes the revision into its control log when it next starts with the file.
    """
    from chejian.commands.files import read_file
    from chejian.patches import patched, replace_file
    from workshop.register import parse_register

    before = parse_register(read_file(file), str(file))
    text = patched(read_file(file).decode(), read_file(diff).decode(), str(file))
    workshop = parse_register(text, str(file))
    kept = replace_file(file, text)
    typer.echo(f"{file}: digest {before.digest[:16]} is now {workshop.digest}; as it was: {kept}")
    typer.echo(f"{len(workshop.equipment)} pieces of equipment, {sum(1 for _ in workshop.signals())} signals; restart the gateway to log it")


@register.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="workshop.toml")],
    json: Annotated[bool, typer.Option("--json", help="Print the register as canonical JSON, the bytes under its digest.")] = False,
) -> None:
    """Prints all equipment of a register."""
    from rich.console import Console
    from rich.table import Table

    from chejian.commands.files import read_register
    from workshop.canonical import canonical_json

    workshop = read_register(file)
    if json:
        typer.echo(canonical_json(workshop).decode())
        return
    table = Table(title=f"{workshop.title_zh} {workshop.title_en} · {workshop.digest[:16]}", title_justify="left")
    for name in ("equipment 设备", "title 名称", "class 类别", "process 工序", "digital 数字化", "NC 数控", "signals 信号"):
        table.add_column(name, overflow="fold")
    yes = {True: "yes 是", False: "no 否"}
    for item in workshop.equipment:
        digital, controlled = yes[item.digital], yes[item.numerically_controlled]
        title = f"{item.title_zh} {item.title_en}"
        table.add_row(item.id, title, item.equipment_class, item.process, digital, controlled, str(len(item.signals)))
    Console().print(table)
