"""The page on a real gateway, which has a register, claims and packs but no readings yet: every answer of the API is understood."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.prepare import enrol
from tests.unit.gateway.plant import REGISTER, admin_of, bearer, gateway_in_thread
from tests.web.browser import Browser, needs_chromium, poll
from tests.web.stand_in import ROOT
from workshop.register_file import parse_register


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Address of a gateway of its own, and a viewer's token."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config/demo", config)
    text = (config / "gateway.toml").read_text().replace("port = 8410", f"port = {port}").replace('"run/gateway"', f'"{tmp_path / "gateway"}"')
    (config / "gateway.toml").write_text(text)
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "gateway.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "chejian", "gateway", "run", config / "gateway.toml"], cwd=ROOT, stdout=log, stderr=log)
    try:
        poll(lambda: process.poll() is not None or _ready(url), "the gateway is ready")
        assert process.poll() is None, (tmp_path / "gateway.log").read_text()
        enrol(tmp_path, url)  # as the container stack does
        yield url, (tmp_path / "web/viewer.token").read_text()
    finally:
        process.terminate()
        process.wait(timeout=30)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_stack_enrols_once_and_keeps_what_it_has(gateway: tuple[str, str], tmp_path: Path) -> None:
    url, token = gateway
    enrol(tmp_path, url)
    assert (tmp_path / "web/viewer.token").read_text() == token
    assert (tmp_path / "web/viewer.token").stat().st_mode & 0o077 == 0
    assert all((tmp_path / edge / "enrolment.json").exists() for edge in ("edge-1", "analytics"))


@needs_chromium
def test_the_page_understands_a_gateway_without_readings(gateway: tuple[str, str], serve_page: Callable[..., str], browser: Browser) -> None:
    url, token = gateway
    browser.open(serve_page(url, token=token) + "/en")
    browser.wait_for("Demonstration workshop", "Machining centre 1", "No signals: register only")
    browser.wait_for("Simulated data", "Networking rate", "Undetermined", "Not applicable")
    assert browser.evaluate("document.querySelectorAll('.cj-tile').length") == 13
    assert browser.evaluate("document.querySelectorAll('.cj-indicators .cj-row').length") == 10
    assert browser.evaluate("document.querySelectorAll('.cj-verdict').length") == 4
    assert browser.evaluate("document.querySelector('.cj-banner').innerText") == ""


HOSTILE = "<img src=x onerror='document.title=1'>../../etc"


@needs_chromium
def test_names_with_html_and_paths_are_shown_as_text(tmp_path: Path, serve_page: Callable[..., str], browser: Browser) -> None:
    title = parse_register(REGISTER, "workshop.toml").equipment[0].title_en
    hostile = REGISTER.replace(f'title_en = "{title}"', f'title_en = "{HOSTILE}"', 1)
    assert parse_register(hostile, "workshop.toml").equipment[0].title_en == HOSTILE
    with gateway_in_thread(tmp_path, register_text=hostile) as url:
        browser.open(serve_page(url, token=admin_of(tmp_path)) + "/en")
        browser.wait_for(HOSTILE)
        assert browser.evaluate("document.title") != "1" and browser.evaluate("document.querySelectorAll('img[src=x]').length") == 0


LINE_TABLE = '{ map = [{ measurement = "press", field = "program", signal = "m-1/text" }, { signal = "{machine}/gauge", field = "load" }] }'
HOSTILE_NAMES = (
    HOSTILE, "../../../../etc/passwd", "..\\..\\windows\\win.ini", "%2e%2e%2fetc", "{{7*7}}", "m-1/../m-2", "\u202e1-m", "a\nb", "a" * 5000,
)


def escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in ", =" else sign for sign in text)


@needs_chromium
def test_hostile_names_and_values_of_line_protocol_reach_the_page_as_text(tmp_path: Path, serve_page: Callable[..., str], browser: Browser) -> None:
    with gateway_in_thread(tmp_path, line_protocol=LINE_TABLE) as url, httpx.Client(base_url=url, headers=bearer(admin_of(tmp_path))) as client:
        for name in HOSTILE_NAMES:
            line = f"load,machine={escaped(name)} load=1"
            answer = client.post("/api/v2/write?org=chejian&bucket=chejian", content=line.encode())
            assert answer.status_code in (204, 400), (name, answer.text)
        text = HOSTILE.replace('"', '\\"')
        assert client.post("/api/v2/write?org=chejian&bucket=chejian", content=f'press program="{text}"'.encode()).status_code == 204
        poll(lambda: client.get("/v1/count").json()["rows"] == 1, "the one value that has a signal is kept")
        reasons = [row["reason"] for row in client.get("/v1/quarantine").json()]
        assert any(HOSTILE in reason.replace("\\ ", " ").replace("\\=", "=") for reason in reasons) and all(len(one) < 1000 for one in reasons)
        before = {file.name for file in tmp_path.rglob("*")}
        browser.open(serve_page(url, token=admin_of(tmp_path)) + "/en")
        browser.wait_for("Quarantine: rows that could not be indexed", "line-protocol", "onerror", "etc/passwd")
        assert browser.evaluate("document.title") != "1" and browser.evaluate("document.querySelectorAll('.cj-quarantine img').length") == 0
        assert "passwd" not in {file.name for file in tmp_path.rglob("*")} - before and client.get("/healthz").status_code == 200
