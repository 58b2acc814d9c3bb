"""`chejian gateway backup|restore|prune|rotate|revoke|who`: keeping a gateway's logs over the years."""

from pathlib import Path
from typing import Annotated

import typer

from chejian.commands.gateway import Config, gateway

ConfigOption = Annotated[Path, typer.Option("--config", help="gateway.toml")]


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the commands belong to the group `gateway`."""


@gateway.command("backup")
def backup(
    out: Annotated[Path, typer.Argument(help="The folder to make; it will hold the gateway's secrets.")], config: ConfigOption = Path("gateway.toml"),
) -> None:
    """Copies journal, logs and keys while the gateway runs, and prints the checkpoints of that moment."""
    from chejian.clock import real_clock
    from gateway.backup import backup as make_backup
    from gateway.settings import load_gateway

    manifest = make_backup(load_gateway(config), out, real_clock)
    sizes = f"{manifest.data_size} batches, {manifest.control_size} control entries, generation {manifest.generation}"
    typer.echo(f"{out}: {sizes}; it holds the gateway's key, keep it locked away\n\n" + "\n".join(manifest.checkpoints), nl=False)


@gateway.command("restore")
def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `chejian gateway backup` made.")],
    config: ConfigOption = Path("gateway.toml"),
    last_checkpoint: Annotated[list[Path] | None, typer.Option(
        help="File with a signed checkpoint from after the backup, as a witness or an evaluator has it; may be given more than once.")] = None,
    reason: Annotated[str, typer.Option(help="Why; stands in the log for ever.")] = "restored from a backup",
) -> None:
    """Makes the data folder from a backup, as a new generation of the logs; edges then send again what they keep, the rest is declared lost."""
    from chejian.clock import real_clock
    from chejian.commands.files import read_file
    from gateway.backup import restore as restore_backup
    from gateway.settings import load_gateway

    known = [read_file(file).decode(errors="replace") for file in last_checkpoint or []]
    body = restore_backup(load_gateway(config), source, real_clock, known=known, reason=reason)
    typer.echo(f"generation {body.generation}: {body.data_size} batches and {body.control_size} control entries restored; start the gateway now")
    if not known:
        typer.echo("no later checkpoint was given: verifiers who hold one will report that the restore does not name it", err=True)


@gateway.command("prune")
def prune(
    before: Annotated[str, typer.Option(help="Date or time, such as 2026-01-31 or 2026-01-31T00:00:00+08:00 (UTC without a zone).")],
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of role admin.")] = Path("admin.token"),
    reason: Annotated[str, typer.Option(help="Why; stands in the log for ever.")] = "retention",
) -> None:
    """Deletes the raw data of old batches; headers, signatures and proofs stay, and verdicts on that time lose coverage."""
    from datetime import UTC, datetime

    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient
    from workshop.errors import ConfigError

    try:
        time = datetime.fromisoformat(before)
    except ValueError as error:
        raise ConfigError(f"--before '{before}': {error}; write a date such as 2026-01-31") from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    body = {"before_us": int(time.timestamp()) * 1_000_000, "reason": reason}
    done = GatewayClient(url, read_file(token_file).decode().strip()).post("/v1/prune", body)
    typer.echo(f"raw data of batches {done['first']} to {done['end'] - 1} deleted; entry 'prune' is in the control log")


@gateway.command("rotate")
def rotate(config: Config, reason: Annotated[str, typer.Option(help="Why; stands in the log for ever.")] = "") -> None:
    """Gives the gateway a new key, announced in its log under the old one; the gateway must not be running."""
    from chejian.clock import real_clock
    from chejian.commands.files import read_register
    from gateway.keys import rotate_key
    from gateway.settings import load_gateway

    settings = load_gateway(config)
    key = rotate_key(settings, real_clock, read_register(Path(settings.register)), reason=reason)
    typer.echo(f"new gateway key {key}; tell those who keep a trust file")


@gateway.command("revoke")
def revoke(
    reason: Annotated[str, typer.Option(help="Why; stands in the log for ever.")],
    edge: Annotated[str | None, typer.Option(help="An edge whose batches and token are refused from now on, until it is enrolled again.")] = None,
    key: Annotated[str | None, typer.Option(help="A former key of the gateway, now in wrong hands; rotate the present one first.")] = None,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of role admin.")] = Path("admin.token"),
) -> None:
    """Takes nothing more from an edge, or declares a former key of the gateway to be in wrong hands; a control entry says so for ever."""
    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient
    from workshop.errors import ConfigError

    if (edge is None) == (key is None):
        raise ConfigError("revoke: name one thing, with --edge or with --key")
    client = GatewayClient(url, read_file(token_file).decode().strip())
    if edge is not None:
        client.tell(f"/v1/edges/{edge}/revocation", {"reason": reason})
        typer.echo(f"edge '{edge}' revoked; entry 'revocation' is in the control log")
    else:
        entry = client.post("/v1/key-revocations", {"key": key, "reason": reason})
        typer.echo(f"key {key} revoked; control entry {entry['index']}. Tell those who keep a trust file to end it there")


@gateway.command("who")
def who(
    pseudonym: Annotated[str, typer.Argument(help="As it stands in the control log, such as p-0123456789abcdef0123.")],
    reason: Annotated[str, typer.Option(help="Why it has to be known; stands in the audit for ever.")],
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of role admin.")] = Path("admin.token"),
) -> None:
    """Says whose pseudonym this is, and writes into the audit that it was asked. 查明化名。"""
    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient

    client = GatewayClient(url, read_file(token_file).decode().strip())
    typer.echo(client.post("/v1/pseudonyms", {"pseudonym": pseudonym, "reason": reason})["subject"])
