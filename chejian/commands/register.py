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
    from chejian.commands.files import read_text
    from chejian.patches import patched, replace_file
    from workshop.register_file import parse_register

    before = parse_register(read_text(file), str(file))
    text = patched(read_text(file), read_text(diff), str(file))
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


@register.command("sample")
def sample(
    file: Annotated[Path, typer.Argument(help="workshop.toml")],
    seed_from: Annotated[Path, typer.Option(help="File with a signed checkpoint of the gateway, later than the register and seen by a witness.")],
    size: Annotated[int, typer.Option(min=1, help="How many machines to inspect.")],
    trust: Annotated[Path | None, typer.Option(help="Trust file: the checkpoint must be signed by the gateway that it names.")] = None,
    said: Annotated[str, typer.Option(help="A word of the evaluator's own, said only after the checkpoint is on the table.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Draws machines to inspect on site; the same checkpoint, word and register always draw the same. Says who could have chosen them.

    Take a checkpoint that was made after the register was fixed and that a witness outside the factory has signed, and give --said.
    """
    import msgspec

    from chejian.commands.files import read_file, read_register
    from evidence.sample import after_findings, draw
    from evidence.trust import open_pinned, parse_trust
    from store.note import cosignatures, parse_checkpoint
    from workshop.errors import ConfigError, Rejected

    workshop = read_register(file)
    # `chejian gateway checkpoint` prints two notes; each is a text, an empty line, and lines with signatures.
    note = "\n\n".join(read_file(seed_from).decode("utf-8", "replace").split("\n\n")[:2]).rstrip("\n") + "\n"
    try:
        checkpoint = parse_checkpoint("".join(f"{line}\n" for line in note.splitlines()[:3]))
        believed: list[tuple[int, bytes]] = []
        if trust is not None:
            trusted = parse_trust(read_file(trust), str(trust))
            open_pinned(trusted, note)
            believed = [one for key in trusted.witnesses for one in cosignatures(note, key)]
    except Rejected as error:
        raise ConfigError(f"{seed_from}: {error}; give a signed note, as `chejian gateway checkpoint` prints") from error
    drawn = draw(workshop, checkpoint, size, cosignature=min(believed, default=None), said=said.strip())
    if json:
        typer.echo(msgspec.json.encode(drawn).decode())
        return
    known = "signed by the gateway of the trust file" if trust else "signature not checked: give --trust"
    typer.echo(f"seed: {drawn.checkpoint} ({known})\n"
               f"could be chosen by 可被谁选定: {drawn.chosen_by}\nregister: {drawn.all} entries, digest {drawn.register}\n\nlook for 现场核对:")
    for name in drawn.equipment:
        item = workshop.find(name)
        typer.echo(f"  {name}  {item.title_zh} {item.title_en}  {item.work_center}  {item.serial_number}" if item else f"  {name}")
    typer.echo("\nwalk the hall, number what stands there 1 … M in walking order, and look up in the register number 1 + ⌊share · M⌋,\n"
               f"passing over what came before, until you have {size} different machines 现场抽查(重复的跳过):")
    typer.echo("  " + ", ".join(drawn.floor))
    for found, most in after_findings(drawn):
        typer.echo(f"\n{found} entries wrong: at most {most} of {drawn.all} entries are wrong (95 %, hypergeometric)", nl=False)
    typer.echo(f"\nall from the hall in the register: at most {drawn.most_omitted} machines were left out (95 %, hypergeometric)")
