"""What a witness does: sees that a gateway shows one history only, remembers it, and says so under its own key (C2SP tlog-witness). Pure.

    (1) every checkpoint is signed by a key of the gateway; a new key is announced under the one before it
    (2) a new generation is announced by a restore, and an old one never comes back
    (3) the log extends what was seen before
    (4) it is stored, and only then cosigned
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from store.control_kinds import Restore, Rotation
from store.generations import check_restores, reach
from store.log import Checkpoint, LogName, leaf_hash, open_note, parse_checkpoint, split_leaf, verify_consistency, verify_inclusion
from store.signing import decode_signature, verify
from workshop.canonical import canonical_json
from workshop.errors import Rejected, VerificationError

LOGS: tuple[LogName, ...] = ("data", "control")


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint that the witness has checked and stored."""

    log: LogName
    note: str
    """As the gateway signed it."""
    size: int
    root: str
    generation: int
    time_us: int
    """By the witness's clock."""


class Memory(msgspec.Struct, forbid_unknown_fields=True):
    """Everything that a witness knows about a gateway; `state.json`."""

    origin: str
    keys: list[str]
    """Of the gateway, the present one last."""
    seen: list[Seen] = []
    """In the order of time."""

    def last(self, log: LogName) -> Seen | None:
        """The newest checkpoint of a log."""
        return next((item for item in reversed(self.seen) if item.log == log), None)


class Leaf(msgspec.Struct, frozen=True):
    """A control entry as it is hashed, with its inclusion proof in the fresh control checkpoint; hexadecimal."""

    index: int
    leaf: str
    proof: tuple[str, ...]


class _Entry(msgspec.Struct, frozen=True):
    kind: str
    body: msgspec.Raw


def learn_keys(memory: Memory, rotations: Sequence[str]) -> list[str]:
    """The gateway's keys with those that its log announces: each rotation is signed by the key before it and by the new one.

    Args:
        rotations: leaves (hex) of kind "rotation", in the log's order.
    """
    keys = list(memory.keys)
    for text in rotations:
        leaf = bytes.fromhex(text)
        entry = _entry(leaf, "rotation", keys[-1])
        if entry is None:
            continue  # signed by an older key: known already, or an edge's
        body = msgspec.json.decode(entry.body, type=Rotation)
        statement, data = body.statement, canonical_json(body.statement)
        if statement.subject != "gateway" or statement.origin != memory.origin or statement.old != keys[-1]:
            continue
        pairs = ((statement.old, body.old_signature), (statement.new, body.new_signature))
        if all(verify(key, "rotation", data, decode_signature(signature)) for key, signature in pairs):
            keys.append(statement.new)
    return keys


def open_fresh(note: str, log: LogName, origin: str, keys: Sequence[str]) -> Checkpoint:
    """(1) The checkpoint in a note that one of the keys has signed.

    Raises:
        VerificationError: none has, or it is of another log.
    """
    name = f"{origin}/{log}"
    refused = "no key is known"
    for key in reversed(keys):
        try:
            checkpoint = parse_checkpoint(open_note(note, name, key))
        except Rejected as error:
            refused = str(error)
            continue
        if checkpoint.origin == name:
            return checkpoint
        refused = f"it is of '{checkpoint.origin}'"
    raise VerificationError(1, f"checkpoint of the {log} log: {refused}")


def open_restores(leaves: Sequence[Leaf], control: Checkpoint, keys: Sequence[str]) -> list[Restore]:
    """(2) The restores that the fresh control log holds, each proven to be in it.

    Raises:
        VerificationError: one is not signed, not in the log, or does not follow from the one before.
    """
    found = []
    for item in leaves:
        leaf = bytes.fromhex(item.leaf)
        entry = next((entry for key in keys if (entry := _entry(leaf, "restore", key)) is not None), None)
        proof = [bytes.fromhex(node) for node in item.proof]
        if entry is None or not verify_inclusion(item.index, control.size, leaf_hash(leaf), proof, control.root):
            raise VerificationError(2, f"control entry {item.index}: not a restore in the log that the gateway shows")
        found.append((item.index, msgspec.json.decode(entry.body, type=Restore)))
    try:
        check_restores(found)
    except Rejected as error:
        raise VerificationError(2, str(error)) from error
    return [body for _, body in found]


def check_log(
    memory: Memory, log: LogName, fresh: Checkpoint, restores: Sequence[Restore], proof_from: Callable[[int], Sequence[bytes]]
) -> str:
    """(2), (3) That the fresh checkpoint continues everything that was seen of this log; every loss is named in the answer.

    Args:
        restores: all that the fresh control log declares.
        proof_from: gives the consistency proof from a size to the fresh one.
    Returns:
        what a person should know: empty, or what a declared restore has lost.
    Raises:
        VerificationError: it shows another history: a split view, a log that was cut, or a restore that is hidden.
    """
    last = memory.last(log)
    if fresh.generation != len(restores) + 1:
        raise VerificationError(2, f"{log} log: the checkpoint is of generation {fresh.generation}, the control log declares {len(restores) + 1}")
    if last is None:
        return ""
    if fresh.generation < last.generation:
        raise VerificationError(2, f"{log} log: generation {last.generation} was seen, now {fresh.generation} is shown: a split view")
    lost, best = 0, None
    for item in memory.seen:
        if item.log != log:
            continue
        kept = reach(log, item.generation, restores)
        if kept is not None and item.size > kept:
            lost = max(lost, item.size - kept)
        elif best is None or item.size >= best.size:
            best = item
    if best is not None:
        _check_extends(log, best, fresh, proof_from)
    if fresh.generation > last.generation:
        told = f"restored from a backup, generation {fresh.generation}: '{restores[-1].reason}'"
        return f"{log} log: {told}; {lost} entries that this witness had seen are no longer there" if lost else f"{log} log: {told}"
    return ""


def _check_extends(log: LogName, old: Seen, fresh: Checkpoint, proof_from: Callable[[int], Sequence[bytes]]) -> None:
    if fresh.size < old.size:
        raise VerificationError(3, f"{log} log: {old.size} entries were seen, now {fresh.size} are shown: the log was cut, or this is a split view")
    proof = proof_from(old.size) if 0 < old.size < fresh.size else []
    if not verify_consistency(old.size, fresh.size, bytes.fromhex(old.root), fresh.root, proof):
        raise VerificationError(3, f"{log} log: the history at {fresh.size} does not begin with the one seen at {old.size}: a split view")


def remember(memory: Memory, notes: Mapping[LogName, str], fresh: Mapping[LogName, Checkpoint], time_us: int) -> Memory:
    """(4) The memory with the fresh checkpoints; of a log that has not grown the older one stays alone."""
    seen = list(memory.seen)
    for log in LOGS:
        item, last = fresh[log], memory.last(log)
        if last is None or (last.size, last.generation) != (item.size, item.generation):
            seen.append(Seen(log, notes[log], item.size, item.root.hex(), item.generation, time_us))
    return Memory(memory.origin, list(memory.keys), seen)


def _entry(leaf: bytes, kind: str, key: str) -> _Entry | None:
    """The entry, if it is of this kind and signed by this key."""
    try:
        _, data, signature = split_leaf(leaf)
        entry = msgspec.json.decode(data, type=_Entry)
    except (Rejected, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return entry if entry.kind == kind and verify(key, "control", data, signature) else None
