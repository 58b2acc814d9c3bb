"""One caller alone cannot keep the gateway busy: requests of a token, and of an address without one, are limited; edges are not."""

from pathlib import Path

import httpx
import pytest

from gateway.lockout import MOST_ADDRESSES, RateLimit
from tests.unit.gateway.plant import Sender, admin_of, bearer, gateway_in_thread, ramp


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr("gateway.lockout.time", made)
    return made


def test_as_many_as_two_seconds_have_at_once_and_then_one_by_one(time: Time) -> None:
    limit = RateLimit(5.0)
    assert [limit.wait_s("a") for _ in range(12)] == [0] * 10 + [1, 1]
    assert limit.wait_s("b") == 0, "everybody for himself"
    time.now_s += 0.2
    assert [limit.wait_s("a") for _ in range(2)] == [0, 1]
    time.now_s += 3600
    assert [limit.wait_s("a") for _ in range(11)] == [0] * 10 + [1], "nobody saves more than that"
    slow = RateLimit(0.1)
    assert [slow.wait_s("a") for _ in range(2)] == [0, 10]


def test_callers_beyond_number_take_no_memory() -> None:
    limit = RateLimit(1.0)
    for number in range(MOST_ADDRESSES + 100):
        limit.wait_s(str(number))
    assert len(limit._known) == MOST_ADDRESSES


def test_who_asks_too_much_waits_and_edges_go_on(tmp_path: Path) -> None:
    with gateway_in_thread(tmp_path, requests_per_s=5) as url, httpx.Client(base_url=url) as client:
        admin, edge = bearer(admin_of(tmp_path)), Sender()
        edge.enrol(client, admin_of(tmp_path))
        viewer = bearer(client.post("/v1/tokens", json={"role": "viewer", "subject": "x"}, headers=admin).json()["token"])
        answers = [client.get("/v1/signals", headers=viewer) for _ in range(40)]
        codes = [answer.status_code for answer in answers]
        assert codes[:10] == [200] * 10 and 429 in codes and set(codes) == {200, 429}
        busy = answers[codes.index(429)]
        assert busy.json()["type"] == "too-many" and int(busy.headers["retry-after"]) >= 1 and busy.headers["x-content-type-options"] == "nosniff"
        assert client.get("/v1/signals", headers=admin).status_code == 200, "others are served"
        for number in range(40):
            assert edge.post(client, edge.seal(ramp("m-1/gauge", number, 1))).status_code == 200
        codes = [client.get("/healthz").status_code for _ in range(40)]
        assert codes[0] == 200 and 429 in codes
