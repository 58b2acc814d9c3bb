"""Who may do what, on a real gateway: tokens, enrolment, roles."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.auth import Caller, Role
from gateway.opening import open_house
from store.signing import SigningKey
from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, configure, gateway_in_thread, known_as, ramp
from workshop.batch import Provenance
from workshop.window import HOUR_US


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, str]]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_in_thread(folder, failed_logins=1_000_000) as url, httpx.Client(base_url=url) as client:
        yield client, admin_of(folder)


@pytest.fixture(scope="module")
def tokens(gateway: tuple[httpx.Client, str]) -> dict[str, str]:
    """A bearer token of each role, and of an edge of provenance derived."""
    client, admin = gateway
    made = {"admin": admin}
    for role in ("viewer", "writer", "engineer", "evaluator"):
        made[role] = client.post("/v1/tokens", json={"role": role, "subject": "somebody"}, headers=bearer(admin)).json()["token"]
    for name, provenance in (("edge", Provenance.SIMULATED), ("derived", Provenance.DERIVED)):
        sender = Sender(f"box-{name}", provenance)
        sender.enrol(client, admin)
        made[name] = sender.token
    return made


def test_health_needs_no_token_and_nothing_allows_other_origins(gateway: tuple[httpx.Client, str]) -> None:
    client, _ = gateway
    for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"):
        answer = client.get(path, headers={"Origin": "http://example.com"})
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff" and "access-control-allow-origin" not in answer.headers
    assert "box-edge" not in client.get("/metrics").text


def test_a_one_time_token_enrols_one_edge_once(gateway: tuple[httpx.Client, str]) -> None:
    client, admin = gateway
    invited = client.post("/v1/edges", json={"edge": "box-9", "provenance": "plant"}, headers=bearer(admin)).json()["token"]
    request = {"token": invited, "edge": "box-8", "public_key": SigningKey.create().public}
    assert client.post("/v1/enrol", json=request).status_code == 401
    assert client.post("/v1/enrol", json=request | {"edge": "box-9", "public_key": "AAAA"}).status_code == 400
    answer = client.post("/v1/enrol", json=request | {"edge": "box-9"})
    assert answer.status_code == 200 and answer.json()["provenance"] == "plant"
    assert client.post("/v1/enrol", json=request | {"edge": "box-9"}).status_code == 401
    assert client.get("/v1/latest", headers=bearer(invited)).status_code == 401
    assert client.post("/v1/enrol", json=request | {"more": 1}).status_code == 400


def test_tokens_are_made_for_people_only_and_roles_are_known(gateway: tuple[httpx.Client, str]) -> None:
    client, admin = gateway
    for body in ({"role": "edge", "subject": "x"}, {"role": "root", "subject": "x"}, {"role": "viewer", "subject": ""}, {"role": "viewer"}):
        assert client.post("/v1/tokens", json=body, headers=bearer(admin)).status_code == 400
    Sender("box-4", Provenance.SIMULATED).enrol(client, admin)
    upgraded = client.post("/v1/edges", json={"edge": "box-4", "provenance": "plant"}, headers=bearer(admin))
    assert upgraded.status_code == 400 and "never changes" in upgraded.json()["detail"]
    for body in ({"edge": "Box", "provenance": "plant"}, {"edge": "box", "provenance": "real"}, {"edge": "../x", "provenance": "plant"}):
        assert client.post("/v1/edges", json=body, headers=bearer(admin)).status_code == 400


def test_enrolling_again_ends_the_old_token_and_key(gateway: tuple[httpx.Client, str]) -> None:
    client, admin = gateway
    sender = Sender("box-7")
    sender.enrol(client, admin)
    old = sender.token
    sender.enrol(client, admin)
    assert client.post("/v1/latest", json={"edge": "box-7", "readings": []}, headers=bearer(old)).status_code == 401
    assert client.post("/v1/latest", json={"edge": "box-7", "readings": []}, headers=bearer(sender.token)).status_code == 204


def test_a_token_belongs_to_its_edge(gateway: tuple[httpx.Client, str]) -> None:
    client, admin = gateway
    mine, other = Sender("box-5"), Sender("box-6")
    mine.enrol(client, admin)
    other.enrol(client, admin)
    batch = other.seal(ramp("m-1/gauge", 0, 1))
    assert mine.post(client, batch).json()["detail"] == "this token belongs to edge 'box-5', the batch says 'box-6'"
    assert other.post(client, batch).status_code == 200


def test_wrong_tokens_lock_an_address_out_but_not_those_known_before(tmp_path: Path) -> None:
    with gateway_in_thread(tmp_path, failed_logins=5) as url, httpx.Client(base_url=url) as client:
        admin = admin_of(tmp_path)
        assert client.get("/v1/signals", headers=bearer(admin)).status_code == 200
        fresh = client.post("/v1/tokens", json={"role": "viewer", "subject": "x"}, headers=bearer(admin)).json()["token"]
        codes = [client.get("/v1/signals", headers=bearer(f"cj_{number}")).status_code for number in range(7)]
        assert codes == [401] * 5 + [429] * 2
        locked = client.get("/v1/signals", headers=bearer(fresh))
        assert locked.status_code == 429 and 0 < int(locked.headers["retry-after"]) <= 60 and locked.json()["type"] == "locked-out"
        assert client.get("/v1/signals", headers=bearer(admin)).status_code == 200


def test_every_change_stands_in_the_audit(tmp_path: Path) -> None:
    with gateway_in_thread(tmp_path) as url, httpx.Client(base_url=url) as client:
        admin = admin_of(tmp_path)
        client.post("/v1/tokens", json={"role": "evaluator", "subject": "Wang"}, headers=bearer(admin))
        Sender("box-1").enrol(client, admin)
    settings = configure(tmp_path)
    with open_house(settings, lambda: START_US) as house:
        entries = [(entry.author, entry.body["what"]) for entry in house.archive.control_entries(kind="audit")]
    assert entries == [("gateway", "token"), ("gateway", "set-up link"), ("admin:first start", "token"), ("admin:first start", "invitation")]


def test_every_access_of_an_evaluator_stands_in_the_audit_once_an_hour(tmp_path: Path) -> None:
    with gateway_in_thread(tmp_path) as url, httpx.Client(base_url=url) as client:
        admin = admin_of(tmp_path)
        tokens = {}
        for role in ("evaluator", "viewer"):
            tokens[role] = client.post("/v1/tokens", json={"role": role, "subject": "Wang"}, headers=bearer(admin)).json()["token"]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: client.get("/v1/signals", headers=bearer(tokens["evaluator"])).status_code, range(16)))
        assert found == [200] * 16
        calls = (("evaluator", "/v1/workshop", 200), ("evaluator", "/v1/edges/edge-1/requests", 403), ("viewer", "/v1/signals", 200))
        assert [client.get(path, headers=bearer(tokens[role])).status_code for role, path, _ in calls] == [status for *_, status in calls]
        rows = [row["body"] | {"author": row["author"]} for row in client.get("/v1/audit", headers=bearer(admin)).json()]
        seen = [(row["author"], row["detail"]) for row in rows if row["what"] == "access"]
        assert seen == [(f"evaluator:{known_as(tmp_path, 'Wang')}", f"to GET /v1/{what}") for what in ("signals", "workshop")]
    now_us = START_US
    with open_house(configure(tmp_path), lambda: now_us) as house:
        wang = Caller(Role.EVALUATOR, "Wang")
        before = len(house.archive.control_entries(kind="audit"))
        for hours in (0, 0, 1):
            now_us += hours * HOUR_US
            house.access.visited(wang, "GET /v1/signals")
        assert len(house.archive.control_entries(kind="audit")) == before + 2, "once in each hour"
