"""`chejian evidence …`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from evidence.step import Step
    from evidence.verify import Verification

_PROCESSES = min(4, os.cpu_count() or 1)

evidence = typer.Typer(help="Evidence: bundles that anyone can verify offline. 证据。", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(evidence, name="evidence")


def run_verification(
    bundle: Path, trust: Path | None, report: "Callable[[Step], None]" = lambda step: None, *, checkpoints: Sequence[Path] = (),
    accept_packs: Sequence[str] = (), processes: int = 1,
) -> "Verification":
    """Verifies a bundle with a trust file; a step that refuses ends it with `ok` False and no verdicts.

    Raises:
        ConfigError: no such bundle, a trust file that is none, or a checkpoint that it cannot vouch for.
    """
    from chejian.commands.files import read_file
    from evidence.trust import parse_trust, pin
    from evidence.verify import Verification, verify
    from workshop.errors import ConfigError, Rejected, VerificationError

    known = parse_trust(read_file(trust), str(trust)) if trust is not None else None
    for file in checkpoints:
        if known is None:
            raise ConfigError("--checkpoint: needs --trust too: without the gateway's key nobody can tell whether the checkpoint is its own")
        try:
            known = pin(known, [read_file(file).decode()])
        except (Rejected, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: {error}") from error
    if wrong := [digest for digest in accept_packs if len(digest) != 64 or set(digest) - set("0123456789abcdef")]:
        raise ConfigError(f"--accept-pack {wrong[0][:80]}: a digest is 64 lower-case hexadecimal digits")
    done: list[Step] = []

    def keep(step: "Step") -> None:
        done.append(step)
        report(step)

    try:
        return verify(bundle, known, report=keep, accept_packs=accept_packs, processes=processes)
    except VerificationError:
        return Verification(False, tuple(done), (), ())


def print_step(step: "Step", console: "Console") -> None:
    """One line a step, as it is done."""
    console.print(f"[{'green' if step.ok else 'red'}]{'✓' if step.ok else '✗'}[/] ({step.n}) {step.name}: ", end="")
    console.print(step.text, markup=False, highlight=False, soft_wrap=True)


def outcome(verification: "Verification") -> str:
    """One line: holds, holds but nobody known signed it, does not hold."""
    if verification.ok:
        return "[green]the evidence holds 证据成立[/]"
    if verification.verdicts:
        return "[yellow]the evidence is consistent, but its signer is unknown 证据自洽,但签名者未知[/]"
    return "[red]the evidence does not hold 证据不成立[/]"


def print_verification(verification: "Verification", console: "Console") -> None:
    """All steps of a finished verification and its outcome."""
    for step in verification.steps:
        print_step(step, console)
    console.print(outcome(verification))


@evidence.command("verify")
def verify_command(
    bundle: Annotated[Path, typer.Argument(help="A bundle: a folder or a .zip")],
    trust: Annotated[Path | None, typer.Option(help="What you know from outside the bundle: keys, pinned checkpoints, packs.")] = None,
    checkpoint: Annotated[list[Path] | None, typer.Option(help="A signed checkpoint that the logs must extend; may stand several times.")] = None,
    accept_pack: Annotated[list[str] | None, typer.Option(help="Digest of a pack that is accepted although it is not shipped here.")] = None,
    processes: Annotated[int, typer.Option(help="Processes to compute with; the answer is the same.", min=1)] = _PROCESSES,
    json: Annotated[bool, typer.Option("--json", help='Print {"ok", "steps", "verdicts"} as JSON.')] = False,
    lang: Annotated[str | None, typer.Option(help="zh or en; default: LANG.")] = None,
) -> None:
    """Checks a bundle offline, step by step, and recomputes every figure and verdict from the signed batches.

    Exit 0: the evidence holds, whatever its verdicts say. Exit 1: it does not, or its signer is unknown. Exit 2: no such file.
    """
    import msgspec
    from rich.console import Console

    from chejian.cli import language_of
    from chejian.demo.show import verdict_lines
    from workshop.errors import ConfigError

    if not bundle.exists():
        raise ConfigError(f"{bundle}: no such bundle; give the folder or the zip that was exported")
    console = Console()
    verification = run_verification(
        bundle, trust, (lambda step: None) if json else (lambda step: print_step(step, console)), checkpoints=checkpoint or (),
        accept_packs=accept_pack or (), processes=processes,
    )
    if json:
        typer.echo(msgspec.json.encode({"ok": verification.ok, "steps": verification.steps, "verdicts": verification.verdicts}))
    else:
        console.print(verdict_lines([msgspec.to_builtins(verdict) for verdict in verification.verdicts], language_of(lang)))
        console.print(outcome(verification))
    raise typer.Exit(0 if verification.ok else 1)


@evidence.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="The zip to write")],
    from_us: Annotated[int, typer.Option(help="Start of the window, µs UTC")],
    to_us: Annotated[int, typer.Option(help="End of the window, µs UTC")],
    baseline_from_us: Annotated[int | None, typer.Option(help="Start of the window before, for claims that compare, µs UTC")] = None,
    baseline_to_us: Annotated[int | None, typer.Option(help="End of the window before, µs UTC")] = None,
    withhold: Annotated[list[str] | None, typer.Option(help="Equipment whose parts are left out, visibly; may stand several times.")] = None,
    pinned: Annotated[list[int] | None, typer.Option(help="Size of a data checkpoint that the evaluator has pinned.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Judge by the rules of this date, YYYY-MM-DD.")] = None,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of role evaluator or admin.")] = Path("evaluator.token"),
) -> None:
    """Asks a gateway for the bundle of a window."""
    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient

    GatewayClient(url, read_file(token_file).decode().strip()).download("/v1/bundles", {
        "from_us": from_us, "to_us": to_us, "baseline_from_us": baseline_from_us, "baseline_to_us": baseline_to_us, "withhold": withhold or [],
        "pinned": pinned or [], "as_of": as_of,
    }, out)
    typer.echo(str(out))
