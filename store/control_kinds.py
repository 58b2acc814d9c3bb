"""The kinds of control entries and the body of each: everything besides batches that a verdict depends on. A body has no other fields than these.

Times are µs UTC, windows half-open, digests SHA-256 in hexadecimal, keys and signatures base64. Every entry is signed by the gateway; its
`author` is the authenticated subject, such as "engineer:p-4403bd4d12aad3bc4edb" (a person, under a pseudonym), "edge:edge-1", "operator" (at the
gateway's own keyboard) or "gateway".
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from workshop.batch import Provenance
from workshop.order import Order
from workshop.register import Workshop
from workshop.statements import AnswerStatement, Count, Digest, Question, ResumeStatement, RotationStatement

Decimal = Annotated[str, Meta(pattern=r"^-?[0-9]{1,30}(\.[0-9]{1,30})?$")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=4000)]
MOST_ORDERS_AT_ONCE = 500
Notes = tuple[Annotated[str, Meta(max_length=2**16)], ...]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a control entry."""


class Origin(Body, frozen=True):
    """"origin": the first entry, and only that: name of the logs and the gateway's first key."""

    origin: str
    gateway_key: str


class Enrolment(Body, frozen=True):
    """"enrolment": from here on batches of this edge are signed with this key. Its provenance never changes."""

    edge: str
    key: str
    provenance: Provenance


class Revocation(Body, frozen=True):
    """"revocation": no batch of this edge is taken from here on, until it is enrolled again."""

    edge: str
    reason: Text


class KeyRevocation(Body, frozen=True):
    """"key-revocation": a former gateway key is in wrong hands: what it signed proves nothing beyond the entries before `control_size`."""

    key: str
    control_size: int
    reason: Text


class Rotation(Body, frozen=True):
    """"rotation": a new key of an edge or of the gateway. Both keys sign the statement; the entry itself still has the gateway's old key."""

    statement: RotationStatement
    old_signature: str
    new_signature: str
    reason: Text


class EpochStart(Body, frozen=True):
    """"epoch": the gateway took the first batch of a new journal of an edge.

    `prev` says how it continues the old epoch: "chained" to its last digest; "lost": the edge lost its journal, and whatever was in it after
    `old_seq`, as the next entry, a "gap", says; "skipped": its beginning fell into a restore, and a "gap" entry says from where it goes on.
    """

    edge: str
    epoch: int
    old_epoch: int
    old_seq: int
    prev: str


class RegisterRevision(Body, frozen=True):
    """"register": the whole register, in force from the entry's time on."""

    digest: Digest
    reason: Text
    register: Workshop


class Sealed(Body, frozen=True):
    """"checkpoint": size and root of the data log, so that a checkpoint of the control log covers both."""

    size: int
    root: Digest


class LostBatches(Body, frozen=True):
    """"gap": batches that the gateway knows to be lost: readings that came in after `sealed_after_us` (0: unknown) and before `sealed_before_us`.

    "restore": after a restore the edge no longer keeps them; its chain goes on with `to_seq` + 1, whose prev is the statement's. "journal": the edge
    came with a new journal that does not continue the old one; what was in that and not delivered is lost, and nobody knows how many batches.
    """

    edge: str
    epoch: int
    from_seq: int
    to_seq: int | None
    """The last one; null for a journal."""
    sealed_after_us: int
    sealed_before_us: int
    reason: str
    """"restore" or "journal"."""
    statement: ResumeStatement | None
    """Of the edge, after a restore."""
    signature: str
    """Of the edge, over the statement, kind "resume"; empty without one."""

    @property
    def is_loss(self) -> bool:
        """Whether anything is lost: a chain may also go on after a restore where nothing is missing."""
        return self.to_seq is None or self.to_seq >= self.from_seq


class Commitment(Body, frozen=True):
    """"commitment": a claim fixed before its window: no other indicator, window or machines can be chosen afterwards."""

    claim: Name
    indicator: Name
    from_us: Count
    to_us: Count
    equipment: tuple[Name, ...]
    """The machine list."""
    digest: Digest
    """Of the claim, RFC 8785."""
    claimant_key: str = ""
    claimant_signature: str = ""
    """Optional: over the digest's text, kind "commitment"."""


