"""Readings over HTTP: the same rows as JSON, CSV and Arrow, page by page, thinned; and live values that go on after a break."""

import csv
import io
import json
from collections.abc import Iterator

import httpx
import pytest

from store.arrow_block import ARROW_TYPE, from_arrow
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, gateway_in_thread, ramp, reading, until
from workshop.block import block_of, concat

WINDOW = {"from_us": START_US, "to_us": START_US + 10**9}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gateway with 1,000 rows of a gauge, some of them at equal times, text and a bad reading."""
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_in_thread(folder) as url, httpx.Client(base_url=url, headers=bearer(admin_of(folder))) as client:
        sender = Sender()
        sender.enrol(client, admin_of(folder))
        equal = block_of([reading("m-1/gauge", 5000, 100.0 + n) for n in range(20)])
        others = block_of([reading("m-1/text", 1, 'a,"b"\n'), reading("m-1/text", 2, None, status="Bad,X"), reading("m-1/count", 3, 2**63 - 1)])
        sender.post(client, sender.seal(concat([ramp("m-1/gauge", 0, 980), equal, others])))
        until(lambda: client.get("/v1/count").json()["cursor"] == 1, "indexed")
        yield client


def test_the_same_rows_in_every_form(client: httpx.Client) -> None:
    query = {"signal": ["m-1/text", "m-1/count", "m-1/gauge"], **WINDOW}
    plain = client.get("/v1/readings", params=query)
    arrow = client.get("/v1/readings", params=query, headers={"Accept": f"text/csv;q=0.5, {ARROW_TYPE}"})
    table = client.get("/v1/readings", params=query, headers={"Accept": "text/csv"})
    assert [item.headers["content-type"].split(";")[0] for item in (plain, arrow, table)] == ["application/json", ARROW_TYPE, "text/csv"]
    answer, block = plain.json(), from_arrow(arrow.content)
    assert [block.value(row) for row in range(len(block))] == answer["value"] and len(block) == 1003
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [row["value"] for row in rows[:3]] == ['a,"b"\n', "", str(2**63 - 1)] and rows[1]["quality"] == "2" and rows[1]["status"] == "Bad,X"
    assert [float(row["value"]) for row in rows[3:]] == answer["value"][3:]
    refused = client.get("/v1/readings", params=query, headers={"Accept": "image/png"})
    assert refused.status_code == 406 and refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("limit", [1, 7, 333, 1003, 5000])
def test_pages_together_are_the_whole_even_within_equal_times(client: httpx.Client, limit: int) -> None:
    query = {"signal": ["m-1/text", "m-1/gauge", "m-1/count"], "limit": limit, **WINDOW, "from_us": START_US + (1_000 if limit == 1 else 0)}
    whole = client.get("/v1/readings", params=query | {"limit": 10**6}).json()["value"]
    values: list[object] = []
    page = None
    for _ in range(60 if limit == 1 else 5000):
        answer = client.get("/v1/readings", params=query | ({"page": page} if page else {})).json()
        values += answer["value"]
        page = answer["next"]
        if page is None:
            break
    assert values == whole[:len(values)] and (len(values) == len(whole) or limit == 1)
    for wrong in ("x", "9.1.1", f"0.{START_US - 1}.0", "0.1"):
        assert client.get("/v1/readings", params=query | {"page": wrong}).status_code == 400


def test_thinned_readings_keep_the_extremes(client: httpx.Client) -> None:
    query = {"signal": "m-1/gauge", "from_us": START_US, "to_us": START_US + 1_000_000, "points": 10}
    answer = client.get("/v1/readings", params=query).json()
    assert answer["value"][:4] == [0.0, 119.0, 100.0, 199.0] and len(answer["value"]) == 20
    assert answer["source_time_us"][:3] == [START_US, START_US + 50_000, START_US + 100_000]
    assert client.get("/v1/readings", params=query | {"points": 0}).status_code == 422
    many = [("signal", f"m-1/x{n}") for n in range(400)] + [("from_us", 0), ("to_us", 1), ("points", 20_000)]
    assert client.get("/v1/readings", params=many).status_code == 400


def test_live_values_go_on_after_the_last_event_that_was_seen(client: httpx.Client) -> None:
    sender = Sender("edge-live")
    sender.enrol(client, client.headers["authorization"].partition(" ")[2])

    def post(signal: str, value: float) -> None:
        body = {"edge": "edge-live", "readings": [{"signal": signal, "source_time_us": START_US + int(value), "value": value}]}
        assert client.post("/v1/latest", json=body, headers=bearer(sender.token)).status_code == 204

    def first_event(last: str | None) -> tuple[str, list[str]]:
        with client.stream("GET", "/v1/live", headers={"Last-Event-ID": last} if last else {}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            event = ""
            for line in stream.iter_lines():
                if line.startswith("id: "):
                    event = line[4:]
                if line.startswith("data: "):
                    return event, [item["signal"] for item in json.loads(line[6:])["readings"]]
        raise AssertionError("the stream ended")

    post("m-1/gauge", 1.0)
    event, signals = first_event(None)
    assert signals == ["m-1/gauge"]
    post("m-1/other", 2.0)
    following, signals = first_event(event)
    assert signals == ["m-1/other"]
    for unknown in ("0-1", "x", f"{following}0", "-"):
        assert sorted(first_event(unknown)[1]) == ["m-1/gauge", "m-1/other"]
