"""What the control log says, as far as verdicts depend on it: read entry by entry, by the exporter and by the verifier alike."""

from collections.abc import Iterable
from typing import Any

import msgspec

from evidence.control_records import Asked, Committed, Enrolled
from evidence.facts import Recorded
from store.archive_records import ControlEntry
from store.control_kinds import (
    KINDS,
    Announcement,
    Answer,
    Audit,
    Body,
    Challenge,
    Commitment,
    Declaration,
    Enrolment,
    EpochStart,
    KeyRevocation,
    LostBatches,
    Orders,
    Origin,
    Prediction,
    Prune,
    RegisterRevision,
    Restore,
    Revocation,
    Rotation,
    Sealed,
    Witness,
)
from store.signing import decode_key, decode_signature, verify
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, Rejected
from workshop.register import Workshop
from workshop.register_file import check_register


class Control(msgspec.Struct):
    """The state after the entries so far."""

    origin: str = ""
    gateway_keys: list[tuple[str, int]] = []
    """(key, from µs), the present one last."""
    revoked_keys: dict[str, int] = {}
    """Former gateway keys in wrong hands, by the number of entries up to which they are believed."""
    edges: dict[str, list[tuple[int, Enrolled | None]]] = {}
    """By edge, in the log's order: (time, enrolment), or None for a revocation."""
    epochs: dict[tuple[str, int], EpochStart] = {}
    lost: dict[tuple[str, int], list[LostBatches]] = {}
    """By edge and epoch: batches that are lost by a restore, or with an edge's journal."""
    owed: tuple[str, int, int, str] | None = None
    """Edge, epoch, first batch and reason of the "gap" that must be the next entry: an edge came with a journal that does not continue its chain."""
    registers: list[tuple[int, Workshop]] = []
    sealed: dict[int, bytes] = {}
    """Root of the data log by size, from "checkpoint" and "restore" entries."""
    commitments: list[Committed] = []
    predictions: list[tuple[int, Prediction]] = []
    """(index of the entry, prediction)"""
    alarms: dict[tuple[str, str], int] = {}
    """How often something about an edge was alarmed, by (what, edge)."""
    announcements: list[tuple[int, Announcement]] = []
    """(index of the entry, announcement)"""
    prunes: list[Prune] = []
    restores: list[Restore] = []
    witnesses: list[Witness] = []
    challenges: dict[int, Asked] = {}
    recorded: Recorded = msgspec.field(default_factory=Recorded)
    """What was declared, and the production orders."""
    unknown: dict[str, int] = {}
    """Kinds that this program does not know, and how often."""
    size: int = 0

    @property
    def losses(self) -> list[tuple[str, int, int]]:
        """(edge, from, to) of what restores and lost journals have lost: readings that came in within that time."""
        return [
            (edge, item.sealed_after_us, item.sealed_before_us)
            for (edge, _), items in sorted(self.lost.items()) for item in items if item.is_loss
        ]

    @property
    def generation(self) -> int:
        """1, and one more with each restore."""
        return self.restores[-1].generation if self.restores else 1

    def enrolled(self, edge: str, at_us: int) -> Enrolled | None:
        """The enrolment in force when a batch was accepted, or None: never enrolled, or revoked before."""
        found = None
        for time_us, item in self.edges.get(edge, []):
            if time_us < at_us or (item is not None and time_us == at_us):
                found = item
        return found

    def awaited(self, window_end_us: int, accepted_us: int) -> set[str]:
        """The edges that must be heard beyond the window's end: all that were enrolled before it, but for those revoked by the time accepted."""
        return {
            edge for edge, events in self.edges.items()
            if events[0][0] < window_end_us and not (events[-1][1] is None and events[-1][0] <= accepted_us)
        }

    def take(self, kind: str, time_us: int, author: str, body: dict[str, Any]) -> None:
        """The next entry.

        Raises:
            Rejected: a body that does not fit its kind, or one that contradicts the entries before.
        """
        index, self.size = self.size, self.size + 1
        if (index == 0) != (kind == "origin"):
            raise Rejected(f"control entry {index} is '{kind}': the log begins with its one entry 'origin'; entries are missing or added")
        if self.owed is not None and kind != "gap":
            raise Rejected(f"control entry {index} is '{kind}': edge '{self.owed[0]}' came with another journal, and no 'gap' says what was lost")
        if kind not in KINDS:
            self.unknown[kind] = self.unknown.get(kind, 0) + 1
            return
        try:
            self._take(index, time_us, author, msgspec.convert(body, KINDS[kind]))
        except (msgspec.ValidationError, ValueError, ConfigError, Rejected) as error:
            raise Rejected(f"control entry {index} ('{kind}'): {error}") from error

    def _take(self, index: int, time_us: int, author: str, body: Body) -> None:
        match body:
            case Origin():
                decode_key(body.gateway_key)
                self.origin, self.gateway_keys = body.origin, [(body.gateway_key, 0)]
            case Enrolment():
                decode_key(body.key)
                events = self.edges.setdefault(body.edge, [])
                if any(item is not None and item.enrolment.provenance is not body.provenance for _, item in events):
                    raise Rejected(f"edge '{body.edge}' changes its provenance to {body.provenance}; that is fixed for ever")
                events.append((time_us, Enrolled(body)))
            case Revocation():
                self.edges.setdefault(body.edge, []).append((time_us, None))
            case Rotation():
                self._rotate(time_us, body)
            case KeyRevocation():
                if body.control_size > index or body.key not in {key for key, _ in self.gateway_keys[:-1]}:
                    raise Rejected(f"key {body.key} is no former key of the gateway")
                self.revoked_keys[body.key] = body.control_size
            case EpochStart():
                self._begin(body)
            case LostBatches():
                self._lose(body)
            case RegisterRevision():
                check_register(body.register)
                if body.register.digest != body.digest:
                    raise Rejected(f"register of digest {body.register.digest} under the name {body.digest}")
                self.registers.append((time_us, body.register))
            case Sealed():
                self._seal(body.size, body.root)
            case Restore():
                if body.control_size != index or body.generation != self.generation + 1:
                    said = f"generation {body.generation} from {body.control_size} entries"
                    raise Rejected(f"{said}; this is entry {index} of generation {self.generation}")
                self._seal(body.data_size, body.data_root)
                self.restores.append(body)
            case Commitment():
                _check_claimant(body)
                self.commitments.append(Committed(index, time_us, body))
            case Declaration() | Orders():
                self.recorded.take(index, time_us, author, body)
            case Challenge():
                self.challenges[index] = Asked(time_us, body)
            case Answer():
                self._answer(time_us, body)
            case _:
                self._keep(index, body)

    def _keep(self, index: int, body: Body) -> None:
        """Entries that stand for themselves."""
        match body:
            case Announcement():
                self.announcements.append((index, body))
            case Prediction():
                self.predictions.append((index, body))
            case Prune():
                self.prunes.append(body)
            case Witness():
                self.witnesses.append(body)
            case Audit() if body.edge:
                self.alarms[body.what, body.edge] = self.alarms.get((body.what, body.edge), 0) + 1

    def _seal(self, size: int, root: str) -> None:
        if size < max(self.sealed, default=0) or self.sealed.get(size, bytes.fromhex(root)).hex() != root:
            raise Rejected(f"checkpoint of the data log at {size} contradicts an earlier one")
        self.sealed[size] = bytes.fromhex(root)

    def _rotate(self, time_us: int, body: Rotation) -> None:
        statement, data = body.statement, canonical_json(body.statement)
        if statement.origin != self.origin:
            raise Rejected(f"rotation at '{statement.origin}'")
        enrolled = None if statement.subject == "gateway" else self._present(statement.subject)
        old = self.gateway_keys[-1][0] if enrolled is None else enrolled.keys[-1]
        for key, signature in ((old, body.old_signature), (statement.new, body.new_signature)):
            if statement.old != old or not verify(key, "rotation", data, decode_signature(signature)):
                raise Rejected(f"rotation of '{statement.subject}': not signed by its present key {old} and by the new one")
        if enrolled is None:
            self.gateway_keys.append((statement.new, time_us))
        else:
            enrolled.rotations.append(body)

    def _begin(self, body: EpochStart) -> None:
        self.epochs[body.edge, body.epoch] = body
        if body.prev not in ("chained", "lost", "skipped"):
            raise Rejected(f"epoch {body.epoch} of '{body.edge}' continues the old one as '{body.prev[:40]}', which is no way")
        if body.prev == "lost":
            self.owed = (body.edge, body.old_epoch, body.old_seq + 1, "journal")
        elif body.prev == "skipped":
            self.owed = (body.edge, body.epoch, 1, "restore")

    def _lose(self, body: LostBatches) -> None:
        owed, self.owed = self.owed, None
        if owed is not None and (body.edge, body.epoch, body.from_seq, body.reason) != owed:
            raise Rejected(f"lost batches of '{body.edge}': differ from the new epoch in front of them")
        if body.reason == "journal":
            if owed is None or (body.to_seq, body.statement, body.signature) != (None, None, "") or body.sealed_before_us < body.sealed_after_us:
                raise Rejected(f"lost journal of '{body.edge}': no new epoch stands in front of it, or it says more than that")
        else:
            self._check_resume(body)
        self.lost.setdefault((body.edge, body.epoch), []).append(body)

    def _check_resume(self, body: LostBatches) -> None:
        statement = body.statement
        if statement is None or body.reason != "restore" or self.generation == 1:
            raise Rejected(f"lost batches of '{body.edge}': no restore lost them, or the edge does not state it")
        stated = (statement.edge, statement.epoch, statement.watermark + 1, statement.first_seq - 1, statement.origin, statement.generation)
        if stated != (body.edge, body.epoch, body.from_seq, body.to_seq, self.origin, self.generation):
            raise Rejected(f"lost batches of '{body.edge}' differ from what the edge stated")
        if body.sealed_before_us != statement.sealed_us or not body.sealed_after_us >= 0:
            raise Rejected(f"lost batches of '{body.edge}': sealed before {body.sealed_before_us}, the edge states {statement.sealed_us}")
        if not verify(self._present(body.edge).keys[-1], "resume", canonical_json(statement), decode_signature(body.signature)):
            raise Rejected(f"lost batches of '{body.edge}': the statement is not signed by the edge")

    def _answer(self, time_us: int, body: Answer) -> None:
        asked, statement = self.challenges.get(body.challenge), body.statement
        if asked is None or statement.question != asked.body.question:
            raise Rejected(f"an answer to question {body.challenge}, which was not asked so")
        key = self._present(statement.question.edge).keys[-1]
        if not verify(key, "answer", canonical_json(statement), decode_signature(body.signature)):
            raise Rejected(f"answer of '{statement.question.edge}': not signed by the edge")
        if asked.answer is None:
            asked.answer, asked.answered_us = body, time_us

    def _present(self, edge: str) -> Enrolled:
        events = [item for _, item in self.edges.get(edge, []) if item is not None]
        if not events:
            raise Rejected(f"edge '{edge}' is not enrolled")
        return events[-1]


def _check_claimant(body: Commitment) -> None:
    """The claimant's own signature, where a commitment has one."""
    if body.claimant_key:
        good = verify(body.claimant_key, "commitment", body.digest.encode(), decode_signature(body.claimant_signature))
    else:
        good = not body.claimant_signature
    if not good:
        raise Rejected(f"commitment to '{body.claim}': not signed by the claimant that it names")


def control_of(entries: Iterable[ControlEntry]) -> Control:
    """The state after these entries, from the first."""
    control = Control()
    for entry in entries:
        control.take(entry.kind, entry.time_us, entry.author, entry.body)
    return control
