"""Steps 5 and 6 of verification: the ranges of the data log against its root, and every batch in them against its edge. Streams."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from evidence.bag import PROOFS, BagReader
from evidence.control import Control
from evidence.parts import Place
from evidence.proofs import MAX_PROOFS, Proofs, decode_proofs, raw
from evidence.ranges import Frontier
from evidence.segment import read_segment
from evidence.statement import Predicate
from evidence.survey import Survey
from evidence.trust import TrustFile
from evidence.verify_control import check_pin, here
from store.log import EMPTY_ROOT, Checkpoint, leaf_hash, split_leaf, verify_consistency
from store.signing import verify
from workshop.batch import NO_DIGEST, Header, SealedBatch, decode_header
from workshop.canonical import sha256_hex
from workshop.errors import Rejected


class Range(msgspec.Struct, frozen=True):
    """What the data log was held against."""

    checked: int
    """Checkpoints of the control log that agree."""
    unproven: int
    """Checkpoints of the control log outside the ranges without a proof in the bundle."""
    lost: int
    """Batches that a pinned checkpoint has seen, and restores have lost."""


class Leaf(msgspec.Struct, frozen=True):
    """A leaf of the data log in the bundle, with its parts and where they lie."""

    index: int
    leaf: bytes
    parts: list[bytes | None]
    places: list[Place | None]


def leaves(bag: BagReader, predicate: Predicate, *, parts: bool) -> Iterator[Leaf]:
    """The leaves of all ranges in order, segment file by segment file, which must cover the ranges without holes.

    Raises:
        Rejected: see `read_segment`; files that do not make up the ranges, or one whose name does not say what is in it.
    """
    segments = bag.segments
    spans = [(item.first, item.end) for item in predicate.ranges]
    if any(first >= end for first, end in spans) or any(before[1] >= after[0] for before, after in pairwise(spans)):
        raise Rejected(f"ranges {spans} are empty, not in order, or join")
    for span_first, span_end in spans:
        index = span_first
        while index < span_end:
            if not segments:
                raise Rejected(f"no segment file of the batches from {index} to {span_end}")
            name, first, end = segments.pop(0)
            if first != index or end > span_end:
                raise Rejected(f"'{name}' begins at {first}, where {index} is expected, or ends outside the range [{span_first}, {span_end})")
            number, base = bag.location(name)
            with bag.open(name) as file:
                for leaf, found, offsets in read_segment(file, first, parts=parts):
                    places: list[Place | None] = [
                        None if part is None else (number, base + offset, len(part)) for part, offset in zip(found, offsets, strict=True)
                    ]
                    yield Leaf(index, leaf, found, places)
                    index += 1
            if index != end:
                raise Rejected(f"'{name}' holds batches up to {index}, its name says {end}: batches were removed or added")
    if segments:
        raise Rejected(f"'{segments[0][0]}' is in none of the ranges that the statement names")


def check_range(
    bag: BagReader, predicate: Predicate, checkpoint: Checkpoint, control: Control, pinned: Sequence[Checkpoint]
) -> Range:
    """(5) The leaves of the ranges, with the hashes beside them, give the checkpoint's root; earlier checkpoints lie on the same history."""
    proofs = decode_proofs(bag.read(PROOFS))
    if proofs.size != checkpoint.size or len(proofs.holes) != len(predicate.ranges) + 1:
        raise Rejected(f"proofs for a log of {proofs.size} with {len(proofs.holes)} holes, the checkpoint says {checkpoint.size}")
    lost = max([check_pin(item, "data", control, checkpoint.size) for item in pinned], default=0)
    if cut := [size for size in control.sealed if size > checkpoint.size]:
        raise Rejected(f"the log has {checkpoint.size} batches, an earlier checkpoint {max(cut)}: it was cut at its end")
    wanted = {*control.sealed, *(item.size for item in pinned)}
    roots, last_us, tree = {0: EMPTY_ROOT}, -1, Frontier()
    starts = {item.first: raw(hole) for item, hole in zip(predicate.ranges, proofs.holes, strict=False)}
    for item in leaves(bag, predicate, parts=False):
        if item.index in starts:
            tree.skip(item.index, starts[item.index])
            roots[tree.size] = tree.root()
        accepted_us = split_leaf(item.leaf)[0]
        if accepted_us < last_us:
            raise Rejected(f"batch {item.index}: accepted at {accepted_us}, before the batch in front of it, {last_us}")
        last_us = accepted_us
        tree.append(leaf_hash(item.leaf))
        if tree.size in wanted:
            roots[tree.size] = tree.root()
    tree.skip(proofs.size, raw(proofs.holes[-1]))
    if tree.root() != checkpoint.root:
        said = f"the batches give the root {tree.root().hex()}, the signed checkpoint says {checkpoint.root.hex()}"
        raise Rejected(f"{said}: batches were changed, removed or added")
    roots[proofs.size] = checkpoint.root
    checked, unproven = _check_history(proofs, checkpoint, control, pinned, roots)
    return Range(checked, unproven, lost)


