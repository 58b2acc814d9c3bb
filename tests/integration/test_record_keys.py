"""Keys and edges that come and go, on record with a real gateway: rotation with both signatures, a crash half-way, revocation."""

from pathlib import Path

import httpx
import msgspec
import pytest

from chejian.enrolment import enrol_folder, load_enrolment
from chejian.rotation import rotate_edge
from store.journal import EdgeJournal
from store.signing import SigningKey, encode_signature
from tests.integration.record_plant import Plant, command, plant
from tests.unit.edge.rig import now_us
from tests.unit.gateway.plant import bearer, ramp, reading
from workshop.batch import NO_DIGEST, ClockState, frame
from workshop.block import block_of
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, NotConnected
from workshop.statements import RotationStatement

__all__ = ["plant"]


def test_a_revoked_edge_is_refused_at_once(plant: Plant) -> None:
    assert plant.post("admin", "/v1/edges/edge-1/revocation", {"reason": "stolen"}).status_code == 204
    assert plant.edge.post(plant.roles["edge"], plant.edge.seal(ramp("m-1/gauge", 0, 1))).status_code == 401
    assert plant.roles["edge"].get("/v1/edges/edge-1/requests").status_code == 401
    assert plant.post("admin", "/v1/edges/edge-9/revocation", {"reason": "x"}).status_code == 400


def test_an_edges_new_key_comes_with_both_signatures(plant: Plant) -> None:
    first = plant.edge.seal(ramp("m-1/gauge", 0, 1))
    assert plant.edge.post(plant.admin, first).status_code == 200
    new, origin = SigningKey.create(), plant.roles["edge"].get("/v1/edges/edge-1/requests").json()["origin"]
    statement = RotationStatement(origin, "edge-1", plant.edge.key.public, new.public, plant.edge.epoch, 1, now_us())
    data = canonical_json(statement)
    body = {"statement": msgspec.to_builtins(statement), "old_signature": encode_signature(plant.edge.key.sign("rotation", data))}
    assert plant.post("edge", "/v1/edges/edge-1/rotation", body | {"new_signature": body["old_signature"]}).status_code == 400
    assert plant.post("edge", "/v1/edges/edge-1/rotation", body | {"new_signature": encode_signature(new.sign("rotation", data))}).status_code == 204
    plant.edge.key = new
    assert first.digest != NO_DIGEST and plant.edge.post(plant.admin, plant.edge.seal(ramp("m-1/gauge", 1, 1))).status_code == 200
    trust = plant.admin.get("/v1/trust").json()
    assert trust["edges"]["edge-1"] == [statement.old, statement.new]


def test_an_edge_rotates_its_key_and_a_crash_half_way_is_mended(plant: Plant, tmp_path: Path) -> None:
    folder = tmp_path / "edge-2"
    token = plant.post("admin", "/v1/edges", {"edge": "edge-2", "provenance": "simulated"}).json()["token"]
    enrol_folder(plant.url, token, "edge-2", folder)

    def journal() -> EdgeJournal:
        answer, key = load_enrolment(folder, "edge-2")
        return EdgeJournal.open(folder / "journal.sqlite", edge="edge-2", provenance=answer.provenance, key=key, clock=now_us)

    def deliver() -> int:
        opened, client = journal(), httpx.Client(base_url=plant.url, headers=bearer(load_enrolment(folder, "edge-2")[0].token))
        with client:
            opened.append([block_of([reading("m-2/gauge", 1, 1.0)])])
            opened.seal(ClockState())
            answer = client.post("/v1/batches", content=b"".join(frame(batch) for _, batch in opened.pending()))
            opened.acknowledge(answer.json().get("watermark", 0))
        opened.close()
        return answer.status_code

    assert deliver() == 200
    opened = journal()
    opened.append([block_of([reading("m-2/gauge", 2, 2.0)])])
    opened.close()
    old = load_enrolment(folder, "edge-2")[1].public
    with pytest.raises(NotConnected):
        rotate_edge("http://127.0.0.1:9", folder, "edge-2", now_us, "yearly")
    with pytest.raises(ConfigError, match="not finished"):
        load_enrolment(folder, "edge-2")
    new = rotate_edge(plant.url, folder, "edge-2", now_us, "yearly")
    assert new != old and load_enrolment(folder, "edge-2")[1].public == new
    assert deliver() == 200 and deliver() == 200, "what was sealed before and after"
    # A crash between journal and key file: the next key is there, the journal has it, key.pem is the old one.
    (folder / "key.pem").rename(folder / "key-next.pem")
    SigningKey.create().save(folder / "key.pem")
    assert rotate_edge(plant.url, folder, "edge-2", now_us, "") == new and deliver() == 200
    assert len(plant.admin.get("/v1/entries", params={"kind": "rotation"}).json()) == 1


def test_an_edge_or_a_former_key_is_revoked_by_command(plant: Plant, tmp_path: Path) -> None:
    assert command(plant, tmp_path, "admin", "gateway", "revoke", "--edge", "edge-1", "--reason", "stolen").returncode == 0
    assert plant.admin.get("/v1/edges").json()[0]["revoked_us"] is not None
    key = plant.admin.get("/v1/trust").json()["gateway"][0]["key"]
    refused = command(plant, tmp_path, "admin", "gateway", "revoke", "--key", key, "--reason", "copied")
    assert refused.returncode == 2 and "rotate the present one first" in refused.stderr
    for wrong in ((), ("--key", key, "--edge", "edge-1")):
        assert command(plant, tmp_path, "admin", "gateway", "revoke", "--reason", "x", *wrong).returncode == 2
    assert plant.post("engineer", "/v1/key-revocations", {"key": key, "reason": "x"}).status_code == 403
