"""`chejian evidence witness`."""

from pathlib import Path
from typing import Annotated

import typer

from chejian.commands.evidence import evidence


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the command belongs to the group `evidence`."""


@evidence.command("witness")
def witness(
    state: Annotated[Path, typer.Option(help="Folder of this witness: its memory, its history, its key. Keep it outside the factory.")],
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of role evaluator.")] = Path("evaluator.token"),
    key: Annotated[Path | None, typer.Option(help="The witness's private key (PEM, Ed25519); made in the folder when it is not given.")] = None,
    name: Annotated[str, typer.Option(help="Name under which it cosigns; without spaces.")] = "chejian-witness",
    trust: Annotated[Path | None, typer.Option(help="Trust file with the gateway's key; otherwise the first look believes the gateway.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once and stop.")] = False,
    every_s: Annotated[float, typer.Option(help="Seconds between two looks.", min=1)] = 60.0,
    timestamp_url: Annotated[str | None, typer.Option(help="Time-stamping authority (RFC 3161) to stamp each cosigned checkpoint.")] = None,
    timestamp_roots: Annotated[Path | None, typer.Option(help="PEM file with the authority's root certificates.")] = None,
) -> None:
    """Follows a gateway's checkpoints: checks that each extends the ones before, remembers, cosigns. Exit 1, loudly, at a split view."""
    import time

    from chejian.clock import real_clock
    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient
    from chejian.witness import Witness
    from evidence.timestamp import read_roots
    from evidence.trust import parse_trust
    from evidence.witness import Memory
    from store.signing import SigningKey
    from workshop.errors import ConfigError, NotConnected, VerificationError

    if (timestamp_url is None) != (timestamp_roots is None):
        raise ConfigError("--timestamp-url and --timestamp-roots belong together: a stamp that nobody can check proves nothing")
    stamps = (timestamp_url, read_roots(read_file(timestamp_roots), str(timestamp_roots))) if timestamp_url and timestamp_roots else None
    file = key or state / "witness.pem"
    if not file.exists() and key is None:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        SigningKey.create().save(file)
    signing = SigningKey.load(file)
    known = parse_trust(read_file(trust), str(trust)) if trust is not None else None
    trusted = Memory(known.origin, [item.key for item in known.gateway]) if known is not None else None
    client = GatewayClient(url, read_file(token_file).decode().strip())
    worker = Witness(client, state, name=name, key=signing, clock=real_clock, stamps=stamps)
    typer.echo(f"witness {name}, public key {signing.public}")
    while True:
        try:
            for line in worker.look(trusted):
                typer.echo(line)
        except VerificationError as error:
            typer.echo(f"SPLIT VIEW 分裂视图: {error}", err=True)
            typer.echo(f"Both sides are kept in {state / 'split-view'}; show them to whoever relies on this log.", err=True)
            raise typer.Exit(1) from error
        except NotConnected as error:
            if once:
                raise
            typer.echo(f"{error}; trying again", err=True)
        if once:
            return
        time.sleep(every_s)
