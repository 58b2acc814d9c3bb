"""The overview in a real browser, against the fake gateway: what a person sees, in both languages, with no request leaving the machine."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.web.browser import Browser, needs_chromium, poll
from tests.web.stand_in import StandIn

pytestmark = needs_chromium

Serve = Callable[..., str]


def tile(browser: Browser, equipment: str) -> str:
    """The text of one tile, or nothing."""
    return str(browser.evaluate(f"(document.querySelector('[data-equipment=\"{equipment}\"]') || {{innerText: ''}}).innerText"))


def test_the_page_in_chinese(stand_in: StandIn, serve_page: Serve, browser: Browser) -> None:
    browser.open(serve_page(stand_in.url))
    browser.wait_for("示范车间", "模拟数据", "加工中心1号", "不良品率降低30%", "1.33 %")
    browser.wait_for("0.83 % – 2.11 %", "98.7 %", "属实", "不属实", "证据不足", "不适用")
    assert browser.evaluate("document.querySelectorAll('.cj-tile').length") == 13
    assert browser.evaluate("document.documentElement.lang") == "zh-CN"
    assert "运行" in tile(browser, "cnc-01") and "已联网" in tile(browser, "cnc-01") and "主轴负载" in tile(browser, "cnc-01")
    assert "断线" in tile(browser, "cnc-05") and "状态未知" in tile(browser, "cnc-05")
    assert "报警 2013" in tile(browser, "lathe-01")
    assert "轴承异常评分" in tile(browser, "lathe-02") and "推算" in tile(browser, "lathe-02")
    assert "仅登记在册，无信号" in tile(browser, "press-01")


def test_the_page_in_english_by_the_switch(stand_in: StandIn, serve_page: Serve, browser: Browser) -> None:
    browser.open(serve_page(stand_in.url))
    browser.wait_for("示范车间")
    browser.evaluate("document.querySelector('a[href=\"/en\"]').click()")
    browser.wait_for("Demonstration workshop", "Simulated data", "Machining centre 1", "Defect rate at most 3 %", "18.42 Wh/part", "Refuted")
    assert "No signals: register only" in tile(browser, "press-01")
    assert "Executing" in tile(browser, "cnc-01")


def test_a_reading_older_than_its_maximum_age_is_unknown(stand_in: StandIn, serve_page: Serve, browser: Browser) -> None:
    browser.open(serve_page(stand_in.url) + "/en")
    browser.wait_for("Six-axis robot 3")
    assert "State unknown" in tile(browser, "robot-03") and "902" not in tile(browser, "robot-03")


def test_live_values_change_without_a_reload(stand_in: StandIn, serve_page: Serve, browser: Browser) -> None:
    browser.open(serve_page(stand_in.url) + "/en")
    browser.wait_for("Machining centre 1", "Executing")
    for reading in stand_in.paths["/v1/latest"]["readings"]:
        if reading["signal"] == "cnc-01/item_state":
            reading["value"] = 1
    poll(lambda: "Out of service" in tile(browser, "cnc-01"), "the tile follows the gateway")


def test_text_from_outside_is_shown_and_never_run(stand_in: StandIn, serve_page: Serve, browser: Browser) -> None:
    stand_in.paths["/v1/workshop"]["register"]["title_en"] = "<b onclick=alert(1)>Hall</b>"
    browser.open(serve_page(stand_in.url) + "/en")
    browser.wait_for("<b onclick=alert(1)>Hall</b>", "<img src=x onerror=")
    assert browser.evaluate("document.title") != "owned"
    assert browser.evaluate("document.querySelectorAll('.cj-verdict img, .cj-verdict script, .cj-title b').length") == 0


def test_no_request_leaves_the_machine(stand_in: StandIn, serve_page: Serve, browser: Browser) -> None:
    address = serve_page(stand_in.url)
    browser.open(address)
    browser.wait_for("加工中心1号", "不良品率")
    assert len(browser.requests) > 5
    outside = [url for url in browser.requests if urlsplit(url).scheme not in ("data", "blob", "about") and urlsplit(url).hostname != "127.0.0.1"]
    assert outside == []


def test_a_lost_gateway_is_said_and_comes_back(stand_in: StandIn, serve_page: Serve, browser: Browser) -> None:
    browser.open(serve_page(stand_in.url) + "/en")
    browser.wait_for("Machining centre 1")
    kept = stand_in.paths["/v1/latest"]
    stand_in.paths["/v1/latest"] = None
    browser.wait_for("Connection to the gateway lost")
    stand_in.paths["/v1/latest"] = kept
    poll(lambda: "Connection to the gateway lost" not in browser.text(), "the banner goes when the gateway is back")


@pytest.mark.parametrize("token", ["wrong"])
def test_a_refused_token_is_said(stand_in: StandIn, serve_page: Serve, browser: Browser, token: str) -> None:
    browser.open(serve_page(stand_in.url, token=token) + "/en")
    browser.wait_for("The gateway refuses this page's token")
