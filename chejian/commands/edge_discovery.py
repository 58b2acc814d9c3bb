"""`chejian edge discover` and `chejian edge apply`: from a machine on the network to a file that a person has approved."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chejian.commands.edge import Config, edge

if TYPE_CHECKING:
    from edge.config import EdgeSettings

_URL = typer.Argument(help="opc.tcp://host:port/path of the server, or mqtt://host:port of the broker.")


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the commands belong to the group `edge`."""


@edge.command("discover")
def discover(
    url: Annotated[str, _URL],
    config: Config,
    out: Annotated[Path, typer.Option(help="Folder for the two diffs.")] = Path("proposal"),
    security: Annotated[str | None, typer.Option(help="Policy of the server; without it, that of a source with this address in the file.")] = None,
    listen_s: Annotated[float, typer.Option(help="How long to listen, s.", min=0.5, max=3600)] = 3.0,
) -> None:
    """Looks at a server or broker and proposes signals, roles and addresses as two diffs; nothing is changed. Exit 1 if nothing was understood."""
    from chejian.commands.files import beside, read_file, read_register
    from edge.config import load_edge
    from edge.discovery.proposal import propose
    from edge.discovery.texts import difference, edge_text, register_text

    text = read_file(config).decode()
    settings = load_edge(text, str(config), may_be_empty=True)
    register_file = beside(config, settings.register)
    register = read_register(register_file)
    source = _source(url, settings, security)
    machines, remarks = _look(source, settings, config, listen_s)
    proposals = propose(machines, register)
    before = read_file(register_file).decode()
    after = register_text(before, proposals, register, source=url, day=_today(register.time_zone))
    edge_after, more = edge_text(text, proposals, settings, source, found_at=url)
    for line in [*remarks, *more, *(f"{one.equipment}: {remark}" for one in proposals for remark in one.remarks)]:
        typer.echo(f"note: {line}", err=True)
    for proposal in proposals:
        roles = ", ".join(choice.signal.role for choice in proposal.choices)
        state = "not in the register yet" if proposal.is_new else "in the register"
        typer.echo(f"{proposal.equipment} ({proposal.machine.equipment_class}, {state}): {roles}")
    if not proposals:
        typer.echo(f"{url}: no standard model and no name that we understand, such as SpindleLoad; write the addresses by hand")
        raise typer.Exit(1)
    out.mkdir(parents=True, exist_ok=True)
    steps = []
    for file, old, new, command in ((register_file, before, after, "register revise"), (config, text, edge_after, "edge apply")):
        target = out / f"{file.name}.diff"
        target.unlink(missing_ok=True)
        if change := difference(old, new, file.name):
            target.write_text(change, encoding="utf-8")
            steps.append(f"chejian {command} {file} {target}")
    typer.echo("look at them, and then:\n  " + "\n  ".join(steps) if steps else "nothing new: register and edge file have all of it")


@edge.command("apply")
def apply(config: Config, diff: Annotated[Path, typer.Argument(help="The diff of the edge's file that edge discover wrote.")]) -> None:
    """Applies a proposed change to the edge's file, if the result is a file that runs; what was there is kept beside it."""
    from chejian.commands.files import beside, read_file, read_register
    from chejian.patches import patched, replace_file
    from edge.config import check_edge, load_edge

    text = patched(read_file(config).decode(), read_file(diff).decode(), str(config))
    settings = load_edge(text, str(config))
    check_edge(settings, read_register(beside(config, settings.register)), str(config))
    kept = replace_file(config, text)
    typer.echo(f"{config}: changed; as it was: {kept}\ntry it with: chejian edge check {config}; a running edge takes it at its next start")


def _source(url: str, settings: "EdgeSettings", security: str | None) -> dict[str, Any]:
    """The source that would read this address: as the file has it, or a new one."""
    from urllib.parse import urlsplit

    from edge.discovery.found import slug
    from workshop.errors import ConfigError

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{url}: {error}") from error
    name = slug(f"{host}-{port or ''}")
    if parts.scheme == "opc.tcp":
        known = next((block.options for block in settings.source if block.protocol == "opcua" and block.options.get("url") == url), {})
        chosen = {"security": security} if security else {}
        return {"name": name, "protocol": "opcua", "url": url, **{key: value for key, value in known.items() if key != "url"}, **chosen}
    raise ConfigError(f"{url}: write opc.tcp://host:port/path for an OPC UA server")


def _look(source: dict[str, Any], settings: "EdgeSettings", config: Path, listen_s: float) -> tuple[list[Any], list[str]]:
    import asyncio

    from chejian.clock import real_clock
    from edge.discovery.opcua import discover_opcua
    from edge.opcua.settings import OpcUaSettings
    from edge.source import SourceContext
    from edge.strict import convert

    where = f"edge discover {source['url']}"
    options = {key: value for key, value in source.items() if key not in ("name", "protocol")}
    context = SourceContext(
        str(source["name"]), where, settings.edge, (), real_clock, data=config.parent / settings.data, folder=config.parent, durable=False,
    )
    return asyncio.run(discover_opcua(convert(options, OpcUaSettings, where), context, listen_s=listen_s))


def _today(zone: str) -> str:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from chejian.clock import real_clock

    return datetime.fromtimestamp(real_clock() / 1_000_000, ZoneInfo(zone)).date().isoformat()
