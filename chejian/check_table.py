"""What `chejian edge check` prints for people."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.check import CheckRow


def print_check(rows: "list[CheckRow]") -> None:
    """One line a signal; causes and cures below, each once with the signals that it concerns; then the warnings."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table()
    for name in ("signal 信号", "value 值", "unit 单位", "time 时间 (UTC)", "quality 质量"):
        table.add_column(name, overflow="fold")
    for row in rows:
        value = "–" if row.value is None else escape(str(row.value)[:100])
        table.add_row(row.signal, value, row.unit, _time(row.source_time_us), f"{row.quality or '–'}{' !' if row.cause else ''}")
    console.print(table)
    causes: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.cause:
            causes.setdefault((row.cause, row.fix), []).append(row.signal)
    for (cause, fix), signals in causes.items():
        more = f" and {len(signals) - 3} more" if len(signals) > 3 else ""
        console.print(f"[bold]{escape(', '.join(signals[:3]))}{more}[/bold]\n  cause 原因: {escape(cause)}")
        if fix:
            console.print(f"  fix 处理: {escape(fix)}")
    for warning in dict.fromkeys(warning for row in rows for warning in row.warnings):
        console.print(f"warning 注意: {escape(warning)}")


def _time(time_us: int | None) -> str:
    if time_us is None:
        return "–"
    try:
        return datetime.fromtimestamp(time_us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return f"{time_us} µs"
