"""Windows as people write them."""

from typing import TYPE_CHECKING

from workshop.errors import ConfigError

if TYPE_CHECKING:
    from workshop.register import Workshop
    from workshop.window import Window


def parse_window(texts: tuple[str, str], register: "Workshop") -> "Window":
    """[FROM, TO) from two texts: µs UTC, or ISO 8601 dates and times, in the register's time zone where they name none.

    Raises:
        ConfigError: no such text, or an end that is not after the start.
    """
    from workshop.window import Window

    start_us, end_us = (_instant(text, register) for text in texts)
    if end_us <= start_us:
        raise ConfigError(f"--window {' '.join(texts)}: the end is not after the start")
    return Window(start_us, end_us)


def _instant(text: str, register: "Workshop") -> int:
    from datetime import UTC, datetime, timedelta

    from workshop.calendar import zone_of

    if text.isascii() and text.isdigit() and len(text) > 8:
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--window: '{text}' is no time; write it as 2026-01-05T08:00, or as µs UTC") from error
    local = found if found.tzinfo else found.replace(tzinfo=zone_of(register))
    return (local - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
