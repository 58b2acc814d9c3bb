"""Steps 3 and 4 of verification: checkpoints, and the control log entry by entry from the first."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from evidence.bag import CHECKPOINTS, CONTROL_LOG, BagReader
from evidence.control import Control
from evidence.ranges import Frontier
from evidence.segment import read_segment
from evidence.statement import Predicate
from evidence.trust import GatewayKey, TrustFile, open_checkpoint, open_pinned
from store.archive_records import ControlEntry
from store.control_kinds import Witness
from store.generations import reach
from store.log import Checkpoint, LogName, leaf_hash, split_leaf
from store.signing import verify
from workshop.canonical import canonical_json
from workshop.errors import Rejected


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    kind: str
    time_us: int
    author: str
    body: dict[str, Any]


def check_checkpoints(bag: BagReader, predicate: Predicate) -> dict[str, Checkpoint]:
    """(3) Both checkpoints are signed by the gateway, of this origin and one generation, and say what the statement says."""
    found: dict[str, Checkpoint] = {}
    for log, state in (("data", predicate.data), ("control", predicate.control)):
        try:
            note = bag.read(CHECKPOINTS[log]).decode()
        except UnicodeDecodeError as error:
            raise Rejected(f"checkpoint of the {log} log: not text") from error
        found[log] = open_checkpoint(note, f"{predicate.origin}/{log}", [predicate.gateway_key])
        got = (found[log].size, found[log].root.hex(), found[log].generation)
        if got != (state.size, state.root, predicate.generation):
            raise Rejected(f"{log} log: the checkpoint says size, root and generation {got}, the statement {state}, {predicate.generation}")
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
    bag: BagReader, predicate: Predicate, checkpoint: Checkpoint, keys: Sequence[GatewayKey], pinned: Sequence[Checkpoint]
) -> tuple[Control, dict[int, bytes]]:
    """(4) The control log is complete from its first entry, every entry signed and canonical, its root as signed; it extends what was pinned.

    Returns:
        What it says, and its root at every size that a pinned checkpoint or a cosignature speaks of.
    """
    control, tree, last_us = Control(), Frontier(), 0
    wanted = {item.size for item in pinned} | _cosigned_sizes(bag)
    roots: dict[int, bytes] = {}
    with bag.open(CONTROL_LOG) as file:
        for index, (leaf, parts, _) in enumerate(read_segment(file, 0)):
            if index in wanted:
                roots[index] = tree.root()
            if parts:
                raise Rejected(f"control entry {index} has parts")
            entry = _open_entry(leaf, index, control, keys)
            if entry.time_us < last_us:
                raise Rejected(f"control entry {index}: its time {entry.time_us} is before that of the entry before, {last_us}")
            last_us = entry.time_us
            if entry.kind == "restore" and entry.body.get("control_root") != tree.root().hex():
                raise Rejected(f"control entry {index}: restored at root {entry.body.get('control_root')}, the log before it has {tree.root().hex()}")
            control.take(entry.kind, entry.time_us, entry.author, entry.body)
            tree.append(leaf_hash(leaf))
    roots[tree.size] = tree.root()
    if control.owed is not None:
        raise Rejected(f"edge '{control.owed[0]}' came with another journal in the last entry, and no 'gap' says what was lost")
    if tree.size != checkpoint.size or tree.root() != checkpoint.root:
        raise Rejected(
            f"got {tree.size} entries with root {tree.root().hex()}, the signed checkpoint says {checkpoint.size} with {checkpoint.root.hex()}: "
            "entries were changed, removed or added"
        )
    if (control.origin, control.gateway_keys[-1][0], control.generation) != (predicate.origin, predicate.gateway_key, predicate.generation):
        found = f"control log of '{control.origin}', generation {control.generation}, gateway key {control.gateway_keys[-1][0]}"
        raise Rejected(f"{found}; the statement says '{predicate.origin}', {predicate.generation}, {predicate.gateway_key}")
    for item in pinned:
        check_pin(item, "control", control, tree.size)
        if item.size in roots and item.size <= here(item, "control", control, tree.size) and roots[item.size] != item.root:
            raise Rejected(f"at size {item.size} the root is {roots[item.size].hex()}, the pinned checkpoint says {item.root.hex()}: another history")
    return control, roots


def here(item: Checkpoint, log: LogName, control: Control, size: int) -> int:
    """Up to which size of a log the generation of a checkpoint is still there: all of it, or what the restores after it have left.

    Raises:
        Rejected: a generation that the log does not declare: a restore is hidden.
    """
    left = reach(log, item.generation, control.restores)
    return size if left is None else left


def check_pin(item: Checkpoint, log: LogName, control: Control, size: int) -> int:
    """How many entries that a pinned checkpoint has seen were lost in restores; a loss without a restore is none.

    Raises:
        Rejected: a checkpoint of a later generation, or of this one and longer than the log.
    """
    left = here(item, log, control, size)
    if item.size > left and item.generation == control.generation:
        raise Rejected(
            f"the {log} log has {size} entries, a pinned checkpoint {item.size}: it was cut at its end, or the checkpoint was pinned after "
            "the bundle was made; ask for a bundle made now, or verify with the trust file from before the bundle"
        )
    return max(0, item.size - left)


def _cosigned_sizes(bag: BagReader) -> set[int]:
    """Sizes in the checkpoints that witnesses brought; read before the log is checked, and believed only with it."""
    sizes: set[int] = set()
    with bag.open(CONTROL_LOG) as file:
        for leaf, _, _ in read_segment(file, 0):
            if b'"kind":"witness"' not in leaf:
                continue
            try:
                body = msgspec.convert(msgspec.json.decode(split_leaf(leaf)[1])["body"], Witness)
            except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError):
                continue
            for item in body.cosignatures:
                number = item.note.split("\n", 2)[1:2]
                sizes.update(int(text) for text in number if text.isdecimal() and len(text) < 18)
    return sizes


def control_entries(bag: BagReader) -> Iterator[ControlEntry]:
    """The entries as they lie in the bundle, believed.

    Raises:
        Rejected: see `read_segment`; one that is no entry.
    """
    with bag.open(CONTROL_LOG) as file:
        for index, (leaf, _, _) in enumerate(read_segment(file, 0)):
            try:
                entry = msgspec.json.decode(split_leaf(leaf)[1], type=_Entry)
            except msgspec.DecodeError as error:
                raise Rejected(f"control entry {index}: {error}") from error
            yield ControlEntry(index, entry.v, entry.kind, entry.time_us, entry.author, entry.body)


def _open_entry(leaf: bytes, index: int, control: Control, keys: Sequence[GatewayKey]) -> _Entry:
    time_us, data, signature = split_leaf(leaf)
    try:
        entry = msgspec.json.decode(data, type=_Entry)
        canonical = canonical_json(entry)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Rejected(f"control entry {index}: {error}") from error
    if canonical != data or entry.v != 1 or entry.time_us != time_us:
        raise Rejected(f"control entry {index}: not canonical, not version 1, or its time differs from its leaf's")
    present = control.gateway_keys[-1][0] if control.gateway_keys else str(entry.body.get("gateway_key"))
    known = {item.key: item for item in keys}
    if not control.gateway_keys and present not in known:
        raise Rejected(f"control entry {index}: the log begins with gateway key {present}, which is not known")
    if present not in known and any(known[key].to_us is not None for key, _ in control.gateway_keys if key in known):
        raise Rejected(f"control entry {index}: gateway key {present} follows one that is believed only for a time, and is not known itself")
    # A key that the log rotated to is vouched for by the one before it; the trust file may still say until when a key is believed.
    if (present in known and not known[present].valid_at(time_us)) or not verify(present, "control", data, signature):
        raise Rejected(f"control entry {index} ('{entry.kind}') is not signed by a key that the gateway had at that time")
    return entry
