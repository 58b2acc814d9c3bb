"""`chejian evidence show` and `chejian evidence report`."""

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from chejian.commands.evidence import evidence


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the commands belong to the group `evidence`."""


@evidence.command("show")
def show(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a folder or a .zip")],
    json: Annotated[bool, typer.Option("--json", help="Print the statement's predicate as JSON.")] = False,
    lang: Annotated[str | None, typer.Option(help="zh or en; default: LANG.")] = None,
) -> None:
    """Shows what a bundle says it holds. Nothing is checked: `verify` does that."""
    import msgspec

    from chejian.cli import language_of
    from evidence.bag import STATEMENT, BagReader
    from evidence.document import markdown
    from evidence.report import contents_table
    from evidence.statement import read_statement
    from workshop.errors import ConfigError, Rejected

    if not bundle.exists():
        raise ConfigError(f"{bundle}: no such bundle; give the folder or the zip that was exported")
    try:
        predicate = read_statement(BagReader(bundle).read(STATEMENT)).predicate
    except Rejected as error:
        raise ConfigError(f"{bundle}: {error}") from error
    if json:
        typer.echo(msgspec.json.encode(predicate))
    else:
        typer.echo(markdown([contents_table(predicate, cast(Literal["zh", "en"], language_of(lang)))]))
        typer.echo("not verified 未核验: chejian evidence verify", err=True)


@evidence.command("report")
def report(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a folder or a .zip")],
    trust: Annotated[Path | None, typer.Option(help="What you know from outside the bundle: keys, pinned checkpoints, packs.")] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="A signed checkpoint that the logs must extend; may stand several times.")] = None,
    accept_pack: Annotated[list[str] | None, typer.Option(help="Digest of a pack that is accepted although it is not shipped here.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write, .md or .html; otherwise Markdown is printed.")] = None,
    lang: Annotated[str | None, typer.Option(help="zh or en; default: LANG.")] = None,
) -> None:
    """Verifies a bundle and writes the report: verdicts, contents, steps, and what all of this does not prove. Exit codes as for `verify`."""
    from chejian.cli import language_of
    from chejian.commands.evidence import run_verification
    from evidence.report import render, render_html
    from workshop.errors import ConfigError

    if not bundle.exists():
        raise ConfigError(f"{bundle}: no such bundle; give the folder or the zip that was exported")
    if out is not None and out.suffix not in {".md", ".html"}:
        raise ConfigError(f"{out}: a report is a .md or a .html file")
    found = run_verification(bundle, trust, checkpoints=checkpoint or (), accept_packs=accept_pack or ())
    language = cast(Literal["zh", "en"], language_of(lang))
    text = render_html(found, language) if out is not None and out.suffix == ".html" else render(found, language)
    if out is None:
        typer.echo(text)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{out}: cannot be written ({error.strerror})") from error
    raise typer.Exit(0 if found.ok else 1)
