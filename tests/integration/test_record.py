"""What people, edges and programs put on record with a real gateway, kind after kind of entry, and so a long file: challenges, alarms, new keys …"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from chejian.enrolment import enrol_folder, load_enrolment
from chejian.rotation import rotate_edge
from edge.requests import Requests
from store.control_kinds import Answer, Challenge
from store.journal import EdgeJournal
from store.signing import SigningKey, decode_signature, encode_signature, verify
from tests.unit.edge.rig import now_us
from tests.unit.gateway.plant import Sender, admin_of, bearer, gateway_in_thread, known_as, ramp, reading, until
from workshop.batch import NO_DIGEST, ClockState, Provenance, frame
from workshop.block import Block, block_of
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, NotConnected
from workshop.reading import Reading
from workshop.statements import RotationStatement
from workshop.window import SECOND_US, Clock


class Plant:
    """A gateway with one edge and a client for each role."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.edge = url, Sender()
        self.li_na = known_as(folder, "Li Na")
        self.admin = httpx.Client(base_url=url, headers=bearer(admin_of(folder)))
        self.edge.enrol(self.admin, admin_of(folder))
        self.roles: dict[str, httpx.Client] = {"admin": self.admin, "edge": httpx.Client(base_url=url, headers=bearer(self.edge.token))}
        for role in ("viewer", "engineer", "evaluator"):
            token = self.admin.post("/v1/tokens", json={"role": role, "subject": "Li Na"}).json()["token"]
            self.roles[role] = httpx.Client(base_url=url, headers=bearer(token))

    def post(self, role: str, path: str, body: dict[str, Any]) -> httpx.Response:
        return self.roles[role].post(path, json=body)

    def close(self) -> None:
        for client in self.roles.values():
            client.close()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with gateway_in_thread(tmp_path) as url:
        plant = Plant(url, tmp_path)
        yield plant
        plant.close()


async def no_watermark(epoch: int | None, watermark: int) -> None:
    assert (epoch, watermark) == (None, 0)


class Asked:
    """The edge's own journal, and what answers from it."""

    def __init__(self, plant: Plant, folder: Path, clock: Clock = now_us) -> None:
        self.journal = EdgeJournal.open(
            folder / "journal.sqlite", edge="edge-1", provenance=Provenance.SIMULATED, key=plant.edge.key, clock=clock,
        )
        self.requests = Requests(
            plant.url, plant.edge.token, "edge-1", epoch=self.journal.epoch, key=plant.edge.key, clock=clock, find=self._find,
            look_back=no_watermark,
        )

    async def _find(self, signal: str, from_us: int, to_us: int) -> tuple[Block, bool]:
        return self.journal.readings_within(signal, from_us, to_us)

    def store(self, *readings: Reading) -> None:
        self.journal.append([block_of(readings)])

    async def close(self) -> None:
        await self.requests.close()
        self.journal.close()


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


def command(plant: Plant, tmp_path: Path, role: str, *words: str) -> subprocess.CompletedProcess[str]:
    token = tmp_path / f"{role}.token"
    token.write_text(plant.roles[role].headers["authorization"].removeprefix("Bearer "))
    return subprocess.run(
        [sys.executable, "-m", "chejian", *words, "--url", plant.url, "--token-file", str(token)], capture_output=True, text=True, check=False,
        timeout=60)


def test_an_edge_or_a_former_key_is_revoked_by_command(plant: Plant, tmp_path: Path) -> None:
    assert command(plant, tmp_path, "admin", "gateway", "revoke", "--edge", "edge-1", "--reason", "stolen").returncode == 0
    assert plant.admin.get("/v1/edges").json()[0]["revoked_us"] is not None
    key = plant.admin.get("/v1/trust").json()["gateway"][0]["key"]
    refused = command(plant, tmp_path, "admin", "gateway", "revoke", "--key", key, "--reason", "copied")
    assert refused.returncode == 2 and "rotate the present one first" in refused.stderr
    for wrong in ((), ("--key", key, "--edge", "edge-1")):
        assert command(plant, tmp_path, "admin", "gateway", "revoke", "--reason", "x", *wrong).returncode == 2
    assert plant.post("engineer", "/v1/key-revocations", {"key": key, "reason": "x"}).status_code == 403


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