def _check_history(
    proofs: Proofs, checkpoint: Checkpoint, control: Control, pinned: Sequence[Checkpoint], roots: dict[int, bytes]
) -> tuple[int, int]:
    paths = {proof.old: raw(proof.hashes) for proof in proofs.checkpoints}

    def agrees(size: int, root: bytes) -> bool | None:
        if size in roots:
            return roots[size] == root
        return verify_consistency(size, proofs.size, root, checkpoint.root, paths[size]) if size in paths else None

    for item in pinned:
        if item.size > here(item, "data", control, checkpoint.size):
            continue  # what it saw last is lost in a restore; said so
        answer = agrees(item.size, item.root)
        if answer is None:
            raise Rejected(f"no proof in the bundle reaches the pinned checkpoint at {item.size}; ask for a bundle with a proof from there")
        if not answer:
            raise Rejected(f"the log of {checkpoint.size} batches does not extend the pinned checkpoint at {item.size}: this is another history")
    answers = {size: agrees(size, root) for size, root in control.sealed.items()}
    if unproven := [size for size in sorted(answers)[-MAX_PROOFS:] if answers[size] is None]:
        raise Rejected(f"no proof in the bundle reaches the checkpoint of the control log at {unproven[0]} batches; the last {MAX_PROOFS} have one")
    if False in answers.values():
        raise Rejected("a checkpoint in the control log is not on the history of the data log")
    proven = list(answers.values())
    return proven.count(True), proven.count(None)


class _Chain(msgspec.Struct, frozen=True):
    epoch: int
    seq: int
    digest: str
    sealed_us: int


def check_batches(bag: BagReader, predicate: Predicate, control: Control, trust: TrustFile | None, survey: Survey) -> int:
    """(6) Every batch is signed by its edge, follows the one before without a hole, is of the enrolled provenance, and its parts are what it says.

    Args:
        survey: filled on the way.
    Returns:
        Number of edges.
    """
    starts = {item.first: item.end for item in predicate.ranges}
    chains: dict[str, _Chain] = {}
    edges: set[str] = set()
    here: set[str] = set()
    for item in leaves(bag, predicate, parts=True):
        if item.index in starts:
            survey.begin(item.index, starts[item.index])
            here = set()
        accepted_us, data, signature = split_leaf(item.leaf)
        batch = SealedBatch(data, signature, tuple(item.parts))
        header = decode_header(data)
        where = f"batch {item.index} ({header.edge}, epoch {header.epoch}, {header.seq})"
        _check_edge(header, batch, accepted_us, control, trust, where)
        before, reach = chains.get(header.edge), survey.ranges[-1]
        if header.edge in here or reach.first == 0:
            _check_follows(header, before, control, where)
        elif not _is_linked(header, before, control, where):
            reach.unlinked[header.edge] = header.sealed_us
        here.add(header.edge)
        chains[header.edge] = _Chain(header.epoch, header.seq, batch.digest, header.sealed_us)
        edges.add(header.edge)
        if len(batch.parts) != len(header.parts):
            raise Rejected(f"{where}: {len(batch.parts)} parts for {len(header.parts)} entries")
        for entry, part in zip(header.parts, batch.parts, strict=True):
            if part is not None and (len(part) != entry.bytes or sha256_hex(part) != entry.sha256):
                raise Rejected(f"{where}: part of {entry.equipment} has digest {sha256_hex(part)}, its entry says {entry.sha256}")
        survey.add(item.index, accepted_us, header, item.places)
    return len(edges)


