"""The one-time link that the first start prints, on real gateways: once, within the hour, audited; scripts keep their file."""

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.auth import SETUP_TIME_US, Access
from gateway.opening import open_house
from gateway.problems import Refusal
from gateway.serve import setup_link
from gateway.settings import GatewaySettings
from tests.unit.gateway.plant import START_US, Process, admin_of, bearer, configure


def test_a_browser_gets_the_administrators_token_once(tmp_path: Path) -> None:
    gateway = Process(tmp_path)
    try:
        gateway.start()
        printed = re.findall(r"link=(\S+)", (tmp_path / "gateway.log").read_text())
        assert len(printed) == 1
        link = printed[0].strip("'")
        assert link.startswith(f"{gateway.url}/setup?code=")
        code = link.partition("code=")[2]
        with httpx.Client() as browser:
            for _ in range(3):
                page = browser.get(link)
                assert page.status_code == 200 and "cj_" not in page.text and "default-src 'none'" in page.headers["content-security-policy"]
            shown = browser.post(f"{gateway.url}/setup", data={"code": code})
            token = re.findall(r"<code>(cj_[\w-]+)</code>", shown.text)[0]
            assert shown.headers["cache-control"] == "no-store" and token != admin_of(tmp_path)
            for held in (token, admin_of(tmp_path)):
                assert browser.post(f"{gateway.url}/v1/tokens", json={"role": "viewer", "subject": "x"}, headers=bearer(held)).status_code == 200
            again = browser.post(f"{gateway.url}/setup", data={"code": code})
            assert again.status_code == 401 and "cj_" not in again.text
            assert browser.post(f"{gateway.url}/v1/setup", json={"code": code}).json()["type"] == "unauthorised"
            assert browser.get(f"{gateway.url}/v1/signals", headers=bearer(code)).status_code == 401
            entries = browser.get(f"{gateway.url}/v1/audit", headers=bearer(token)).json()
            told = [(entry["author"], entry["body"]["detail"]) for entry in entries if entry["body"]["what"] == "set-up link"]
            assert told == [("gateway", "made at the first start"), ("gateway", "used_from 127.0.0.1")]
        assert gateway.end(signal.SIGTERM) == 0
        gateway.start()
        assert (tmp_path / "gateway.log").read_text().count("link=") == 1, "only the first start prints one"
        assert token not in (tmp_path / "gateway.log").read_text()
    finally:
        gateway.close()


def test_of_many_at_the_same_moment_one_gets_it(tmp_path: Path) -> None:
    with open_house(configure(tmp_path), lambda: START_US) as house:
        code = house.access.setup_code

        def use(number: int) -> bool:
            try:
                return bool(house.access.use_setup(code, f"10.0.0.{number}"))
            except Refusal:
                return False

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(use, range(16))) == 1


def test_it_expires_and_guessing_is_locked_out(tmp_path: Path) -> None:
    now_us = START_US
    with open_house(configure(tmp_path, failed_logins=3), lambda: now_us) as house:
        access: Access = house.access
        assert access.caller(access.setup_code) is None, "a code is no bearer token"
        for expected in (401, 401, 401, 429):
            with pytest.raises(Refusal) as refused:
                access.use_setup("wrong \ud800", "10.0.0.1")
            assert refused.value.problem.status == expected
        now_us += SETUP_TIME_US
        with pytest.raises(Refusal, match="older than an hour"):
            access.use_setup(access.setup_code, "10.0.0.2")


def test_what_stands_in_the_code_is_shown_as_text(tmp_path: Path) -> None:
    gateway = Process(tmp_path)
    try:
        gateway.start()
        page = httpx.get(f"{gateway.url}/setup", params={"code": "\"><script>alert(1)</script>"}).text
        assert "<script>" not in page and "&lt;script&gt;" in page
        for body in (b"", b"code", b"code=%ff%00", b"a" * 5000):
            assert httpx.post(f"{gateway.url}/setup", content=body).status_code in (401, 413)
    finally:
        gateway.close()


@pytest.mark.parametrize(("listen", "tls", "begin"), [("::1", "", "http://[::1]:1/setup?"), ("10.0.0.5", "c.pem", "https://10.0.0.5:1/setup?")])
def test_the_link_is_one_that_can_be_opened(listen: str, tls: str, begin: str) -> None:
    assert setup_link(GatewaySettings("w.toml", listen=listen, tls_certificate=tls), 1, "x") == begin + "code=x"
