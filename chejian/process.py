"""What every long-running command needs: stop on signals, logs, an event loop."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from workshop.errors import ConfigError

FORMAT = "CHEJIAN_LOG"
"""Environment variable: "json" makes every line of the log a JSON object, for services whose log a program reads; otherwise they are for people."""


def start_logs(*, verbose: bool = False) -> None:
    """Logs go to standard error, a line each: time, level, event, fields; those of the libraries too.

    Raises:
        ConfigError: the variable CHEJIAN_LOG is neither "json" nor "text".
    """
    form = os.environ.get(FORMAT, "") or "text"
    if form not in ("json", "text"):
        raise ConfigError(f"{FORMAT}='{form[:40]}': say json, or text (for people), or leave it out")
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    as_json = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*shared, as_json if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if form == "json":
        processors: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, as_json]
        formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared], processors=processors)
        for handler in logging.getLogger().handlers:
            handler.setFormatter(formatter)


def run_until_signal(work: Callable[[asyncio.Event, asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Runs `work(stop, pause)`; SIGTERM and SIGINT set `stop`, SIGUSR1 (where there is one) sets `pause`."""

    async def body() -> None:
        stop, pause = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        wanted = {signal.SIGTERM: stop, signal.SIGINT: stop}
        if hasattr(signal, "SIGUSR1"):
            wanted[signal.SIGUSR1] = pause
        for number, event in wanted.items():
            try:
                loop.add_signal_handler(number, event.set)
            except NotImplementedError:  # Windows: its loop has no signal handlers; the classic ones do
                signal.signal(number, lambda *_, event=event: loop.call_soon_threadsafe(event.set))
        await work(stop, pause)

    asyncio.run(body())
