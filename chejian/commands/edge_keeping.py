"""`chejian edge rotate`."""

from typing import Annotated

import typer

from chejian.commands.edge import Config, edge


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the command belongs to the group `edge`."""


@edge.command("rotate")
def rotate(config: Config, reason: Annotated[str, typer.Option(help="Why; stands in the gateway's log for ever.")] = "") -> None:
    """Gives this edge a new key, announced under the old one; the agent must not be running. Batches that are waiting keep their signature."""
    from chejian.clock import real_clock
    from chejian.commands.files import beside, read_file
    from chejian.rotation import rotate_edge
    from edge.config import load_edge

    settings = load_edge(read_file(config), str(config))
    key = rotate_edge(settings.gateway.url, beside(config, settings.data), settings.edge, real_clock, reason)
    typer.echo(f"new key of {settings.edge}: {key}; tell those who keep a trust file")
