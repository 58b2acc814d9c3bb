"""`chejian maintenance alerts | lead-times | feedback | tools`: what the service has told, what it was worth, and what people found."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chejian.commands.maintenance import maintenance

if TYPE_CHECKING:
    from analytics.maintenance.reckoning import Worth
    from chejian.alert_record import Record
    from chejian.demo.client import GatewayClient
    from store.archive_records import ControlEntry

Url = Annotated[str, typer.Option(help="The gateway's address.")]
TokenFile = Annotated[Path, typer.Option(help="File with a bearer token.")]
Bundle = Annotated[Path | None, typer.Option(help="Offline: a bundle, folder or .zip, instead of a gateway.")]
Trust = Annotated[Path | None, typer.Option(help="With --bundle: what you know from outside it, keys and witnesses.")]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
_SHOWN = ("equipment", "what", "from_us", "to_us", "score", "digest")
_LATEST_US = 2**52
_URL, _TOKEN = "http://127.0.0.1:8410", Path("viewer.token")


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the commands belong to the group `maintenance`."""


@maintenance.command("alerts")
def alerts_command(url: Url = _URL, token_file: TokenFile = _TOKEN, bundle: Bundle = None, trust: Trust = None, json: Json = False) -> None:
    """Lists what the watch has told, with its evidence, and what people have said of it. 预警清单。"""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from analytics.maintenance.watch.record import MODEL

    record = _record(url, token_file, bundle, trust)
    said = {entry.body["about"]: entry.body["finding"] for entry in _answers(record)}
    documents: dict[str, Any] = {}
    if bundle is None:
        with closing(_client(url, token_file)) as client:
            documents = _documents(client, record)
    rows = [
        {"index": entry.index, "time_us": entry.time_us, **{key: entry.body[key] for key in _SHOWN},
         "feedback": said.get(entry.index), "evidence": documents.get(entry.body["digest"])}
        for entry in record.entries if entry.kind == "prediction" and entry.body["model"] == MODEL
    ]
    if json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    console = Console()
    grid = Table(title=f"alerts 预警 ({record.source})", title_justify="left")
    for name in ("entry", "on record", "equipment", "what", "since", "sure", "rests on", "people said"):
        grid.add_column(name, overflow="fold")
    for row in rows:
        found = row["evidence"]
        rests = "" if found is None else f"{', '.join(found['roles'])}: " + ", ".join(f"{key} {value}" for key, value in found["evidence"].items())
        grid.add_row(str(row["index"]), _moment(row["time_us"]), row["equipment"], row["what"], "" if found is None else _moment(found["since_us"]),
                     row["score"], rests, row["feedback"] or "")
    console.print(grid)