def _check_edge(header: Header, batch: SealedBatch, accepted_us: int, control: Control, trust: TrustFile | None, where: str) -> None:
    enrolled = control.enrolled(header.edge, accepted_us)
    if enrolled is None:
        raise Rejected(f"{where}: the control log has no enrolment of this edge in force when it was accepted")
    # A key that the edge rotated to is vouched for by the one before it.
    if trust is not None and not set(enrolled.keys) & set(trust.edges.get(header.edge, ())):
        raise Rejected(f"{where}: key {enrolled.keys[0]} of the edge is not in the trust file; is the trust file older than its enrolment?")
    key = enrolled.key_of(header)
    if not verify(key, "batch", batch.header, batch.signature):
        raise Rejected(f"{where}: not signed with the edge's key {key}")
    if header.provenance is not enrolled.enrolment.provenance:
        raise Rejected(f"{where}: says {header.provenance}, the edge is enrolled as {enrolled.enrolment.provenance}")


def _is_linked(header: Header, before: _Chain | None, control: Control, where: str) -> bool:
    """Whether the first batch of an edge in a range is the next of what the bundle holds of it, or its first of all.

    Raises:
        Rejected: it stands before what an earlier range holds of the edge.
    """
    if before is not None and (header.epoch, header.seq) <= (before.epoch, before.seq):
        raise Rejected(f"{where}: stands behind ({before.epoch}, {before.seq}) of the same edge")
    try:
        _check_follows(header, before, control, where)
    except Rejected:
        return False
    return True


def _check_follows(header: Header, before: _Chain | None, control: Control, where: str) -> None:
    """The batch is the next of its edge, or the first of all; what a restore lost in between, the edge itself has stated."""
    start = control.epochs.get((header.edge, header.epoch))
    if before is None:
        if start is not None:
            raise Rejected(f"{where}: an epoch before this one is announced, and nothing of it is here: batches are missing")
        seq, prev = 0, NO_DIGEST
    elif header.epoch == before.epoch:
        seq, prev = before.seq, before.digest
    else:
        if header.epoch < before.epoch or start is None or (start.old_epoch, start.old_seq) != (before.epoch, before.seq):
            raise Rejected(f"{where}: a new epoch after ({before.epoch}, {before.seq}) that the control log does not announce so")
        seq, prev = 0, before.digest if start.prev == "chained" else NO_DIGEST
        if start.prev == "lost":
            _check_journal(header, before, control, where)
    for lost in control.lost.get((header.edge, header.epoch), ()):
        if lost.from_seq == seq + 1 and lost.to_seq is not None and lost.statement is not None:
            if before is not None and lost.sealed_after_us > before.sealed_us:
                raise Rejected(f"{where}: the loss before it begins at {lost.sealed_after_us}, the batch before was sealed at {before.sealed_us}")
            seq, prev = lost.to_seq, lost.statement.prev
    if header.seq != seq + 1:
        raise Rejected(f"{where}: sequence number {header.seq}, expected {seq + 1}: a batch is missing")
    if header.prev != prev:
        raise Rejected(f"{where}: its prev is {header.prev}, expected {prev}: it does not continue the chain")


def _check_journal(header: Header, before: _Chain, control: Control, where: str) -> None:
    """The loss of a journal is stated from the last batch before it to the first journal after it, not less."""
    least_us = header.epoch if header.epoch > before.sealed_us else header.sealed_us
    for lost in control.lost.get((header.edge, before.epoch), ()):
        if lost.to_seq is None and (lost.sealed_after_us > before.sealed_us or lost.sealed_before_us < least_us):
            stated = f"[{lost.sealed_after_us}, {lost.sealed_before_us})"
            raise Rejected(f"{where}: what was lost with the old journal is said to be of {stated}, it is of [{before.sealed_us}, {least_us})")
