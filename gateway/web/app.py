"""The page's process: one feed from the gateway, one overview page in two languages, served on its own port."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import AsyncIterator

import httpx
import uvicorn
from fastapi import FastAPI
from nicegui import ui

from gateway.web.feed import Feed, Snapshot
from gateway.web.page import Page
from gateway.web.view import Overview, overview
from gateway.web.words import LANGUAGES, say
from workshop.errors import ConfigError, NotConnected

PAGE_S = 1.0
"""How often an open page looks whether there is something new to show: at most one message a second."""


def run(*, url: str, token: str, host: str, port: int, language: str, window_from_us: int | None) -> None:
    """Serves the overview until SIGINT or SIGTERM.

    Args:
        url: base URL of the gateway's API.
        token: a viewer token of the gateway.
        host, port: where browsers reach the page; port 0 takes a free one.
        language: "zh" or "en", for the address `/`; `/zh` and `/en` are always there.
        window_from_us: start of the window of indicators and verdicts, µs UTC; None: the last eight hours.
    Raises:
        ConfigError: unknown language, or a URL that is none.
        NotConnected: the port cannot be had.
    """
    app = create_app(url=url, token=token, language=language, window_from_us=window_from_us)
    listener = _listen(host, port)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, lifespan="on")
    server = uvicorn.Server(config)
    # The server shuts down on SIGTERM and then raises it again for whoever asked before: for us to end with exit code 0.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def create_app(*, url: str, token: str, language: str, window_from_us: int | None) -> FastAPI:
    """The page as an application; once a process, because the widget library keeps its pages in the process.

    Raises:
        ConfigError: unknown language, or a URL that is none.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"page: no language '{language}'; there are {', '.join(LANGUAGES)}")
    try:
        headers = {"Authorization": f"Bearer {token}"}
        client = httpx.AsyncClient(base_url=url, headers=headers, timeout=10.0, trust_env=False, verify=ssl.create_default_context())
    except httpx.InvalidURL as error:
        raise ConfigError(f"page: '{url}' is not a URL such as http://127.0.0.1:8410") from error
    feed = Feed(client, window_from_us)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(feed.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await client.aclose()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    views = Views(feed)
    _add_page("/", language, views)
    for each in LANGUAGES:
        _add_page(f"/{each}", each, views)
    ui.run_with(app, title="chejian · 车间", tailwind=False, show_welcome_message=False, binding_refresh_interval=None, favicon="🏭")
    return app


class Views:
    """The view of each language, made once for each revision however many pages are open."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._made: dict[str, tuple[int, Overview]] = {}

    def of(self, language: str) -> Overview:
        """The present view in this language."""
        now: Snapshot = self.feed.now
        made = self._made.get(language)
        if made is None or made[0] != now.revision:
            made = self._made[language] = (now.revision, overview(now, language))
        return made[1]


def _add_page(path: str, language: str, views: Views) -> None:
    @ui.page(path, language=LANGUAGES[language], title=f"chejian · {say(language, 'page')}")  # type: ignore[arg-type]
    def show() -> None:
        page = Page(language)
        page.show(views.of(language))
        ui.timer(PAGE_S, lambda: page.show(views.of(language)), immediate=False)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise NotConnected(f"page: port {port} on {host} cannot be had ({error.strerror}); choose another with --port") from error
    listener.set_inheritable(True)
    return listener
