"""`chejian evidence trust`: what an evaluator knows from outside every bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chejian.commands.evidence import evidence

if TYPE_CHECKING:
    from evidence.trust import TrustFile
    from evidence.trust_edit import Named


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the command belongs to the group `evidence`."""


@evidence.command("trust")
def trust(
    file: Annotated[Path | None, typer.Argument(help="A trust file to show or to change; without one the gateway is asked for a new one.")] = None,
    witness: Annotated[list[str] | None, typer.Option(help="Public key of a witness whose cosignatures are believed.")] = None,
    authority: Annotated[list[str] | None, typer.Option(help="PEM file with the root of a time authority; to remove: its SHA-256 too.")] = None,
    checkpoint: Annotated[list[str] | None, typer.Option(help="File with a signed checkpoint to pin; to remove: 'data:17' too.")] = None,
    pack: Annotated[list[str] | None, typer.Option(help="Digest of a pack that is accepted although it is not shipped.")] = None,
    edge: Annotated[list[str] | None, typer.Option(help="NAME=KEY: a key of an edge that was enrolled since.")] = None,
    gateway_key: Annotated[list[str] | None, typer.Option(help="A key of the gateway.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take out what is named, instead of adding it.")] = False,
    out: Annotated[Path | None, typer.Option(help="New file to write the gateway's answer to; never an existing one.")] = None,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token.")] = Path("evaluator.token"),
    json: Annotated[bool, typer.Option("--json", help="Print the trust file itself.")] = False,
) -> None:
    """Makes, shows or changes a trust file: take it yourself, on a day of your choice, and keep it outside the factory.

    Every change is said; nothing is overwritten in silence, and taking out what is not there is an error.
    """
    from chejian.commands.files import read_file
    from evidence.trust import encode_trust, parse_trust
    from evidence.trust_edit import added, described, removed
    from workshop.errors import ConfigError

    named = _named(witness, authority, checkpoint, pack, edge, gateway_key, remove)
    known = parse_trust(read_file(file), str(file)) if file is not None else _asked(url, token_file)
    if file is not None and out is not None:
        raise ConfigError("--out: is for a new trust file from the gateway; a file that is named is changed where it stands")
    if file is None and remove:
        raise ConfigError("--remove: name the trust file to take something out of")
    changed, said = (removed if remove else added)(known, named)
    for line in said:
        typer.echo(line, err=True)
    target = file if file is not None else out
    if target is None or (file is not None and changed == known):
        if json or target is None:
            typer.echo(encode_trust(changed), nl=False)
        elif not said:
            for what, which in described(changed):
                typer.echo(f"{what}: {which}")
        return
    _write(target, encode_trust(changed), new=file is None)
    typer.echo(str(target))


def _named(
    witness: list[str] | None, authority: list[str] | None, checkpoint: list[str] | None, pack: list[str] | None, edge: list[str] | None,
    gateway_key: list[str] | None, remove: bool,
) -> "Named":
    from chejian.commands.files import read_file
    from evidence.trust_edit import Named
    from workshop.errors import ConfigError

    def text(name: str) -> str:
        if remove and not Path(name).exists():
            return name
        try:
            return read_file(Path(name)).decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name}: not text") from error

    edges = [(name, key) for name, _, key in (item.partition("=") for item in edge or [])]
    if any(not name or not key for name, key in edges):
        raise ConfigError("--edge: give NAME=KEY, such as edge-4=iojj3XQJ8ZX9…")
    return Named(
        witness or (), [text(name) for name in authority or []], [text(name) for name in checkpoint or []], pack or (), edges, gateway_key or (),
    )


def _asked(url: str, token_file: Path) -> "TrustFile":
    import json

    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient
    from evidence.trust import parse_trust

    client = GatewayClient(url, read_file(token_file).decode().strip())
    content, notes = client.get("/v1/trust"), client.get("/v1/checkpoint")
    content["checkpoints"] = [notes["data"], notes["control"]]
    return parse_trust(json.dumps(content), url)


def _write(path: Path, data: bytes, *, new: bool) -> None:
    from workshop.errors import ConfigError

    try:
        if new:
            with path.open("xb") as file:
                file.write(data)
            return
        draft = path.with_name(path.name + ".new")
        draft.write_bytes(data)
        draft.replace(path)
    except FileExistsError as error:
        raise ConfigError(f"{path}: exists already; a trust file is never overwritten, choose another name or change it by naming it") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
