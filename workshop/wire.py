"""What travels over HTTP between edge, gateway, analytics and pages: one definition for both ends."""

from typing import Any

import msgspec

from workshop.batch import Provenance
from workshop.reading import Value
from workshop.statements import AnswerStatement, Question, ResumeStatement, RotationStatement

BATCH_CONTENT_TYPE = "application/x-chejian-batch"


class EnrolRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/enrol`: an edge presents its one-time token and its new public key."""

    token: str
    edge: str
    public_key: str
    """Raw Ed25519 public key, base64."""


class EnrolAnswer(msgspec.Struct):
    """What an edge learns when it is enrolled: its bearer token, its provenance, and whom it talks to."""

    edge: str
    provenance: Provenance
    token: str
    """Bearer token of this edge, shown once."""
    origin: str
    """Origin line of the gateway's logs."""
    gateway_key: str
    """Raw Ed25519 public key of the gateway, base64."""


class Acknowledgement(msgspec.Struct):
    """2xx of `POST /v1/batches`: everything up to the watermark is committed and may be forgotten."""

    edge: str
    epoch: int
    watermark: int
    """Largest seq such that it and all before it are committed."""


class Problem(msgspec.Struct, omit_defaults=True):
    """Problem details (RFC 9457) with our own members."""

    type: str
    """`sequence-gap`, `conflict`, `fenced`, `unauthorised`, `invalid` …"""
    title: str
    status: int
    detail: str = ""
    watermark: int | None = None
    epoch: int | None = None


class OpenChallenge(msgspec.Struct):
    """A question that the edge has not yet answered."""

    challenge: int
    """Index of its control entry."""
    question: Question


class RequestsAnswer(msgspec.Struct):
    """`GET /v1/edges/{edge}/requests`: what the gateway wants of an edge. The edge asks; the gateway never dials into the workshop network."""

    origin: str
    generation: int
    """Of the logs: one more with each restore from a backup."""
    epoch: int | None
    """That the gateway follows; None before the first batch."""
    watermark: int
    """Of that epoch: lower than the edge's own after a restore; the edge then sends again from there."""
    challenges: list[OpenChallenge]
    time_us: int = 0
    """The gateway's clock, so that the edge knows how far its own is from it; 0 from a gateway that does not say."""


class ResumePost(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/edges/{edge}/resume`: what the edge still keeps, after a restore; the answer is an Acknowledgement."""

    statement: ResumeStatement
    signature: str
    """Of the edge, kind "resume", base64."""


class AnnouncementPost(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/announcements`: batches with readings of the past, half-open in time, µs; the same again is one entry."""

    edge: str
    epoch: int
    from_seq: int
    to_seq: int
    from_us: int
    to_us: int
    why: str


class RotationPost(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/edges/{edge}/rotation`: a new key of the edge."""

    statement: RotationStatement
    old_signature: str
    new_signature: str
    reason: str = ""


class AnswerPost(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/edges/{edge}/answers`: the answer to a challenge."""

    challenge: int
    statement: AnswerStatement
    signature: str
    """Of the edge, kind "answer", base64."""


class LatestReading(msgspec.Struct):
    """A value that people look at live; never stored, never evidence."""

    signal: str
    source_time_us: int
    value: Value
    quality: int = 0


class LatestPost(msgspec.Struct):
    """`POST /v1/latest` from an edge, several times a second."""

    edge: str
    readings: list[LatestReading]


class ComponentsRow(msgspec.Struct):
    """Components of one indicator, equipment and (part of an) hour, as posted to `/v1/components`; a cache, never evidence."""

    indicator: str
    version: int
    equipment: str
    start_us: int
    end_us: int
    """The piece of the window that was measured: a full hour, or part of one."""
    input_digest: str
    components: dict[str, Any]


class ComponentsPost(msgspec.Struct):
    """`POST /v1/components`; idempotent by (indicator, version, equipment, start, end)."""

    rows: list[ComponentsRow]


class ReadingsAnswer(msgspec.Struct):
    """`GET /v1/readings` as JSON: columns, one `signals` and one `statuses` dictionary."""

    signals: list[str]
    statuses: list[str]
    signal: list[int]
    source_time_us: list[int]
    received_time_us: list[int]
    value: list[Value]
    quality: list[int]
    status: list[int]
    truncated: bool = False
    next: str | None = None
    """What to give as `page` for the rows that follow; None when these are the last."""
