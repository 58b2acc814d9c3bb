"""Fixtures of the page's tests: the page as a process of its own, a fake gateway, a browser."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.web.browser import Browser, poll
from tests.web.stand_in import ROOT, TOKEN, StandIn


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A fake gateway, see stand_in.py."""
    gateway = StandIn()
    yield gateway
    gateway.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A headless Chromium with an empty profile."""
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


@pytest.fixture
def serve_page() -> Iterator[Callable[..., str]]:
    """Starts the page's process for a gateway and gives its address; the process must end by itself on SIGTERM."""
    running: list[subprocess.Popen[bytes]] = []

    def serve(url: str, token: str = TOKEN, language: str = "zh", window_from_us: int | None = None) -> str:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port: int = sock.getsockname()[1]
        arguments = {"url": url, "token": token, "host": "127.0.0.1", "port": port, "language": language, "window_from_us": window_from_us}
        program = f"from gateway.web.app import run; run(**{arguments!r})"
        running.append(subprocess.Popen([sys.executable, "-c", program], cwd=ROOT))
        poll(lambda: _answers(port), "the page's process listens")
        return f"http://127.0.0.1:{port}"

    yield serve
    for process in running:
        process.terminate()
    codes = [process.wait(timeout=30) for process in running]
    assert codes == [0] * len(codes), "the page's process ends with 0 on SIGTERM"


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