@maintenance.command("lead-times")
def lead_times_command(
    url: Url = _URL, token_file: TokenFile = _TOKEN, bundle: Bundle = None, trust: Trust = None,
    failures: Annotated[Path | None, typer.Option(help="CSV equipment,what,from,to or JSON lines; default: feedback 'failure' on record.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="µs UTC or ISO 8601 with offset; default: when the service was enrolled.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="End here; default: the end of the record.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="By the time an alert gives itself: for imported history; proves nothing.")] = False,
    json: Json = False,
) -> None:
    """Computes lead time, precision, recall and false alarms per machine-month from alerts on record and failures told by somebody else.

    An alert counts by the time at which the log took it. With --bundle and --trust it is also said which alerts an outside witness has seen in time.
    """
    import msgspec

    from analytics.maintenance.reckoning import MONTH_US, right_alert, worth_of
    from analytics.maintenance.watch.record import alerts_of, failures_of
    from chejian.failure_file import read_failures
    from chejian.service_watch import watched
    from workshop.errors import ConfigError

    record = _record(url, token_file, bundle, trust)
    begin_us, end_us = _instant(from_, record.from_us, "--from"), _instant(to, record.to_us, "--to")
    if begin_us >= end_us:
        raise ConfigError("lead-times: nothing was watched in this time: --from must be before --to, and a service must be enrolled")
    happened = [one for one in (read_failures(failures) if failures is not None else failures_of(record.entries)) if one.to_us > begin_us]
    machines = [item.id for item in record.register.equipment if watched(item)]
    strangers = sorted({one.equipment for one in happened} - {item.id for item in record.register.equipment})
    if strangers:
        raise ConfigError(f"{failures}: no equipment '{strangers[0]}' in the register; there are {', '.join(machines)}")
    told = [one for one in alerts_of(record.entries, replay=replay) if begin_us <= one.time_us < end_us]
    if not happened and not told:
        raise ConfigError("lead-times: neither failures nor alerts in this time; give --failures, or put failures on record with feedback")
    worth = worth_of(told, happened, len(machines) * (end_us - begin_us) / MONTH_US, open_ended_us=end_us)
    right = [(one, match) for one in told if (match := right_alert(one, happened))]
    shown = 0 if replay else sum((seen := record.shown_by_us(one.index)) is not None and seen <= match.to_us for one, match in right)
    answers = [entry.body["finding"] for entry in _answers(record)]
    said = {finding: answers.count(finding) for finding in sorted(set(answers))}
    if json:
        typer.echo(msgspec.json.encode({
            "kinds": {kind: figures(one) for kind, one in worth.items()}, "machines": len(machines), "from_us": begin_us, "to_us": end_us,
            "right_alerts": len(right), "shown_before_by_witness": shown, "feedback": said, "source": record.source}).decode())
        return
    _print(worth)
    if replay:
        typer.echo("replay 回放: times are those that the alerts give themselves; nothing shows that they were made before 不能证明事先作出")
    typer.echo(f"{len(machines)} machines watched from {_moment(begin_us)} to {_moment(end_us)}; {record.source}")
    typer.echo(f"shown by an outside witness to be made before the failure: {shown} of {len(right)} right alerts"
               + ("" if shown == len(right) else "; of the others it is not shown 其余未证明"))
    typer.echo("feedback on alerts: " + (", ".join(f"{finding} {count}" for finding, count in said.items()) or "none"))


@maintenance.command("feedback")
def feedback_command(
    alert: Annotated[int | None, typer.Argument(help="Entry number of the alert, as `alerts` lists it.")] = None,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="The alert was right.")] = False,
    false_alarm: Annotated[bool, typer.Option("--false-alarm", help="Nothing was wrong.")] = False,
    failure: Annotated[str | None, typer.Option(help="Without an alert: EQUIPMENT that failed; with --what, --from and --to.")] = None,
    what: Annotated[str, typer.Option(help="Kind of the failure, such as bearing_wear.")] = "",
    from_: Annotated[str | None, typer.Option("--from", help="When it began to show, µs UTC or ISO 8601 with offset.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="When it failed or was mended.")] = None,
    note: Annotated[str, typer.Option(help="In your own words.")] = "",
    url: Url = _URL, token_file: TokenFile = Path("engineer.token"),
) -> None:
    """Puts on record what was found: an alert confirmed or false, or a failure with or without an alert. 反馈。"""
    from analytics.maintenance.watch.record import CONFIRMED, FAILURE, FALSE_ALARM
    from workshop.errors import ConfigError

    if (alert is None) == (failure is None) or (alert is not None and confirmed == false_alarm):
        raise ConfigError("feedback: give an alert's number with --confirmed or --false-alarm, or --failure EQUIPMENT with --what, --from and --to")
    if failure is not None:
        if not what or from_ is None or to is None:
            raise ConfigError("feedback: a failure needs --what, --from and --to")
        begun_us, ended_us = _instant(from_, 0, "--from"), _instant(to, 0, "--to")
        body: dict[str, Any] = {"equipment": failure, "from_us": begun_us, "to_us": ended_us, "finding": FAILURE, "note": what}
    else:
        body = {"finding": CONFIRMED if confirmed else FALSE_ALARM, "about": alert, "note": note}
    with closing(_client(url, token_file)) as client:
        if alert is not None:
            found = [row["body"] for row in client.get("/v1/predictions") if row["index"] == alert]
            if not found:
                raise ConfigError(f"feedback: control entry {alert} is no alert; `chejian maintenance alerts` lists them")
            body |= {name: found[0][name] for name in ("equipment", "from_us", "to_us")}
        typer.echo(f"on record as entry {client.post('/v1/feedback', body)['index']}")


@maintenance.command("tools")
def tools_command(url: Url = _URL, token_file: TokenFile = _TOKEN, json: Json = False) -> None:
    """What each tool has left, with a 90 % interval, and when to change it. 刀具剩余寿命。"""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from analytics.maintenance.watch.tools import ToolLeft

    plans: dict[str, list[ToolLeft]] = {}
    with closing(_client(url, token_file)) as client:
        for name, equipment in _derived(client, "tool_plan").items():
            answer = client.get("/v1/readings", signal=name, from_us=_LATEST_US, to_us=_LATEST_US, limit=1, last_before=True)
            if answer["value"]:
                plans[equipment] = msgspec.json.decode(answer["value"][-1], type=list[ToolLeft])
    if json:
        typer.echo(msgspec.json.encode(plans).decode())
        return
    grid = Table(title="tools 刀具", title_justify="left")
    for column in ("equipment", "tool", "wear", "parts left (90 %)", "hours left (90 %)", "change by"):
        grid.add_column(column)
    for equipment, tools in plans.items():
        for one in tools:
            parts, hours = ("{:.0f} ({:.0f} … {:.0f})".format(*one.parts), "{:.1f} ({:.1f} … {:.1f})".format(*one.hours))
            grid.add_row(equipment, str(one.tool), f"{one.wear:.0%}", parts, hours, _moment(one.change_at_us))
    Console().print(grid)


def figures(one: "Worth") -> dict[str, Any]:
    """A line of the table as JSON has it."""
    return {
        "failures": one.failures, "found": one.found, "recall": one.recall, "alerts": one.alerts, "false_alarms": one.false_alarms,
        "precision": one.precision, "median_lead_h": one.median_lead_h, "lead_h": list(one.lead_h), "machine_months": one.machine_months,
        "false_alarms_per_machine_month": one.false_per_month,
    }


def _print(worth: "dict[str, Worth]") -> None:
    from rich.console import Console
    from rich.table import Table

    grid = Table(title="alerts against failures 预警与故障", title_justify="left")
    heads = ("kind", "failures", "found", "recall", "alerts", "false", "precision", "median lead, h", "false / machine-month")
    for name in heads:
        grid.add_column(name, justify="left" if name == "kind" else "right", no_wrap=name == "kind")
    for kind, one in worth.items():
        shares = ["–" if value is None else f"{value:.3g}" for value in (one.recall, one.precision, one.median_lead_h, one.false_per_month)]
        grid.add_row(kind, str(one.failures), str(one.found), shares[0], str(one.alerts), str(one.false_alarms), *shares[1:])
    Console().print(grid)


def _record(url: str, token_file: Path, bundle: Path | None, trust: Path | None) -> "Record":
    from chejian.alert_record import record_of_bundle, record_of_gateway
    from chejian.clock import real_clock
    from chejian.commands.files import read_file
    from evidence.trust import parse_trust
    from workshop.errors import ConfigError

    if bundle is None:
        if trust is not None:
            raise ConfigError("--trust belongs to --bundle: a gateway's answer is not checked")
        with closing(_client(url, token_file)) as client:
            return record_of_gateway(client, real_clock())
    return record_of_bundle(bundle, parse_trust(read_file(trust), str(trust)) if trust is not None else None)


def _client(url: str, token_file: Path) -> "GatewayClient":
    from chejian.commands.files import read_file
    from chejian.demo.client import GatewayClient

    return GatewayClient(url, read_file(token_file).decode().strip())


def _derived(client: "GatewayClient", role: str) -> dict[str, str]:
    """Signals of a derived role, and the equipment of each."""
    machines = client.get("/v1/workshop")["register"]["equipment"]
    return {
        f"{item['id']}/{signal['name']}": item["id"] for item in machines for signal in item.get("signals", ())
        if signal["role"] == role and signal.get("origin") == "derived"
    }


def _answers(record: "Record") -> "list[ControlEntry]":
    """Feedback about alerts."""
    return [entry for entry in record.entries if entry.kind == "feedback" and entry.body.get("about") is not None]


def _documents(client: "GatewayClient", record: "Record") -> dict[str, Any]:
    """The alerts' documents by digest, of machines whose register has a signal for them."""
    import msgspec

    from workshop.canonical import sha256_hex

    found = {}
    for name in _derived(client, "alert"):
        for text in client.get("/v1/readings", signal=name, from_us=record.from_us, to_us=_LATEST_US)["value"]:
            if isinstance(text, str):
                found[sha256_hex(text.encode())] = msgspec.json.decode(text)
    return found


def _instant(text: str | None, otherwise: int, option: str) -> int:
    from chejian.failure_file import time_of
    from workshop.errors import ConfigError

    try:
        return otherwise if text is None else time_of(text)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{option} '{text}': µs UTC or ISO 8601 with an offset, such as 2026-03-01T08:00:00+08:00") from error


def _moment(time_us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%MZ")
