"""`chejian edge discover` and `chejian edge apply`: from a machine on the network to a file that a person has approved."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chejian.commands.edge import Config, edge

if TYPE_CHECKING:
    from edge.config import EdgeSettings
    from workshop.register import Workshop

_URL = typer.Argument(help="opc.tcp://host:port/path of the server, or mqtt://host:port of the broker.")


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the commands belong to the group `edge`."""


@edge.command("discover")
def discover(
    url: Annotated[str, _URL],
    config: Config,
    out: Annotated[Path, typer.Option(help="Folder for the two diffs.")] = Path("proposal"),
    security: Annotated[str | None, typer.Option(help="Policy of the server; without it, that of a source with this address in the file.")] = None,
    listen_s: Annotated[float, typer.Option(help="How long to listen, s; a broker needs longer than the slowest machine.", min=0.5, max=3600)] = 3.0,
    topic: Annotated[list[str] | None, typer.Option(help="Topic filters at a broker; all without it.")] = None,
    ask: Annotated[bool, typer.Option(help="Ask Sparkplug edge nodes for their births where none is heard.")] = True,
) -> None:
    """Looks at a server or broker and proposes signals, roles and addresses as two diffs; nothing is changed. Exit 1 if nothing was understood."""
    from chejian.commands.files import beside, read_text
    from edge.config import load_edge
    from edge.discovery.proposal import propose
    from edge.discovery.texts import difference, edge_text, register_text
    from workshop.register_file import parse_register

    text = read_text(config)
    settings = load_edge(text, str(config), may_be_empty=True)
    register_file = beside(config, settings.register)
    before = after = read_text(register_file)
    edge_after = text
    finds, remarks = _look(url, settings, config, parse_register(before, str(register_file)), security, topic or ["#"], listen_s, ask)
    is_understood = False
    for source, machines in finds:
        register = parse_register(after, str(register_file))
        proposals = propose(machines, register)
        is_understood = is_understood or bool(proposals)
        after, by_hand = register_text(after, proposals, register, source=url, day=_today(register.time_zone))
        edge_after, more = edge_text(edge_after, proposals, load_edge(edge_after, str(config), may_be_empty=True), source, found_at=url)
        remarks += [*by_hand, *more, *(f"{one.equipment}: {remark}" for one in proposals for remark in one.remarks)]
        for proposal in proposals:
            roles = ", ".join(choice.signal.role for choice in proposal.choices)
            state = "not in the register yet" if proposal.is_new else "in the register"
            typer.echo(f"{proposal.equipment} ({proposal.machine.equipment_class or 'machine'}, {state}): {roles}")
    for line in remarks:
        typer.echo(f"note: {line}", err=True)
    if not is_understood:
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
    from chejian.commands.files import beside, read_register, read_text
    from chejian.patches import patched, replace_file
    from edge.config import check_edge, load_edge

    text = patched(read_text(config), read_text(diff), str(config))
    settings = load_edge(text, str(config))
    check_edge(settings, read_register(beside(config, settings.register)), str(config))
    kept = replace_file(config, text)
    typer.echo(f"{config}: changed; as it was: {kept}\ntry it with: chejian edge check {config}; a running edge takes it at its next start")


def _look(
    url: str, settings: "EdgeSettings", config: Path, register: "Workshop", security: str | None, topics: list[str], listen_s: float, ask: bool
) -> tuple[list[tuple[dict[str, Any], list[Any]]], list[str]]:
    """What was found, by the source that would read it, and remarks."""
    import asyncio
    from urllib.parse import urlsplit

    from chejian.clock import real_clock
    from edge.discovery.found import slug
    from edge.source import SourceContext
    from edge.strict import convert
    from workshop.errors import ConfigError

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{url}: {error}") from error
    where, name = f"edge discover {url}", slug(f"{host}-{port or ''}")
    context = SourceContext(name, where, settings.edge, (), real_clock, data=config.parent / settings.data, folder=config.parent, durable=False)
    if parts.scheme == "opc.tcp":
        from edge.discovery.opcua import discover_opcua
        from edge.opcua.settings import OpcUaSettings

        known = next((block.options for block in settings.source if block.protocol == "opcua" and block.options.get("url") == url), {})
        options = {**known, "url": url, **({"security": security} if security else {})}
        machines, remarks = asyncio.run(discover_opcua(convert(options, OpcUaSettings, where), context, listen_s=listen_s))
        return [({"name": name, "protocol": "opcua", **options}, machines)], remarks
    if parts.scheme == "mqtt" and host:
        from edge.discovery.mqtt import discover_mqtt
        from edge.mqtt_access import BrokerOptions

        at = {"host": host, "port": port or 1883}
        same = [block.options for block in settings.source if {key: block.options.get(key, 1883) for key in at} == at]
        options = {**{key: value for key, value in (same[0] if same else {}).items() if key in BrokerOptions.__struct_fields__}, **at}
        heard = asyncio.run(discover_mqtt(convert(options, BrokerOptions, where), context, register, topics=topics, listen_s=listen_s, ask=ask))
        finds = [({"name": name, "protocol": "mqtt", **options}, heard.json), ({"name": name, "protocol": "sparkplug", **options}, heard.sparkplug)]
        return finds, heard.remarks
    raise ConfigError(f"{url}: write opc.tcp://host:port/path for an OPC UA server, or mqtt://host:port for a broker")


def _today(zone: str) -> str:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from chejian.clock import real_clock

    return datetime.fromtimestamp(real_clock() / 1_000_000, ZoneInfo(zone)).date().isoformat()
