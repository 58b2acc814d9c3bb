"""The trust file: what a verifier already knows, obtained outside the bundle."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
from cryptography.x509 import Certificate, load_pem_x509_certificates

from store.log import Checkpoint, open_note, parse_checkpoint
from store.signing import decode_key
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, Rejected

if TYPE_CHECKING:
    from store.archive import Archive

LOGS = ("data", "control")


class GatewayKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_us": "from", "to_us": "to"}):
    """A key of the gateway and the time in which it signs: [from, to) in µs UTC; no end while `to` is null."""

    key: str
    from_us: int = 0
    to_us: int | None = None

    def valid_at(self, time_us: int) -> bool:
        """Whether the key may have signed something of this time."""
        return self.from_us <= time_us and (self.to_us is None or time_us < self.to_us)


class TrustFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of gateway and edges, pinned checkpoints, accepted packs, for one origin."""

    origin: str
    gateway: tuple[GatewayKey, ...]
    edges: dict[str, tuple[str, ...]]
    witnesses: tuple[str, ...] = ()
    """Public keys of witnesses whose cosignatures are believed."""
    authorities: tuple[str, ...] = ()
    """Root certificates (PEM) of time-stamping authorities whose stamps (RFC 3161) are believed."""
    checkpoints: tuple[str, ...] = ()
    """Signed notes of checkpoints seen before, of `<origin>/data` and `<origin>/control`: a log that does not extend them is refused."""
    packs: tuple[str, ...] = ()
    """Digests of packs that are accepted although this program does not ship them."""


def parse_trust(data: bytes | str, file: str) -> TrustFile:
    """The trust file from its JSON text.

    Raises:
        ConfigError: not JSON of this shape, no gateway key, a key that is none, or a pinned checkpoint without a valid signature of the gateway.
    """
    try:
        trust = msgspec.json.decode(data, type=TrustFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}; a trust file is what `chejian evidence trust` or enrolment writes") from error
    try:
        check_trust(trust)
    except Rejected as error:
        raise ConfigError(f"{file}: {error}") from error
    return trust


def check_trust(trust: TrustFile) -> None:
    """Refuses a trust file that would trust nothing or anything.

    Raises:
        Rejected: see `parse_trust`.
    """
    if not trust.origin or not trust.gateway:
        raise Rejected("trust file without an origin or without a gateway key")
    for key in [item.key for item in trust.gateway] + [key for keys in trust.edges.values() for key in keys] + list(trust.witnesses):
        decode_key(key)
    if any(not keys for keys in trust.edges.values()):
        raise Rejected("trust file: an edge without a key")
    if any(len(digest) != 64 or set(digest) - set("0123456789abcdef") for digest in trust.packs):
        raise Rejected("trust file: a pack digest is 64 lower-case hexadecimal digits")
    for note in trust.checkpoints:
        open_pinned(trust, note)
    roots_of(trust)


def roots_of(trust: TrustFile) -> list[Certificate]:
    """The root certificates of time-stamping authorities.

    Raises:
        Rejected: one that is none.
    """
    try:
        return [certificate for text in trust.authorities for certificate in load_pem_x509_certificates(text.encode())]
    except (ValueError, UnicodeEncodeError) as error:
        raise Rejected(f"trust file: an authority without a certificate in PEM form ({error})") from error


def open_pinned(trust: TrustFile, note: str) -> tuple[str, Checkpoint]:
    """Log name ("data" or "control") and checkpoint of a pinned note.

    Raises:
        Rejected: no valid signature by a gateway key of this trust file, or another origin.
    """
    for log in LOGS:
        name = f"{trust.origin}/{log}"
        if note.startswith(name + "\n"):
            return log, open_checkpoint(note, name, [item.key for item in trust.gateway])
    raise Rejected(f"pinned checkpoint of another log than {trust.origin}: '{note.partition(chr(10))[0][:80]}'")


def open_checkpoint(note: str, name: str, keys: Sequence[str]) -> Checkpoint:
    """The checkpoint in a signed note, signed by one of these keys.

    Raises:
        Rejected: not a note, not signed by any of them, or a checkpoint of another origin than `name`.
    """
    for key in keys:
        try:
            text = open_note(note, name, key)
        except Rejected as error:
            refused = error
            continue
        checkpoint = parse_checkpoint(text)
        if checkpoint.origin != name:
            raise Rejected(f"checkpoint of '{checkpoint.origin}', expected '{name}'")
        return checkpoint
    raise Rejected(f"checkpoint of '{name}': {refused if keys else 'no key to check it with'}")


def encode_trust(trust: TrustFile) -> bytes:
    """RFC 8785 JSON with a line end."""
    return canonical_json(trust) + b"\n"


def trust_of(archive: "Archive", packs: Iterable[str] = ()) -> TrustFile:
    """What this gateway would have an evaluator trust: its key, every key that its edges were enrolled with, the present checkpoints.

    Args:
        packs: digests of packs to accept beside those that the verifying program ships; the evaluator's choice, not the factory's.
    """
    edges: dict[str, tuple[str, ...]] = {}
    for entry in archive.control_entries(kind="enrolment"):
        edge, key = entry.body["edge"], entry.body["key"]
        edges[edge] = tuple(dict.fromkeys((*edges.get(edge, ()), key)))
    for entry in archive.control_entries(kind="rotation"):
        edge, key = entry.body["statement"]["subject"], entry.body["statement"]["new"]
        if edge in edges:
            edges[edge] = tuple(dict.fromkeys((*edges[edge], key)))
    return TrustFile(
        origin=archive.origin,
        gateway=tuple(GatewayKey(item.key, item.from_us, item.to_us) for item in archive.gateway_keys()),
        edges=edges,
        checkpoints=tuple(archive.checkpoint(log) for log in ("data", "control")),
        packs=tuple(packs),
    )


def pin(trust: TrustFile, notes: Iterable[str]) -> TrustFile:
    """The trust file with more checkpoints pinned.

    Raises:
        Rejected: a note that this trust file's keys did not sign.
    """
    pinned = msgspec.structs.replace(trust, checkpoints=tuple(dict.fromkeys((*trust.checkpoints, *notes))))
    check_trust(pinned)
    return pinned
