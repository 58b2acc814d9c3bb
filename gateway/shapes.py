"""Bodies and answers of the API beyond those in `workshop.wire` and `store.answers`: times in µs UTC."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.auth import Role
from store.archive import Alarm
from store.control_kinds import Name, Notes, Text
from workshop.batch import Provenance
from workshop.register import Workshop
from workshop.wire import LatestReading


class NewEdge(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/edges`: an edge to invite; its provenance is fixed here."""

    edge: str
    provenance: Provenance


class Invitation(msgspec.Struct):
    """Answer of `POST /v1/edges`."""

    edge: str
    token: str
    """One-time token, good for fifteen minutes; shown once."""


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/tokens`: a bearer token for a person or a program."""

    role: Role
    subject: str


class TokenAnswer(msgspec.Struct):
    """Answer of `POST /v1/tokens`."""

    role: Role
    subject: str
    token: str
    """Bearer token, shown once."""


class Setup(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/setup`."""

    code: str
    """What stands behind `code=` in the link of the first start."""


class EdgeRow(msgspec.Struct):
    """One edge of `GET /v1/edges`."""

    edge: str
    provenance: Provenance
    public_key: str
    enrolled_us: int
    revoked_us: int | None
    epoch: int | None
    """None before its first batch."""
    watermark: int | None
    last_accepted_us: int | None
    """None before its first batch."""
    alarms: list[Alarm] = []
    """Such as two edges under this name; every one is also a control entry of kind audit."""


class LatestAnswer(msgspec.Struct):
    """`GET /v1/latest` and each event of `GET /v1/live`."""

    time_us: int
    """The gateway's clock."""
    readings: list[LatestReading]


class RegisterAnswer(msgspec.Struct):
    """`GET /v1/workshop`."""

    register: Workshop
    digest: str


class RevisionRow(msgspec.Struct):
    """One revision of the register in `GET /v1/workshop/revisions`."""

    time_us: int
    """When it was logged; it is in force until the next."""
    digest: str


class EquipmentRow(msgspec.Struct):
    """One piece of equipment of `GET /v1/equipment`."""

    id: str
    title_zh: str
    title_en: str
    equipment_class: str
    work_center: str
    process: str
    digital: bool
    numerically_controlled: bool
    signals: int
    """How many signals it has; 0: not networked."""


class IndicatorRow(msgspec.Struct):
    """One definition of `GET /v1/indicators`."""

    id: str
    version: int
    title_zh: str
    title_en: str
    unit: str
    roles: list[str]
    formula: str
    notes_zh: str
    notes_en: str
    source: str
    places: int
    min_coverage: str


class GapRow(msgspec.Struct):
    """One declared gap of `GET /v1/gaps`: source times in [from_us, to_us)."""

    edge: str
    signals: list[str]
    from_us: int
    to_us: int
    reason: str


class TouchedWindow(msgspec.Struct):
    """Source times [from, to), µs UTC."""

    from_us: int
    to_us: int


class TouchedAnswer(msgspec.Struct):
    """`GET /v1/touched`: what batches are about that are indexed since."""

    next: int
    """`since` of the next question: the data-log index up to which (exclusive) this answer reaches; smaller than `since` after a restore."""
    windows: list[TouchedWindow]
    """Source times [from, to) of their readings and gaps, µs UTC, sorted, without overlap."""


class BundleRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/bundles`: the window to export."""

    from_us: int
    to_us: int
    as_of: str | None = None
    """Judge by the rules of this date, YYYY-MM-DD; otherwise each pack on the last day of its force."""
    baseline_from_us: int | None = None
    baseline_to_us: int | None = None
    """A second window, before the other one, for claims that compare."""
    withhold: list[str] = []
    """Equipment whose parts are left out, visibly."""
    pinned: list[int] = []
    """Sizes of the data log at which the evaluator has pinned checkpoints: proofs from there are included."""


class QuarantineCount(msgspec.Struct):
    """`GET /v1/quarantine/count`."""

    records: int
    """Each names a part, or the first row of a signal in one, and how many rows it stands for."""
    more: bool
    """Whether there are more than these: they are counted up to ten thousand."""
    since_start: int
    """Made since the gateway's start."""


class CheckpointAnswer(msgspec.Struct):
    """`GET /v1/checkpoint`: signed notes (C2SP tlog-checkpoint) of the present sizes."""

    data: str
    control: str


class ProofAnswer(msgspec.Struct):
    """`GET /v1/proof/…`: hashes (hex) as in RFC 6962, 2.1.1 and 2.1.2, with the root of `size`."""

    log: str
    size: int
    root: str
    proof: list[str]
    index: int | None = None
    old: int | None = None


class ComponentsAnswer(msgspec.Struct):
    """Answer of `POST /v1/components`."""

    stored: int


class OrdersAnswer(msgspec.Struct):
    """Answer of `POST /v1/orders`."""

    stored: int


class EngineRow(msgspec.Struct):
    """An engine in `GET /v1/engines`."""

    place: str
    """engine, or second_engine."""
    name: str
    batches: int
    """Batches of the data log that it has taken."""
    of: int
    """Batches in the data log."""
    moving: bool


class AlertTest(msgspec.Struct):
    """Answer of `POST /v1/alerts/test`."""

    outcome: dict[str, str]
    """host:port → "sent", or why not."""


class Readiness(msgspec.Struct):
    """`GET /readyz`."""

    ready: bool
    archive_batches: int
    indexed_batches: int
    backlog_rows: int
    time_us: int
    """The gateway's clock, so that others can compare theirs."""
    stuck: str = ""
    """What does not move."""


class EntryRow(msgspec.Struct):
    """A control entry; its body is that of its kind."""

    index: int
    """In the control log."""
    kind: str
    time_us: int
    author: str
    body: dict[str, Any]


class NewChallenge(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/challenges`: a question of an evaluator to an edge."""

    edge: str
    signal: str
    window_us: Annotated[int, Meta(ge=1_000_000, le=3_600_000_000)]
    """How long before and after the moment of asking a value counts, or how long after it an action may take."""
    action: Annotated[str, Meta(max_length=500)] = ""
    """What the operator is asked to do; empty: only the value is asked for."""


class Revoke(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/edges/{edge}/revocation`."""

    reason: Name


class RevokeKey(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/key-revocations`: a former key of the gateway is in wrong hands."""

    key: str
    reason: Name


class PruneRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/prune`: delete the raw data of the oldest batches, those without anything from `before_us` on."""

    before_us: int
    reason: Text = "retention"


class CosignRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/checkpoint/cosignatures`: checkpoints of this gateway with a witness's cosignature under them."""

    witness: Name
    key: str
    notes: Annotated[Notes, Meta(min_length=1, max_length=2)]
    timestamps: tuple[Annotated[str, Meta(max_length=2**16)], ...] = ()
    """For each note an RFC 3161 response over it, base64, or nothing at all."""


class LeafRow(msgspec.Struct):
    """One entry of `GET /v1/entries`, as it is hashed and signed."""

    index: int
    leaf: str
    """u64be time in µs ‖ u32be length ‖ RFC 8785 JSON ‖ signature, hexadecimal."""


Json = dict[str, Any]
