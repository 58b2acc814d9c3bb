"""`chejian evidence challenge`."""

from pathlib import Path
from typing import Annotated

import typer

from chejian.commands.evidence import evidence


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the command belongs to the group `evidence`."""


@evidence.command("challenge")
def challenge(
    edge: Annotated[str, typer.Argument(help="The edge that is asked.")],
    signal: Annotated[str, typer.Argument(help="The signal that is asked for, equipment/name.")],
    window_s: Annotated[float, typer.Option(help="How long before and after now a value counts, or how long an action may take.", min=1)] = 10.0,
    action: Annotated[str, typer.Option(help="What you have asked the operator to do; empty: only the value is asked for.")] = "",
    wait_s: Annotated[float, typer.Option(help="How long to wait for the answer; 0: not at all.", min=0)] = 90.0,
    checkpoint: Annotated[Path | None, typer.Option(help="New file for a checkpoint that covers the question: pin it.")] = None,
    url: Annotated[str, typer.Option(help="The gateway's address.")] = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of role evaluator.")] = Path("evaluator.token"),
) -> None:
    """Asks an edge, at a moment that nobody knew before, what a signal shows; question and answer go into the log and every verdict on that time.

    Exit 1: no answer came in time.
    """
    import time

    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient
    from workshop.errors import ConfigError

    client = GatewayClient(url, read_file(token_file).decode().strip())
    asked = client.post("/v1/challenges", {"edge": edge, "signal": signal, "window_us": round(window_s * 1_000_000), "action": action})
    typer.echo(f"asked: control entry {asked['index']}")
    if checkpoint is not None:
        try:
            with checkpoint.open("x", encoding="utf-8") as file:
                file.write(client.get("/v1/checkpoint")["control"])
        except OSError as error:
            raise ConfigError(f"{checkpoint}: cannot be written ({error.strerror}); choose another name") from error
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        found = [item for item in client.get("/v1/challenges") if item["kind"] == "answer" and item["body"]["challenge"] == asked["index"]]
        if found:
            said = found[0]["body"]["statement"]
            typer.echo(f"answered: {said['value']} at {said['source_time_us']} µs" if said["source_time_us"] is not None else "answered: no reading")
            return
        time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))
    if wait_s:
        typer.echo("no answer: verdicts on that time will not be confirmed", err=True)
        raise typer.Exit(1)
