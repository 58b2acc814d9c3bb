"""What a gateway has set aside and said, page by page and for people: quarantine, orders, control entries, the test button of alerts."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.orders import parse_csv
from tests.integration.test_alerts import Hooks, hooks
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, gateway_in_thread, reading, until
from workshop.block import block_of

__all__ = ["hooks"]
WINDOW = {"from_us": START_US, "to_us": START_US + 10**9}
HOSTILE = "m-1/\u001b[2J<img src=x>"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Path]]:
    """A gateway with nine records in quarantine, of two edges."""
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_in_thread(folder) as url, httpx.Client(base_url=url, headers=bearer(admin_of(folder))) as client:
        for name, batches in (("edge-1", 4), ("edge-2", 5)):
            sender = Sender(name)
            sender.enrol(client, admin_of(folder))
            for number in range(batches):
                signal = "m-1/stranger" if (name, number) != ("edge-2", 4) else HOSTILE
                assert sender.post(client, sender.seal(block_of([reading(signal, number * 1000, 1.0)]))).status_code == 200
        until(lambda: client.get("/v1/quarantine/count").json()["records"] == 9, "set aside")
        yield client, folder


def chejian(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run([sys.executable, "-m", "chejian", *map(str, words)], capture_output=True, text=True, check=False, timeout=60,
                          env={"COLUMNS": "200", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def pages(client: httpx.Client, path: str, **query: Any) -> list[list[Any]]:
    """All pages of a list."""
    found, page = [], None
    while len(found) < 100:
        answer = client.get(path, params=query | ({"page": page} if page else {}))
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        if (page := answer.headers.get("x-next-page")) is None:
            return found
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 9), (4, [4, 4, 1]), (9, [9]), (100, [9])])
def test_pages_of_the_quarantine_together_are_the_whole(gateway: tuple[httpx.Client, Path], limit: int, sizes: list[int]) -> None:
    client, _ = gateway
    found = pages(client, "/v1/quarantine", limit=limit)
    assert [len(page) for page in found] == sizes
    assert [row for page in found for row in page] == client.get("/v1/quarantine").json()
    order = [("edge-1", n) for n in range(1, 5)] + [("edge-2", n) for n in range(1, 6)]
    assert [(row["edge"], row["seq"]) for page in found for row in page] == order


def test_the_newest_of_each_edge_come_first_and_are_counted(gateway: tuple[httpx.Client, Path]) -> None:
    client, _ = gateway
    newest = client.get("/v1/quarantine", params={"newest": True, "limit": 3}).json()
    assert [row["seq"] for row in newest] == [5, 4, 4] and newest[0]["edge"] == "edge-2"
    assert client.get("/v1/quarantine/count").json() == {"records": 9, "more": False, "since_start": 9}


@pytest.mark.parametrize("page", ["x", "W10", "WyJhIl0", "WzEsMiwzLDQsNV0", "\u00e9", "a" * 5000])
@pytest.mark.parametrize("path", ["/v1/quarantine", "/v1/orders"])
def test_a_page_that_is_none_is_refused_in_words(gateway: tuple[httpx.Client, Path], path: str, page: str) -> None:
    answer = gateway[0].get(path, params=WINDOW | {"page": page})
    assert answer.status_code == 400 and "x-next-page" in answer.json()["detail"]


def test_the_command_shows_the_quarantine_and_nothing_in_it_moves_the_terminal(gateway: tuple[httpx.Client, Path]) -> None:
    client, folder = gateway
    command = ["gateway", "quarantine", "--url", str(client.base_url), "--token-file", folder / "data" / "admin.token"]
    shown = chejian(*command)
    assert "edge-2" in shown and f"{START_US}/5" in shown and "9 records" in shown and "\u001b" not in shown and "<img src=x>" in shown
    assert [row["seq"] for row in json.loads(chejian(*command, "--limit", "2", "--json"))] == [5, 4]
    assert json.loads(chejian(*command, "--all", "--json")) == client.get("/v1/quarantine").json()


def test_control_entries_come_in_pages_too(gateway: tuple[httpx.Client, Path]) -> None:
    client, _ = gateway
    whole = client.get("/v1/audit").json()
    assert len(whole) > 3
    for limit in (1, 2, len(whole), 1000):
        assert [row for page in pages(client, "/v1/audit", limit=limit) for row in page] == whole
        leaves = [row["index"] for page in pages(client, "/v1/entries", kind="audit", limit=limit) for row in page]
        assert leaves == [row["index"] for row in whole]
    assert client.get("/v1/predictions", params={"limit": 5}).json() == [] and client.get("/v1/audit", params={"limit": 0}).status_code == 422


def test_finished_quantities_go_out_as_csv_page_by_page(gateway: tuple[httpx.Client, Path]) -> None:
    client, folder = gateway
    sender = Sender("counter")
    sender.enrol(client, admin_of(folder))
    sender.post(client, sender.seal(block_of([reading("m-1/good", n * 10**6 + 5, value) for n, value in enumerate((5, 6, 9))])))
    until(lambda: client.get("/v1/count").json()["rows"] == 3, "indexed")
    order = {"product": '轴,"A"', "quantity": 10, "due_us": START_US + 10**9, "planned_start_us": START_US, "planned_end_us": START_US + 10**7}
    orders = [order | {"id": f"A,{n}", "work_unit": "m-1" if n else "m-2", "cancelled": n == 2} for n in range(5)]
    assert client.post("/v1/orders", json=orders).json() == {"stored": 5}
    rows: list[dict[str, str]] = []
    page = None
    while True:
        answer = client.get("/v1/orders", params=WINDOW | {"limit": 2} | ({"page": page} if page else {}), headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv") and len(answer.text.splitlines()) <= 3
        rows += csv.DictReader(io.StringIO(answer.text, newline=""))
        if (page := answer.headers.get("x-next-page")) is None:
            break
    assert [(row["id"], row["finished"], row["cancelled"]) for row in rows] == [
        ("A,0", "0", "false"), ("A,1", "4", "false"), ("A,2", "4", "true"), ("A,3", "4", "false"), ("A,4", "4", "false")]
    whole = client.get("/v1/orders", params=WINDOW).json()
    text = client.get("/v1/orders", params=WINDOW, headers={"Accept": "text/csv"}).text
    # What goes out comes in again: the same columns, and one more.
    again = [{key: value for key, value in row.items() if key != "finished"} for row in csv.DictReader(io.StringIO(text, newline=""))]
    out = io.StringIO()
    writer = csv.DictWriter(out, again[0])
    writer.writeheader()
    writer.writerows(again)
    assert [json.loads(json.dumps(row["order"])) for row in whole] == [
        {name: getattr(item, name) for name in item.__struct_fields__} for item in parse_csv(out.getvalue())]
    refused = client.get("/v1/orders", params=WINDOW, headers={"Accept": "application/vnd.apache.arrow.stream"})
    assert refused.status_code == 406 and refused.headers["content-type"] == "application/problem+json"


def test_the_button_sends_a_test_for_the_administrator_alone(hooks: Hooks, tmp_path: Path) -> None:
    table = f'{{ allow = ["{hooks.place}"], webhook = [{{ url = "http://{hooks.place}/<b>" }}] }}'
    with gateway_in_thread(tmp_path, alerts=table) as url, httpx.Client(base_url=url) as client:
        viewer = client.post("/v1/tokens", json={"role": "viewer", "subject": "x"}, headers=bearer(admin_of(tmp_path))).json()["token"]
        form = client.get("/alerts")
        assert "type=password" in form.text and "default-src 'none'" in form.headers["content-security-policy"]
        for wrong in ("", "<b>", viewer):
            answer = client.post("/alerts", data={"token": wrong})
            assert answer.status_code == 401 and "<b>" not in answer.text and hooks.posts.empty()
        pressed = client.post("/alerts", data={"token": admin_of(tmp_path)})
        assert pressed.status_code == 200 and f"<code>{hooks.place}</code>: sent" in pressed.text and admin_of(tmp_path) not in pressed.text
        assert b'"test"' in hooks.posts.get_nowait()[2]
        command = ["gateway", "alerts", "--url", url, "--token-file", tmp_path / "data" / "admin.token"]
        assert f"{hooks.place}: sent" in chejian(*command, "--test")
        assert json.loads(chejian(*command, "--json")) == client.get("/v1/alerts", headers=bearer(viewer)).json()
        hooks.close()
        assert "webhook" in chejian(*command, "--test", code=1)
    for more in ({}, {"northbound": '{ host = "127.0.0.1", port = 9, tls = false }'}):  # a platform alone is nobody to write to
        with gateway_in_thread(tmp_path, **more) as url:
            for path, given in (("/alerts", {"data": {"token": admin_of(tmp_path)}}), ("/v1/alerts/test", {"headers": bearer(admin_of(tmp_path))})):
                answer = httpx.post(f"{url}{path}", **given)  # type: ignore[arg-type]
                assert answer.status_code == 404 and "nobody to tell" in answer.text
            command = ["gateway", "alerts", "--url", url, "--token-file", tmp_path / "data" / "admin.token", "--test"]
            assert chejian(*command, code=2) == ""