class Declaration(Body, frozen=True):
    """"declaration": a value that no machine gives, such as a baseline from before the pilot; it names what it rests on."""

    name: Name
    value: Decimal
    unit: Text
    from_us: Count
    to_us: Count
    attachment: str = ""
    """Digest of a document that is kept outside; empty if there is none."""
    note: Text = ""


class Orders(Body, frozen=True):
    """"orders": production orders as the level above sent them, in full; of several entries with one order's id the last one counts."""

    orders: Annotated[tuple[Order, ...], Meta(min_length=1, max_length=MOST_ORDERS_AT_ONCE)]


class Prediction(Body, frozen=True):
    """"prediction": a model expects something of an equipment within a window."""

    model: Name
    equipment: Name
    what: Name
    from_us: Count
    to_us: Count
    score: Decimal
    digest: Digest
    """Of what it was computed from."""


class Feedback(Body, frozen=True):
    """"feedback": what people found when they looked."""

    equipment: Name
    from_us: Count
    to_us: Count
    finding: Name
    """Such as "confirmed", "false alarm", "failure"."""
    about: int | None = None
    """Index of the control entry of a prediction."""
    note: Text = ""


class Challenge(Body, frozen=True):
    """"challenge": an evaluator's question to an edge."""

    question: Question


class Answer(Body, frozen=True):
    """"answer": what the edge says, signed by the edge, kind "answer"."""

    challenge: int
    """Index of the challenge's entry."""
    statement: AnswerStatement
    signature: str


class Announcement(Body, frozen=True):
    """"announcement": an edge will send, or has sent, batches with old source times; a verifier requires every one of them that meets the window."""

    edge: Name
    epoch: Count
    from_seq: Count
    to_seq: Count
    from_us: Count
    to_us: Count
    why: Annotated[str, Meta(pattern="^(back-fill|import)$")]


class Import(Body, frozen=True):
    """"import": a file of history that became batches."""

    file: Name
    sha256: Digest
    rows: Count
    edge: Name
    epoch: Count
    from_seq: Count
    to_seq: Count


class Audit(Body, frozen=True):
    """"audit": something about an edge that a person must look at, such as two under one identity ("fenced", "conflict"); without an edge, who did
    what at the gateway: a token made, an invitation, a bundle taken away."""

    what: Name
    edge: str
    epoch: int
    detail: Text


class Restore(Body, frozen=True):
    """"restore": the logs go on from a backup, as a new generation. The first entry of it: its own index is `control_size`.

    Of older generations, data-log entries from `data_size` on and control entries from `control_size` on are lost.
    """

    generation: int
    """2 for the first restore, and one more each time; checkpoints carry it from here on."""
    data_size: int
    data_root: Digest
    control_size: int
    control_root: Digest
    known: Notes
    """Signed checkpoints of the generation before that the operator has found with witnesses, evaluators or in trust files."""
    backup_us: int
    """When the backup was made."""
    reason: Text


class Prune(Body, frozen=True):
    """"prune": the parts of the data log's batches with index in [first, end), all older than `before_us`, are deleted; header and proofs stay."""

    first: int
    end: int
    before_us: int
    reason: Text


class Cosignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint and a witness's line under it (C2SP tlog-cosignature); `timestamp` is an RFC 3161 response over the note, base64, or empty."""

    note: str
    """The checkpoint with the gateway's signature and the witness's."""
    timestamp: str = ""


class Witness(Body, frozen=True):
    """"witness": checkpoints that somebody outside has checked against what it saw before, and cosigned."""

    witness: Name
    key: str
    cosignatures: tuple[Cosignature, ...]


KINDS: dict[str, type[Body]] = {
    "origin": Origin, "enrolment": Enrolment, "revocation": Revocation, "key-revocation": KeyRevocation, "rotation": Rotation, "epoch": EpochStart,
    "register": RegisterRevision, "checkpoint": Sealed, "gap": LostBatches, "commitment": Commitment, "declaration": Declaration,
    "orders": Orders, "prediction": Prediction, "feedback": Feedback, "challenge": Challenge, "answer": Answer, "announcement": Announcement,
    "import": Import, "audit": Audit, "restore": Restore, "prune": Prune, "witness": Witness,
}
_KIND_OF = {body: kind for kind, body in KINDS.items()}


def kind_of(body: Body) -> str:
    """The kind under which a body is logged."""
    return _KIND_OF[type(body)]
