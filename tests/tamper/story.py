"""A bundle that has something of everything: every kind of control entry, two windows, and every way in which data can be missing."""

from pathlib import Path

import msgspec

from evidence.bundle import export
from evidence.claim import Claim
from evidence.packs import load_packs
from evidence.trust import TrustFile, trust_of
from store.archive import Committed
from store.control_kinds import (
    Announcement,
    Answer,
    Challenge,
    Commitment,
    Cosignature,
    Declaration,
    Feedback,
    Import,
    Orders,
    Prediction,
    Witness,
)
from store.note import cosign
from store.signing import SigningKey, encode_signature
from tests.tamper.workbench import ORIGIN, T0, WINDOW, Edge, Plant, readings_of
from workshop.batch import ClockState, Gap, Header, SealedBatch, encode_header
from workshop.canonical import canonical_json, sha256_hex
from workshop.order import Order
from workshop.statements import AnswerStatement, Question, ResumeStatement, RotationStatement
from workshop.window import HOUR_US, SECOND_US, Window

BASELINE = Window(T0 - 2 * HOUR_US, T0 - 2 * HOUR_US + 120 * SECOND_US)
DIGEST = "ab" * 32


class Story:
    """What has happened, and the keys of all who took part."""

    def __init__(self, folder: Path, claims: list[Claim]) -> None:
        self.claims = claims
        self.plant = plant = Plant(folder)
        self.gateway_keys = {plant.key.public: plant.key}
        plant.run(BASELINE.start_us, 200)
        self.between = plant.archive.data_size - 4
        """A size of the data log that lies between the two ranges of the bundle."""
        self._lost_and_found()
        self._words()
        self._rotations()
        plant.run(T0 - 60 * SECOND_US, 60)
        plant.archive.seal_checkpoint()
        plant.run(T0, 120, (Gap(("robot-01/alarm",), T0 + 10 * SECOND_US, T0 + 12 * SECOND_US, "link down"),))
        self._malformed()
        plant.run(T0 + 120 * SECOND_US, 60)
        self.bundle = folder / "bundle"
        export(
            plant.archive, window=WINDOW, baseline=BASELINE, claims=claims, packs=load_packs(), out=self.bundle, withhold=["robot-01"],
            pinned=[self.between],
        )
        self.trust: TrustFile = trust_of(plant.archive)

    def _lost_and_found(self) -> None:
        """A restore, after which an edge no longer has two batches; then that edge's journal is lost as well."""
        plant, archive = self.plant, self.plant.archive
        edge = Edge("edge-3")
        plant.enrol(edge)
        archive.begin_generation([archive.checkpoint("data")], backup_us=plant.now(), author="operator", reason="disk failed")
        batches = [edge.seal(readings_of("lathe-01", T0 - HOUR_US, 1), plant.now()) for _ in range(3)]
        statement = ResumeStatement(ORIGIN, 2, "edge-3", edge.epoch, 0, 3, sha256_hex(batches[1].header), plant.now(), plant.now())
        assert isinstance(archive.resume(statement, encode_signature(edge.key.sign("resume", canonical_json(statement)))), Committed)
        plant.commit(batches[2])
        plant.now.time_us += 120 * SECOND_US
        edge.epoch, edge.seq, edge.prev = edge.epoch + 1, 0, "0" * 64
        plant.commit(edge.seal(readings_of("lathe-01", T0 - HOUR_US + SECOND_US, 1), plant.now()))
        archive.revoke("edge-3", author="admin", reason="replaced")

    def _words(self) -> None:
        plant, archive = self.plant, self.plant.archive
        claim = next(item for item in self.claims if item.id == "defect-rate")
        machines = tuple(item.id for item in plant.register.equipment)
        digest = sha256_hex(canonical_json(claim))
        archive.add(Commitment(claim.id, "defect_rate", WINDOW.start_us, WINDOW.end_us, machines, digest, *self._claimed(digest)), author="engineer")
        archive.add(Declaration("baseline", "0.1", "1", 1, 2, DIGEST, "from the books"), author="engineer")
        archive.add(Orders((Order("A-1", "shaft", 10, "cnc-01", T0 + HOUR_US, T0, T0 + HOUR_US),)), author="engineer")
        at = archive.add(Prediction("bearing", "cnc-01", "wear", 1, 2, "0.5", DIGEST), author="service")
        archive.add(Feedback("cnc-01", 1, 2, "confirmed", at, "seen"), author="engineer")
        question = Question("q1", "edge-1", "cnc-01/power", "press the button", T0, T0 + SECOND_US)
        at = archive.add(Challenge(question), author="evaluator")
        answer = AnswerStatement(question, plant.edges["edge-1"].epoch, 1, T0, T0 + 1, 5, 0, T0 + 2)
        signature = encode_signature(plant.edges["edge-1"].key.sign("answer", canonical_json(answer)))
        archive.add(Answer(at, answer, signature), author="edge:edge-1")
        epoch = plant.edges["edge-1"].epoch
        archive.add(Announcement("edge-1", epoch, 900, 901, T0, T0 + SECOND_US, "import"), author="edge:edge-1")
        archive.add(Import("history.csv", DIGEST, 10, "edge-1", epoch, 900, 901), author="engineer")
        archive.alarm("fenced", "edge-3", 1, "two journals")
        self.witness = SigningKey.create()
        note = cosign(archive.checkpoint("control"), "witness.example", self.witness, (T0 - 1800 * SECOND_US) // SECOND_US)
        archive.add(Witness("witness.example", self.witness.public, (Cosignature(note, "stamp"),)), author="witness")
        archive.prune(BASELINE.start_us + 30 * SECOND_US, author="operator", reason="retention")

    def _claimed(self, digest: str) -> tuple[str, str]:
        """The claimant's key and its signature over the digest."""
        claimant = SigningKey.create()
        return claimant.public, encode_signature(claimant.sign("commitment", digest.encode()))

    def _rotations(self) -> None:
        plant, edge, new = self.plant, self.plant.edges["edge-1"], SigningKey.create()
        statement = RotationStatement(ORIGIN, edge.name, edge.key.public, new.public, edge.epoch, edge.seq, plant.now())
        signatures = (encode_signature(key.sign("rotation", canonical_json(statement))) for key in (edge.key, new))
        old, new_signature = signatures
        plant.archive.rotate(statement, old, new_signature, author="edge:edge-1", reason="yearly")
        edge.key = new
        first, plant.key = plant.key, SigningKey.create()
        self.gateway_keys[plant.key.public] = plant.key
        plant.archive.rotate_key(plant.key, author="operator", reason="yearly")
        plant.archive.revoke_key(first.public, author="operator", reason="stolen")

    def _malformed(self) -> None:
        """A batch whose part is authentic and nonsense."""
        edge, data = self.plant.edges["edge-1"], b"CJP1nonsense"
        sealed = edge.seal(readings_of("cnc-01", T0 + 120 * SECOND_US - SECOND_US, 1), self.plant.now())
        header = _with_part(sealed.header, data)
        edge.prev = sha256_hex(header)
        self.plant.commit(SealedBatch(header, edge.key.sign("batch", header), (data,)))


def _with_part(data: bytes, part: bytes) -> bytes:
    header = msgspec.json.decode(data, type=Header)
    entry = msgspec.structs.replace(header.parts[0], sha256=sha256_hex(part), bytes=len(part))
    return encode_header(msgspec.structs.replace(header, parts=(entry,), clock=ClockState(5, True)))

