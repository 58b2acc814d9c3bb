"""`chejian edge status`."""

from typing import TYPE_CHECKING, Annotated

import typer

from chejian.commands.edge import Config, edge

if TYPE_CHECKING:
    from edge.mqtt_topics import Unmatched
    from edge.status import EdgeStatus

_OLD_S = 5
_MANY, _FEW = 40, 3


def add_to(app: typer.Typer) -> None:
    """Adds nothing of its own: the command belongs to the group `edge`."""


@edge.command("status")
def status(config: Config, json: Annotated[bool, typer.Option("--json", help="Print the status file as JSON.")] = False) -> None:
    """Prints what a running edge says of itself: sources, how much waits in its journal and for how long, rates, gaps, uplink, clock."""
    import msgspec
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from chejian.clock import real_clock
    from chejian.commands.files import beside, read_file
    from edge.config import load_edge
    from edge.status import EdgeStatus
    from workshop.errors import ConfigError, NotConnected

    settings = load_edge(read_file(config), str(config))
    file = beside(config, settings.data) / "status.json"
    if not file.exists():
        raise NotConnected(f"{file}: not there; has this edge ever run? start it: chejian edge run {config}")
    data = read_file(file)
    try:
        found = msgspec.json.decode(data, type=EdgeStatus)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not a status ({error}); a running edge writes it anew within a second") from error
    if json:
        typer.echo(data.decode())
        return
    table = Table(title=f"{found.edge} · {_running(found, real_clock())}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines(found):
        table.add_row(name, Text(text))  # a topic or an error is no markup
    Console().print(table)


def _running(found: "EdgeStatus", now_us: int) -> str:
    if found.stopped:
        return "stopped in order 已正常停止"
    old_s = (now_us - found.time_us) / 1e6
    # A demo's clock may run faster; such a status is never old.
    return f"this is {old_s:.0f} s old: is it running? 状态已过期" if old_s > _OLD_S else f"running, process {found.pid} 运行中"


def lines(found: "EdgeStatus") -> list[tuple[str, str]]:
    """What the table shows: name and text."""
    journal, uplink, rates = found.journal, found.uplink, found.rates
    rows = [
        (f"source {name} 数据源", f"{'connected 已连接' if state.connected else state.error or 'not connected 未连接'}; {state.readings} readings"
         + (f"; {len(state.problems)} signals give nothing" if state.problems else ""))
        for name, state in found.sources.items()
    ]
    rows += [("warning 注意", f"{name}: {warning}") for name, state in found.sources.items() for warning in state.warnings]
    rows += [("unmatched 无归属", f"{name}: {_unmatched(state.unmatched)}") for name, state in found.sources.items() if state.unmatched.count]
    rows += _lives(found)
    age = "–" if journal.oldest_us is None else f"{max(0, found.time_us - journal.oldest_us) / 1e6:.0f} s"
    waiting = f"{journal.pending_batches} batches, {_size(journal.pending_bytes)}, and {journal.unsealed_rows} readings not sealed yet"
    room = f"{_size(journal.bytes_on_disk)} of {_size(journal.max_bytes)}; {_size(journal.free_bytes)} free on the disk"
    rows += [
        ("waiting 待送", waiting), ("oldest waiting 最早待送", age), ("journal 日志", room + (f"; {journal.full}" if journal.full else "")),
        ("rates 速率", f"stored {rates.stored_rows:.0f}/s, delivered {rates.acknowledged_rows:.0f}/s, {_size(round(rates.sent_bytes))}/s, "
                     f"{rates.commits:.1f} commits/s"),
        ("gaps 缺口", f"{journal.gaps} declared in this epoch; {journal.dropped_rows} readings dropped for want of room"),
        ("quarantine 隔离", f"{journal.quarantined}"),
        ("uplink 上行", f"{uplink.state}{': ' + uplink.why if uplink.why else ''}; batch {journal.watermark} of {journal.last_seq} acknowledged"),
        ("clock 时钟", _clock(found)),
    ]
    if found.disk:
        rows.append(("disk 磁盘", found.disk))
    return rows


def _unmatched(found: "Unmatched") -> str:
    most = sorted(found.topics.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{''.join(c if c.isprintable() else '?' for c in topic)} ({count})" for topic, count in most[:_FEW])
    said = f"{found.count} messages of no machine or signal that this source reads: {shown}{' …' if len(most) > _FEW else ''}"
    return f"{said}; to have them read: chejian edge discover, or a line in the register and in the source"


def _lives(found: "EdgeStatus") -> list[tuple[str, str]]:
    """Equipment: link, last seen, and which signals are silent why; of many only those of which something is to be said."""
    rows = []
    for name, life in found.equipment.items():
        stale: dict[str, list[str]] = {}
        for signal, why in life.stale().items():
            stale.setdefault(why, []).append(signal)
        if not stale and life.link and len(found.equipment) > _MANY:
            continue
        link = "link up 在线" if life.link else "planned stop 计划停机" if life.planned is False else "no link 离线"
        seen = f"seen {max(0, found.time_us - life.heard_us) / 1e6:.0f} s ago" if life.heard_us else "nothing heard yet"
        silent = "".join(f"; {why}: {', '.join(signals[:_FEW])}{' …' if len(signals) > _FEW else ''}" for why, signals in stale.items())
        rows.append((f"{name} 设备", f"{link}; {seen}; {len(life.signals) - len(life.stale())} of {len(life.signals)} signals fresh{silent}"))
    if len(rows) < len(found.equipment):
        rows.append(("other 其余设备", f"{len(found.equipment) - len(rows)} more, all heard and fresh 均正常"))
    return rows


def _clock(found: "EdgeStatus") -> str:
    kept = "kept to a time source" if found.clock_synchronised else "not known to be kept to a time source"
    if found.clock_offset_us is None:
        return f"{kept}; the gateway has not said its time"
    ahead = "ahead of" if found.clock_offset_us >= 0 else "behind"
    return f"{abs(found.clock_offset_us) / 1e3:.0f} ms {ahead} the gateway's (± {(found.clock_round_us or 0) / 2e3:.0f} ms); {kept}"


def _size(count: int) -> str:
    for unit, bytes_ in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return f"{count} B"
