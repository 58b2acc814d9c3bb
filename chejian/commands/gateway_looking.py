"""`chejian gateway quarantine|alerts`: what a gateway sets aside and says, for people at a terminal."""

from pathlib import Path
from typing import Annotated

import typer

from chejian.commands.gateway import gateway

Url = Annotated[str, typer.Option(help="The gateway's address.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the commands belong to the group `gateway`."""


@gateway.command("quarantine")
def quarantine(
    url: Url = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token of role viewer.")] = Path("viewer.token"),
    limit: Annotated[int, typer.Option(help="How many of the newest.", min=1, max=100_000)] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them, in order of edge and batch.")] = False,
    json: Json = False,
) -> None:
    """Shows rows that could not be indexed, by batch and row, with the reason; their batches are kept whole. 隔离区。"""
    import msgspec
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient
    from evidence.document import printable

    client = GatewayClient(url, read_file(token_file).decode("utf-8", "replace").strip())
    found = list(client.pages("/v1/quarantine", limit=10_000)) if everything else client.get("/v1/quarantine", newest=True, limit=limit)
    count = client.get("/v1/quarantine/count")
    if json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    table = Table("edge 采集端", "batch 批次", "equipment 设备", "row 行", "reason 原因")
    for row in found:
        batch = f"{row['epoch']}/{row['seq']}" if row["seq"] else "– line protocol"
        number = "–" if not row["seq"] else "whole part 整个分片" if row["row"] < 0 else str(row["row"])
        # What stands there comes from outside: no markup, and nothing that moves a terminal's cursor.
        table.add_row(*(Text(printable(cell)) for cell in (row["edge"], batch, row["equipment"], number, row["reason"])))
    console = Console()
    console.print(table)
    console.print(f"{count['records']}{'+' if count['more'] else ''} records 条, {count['since_start']} since the gateway's start 启动以来")


@gateway.command("alerts")
def alerts(
    url: Url = "http://127.0.0.1:8410",
    token_file: Annotated[Path, typer.Option(help="File with a bearer token; --test takes one of role admin.")] = Path("admin.token"),
    test: Annotated[bool, typer.Option("--test", help="The test button: a message to everybody that gateway.toml names, now.")] = False,
    json: Json = False,
) -> None:
    """Shows the last alerts, or sends a test to every mail and webhook and says what came of it; exit code 1 if one failed. 告警。"""
    import msgspec
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient
    from evidence.document import printable

    client = GatewayClient(url, read_file(token_file).decode("utf-8", "replace").strip())
    if test:
        outcome = client.post("/v1/alerts/test", {})["outcome"]
        if json:
            typer.echo(msgspec.json.encode(outcome).decode())
        for place, said in () if json else outcome.items():
            typer.echo(f"{place}: {printable(said)}")
        if any(said != "sent" for said in outcome.values()):
            raise typer.Exit(1)
        return
    found = client.get("/v1/alerts")
    if json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    table = Table("time 时间", "kind 类别", "about 对象", "", "text 内容")
    for row in found:
        state = "over 恢复" if row["over"] else "alert 告警"
        cells = (_time(row["time_us"]), row["kind"], row["about"], state, row["text"])
        table.add_row(*(Text(printable(cell)) for cell in cells))
    Console().print(table)


def _time(time_us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
