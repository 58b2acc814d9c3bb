"""`chejian edge certificate` and `chejian edge trust`: who we are to machines, and which machines we believe."""

from pathlib import Path
from typing import Annotated

import typer

from chejian.commands.edge import Config, edge


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the commands belong to the group `edge`."""


@edge.command("certificate")
def certificate(
    config: Config,
    renew: Annotated[bool, typer.Option("--renew", help="Make a new key and certificate; the old ones are kept beside it.")] = False,
    request: Annotated[bool, typer.Option("--request", help="Write a request that the plant's authority can sign.")] = False,
) -> None:
    """Shows this edge's certificate for OPC UA; makes it if there is none. A running edge takes a new one without a restart."""
    import socket

    from chejian.clock import real_clock
    from chejian.commands.files import beside, read_file
    from edge.config import load_edge
    from edge.opcua.certificates import describe, utc
    from edge.opcua.own import CERTIFICATE, KEY, load_own, make_own, request_of
    from edge.opcua.trust import OWN

    settings = load_edge(read_file(config), str(config), may_be_empty=True)
    folder = beside(config, settings.data) / "pki"
    place = folder / OWN
    is_new = renew or not ((place / CERTIFICATE).exists() or (place / KEY).exists())
    own = make_own(folder, settings.edge, socket.gethostname(), real_clock) if is_new else load_own(folder)
    typer.echo(f"{'made' if is_new else 'certificate'}: {describe(own.certificate)}")
    typer.echo(f"application: {own.uri}\nfile: {place / CERTIFICATE}; let the machines' servers trust it")
    for warning in own.warnings(utc(real_clock())):
        typer.echo(f"warning: {warning}", err=True)
    if request:
        typer.echo(f"request: {request_of(folder, settings.edge, socket.gethostname())}; what the authority answers takes the place of {CERTIFICATE}")


@edge.command("trust")
def trust(
    config: Config,
    beginning: Annotated[str | None, typer.Argument(help="First digits of the SHA-256 of a refused certificate that is to be trusted.")] = None,
) -> None:
    """Lists the certificates of servers that were refused, or trusts one of them; compare its fingerprint with the machine's own before."""
    from chejian.commands.files import beside, read_file
    from edge.config import load_edge
    from edge.opcua.certificates import describe
    from edge.opcua.trust import REJECTED, accept, rejected
    from workshop.errors import ConfigError

    settings = load_edge(read_file(config), str(config), may_be_empty=True)
    named = [str(block.options.get("pki") or "") for block in settings.source]
    folders: list[Path] = list(dict.fromkeys([beside(config, settings.data) / "pki", *(beside(config, name) for name in named if name)]))
    if beginning is None:
        shown = [describe(one) for folder in folders for one in rejected(folder)]
        typer.echo("\n".join(shown) or "nothing was refused")
        return
    errors = []
    for folder in folders:
        try:
            accepted = accept(folder, beginning)
        except ConfigError as error:
            errors.append(str(error))
        else:
            typer.echo(f"trusted: {describe(accepted)}")
            return
    raise ConfigError(f"{errors[0]} ({REJECTED} certificates appear after chejian edge check or run)")
