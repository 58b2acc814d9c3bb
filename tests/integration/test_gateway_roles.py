"""Role × endpoint: every route of the API's own document, every role. A route that is not in this table fails the test."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.unit.gateway.plant import START_US, Sender, admin_of, bearer, gateway_in_thread, ramp, until
from workshop.batch import Provenance

ROLES = ("viewer", "writer", "engineer", "evaluator", "admin", "edge", "derived")
WINDOW = f"from_us={START_US}&to_us={START_US + 10**6}"
PEOPLE = ("viewer", "engineer", "evaluator", "admin")
READ, EDGES = (*PEOPLE, "derived"), ("edge", "derived")
OPEN = (*ROLES, "nobody")
MATRIX: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/healthz"): OPEN, ("GET", "/readyz"): OPEN, ("GET", "/metrics"): OPEN, ("POST", "/v1/enrol"): OPEN, ("POST", "/v1/setup"): OPEN,
    ("POST", "/api/v2/write"): ("writer", "admin"),
    ("POST", "/v1/batches"): EDGES, ("POST", "/v1/latest"): EDGES, ("POST", "/v1/imports"): EDGES,
    ("GET", "/v1/edges/box-edge/requests"): ("edge",), ("POST", "/v1/edges/box-edge/resume"): EDGES,
    ("POST", "/v1/edges/box-edge/rotation"): EDGES, ("POST", "/v1/edges/box-edge/answers"): EDGES,
    ("POST", "/v1/components"): ("admin", "derived"), ("POST", "/v1/predictions"): ("engineer", "admin", "derived"),
    ("POST", "/v1/announcements"): ("engineer", "admin", "edge", "derived"),
    ("POST", "/v1/commitments"): ("engineer", "admin"), ("POST", "/v1/declarations"): ("engineer", "admin"),
    ("POST", "/v1/orders"): ("engineer", "admin"), ("POST", "/v1/feedback"): ("engineer", "evaluator", "admin"),
    ("POST", "/v1/challenges"): ("evaluator",), ("POST", "/v1/bundles"): ("evaluator", "admin"),
    ("POST", "/v1/checkpoint/cosignatures"): ("evaluator", "admin"), ("GET", "/v1/audit"): ("evaluator", "admin"),
    ("POST", "/v1/edges"): ("admin",), ("POST", "/v1/tokens"): ("admin",), ("POST", "/v1/prune"): ("admin",),
    ("POST", "/v1/key-revocations"): ("admin",), ("POST", "/v1/pseudonyms"): ("admin",),
    ("POST", "/v1/edges/nobody/revocation"): ("admin",), ("POST", "/v1/alerts/test"): ("admin",),
    ("GET", "/v1/alerts"): PEOPLE, ("GET", "/v1/engines"): PEOPLE,
    **{("GET", path): READ for path in (
        "/v1/latest", "/v1/workshop", "/v1/workshop/revisions",
        "/v1/equipment", "/v1/signals", "/v1/count", "/v1/touched?since=0", f"/v1/readings?signal=m-1/gauge&{WINDOW}",
        f"/v1/aggregate?signal=m-1/gauge&step_us=1000000&{WINDOW}", "/v1/indicators", f"/v1/indicators/networking_rate_all?{WINDOW}",
        f"/v1/indicators/networking_rate_all/groups?by=class&{WINDOW}",
        f"/v1/components?indicator=oee&{WINDOW}", "/v1/edges", "/v1/gaps", "/v1/quarantine", "/v1/quarantine/count", "/v1/checkpoint", "/v1/trust",
        "/v1/proof/consistency?log=control&old=1&new=1", "/v1/proof/inclusion?log=data&index=0&size=1", "/v1/tile/data/0/000.p/1",
        "/v1/entries?kind=audit", "/v1/checkpoint/cosignatures", "/v1/commitments", "/v1/declarations", "/v1/predictions", "/v1/feedback",
        "/v1/announcements", "/v1/imports", "/v1/challenges", f"/v1/orders?{WINDOW}", f"/v1/northbound?{WINDOW}", f"/v1/verdicts?{WINDOW}",
        "/v1/live", "/v1/trace/88.118.1/nobody",
    )},
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """A gateway, and a bearer token of each role: "edge" is box-edge, "derived" an edge of that provenance."""
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_in_thread(folder, failed_logins=1_000_000) as url, httpx.Client(base_url=url) as client:
        made = {"admin": admin_of(folder)}
        for role in ("viewer", "writer", "engineer", "evaluator"):
            made[role] = client.post("/v1/tokens", json={"role": role, "subject": "somebody"}, headers=bearer(made["admin"])).json()["token"]
        for name, provenance in (("edge", Provenance.SIMULATED), ("derived", Provenance.DERIVED)):
            sender = Sender(f"box-{name}", provenance)
            sender.enrol(client, made["admin"])
            made[name] = sender.token
            if name == "edge":
                assert sender.post(client, sender.seal(ramp("m-1/gauge", 0, 3))).status_code == 200
        until(lambda: client.get("/readyz").json()["indexed_batches"] == 1, "indexed")
        yield client, made


def status(client: httpx.Client, method: str, path: str, headers: dict[str, str]) -> int:
    """The status alone: an answer may have no end."""
    with client.stream(method, path, headers=headers) as answer:
        return answer.status_code


@pytest.mark.parametrize(("method", "path"), MATRIX)
def test_roles_and_routes(gateway: tuple[httpx.Client, dict[str, str]], method: str, path: str) -> None:
    client, tokens = gateway
    allowed = MATRIX[method, path]
    for headers in ({}, bearer("cj_wrong"), {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        assert (status(client, method, path, headers) == 401) is ("nobody" not in allowed)
    for role in ROLES:
        found = status(client, method, path, bearer(tokens[role]))
        # Who may gets past the door; a POST without a body is then refused for its content.
        assert (found not in (401, 403)) is (role in allowed), (role, found)
        assert found < 500 and (found == 200 or role not in allowed or found in (400, 404, 422)), (role, found)


def test_no_route_is_missing_from_the_table(gateway: tuple[httpx.Client, dict[str, str]]) -> None:
    client, _ = gateway
    known = [(method, path.partition("?")[0]) for method, path in MATRIX]
    missing = [
        (method.upper(), path) for path, methods in client.get("/openapi.json").json()["paths"].items() for method in methods
        if not any(method.upper() == one and re.fullmatch(re.sub(r"\\{[^/]+\\}", ".+", re.escape(path)), where) for one, where in known)
    ]
    assert missing == []
