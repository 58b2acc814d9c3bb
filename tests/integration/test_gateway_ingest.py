"""A real gateway over loopback: what edges deliver is kept once, and everything else is refused in words."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from analytics.indicator import load_indicators
from store.log import leaf_hash, verify_inclusion
from store.signing import SigningKey
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, gateway_in_thread, ramp, reading, until
from workshop.batch import MAX_BYTES, Gap, Provenance, SealedBatch, frame
from workshop.block import block_of
from workshop.part import encode_part
from workshop.wire import Acknowledgement


class House:
    """A running gateway with one enrolled edge."""

    def __init__(self, url: str, folder: Path) -> None:
        self.client = httpx.Client(base_url=url, timeout=30)
        self.admin = admin_of(folder)
        self.edge = Sender()
        self.enrolled = self.edge.enrol(self.client, self.admin)

    def get(self, path: str, **query: object) -> httpx.Response:
        return self.client.get(path, params=query, headers=bearer(self.admin))  # type: ignore[arg-type]

    def values(self, signal: str = "m-1/gauge") -> list[object]:
        answer = self.get("/v1/readings", signal=signal, from_us=START_US - 10**12, to_us=START_US + 10**12)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["value"])

    def indexed(self, batches: int) -> None:
        until(lambda: self.get("/v1/count").json()["cursor"] == batches, f"{batches} batches in the engine")

    def problem(self, answer: httpx.Response, status: int, kind: str) -> dict[str, object]:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        found: dict[str, object] = answer.json()
        assert (found["type"], found["status"]) == (kind, status)
        return found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with gateway_in_thread(tmp_path) as url:
        house = House(url, tmp_path)
        yield house
        house.client.close()


def test_a_batch_is_acknowledged_readable_and_in_the_log(house: House) -> None:
    batch = house.edge.seal(ramp("m-1/gauge", 0, 100))
    answer = house.edge.post(house.client, batch)
    assert msgspec.json.decode(answer.content, type=Acknowledgement) == Acknowledgement("edge-1", START_US, 1)
    house.indexed(1)
    assert house.values() == [float(number) for number in range(100)]
    assert house.get("/v1/edges").json()[0]["watermark"] == 1
    more = [house.edge.seal(ramp("m-1/gauge", 100 * number, 100)) for number in range(1, 4)]
    assert house.edge.post(house.client, *more).json()["watermark"] == 4
    proof = house.get("/v1/proof/inclusion", log="data", index=2, size=4).json()
    path = [bytes.fromhex(item) for item in proof["proof"]]
    assert not verify_inclusion(2, 4, leaf_hash(b"another leaf"), path, bytes.fromhex(proof["root"]))
    assert house.get("/v1/checkpoint").json()["data"].startswith(house.enrolled.origin + "/data\n4\n")
    counters = house.client.get("/metrics").text
    assert "chejian_batches_total 4.0" in counters and "chejian_rows_total 400.0" in counters


def test_delivering_twice_changes_nothing(house: House) -> None:
    batches = [house.edge.seal(ramp("m-1/gauge", 10 * number, 10)) for number in range(3)]
    assert house.edge.post(house.client, *batches).json()["watermark"] == 3
    assert house.edge.post(house.client, *batches).json()["watermark"] == 3
    assert house.edge.post(house.client, batches[1]).json()["watermark"] == 3
    house.indexed(3)
    assert house.values() == [float(number) for number in range(30)]
    assert house.get("/v1/count").json() == {"rows": 30, "cursor": 3}


def test_another_body_under_the_same_identity_is_a_conflict_and_changes_nothing(house: House) -> None:
    house.edge.post(house.client, house.edge.seal(ramp("m-1/gauge", 0, 10)))
    house.indexed(1)
    house.edge.seq, house.edge.previous = 0, "0" * 64
    answer = house.edge.post(house.client, house.edge.seal(ramp("m-1/gauge", 500, 10)))
    assert house.problem(answer, 409, "conflict")["watermark"] == 1
    assert house.values() == [float(number) for number in range(10)]
    assert 'chejian_refused_total{type="conflict"} 1.0' in house.client.get("/metrics").text


def test_a_hole_is_answered_with_the_watermark_and_the_batches_before_it_are_kept(house: House) -> None:
    first, _, third = (house.edge.seal(ramp("m-1/gauge", 10 * number, 10)) for number in range(3))
    problem = house.problem(house.edge.post(house.client, first, third), 409, "sequence-gap")
    assert (problem["watermark"], problem["epoch"]) == (1, START_US)
    house.indexed(1)
    assert len(house.values()) == 10


def test_what_is_not_authentic_is_refused(house: House) -> None:
    good = house.edge.seal(ramp("m-1/gauge", 0, 10))
    wrong_key = SealedBatch(good.header, SigningKey.create().sign("batch", good.header), good.parts)
    house.problem(house.edge.post(house.client, wrong_key), 403, "bad-signature")
    _, other_part = encode_part("m-1", ramp("m-1/gauge", 7, 10))
    house.problem(house.edge.post(house.client, SealedBatch(good.header, good.signature, (other_part,))), 400, "invalid")
    house.edge.seq, house.edge.previous = 0, "0" * 64
    better = house.edge.seal(ramp("m-1/gauge", 0, 10), provenance=Provenance.PLANT)
    house.problem(house.edge.post(house.client, better), 403, "wrong-provenance")
    house.edge.seq, house.edge.previous = 0, "0" * 64
    foreign = house.edge.seal(ramp("m-1/gauge", 0, 10), edge="edge-2")
    house.problem(house.edge.post(house.client, foreign), 403, "unauthorised")
    assert house.get("/readyz").json()["archive_batches"] == 0
    assert house.edge.post(house.client, good).status_code == 200


@pytest.mark.parametrize("body", [b"", b"\0", b"garbage" * 1000, b"\xff" * 64, b"{}" * 40, frame(SealedBatch(b"{}", b"0" * 64, ()))])
def test_garbage_is_refused(house: House, body: bytes) -> None:
    answer = house.client.post("/v1/batches", content=body, headers=bearer(house.edge.token))
    house.problem(answer, 400, "invalid")


def test_a_cut_frame_keeps_nothing_of_itself(house: House) -> None:
    first, second = house.edge.seal(ramp("m-1/gauge", 0, 10)), house.edge.seal(ramp("m-1/gauge", 10, 10))
    body = frame(first) + frame(second)[:-1]
    house.problem(house.client.post("/v1/batches", content=body, headers=bearer(house.edge.token)), 400, "invalid")
    assert house.edge.post(house.client, first, second).json()["watermark"] == 2


def test_a_body_beyond_the_limit_is_refused_stated_or_not(house: House) -> None:
    body = b"\0" * (16 * 2**20 + 1)
    house.problem(house.client.post("/v1/batches", content=body, headers=bearer(house.edge.token)), 413, "too-large")
    pieces = (b"\0" * 2**20 for _ in range(17))
    house.problem(house.client.post("/v1/batches", content=pieces, headers=bearer(house.edge.token)), 413, "too-large")
    assert MAX_BYTES < 16 * 2**20
    assert house.edge.post(house.client, house.edge.seal(ramp("m-1/gauge", 0, 1))).status_code == 200


def test_rows_that_cannot_be_indexed_are_quarantined_and_block_nothing(house: House) -> None:
    strangers = [reading("m-1/stranger", 2, 2.0), reading("m-1/stranger", 3, 2.5), reading("x-9/a", 5, 1)]
    batch = house.edge.seal(block_of([reading("m-1/gauge", 1, 1.0), *strangers, reading("m-1/text", 4, 4)]))
    spoiled = house.edge.seal(ramp("m-1/gauge", 100, 2))
    assert house.edge.post(house.client, batch, spoiled).status_code == 200
    house.indexed(2)
    assert house.values() == [1.0, 100.0, 101.0]
    held = {(item["seq"], item["equipment"], item["row"]): item["reason"] for item in house.get("/v1/quarantine").json()}
    assert held[1, "m-1", 1] == "signal 'm-1/stranger' is not in the register (2 rows from row 1 to row 2)"
    assert held[1, "m-1", 3] == "signal 'm-1/text' is a text, got an integer (1 rows from row 3 to row 3)"
    assert held[1, "x-9", 0].startswith("signal 'x-9/a' is not in the register")
    assert len(held) == 3


def test_gaps_and_figures_are_told(house: House) -> None:
    gap = Gap(("m-1/gauge",), START_US, START_US + 10**6, "link lost")
    assert house.edge.post(house.client, house.edge.seal(block_of([]), [gap])).status_code == 200
    assert house.get("/v1/gaps").json() == [
        {"edge": "edge-1", "signals": ["m-1/gauge"], "from_us": START_US, "to_us": START_US + 10**6, "reason": "link lost"}
    ]
    roles = {item["id"]: item["roles"] for item in house.get("/v1/indicators").json()}
    needs_facts = {name for name, item in load_indicators().items() if item.facts}
    window = {"from_us": START_US, "to_us": START_US + 3 * 3600 * 10**6}
    for name, read in roles.items():
        result = house.get(f"/v1/indicators/{name}", **window).json()
        # What the register alone decides has a value without any reading; nothing is declared here.
        assert result["indicator"] == name and (result["value"] is None) is bool(read or name in needs_facts or name == "key_process_nc_rate")
    house.problem(house.get("/v1/indicators/none", **window), 404, "not-found")
    for by in ("equipment", "class", "work_center", "area", "process", "day", "shift", "product", "order", "program"):
        found = house.get("/v1/indicators/networking_rate_all/groups", by=by, **window).json()
        assert all(set(row) == {"group", "result"} and row["result"]["indicator"] == "networking_rate_all" for row in found), by
        assert found or by == "shift"
    house.problem(house.get("/v1/indicators/oee/groups", by="moon", **window), 400, "invalid")
    house.problem(house.get("/v1/indicators/oee", from_us=5, to_us=4), 400, "invalid")
    house.problem(house.get("/v1/indicators/oee", from_us="x", to_us=4), 422, "invalid")


def test_live_values_are_shown_and_not_kept(house: House) -> None:
    post = {"edge": "edge-1", "readings": [
        {"signal": "m-1/gauge", "source_time_us": START_US, "value": 5.5}, {"signal": "no/such", "source_time_us": 1, "value": 1}]}
    assert house.client.post("/v1/latest", json=post, headers=bearer(house.edge.token)).status_code == 204
    latest = house.get("/v1/latest").json()["readings"]
    assert [(item["signal"], item["value"]) for item in latest] == [("m-1/gauge", 5.5)]
    with house.client.stream("GET", "/v1/live", headers=bearer(house.admin)) as stream:
        event = next(line for line in stream.iter_lines() if line.startswith("data: "))
    assert msgspec.json.decode(event.removeprefix("data: "))["readings"][0]["value"] == 5.5
    assert house.values() == []
    house.edge.post(house.client, house.edge.seal(block_of([reading("m-1/gauge", 10, 6.5), reading("m-2/gauge", 1, None, status="Bad")])))
    house.indexed(1)
    newest = {item["signal"]: (item["value"], item["quality"]) for item in house.get("/v1/latest").json()["readings"]}
    assert newest == {"m-1/gauge": (6.5, 0), "m-2/gauge": (None, 2)}
    post["edge"] = "edge-2"
    house.problem(house.client.post("/v1/latest", json=post, headers=bearer(house.edge.token)), 403, "unauthorised")


def test_every_route_is_documented_with_the_shapes_that_are_sent(house: House) -> None:
    schema = house.client.get("/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            assert route.get("summary"), f"{method} {path}"
            assert any(code.startswith("2") and ("content" in answer or code == "204") for code, answer in route["responses"].items()), path
    text = house.client.get("/openapi.json").text
    named = {piece.split('"')[0] for piece in text.split("#/components/schemas/")[1:]}
    assert named <= set(schema["components"]["schemas"])
    assert "http" not in house.client.get("/docs").text.replace("https://127", "")
