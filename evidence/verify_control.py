"""Steps 3 and 4 of verification: checkpoints, and the control log entry by entry from the first."""

from collections.abc import Sequence
from typing import Any

import msgspec

from evidence.bag import CHECKPOINTS, CONTROL_LOG, BagReader
from evidence.ranges import Frontier
from evidence.segment import read_segment
from evidence.statement import Predicate
from evidence.trust import GatewayKey, TrustFile, open_checkpoint, open_pinned
from store.log import Checkpoint, leaf_hash, split_leaf
from store.signing import decode_key, verify
from workshop.batch import Provenance
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, Rejected
from workshop.register import Workshop, check_register

KNOWN_KINDS = frozenset({"origin", "enrolment", "revocation", "epoch", "register", "checkpoint", "audit"})


class Enrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an "enrolment": an edge, its key (base64) and its provenance."""

    edge: str
    key: str
    provenance: Provenance


class EpochStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an "epoch": the gateway accepted a new journal of an edge, which continues the old chain (`prev` "chained") or not ("lost")."""

    edge: str
    epoch: int
    old_epoch: int
    old_seq: int
    prev: str


class _Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    origin: str
    gateway_key: str


class _Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    edge: str
    reason: str


class _Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    digest: str
    reason: str
    register: Workshop


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int
    root: str


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    kind: str
    time_us: int
    author: str
    body: dict[str, Any]


class Control(msgspec.Struct):
    """What the control log says, as far as verdicts depend on it."""

    edges: dict[str, list[tuple[int, Enrolment | None]]] = {}
    """By edge, in the log's order: (time, enrolment), or None for a revocation."""
    epochs: dict[tuple[str, int], EpochStart] = {}
    registers: list[tuple[int, Workshop]] = []
    sealed: dict[int, bytes] = {}
    """Root of the data log by size, from "checkpoint" entries."""
    unknown: dict[str, int] = {}
    """Kinds that this program does not know, and how often."""
    size: int = 0

    def enrolment(self, edge: str, at_us: int) -> Enrolment | None:
        """The enrolment in force when a batch was accepted, or None: never enrolled, or revoked before."""
        found = None
        for time_us, item in self.edges.get(edge, []):
            if time_us < at_us or (item is not None and time_us == at_us):
                found = item
        return found

    def enrolled_before(self, time_us: int) -> set[str]:
        """The edges that were enrolled before this time, whatever became of them."""
        return {edge for edge, events in self.edges.items() if events[0][0] < time_us}


def check_checkpoints(bag: BagReader, predicate: Predicate, key: str) -> dict[str, Checkpoint]:
    """(3) Both checkpoints are signed by the gateway, of this origin, and say what the statement says."""
    found: dict[str, Checkpoint] = {}
    for log, state in (("data", predicate.data), ("control", predicate.control)):
        try:
            note = bag.read(CHECKPOINTS[log]).decode()
        except UnicodeDecodeError as error:
            raise Rejected(f"checkpoint of the {log} log: not text") from error
        found[log] = open_checkpoint(note, f"{predicate.origin}/{log}", [key])
        if (found[log].size, found[log].root.hex()) != (state.size, state.root):
            got = f"size {found[log].size}, root {found[log].root.hex()}"
            raise Rejected(f"{log} log: the checkpoint says {got}, the statement size {state.size}, root {state.root}")
    return found


def pinned_checkpoints(trust: TrustFile | None) -> dict[str, list[Checkpoint]]:
    """The checkpoints of the trust file by log."""
    pinned: dict[str, list[Checkpoint]] = {"data": [], "control": []}
    for note in trust.checkpoints if trust is not None else ():
        log, checkpoint = open_pinned(trust, note) if trust is not None else ("data", None)
        if checkpoint is not None:
            pinned[log].append(checkpoint)
    return pinned


