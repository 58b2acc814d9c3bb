"""What people, edges and programs put on record with a real gateway, kind after kind of entry; alarms and pruning."""

from typing import Any

import pytest

from store.signing import SigningKey, encode_signature
from tests.integration.record_plant import Plant, plant
from tests.unit.gateway.plant import Sender, ramp, reading, until

__all__ = ["plant"]

COMMITMENT = {"claim": "networking", "indicator": "networking_rate_all", "from_us": 10, "to_us": 20, "equipment": ["m-1", "m-2"], "digest": "ab" * 32}
DECLARATION = {"name": "baseline defect rate", "value": "0.031", "unit": "1", "from_us": 1, "to_us": 2, "attachment": "cd" * 32}
FEEDBACK = {"equipment": "m-1", "from_us": 1, "to_us": 2, "finding": "failure", "about": None}
PREDICTION = {"model": "bearing-1", "equipment": "m-1", "what": "bearing failure", "from_us": 1, "to_us": 2, "score": "0.87", "digest": "ef" * 32}
ANNOUNCEMENT = {"edge": "edge-1", "epoch": 1, "from_seq": 5, "to_seq": 9, "from_us": 1, "to_us": 2, "why": "back-fill"}


@pytest.mark.parametrize(("path", "body", "writers"), [
    ("commitments", COMMITMENT, "engineer admin"), ("declarations", DECLARATION, "engineer admin"),
    ("feedback", FEEDBACK, "engineer evaluator admin"),
    ("predictions", PREDICTION, "engineer admin"), ("announcements", ANNOUNCEMENT, "engineer edge admin"),
])
def test_what_is_put_on_record_names_its_author(plant: Plant, path: str, body: dict[str, Any], writers: str) -> None:
    for role in plant.roles:
        answer = plant.post(role, f"/v1/{path}", body)
        assert (answer.status_code == 200) == (role in writers.split()), f"{role}: {answer.text}"
    rows = plant.roles["viewer"].get(f"/v1/{path}").json()
    assert [row["author"] for row in rows] == [
        {"admin": "admin:first start", "edge": "edge:edge-1"}.get(role, f"{role}:{plant.li_na}") for role in plant.roles if role in writers.split()]
    assert all(body.items() <= row["body"].items() for row in rows)
    for wrong in ({"unknown": 1}, {"from_us": 30}, {"to_us": -1}):
        assert plant.post("admin", f"/v1/{path}", body | wrong).status_code == 400, wrong


def test_what_a_declaration_rests_on_is_named_by_its_digest(plant: Plant) -> None:
    for wrong in ("report.pdf", "CD" * 32, "cd" * 31):
        assert plant.post("engineer", "/v1/declarations", DECLARATION | {"attachment": wrong}).status_code == 400
    assert plant.post("engineer", "/v1/declarations", DECLARATION | {"attachment": ""}).status_code == 200


def test_feedback_is_about_a_prediction_of_the_same_machine(plant: Plant) -> None:
    index = plant.post("engineer", "/v1/predictions", PREDICTION).json()["index"]
    assert plant.post("engineer", "/v1/feedback", FEEDBACK | {"about": index}).status_code == 200
    for wrong in ({"about": 0}, {"about": -1}, {"about": 2**40}, {"about": index, "equipment": "m-2"}):
        assert plant.post("engineer", "/v1/feedback", FEEDBACK | wrong).status_code == 400, wrong


def test_commitments_name_machines_of_the_register_and_may_carry_a_claimants_signature(plant: Plant) -> None:
    for equipment in ([], ["m-9"], ["m-1", "m-1"]):
        assert plant.post("engineer", "/v1/commitments", COMMITMENT | {"equipment": equipment}).status_code == 400
    key = SigningKey.create()
    signed = COMMITMENT | {"claimant_key": key.public, "claimant_signature": encode_signature(key.sign("commitment", (b"ab" * 32)))}
    assert plant.post("engineer", "/v1/commitments", signed).status_code == 200
    assert plant.post("engineer", "/v1/commitments", signed | {"digest": "ac" * 32}).status_code == 400


def test_two_edges_with_one_identity_are_fenced_and_alarmed(plant: Plant) -> None:
    batches = [plant.edge.seal(ramp("m-1/gauge", number * 10, 10)) for number in range(2)]
    assert plant.edge.post(plant.admin, *batches).status_code == 200
    twin = Sender(key=plant.edge.key)
    twin.token, twin.epoch = plant.edge.token, plant.edge.epoch + 1
    first = twin.seal(ramp("m-1/gauge", 500, 10))
    for _ in range(3):
        assert twin.post(plant.admin, first).status_code == 403
    clone = Sender(key=plant.edge.key)
    clone.token, clone.seq, clone.previous = plant.edge.token, 1, batches[0].digest
    assert clone.post(plant.admin, clone.seal(ramp("m-1/gauge", 900, 10))).status_code == 409
    rows = until(lambda: plant.admin.get("/v1/edges").json()[0]["alarms"], "alarms")
    assert [(row["what"], row["epoch"]) for row in rows] == [("fenced", twin.epoch), ("conflict", plant.edge.epoch)]
    metrics = plant.admin.get("/metrics").text
    assert 'chejian_edge_alarms{what="fenced"} 1.0' in metrics and 'chejian_edge_alarms{what="conflict"} 1.0' in metrics
    leaves = [bytes.fromhex(row["leaf"]) for row in plant.admin.get("/v1/entries", params={"kind": "audit"}).json()]
    assert sum(b'"edge":"edge-1"' in leaf for leaf in leaves) == 2
    assert plant.edge.post(plant.admin, plant.edge.seal(ramp("m-1/gauge", 30, 10))).status_code == 200, "the first one goes on"


def test_pruning_is_declared_and_leaves_what_the_engine_has(plant: Plant) -> None:
    batches = [plant.edge.seal(ramp("m-1/gauge", number * 10, 10)) for number in range(3)]
    assert plant.edge.post(plant.admin, *batches).status_code == 200
    until(lambda: plant.admin.get("/v1/count").json()["cursor"] == 3, "indexed")
    before = reading("m-1/gauge", 20_000, 0.0).source_time_us
    assert plant.post("engineer", "/v1/prune", {"before_us": before}).status_code == 403
    done = plant.post("admin", "/v1/prune", {"before_us": before, "reason": "two years are over"})
    assert done.json() == {"first": 0, "end": 2, "before_us": before, "reason": "two years are over"}, done.text
    assert plant.admin.get("/v1/count").json()["rows"] == 30
    assert plant.post("admin", "/v1/prune", {"before_us": before}).status_code == 400
