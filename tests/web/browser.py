"""A headless Chromium over the DevTools protocol: opens a page, waits for what it says, writes down every request."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websocket import WebSocketTimeoutException, create_connection

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0", "--hide-scrollbars",
)
DEADLINE_S = 60.0

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def poll(what: Callable[[], Any], why: str, deadline_s: float = DEADLINE_S) -> Any:
    """The first true answer of `what`; fails the test at the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(0.05)
    pytest.fail(f"not within {deadline_s:.0f} s: {why}")


class Browser:
    """One tab. `requests` are the URLs of every request that the page made, websockets included."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        self.process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.requests: list[str] = []
        self._number = 0
        port_file = profile / "DevToolsActivePort"
        text = poll(lambda: port_file.exists() and port_file.read_text().count("\n") and port_file.read_text(), "Chromium opens its debugging port")
        port = int(text.split()[0])
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as response:
            targets = json.load(response)
        address = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        self.socket = create_connection(address, timeout=DEADLINE_S, suppress_origin=True)
        for domain in ("Network", "Page", "Runtime"):
            self.command(f"{domain}.enable")
        self.command("Emulation.setDeviceMetricsOverride", width=1400, height=900, deviceScaleFactor=1, mobile=False)

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends one DevTools command and gives its result; events on the way are noted."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            try:
                message = json.loads(self.socket.recv())
            except WebSocketTimeoutException:
                pytest.fail(f"Chromium does not answer {method}")
            if message.get("method") == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            elif message.get("method") == "Network.webSocketCreated":
                self.requests.append(message["params"]["url"])
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.command("Runtime.evaluate", expression=script, returnByValue=True)["result"]
        return result.get("value")

    def open(self, url: str) -> None:
        """Goes to the address."""
        self.command("Page.navigate", url=url)

    def text(self) -> str:
        """All text that a person sees."""
        return str(self.evaluate("document.body ? document.body.innerText : ''") or "")

    def wait_for(self, *words: str) -> str:
        """The page's text as soon as it holds all these words."""
        return str(poll(lambda: (text := self.text()) and all(word in text for word in words) and text, f"the page says {', '.join(words)}"))

    def screenshot(self, path: Path) -> None:
        """Writes what is on the screen as PNG."""
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Ends the browser."""
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=20)
