"""Spot challenges with a real gateway: asked, answered by the edge from its own journal, and on record."""

from pathlib import Path
from typing import Any

import msgspec

from store.control_kinds import Answer, Challenge
from store.signing import SigningKey, decode_signature, encode_signature, verify
from tests.integration.record_plant import Asked, Plant, command, plant
from tests.unit.edge.rig import now_us
from workshop.batch import ClockState
from workshop.canonical import canonical_json
from workshop.reading import Reading
from workshop.window import SECOND_US

__all__ = ["plant"]


async def test_a_spot_challenge_is_asked_answered_and_on_record(plant: Plant, tmp_path: Path) -> None:
    edge = Asked(plant, tmp_path)
    requests = edge.requests
    asked = plant.post("evaluator", "/v1/challenges", {"edge": "edge-1", "signal": "m-1/gauge", "window_us": 60 * SECOND_US})
    assert asked.status_code == 200, asked.text
    await requests.ask()
    assert requests.answered == 0, "there is no reading within the window yet"
    now = now_us()
    edge.store(Reading("m-1/gauge", now - 100 * SECOND_US, now, 1.0), Reading("m-1/other", now, now, 9.0))
    await requests.ask()
    assert requests.answered == 0
    edge.store(Reading("m-1/gauge", now - 1, now, 42.5))
    edge.journal.seal(ClockState())
    edge.store(Reading("m-1/gauge", now - 5, now, 41.5))
    await requests.ask()
    await requests.ask()
    assert (requests.answered, requests.failures) == (1, 0)
    epoch = edge.journal.epoch
    await edge.close()
    challenge, answer = plant.roles["viewer"].get("/v1/challenges").json()
    assert (challenge["kind"], challenge["author"]) == ("challenge", f"evaluator:{plant.li_na}")
    assert (answer["kind"], answer["author"]) == ("answer", "edge:edge-1")
    assert challenge["time_us"] <= answer["time_us"]
    question, body = msgspec.convert(challenge["body"], Challenge).question, msgspec.convert(answer["body"], Answer)
    assert body.challenge == challenge["index"] and body.statement.question == question
    assert (body.statement.value, body.statement.source_time_us, body.statement.epoch) == (42.5, now - 1, epoch)
    assert verify(plant.edge.key.public, "answer", canonical_json(body.statement), decode_signature(body.signature))


async def test_an_action_is_answered_when_all_has_come_in_and_silence_is_an_answer(plant: Plant, tmp_path: Path) -> None:
    time = [now_us()]
    edge = Asked(plant, tmp_path, lambda: time[0])
    requests = edge.requests
    for signal in ("m-1/state", "m-2/state"):
        body = {"edge": "edge-1", "signal": signal, "window_us": 2 * SECOND_US, "action": "press feed hold on m-1"}
        assert plant.post("evaluator", "/v1/challenges", body).status_code == 200
    asked = now_us()
    edge.store(Reading("m-1/state", asked + SECOND_US, asked, 3))
    time[0] = asked + 3 * SECOND_US
    await requests.ask()
    assert requests.answered == 0, "readings of the window may still be on their way"
    time[0] = asked + 8 * SECOND_US
    await requests.ask()
    await edge.close()
    answers = [item["body"]["statement"] for item in plant.admin.get("/v1/challenges").json() if item["kind"] == "answer"]
    assert [(item["question"]["signal"], item["value"]) for item in answers] == [("m-1/state", 3), ("m-2/state", None)]


async def test_an_edge_does_not_say_that_nothing_was_there_when_it_cannot_know(plant: Plant, tmp_path: Path) -> None:
    time = [now_us()]
    edge = Asked(plant, tmp_path, lambda: time[0])
    assert plant.post("evaluator", "/v1/challenges", {"edge": "edge-1", "signal": "m-1/gauge", "window_us": SECOND_US}).status_code == 200
    edge.store(Reading("m-1/other", time[0], time[0], 1.0))
    edge.journal.seal(ClockState())
    time[0] += 20 * SECOND_US
    edge.journal._batches._db.execute("UPDATE batches SET record = x'00'")
    edge.journal._batches._db.execute("UPDATE parts SET data = x'00'")
    await edge.requests.ask()
    assert edge.requests.answered == 0
    await edge.close()


async def test_an_integer_that_canonical_json_cannot_hold_is_answered_as_its_digits(plant: Plant, tmp_path: Path) -> None:
    edge = Asked(plant, tmp_path)
    assert plant.post("evaluator", "/v1/challenges", {"edge": "edge-1", "signal": "m-1/count", "window_us": SECOND_US}).status_code == 200
    edge.store(Reading("m-1/count", now_us(), now_us(), 2**62))
    await edge.requests.ask()
    await edge.close()
    [answer] = [item["body"]["statement"]["value"] for item in plant.admin.get("/v1/challenges").json() if item["kind"] == "answer"]
    assert answer == str(2**62)


def test_only_the_edge_that_was_asked_can_answer_and_once(plant: Plant) -> None:
    asked = plant.post("evaluator", "/v1/challenges", {"edge": "edge-1", "signal": "m-1/gauge", "window_us": SECOND_US}).json()
    question = asked["body"]["question"]
    nothing = {"source_time_us": None, "received_time_us": None, "value": None, "quality": None}
    statement = {"question": question, "epoch": 1, "answered_us": 5, "v": 1} | nothing

    def answer(statement: dict[str, Any], key: SigningKey = plant.edge.key, role: str = "edge", edge: str = "edge-1") -> int:
        signature = encode_signature(key.sign("answer", canonical_json(statement)))
        post = {"challenge": asked["index"], "statement": statement, "signature": signature}
        return plant.post(role, f"/v1/edges/{edge}/answers", post).status_code

    assert answer(statement, role="evaluator") == 403 and answer(statement, edge="edge-2") == 403
    assert answer(statement, key=SigningKey.create()) == 400
    assert answer(statement | {"question": question | {"to_us": 9}}) == 400
    assert answer(statement) == 204 and answer(statement) == 409
    assert plant.roles["edge"].get("/v1/edges/edge-1/requests").json()["challenges"] == []
    assert plant.post("engineer", "/v1/challenges", {"edge": "edge-1", "signal": "m-1/gauge", "window_us": SECOND_US}).status_code == 403
    assert plant.post("evaluator", "/v1/challenges", {"edge": "edge-1", "signal": "m-1/none", "window_us": SECOND_US}).status_code == 400


def test_an_evaluator_asks_by_command(plant: Plant, tmp_path: Path) -> None:
    note = tmp_path / "control.note"
    done = command(plant, tmp_path, "evaluator", "evidence", "challenge", "edge-1", "m-1/gauge", "--wait-s", "0", "--checkpoint", str(note))
    assert done.returncode == 0 and "asked: control entry" in done.stdout, done.stderr
    size = int(note.read_text().split("\n")[1])
    [asked] = plant.admin.get("/v1/challenges").json()
    assert asked["index"] < size and asked["author"] == f"evaluator:{plant.li_na}"
    silent = command(plant, tmp_path, "evaluator", "evidence", "challenge", "edge-1", "m-1/gauge", "--wait-s", "0.1")
    assert silent.returncode == 1 and "will not be confirmed" in silent.stderr
    assert command(plant, tmp_path, "evaluator", "evidence", "challenge", "edge-9", "m-1/gauge").returncode == 2
