"""The signed statement of a bundle: an in-toto Statement v1 in a DSSE envelope, signed by the gateway.

It names every other payload file with its digest, and says what the gateway found: registers, indicators, results, verdicts, gaps. The verifier
computes all of it again; the signature binds the gateway to what it said.
"""

import base64
import binascii
import hashlib
from typing import Any

import msgspec

from store.signing import SigningKey, decode_key, verify_raw
from workshop.canonical import canonical_json
from workshop.errors import Rejected

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://chejian.dev/evidence/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the payload."""

    name: str
    digest: dict[str, str]
    """{"sha256": 64 lower-case hexadecimal digits}"""


class LogState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Size and root of a log."""

    size: int
    root: str


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A range [first, end) of the data log that the bundle holds."""

    first: int
    end: int


class WindowState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A window [start, end) in source time, µs, that figures were computed for."""

    start_us: int
    end_us: int


class RegisterState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A revision of the register in force in a window, from the time of its control entry."""

    time_us: int
    digest: str


class PackState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pack in the bundle."""

    id: str
    sha256: str


class IndicatorState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An indicator in the version that was computed."""

    id: str
    version: int


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gap that meets a window, as an edge declared it in a signed header."""

    edge: str
    signals: tuple[str, ...]
    from_us: int
    to_us: int
    reason: str


class Absent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parts that meet a window and are not in the bundle."""

    equipment: str
    why: str
    """withheld: on purpose. pruned: deleted, as a control entry says. damaged: at the edge, which declared a gap. missing: nothing says why."""
    parts: int
    rows: int


class PartName(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """Which part of which batch."""

    edge: str
    epoch: int
    seq: int
    equipment: str


class Predicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the gateway says it found."""

    v: int
    origin: str
    gateway_key: str
    """Its present key, which signs the statement and both checkpoints."""
    generation: int
    """Of both logs: 1, and one more with each restore from a backup."""
    window: WindowState
    baseline: WindowState | None
    lookback_us: int
    as_of: str | None
    data: LogState
    control: LogState
    ranges: tuple[Span, ...]
    registers: tuple[RegisterState, ...]
    baseline_registers: tuple[RegisterState, ...]
    packs: tuple[PackState, ...]
    indicators: tuple[IndicatorState, ...]
    gaps: tuple[Loss, ...]
    withheld: tuple[str, ...]
    """Equipment whose parts were left out on purpose, sorted."""
    absent: tuple[Absent, ...]
    malformed: tuple[PartName, ...]
    """Authentic parts that cannot be decoded, or do not hold what their header says; they count as absent."""
    undelivered: tuple[int, ...]
    """Control entries that announce late data for a window which the data log does not hold in full."""
    results: tuple[dict[str, Any], ...]
    baseline_results: tuple[dict[str, Any], ...]
    verdicts: tuple[dict[str, Any], ...]


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"type_": "_type", "predicate_type": "predicateType"}):
    """in-toto Statement v1."""

    type_: str
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: Predicate


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"payload_type": "payloadType"}):
    payload: str
    payload_type: str
    signatures: tuple[_Signature, ...]


def key_id(public_key: str) -> str:
    """SHA-256 (hex) of the raw public key: the key id in our envelopes."""
    return hashlib.sha256(decode_key(public_key)).hexdigest()


def pae(payload_type: str, payload: bytes) -> bytes:
    """What DSSE signs: "DSSEv1" SP length SP type SP length SP body; lengths are decimal byte counts."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def make_statement(files: dict[str, str], predicate: Predicate) -> Statement:
    """The statement over these files (name → SHA-256)."""
    subject = tuple(Subject(name, {"sha256": files[name]}) for name in sorted(files))
    return Statement(STATEMENT_TYPE, subject, PREDICATE_TYPE, predicate)


def seal_statement(statement: Statement, key: SigningKey) -> bytes:
    """The envelope as canonical JSON, signed with this key."""
    payload = canonical_json(statement)
    signature = _Signature(key_id(key.public), _base64(key.sign_raw(pae(PAYLOAD_TYPE, payload))))
    return canonical_json(_Envelope(_base64(payload), PAYLOAD_TYPE, (signature,)))


def read_statement(envelope: bytes) -> Statement:
    """The statement in an envelope, not yet trusted: `signed_by` checks the signature.

    Raises:
        Rejected: not an envelope with one signature, another payload or predicate type, or any other spelling than the canonical one.
    """
    opened, payload = _open(envelope)
    try:
        statement = msgspec.json.decode(payload, type=Statement)
        canonical = canonical_json(statement)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Rejected(f"statement: {error}") from error
    if canonical != payload or canonical_json(opened) != envelope:
        raise Rejected("statement: not in canonical form (RFC 8785)")
    if statement.type_ != STATEMENT_TYPE or statement.predicate_type != PREDICATE_TYPE or statement.predicate.v != 1:
        raise Rejected(f"statement: a {statement.predicate_type} of version {statement.predicate.v}; this program reads {PREDICATE_TYPE}, version 1")
    return statement


def signed_by(envelope: bytes, public_key: str) -> bool:
    """Whether the one signature of the envelope was made by this key (base64)."""
    opened, payload = _open(envelope)
    signature = opened.signatures[0]
    return signature.keyid == key_id(public_key) and verify_raw(public_key, pae(opened.payload_type, payload), _unbase64(signature.sig))


def _open(envelope: bytes) -> tuple[_Envelope, bytes]:
    try:
        opened = msgspec.json.decode(envelope, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"statement: {error}") from error
    if opened.payload_type != PAYLOAD_TYPE or len(opened.signatures) != 1:
        raise Rejected(f"statement: must be of type {PAYLOAD_TYPE} with one signature")
    return opened, _unbase64(opened.payload)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("statement: not base64") from error
    if _base64(data) != text:
        raise Rejected("statement: not canonical base64")
    return data
