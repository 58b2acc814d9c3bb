"""The overview page of a running demo, as a person sees it: live figures, indicators, verdicts, both languages."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.line.conftest import Run, run_demo
from tests.web.browser import Browser, needs_chromium, poll

pytestmark = [pytest.mark.line, pytest.mark.long, needs_chromium]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(tmp_path / "profile")
    yield browser
    browser.close()


def test_live_figures_indicators_and_verdicts(tmp_path: Path, browser: Browser) -> None:
    said: dict[str, str] = {}
    shots = Path(os.environ.get("CHEJIAN_SCREENSHOTS", tmp_path))

    def look(folder: Path, demo: int) -> None:
        log = tmp_path / "demo.log"
        found = poll(lambda: re.search(r"http://127\.0\.0\.1:\d+", log.read_text()), "the demo prints the page's address")
        browser.open(found.group(0) + "/en")
        poll(lambda: re.search(r"\d+(\.\d+)?\s*kW", browser.text()), "a live figure")
        said["en"] = browser.wait_for("Bearing anomaly score", "84.62", "Confirmed")
        browser.screenshot(shots / "overview.png")
        browser.open(found.group(0) + "/zh")
        said["zh"] = browser.wait_for("加工中心1号", "设备联网率", "属实", "84.62")
        browser.screenshot(shots / "overview-zh.png")
        os.kill(demo, signal.SIGINT)

    run: Run = run_demo(tmp_path, None, look, more=["--web"])
    assert run.code == 0, run.output
    for words in ("Machining centre 1", "Manual press", "register only", "Refuted", "Undetermined", "Not applicable", "Simulated"):
        assert words.lower() in said["en"].lower(), words
    assert "手动压力机" in said["zh"]
    assert all(re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|about:|blob:", url) for url in browser.requests), "the page asked another host"