def check_control(
    bag: BagReader, checkpoint: Checkpoint, keys: Sequence[GatewayKey], origin: str, pinned: Sequence[Checkpoint]
) -> Control:
    """(4) The control log is complete from its first entry, every entry signed and canonical, its root as signed; it extends what was pinned."""
    control, tree, last_us = Control(), Frontier(), 0
    wanted: dict[int, set[bytes]] = {}
    for item in pinned:
        wanted.setdefault(item.size, set()).add(item.root)
    with bag.open(CONTROL_LOG) as file:
        for index, (leaf, parts) in enumerate(read_segment(file, 0)):
            _agrees(tree, wanted)
            if parts:
                raise Rejected(f"control entry {index} has parts")
            entry = _open_entry(leaf, index, keys)
            if entry.time_us < last_us:
                raise Rejected(f"control entry {index}: its time {entry.time_us} is before that of the entry before, {last_us}")
            last_us = entry.time_us
            if (index == 0) != (entry.kind == "origin"):
                raise Rejected(f"control entry {index} is '{entry.kind}': the log begins with its one entry 'origin'; entries are missing or added")
            _take(control, entry, index, origin, keys)
            tree.append(leaf_hash(leaf))
    _agrees(tree, wanted)
    control.size = tree.size
    if tree.size != checkpoint.size or tree.root() != checkpoint.root:
        raise Rejected(
            f"got {tree.size} entries with root {tree.root().hex()}, the signed checkpoint says {checkpoint.size} with {checkpoint.root.hex()}: "
            "entries were changed, removed or added"
        )
    if beyond := [size for size in wanted if size > tree.size]:
        raise Rejected(f"the log has {tree.size} entries, a pinned checkpoint {max(beyond)}: it was cut at its end")
    return control


def _agrees(tree: Frontier, wanted: dict[int, set[bytes]]) -> None:
    for root in wanted.get(tree.size, ()):
        if tree.root() != root:
            raise Rejected(f"at size {tree.size} the root is {tree.root().hex()}, the pinned checkpoint says {root.hex()}: this is another history")


def _open_entry(leaf: bytes, index: int, keys: Sequence[GatewayKey]) -> _Entry:
    time_us, data, signature = split_leaf(leaf)
    try:
        entry = msgspec.json.decode(data, type=_Entry)
        canonical = canonical_json(entry)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Rejected(f"control entry {index}: {error}") from error
    if canonical != data or entry.v != 1 or entry.time_us != time_us:
        raise Rejected(f"control entry {index}: not canonical, not version 1, or its time differs from its leaf's")
    if not any(item.valid_at(time_us) and verify(item.key, "control", data, signature) for item in keys):
        raise Rejected(f"control entry {index} ('{entry.kind}') is not signed by a key that the gateway had at that time")
    return entry


def _take(control: Control, entry: _Entry, index: int, origin: str, keys: Sequence[GatewayKey]) -> None:
    """Reads an entry's body into what is known."""
    try:
        match entry.kind:
            case "origin":
                first = msgspec.convert(entry.body, _Origin)
                if first.origin != origin or first.gateway_key not in {item.key for item in keys}:
                    raise Rejected(f"control log of '{first.origin}' and gateway key {first.gateway_key}, expected '{origin}'")
            case "enrolment":
                enrolment = msgspec.convert(entry.body, Enrolment)
                decode_key(enrolment.key)
                events = control.edges.setdefault(enrolment.edge, [])
                if any(item is not None and item.provenance is not enrolment.provenance for _, item in events):
                    raise Rejected(f"edge '{enrolment.edge}' changes its provenance to {enrolment.provenance}; that is fixed for ever")
                events.append((entry.time_us, enrolment))
            case "revocation":
                control.edges.setdefault(msgspec.convert(entry.body, _Revocation).edge, []).append((entry.time_us, None))
            case "epoch":
                start = msgspec.convert(entry.body, EpochStart)
                control.epochs[start.edge, start.epoch] = start
            case "register":
                revision = msgspec.convert(entry.body, _Register)
                check_register(revision.register)
                if revision.register.digest != revision.digest:
                    raise Rejected(f"register of digest {revision.register.digest} under the name {revision.digest}")
                control.registers.append((entry.time_us, revision.register))
            case "checkpoint":
                sealed = msgspec.convert(entry.body, _Sealed)
                if sealed.size < max(control.sealed, default=0) or control.sealed.get(sealed.size, bytes.fromhex(sealed.root)).hex() != sealed.root:
                    raise Rejected(f"checkpoint of the data log at {sealed.size} contradicts an earlier one")
                control.sealed[sealed.size] = bytes.fromhex(sealed.root)
            case "audit":
                pass  # who did what at the gateway: read by people, no verdict depends on it
            case unknown:
                control.unknown[unknown] = control.unknown.get(unknown, 0) + 1
    except (msgspec.ValidationError, ValueError, ConfigError, Rejected) as error:
        raise Rejected(f"control entry {index} ('{entry.kind}'): {error}") from error
