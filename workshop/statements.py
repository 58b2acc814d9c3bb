"""What an edge signs besides batches, because the gateway alone could not be believed: what it still keeps, its new key, its answer to a challenge.

Signed are the RFC 8785 bytes, under the kind "resume", "rotation" or "answer" (`SigningKey.sign`); signatures travel as base64.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from workshop.reading import Value

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class ResumeStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an edge can still send to a gateway restored from a backup: batches from `first_seq` on. What lies before is lost."""

    origin: str
    """Of the gateway's logs."""
    generation: Count
    """Of the gateway's logs: the statement is good for this restore alone."""
    edge: str
    epoch: Count
    watermark: Count
    """Of the gateway, which the statement answers; 0: it knows nothing of this epoch."""
    first_seq: Count
    """The first batch that the edge keeps; one more than its last when it keeps none."""
    prev: Digest
    """SHA-256 of the header before `first_seq`."""
    sealed_us: Count
    """When batch `first_seq` was sealed; the time of the statement when the edge keeps none."""
    time_us: Count
    v: int = 1


class RotationStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new key for an edge or for the gateway, signed by the old key and by the new one."""

    origin: str
    subject: str
    """The edge's id, or "gateway"."""
    old: str
    """Raw Ed25519 public key, base64."""
    new: str
    epoch: Count
    after_seq: Count
    """Batches of this epoch up to this one are signed with the old key, later ones with the new; 0 and 0 for the gateway."""
    time_us: Count
    v: int = 1


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A spot challenge: what did this signal show, or what did it do when an operator did something, in a window that nobody knew before."""

    id: str
    edge: str
    signal: str
    action: str
    """What the operator was asked to do; empty: only the value is asked for."""
    from_us: Count
    to_us: Count
    """The window: around the moment of asking for a value, after it for an action."""


SETTLE_US = 5_000_000
"""How long after its window an edge waits before it says that nothing was there, or what came of an action: readings may still be on their way."""
ANSWER_US = 60_000_000
"""Answers that are in the control log later than this after their window are late."""


class AnswerStatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The edge's answer: the last reading within the window, or none. It is also in a batch, where its source time leads to it."""

    question: Question
    epoch: Count
    source_time_us: int | None
    received_time_us: int | None
    value: Value
    """An integer beyond 2^53 - 1 as its digits."""
    quality: int | None
    answered_us: Count
    v: int = 1
