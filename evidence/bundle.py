"""Export: everything needed to check verdicts on a window, in one BagIt folder or zip. Streams; a batch at a time is in memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from analytics.compute import LOOKBACK_US
from analytics.indicator import Indicator, load_indicators
from evidence.bag import CHECKPOINTS, CLAIMS, CONTROL_LOG, PROOFS, REGISTER, STATEMENT, BagWriter
from evidence.claim import Claim, check_references, encode_claims
from evidence.evaluate import evaluate, meets, parts_of, revisions_in_force
from evidence.policy import Pack
from evidence.proofs import Consistency, Proofs, encode_proofs
from evidence.ranges import left_siblings
from evidence.segment import write_head, write_leaf
from evidence.statement import IndicatorState, LogState, PackState, Predicate, RegisterState, make_statement, seal_statement
from evidence.survey import Survey
from evidence.verdict import Verdict
from store.archive import Archive, StoredBatch
from store.log import data_leaf, parse_checkpoint
from workshop.batch import decode_header
from workshop.canonical import canonical_json
from workshop.errors import ConfigError
from workshop.window import Window

SEGMENT_BYTES = 64 * 2**20
SEGMENT_LEAVES = 65_536
MAX_PROOFS = 256


class BundleInfo(msgspec.Struct, frozen=True):
    """What was exported."""

    path: Path
    first: int
    end: int
    size: int
    """The data log's range [first, end) in the bundle, and its size at the checkpoint."""
    batches: int
    rows: int
    """Readings in the window and its lookback."""
    bytes: int
    verdicts: tuple[Verdict, ...]


def export(
    archive: Archive,
    *,
    window: Window,
    claims: Sequence[Claim],
    packs: Mapping[str, Pack],
    out: Path,
    indicators: Mapping[str, Indicator] | None = None,
    as_of: str | None = None,
    pinned: Sequence[int] = (),
) -> BundleInfo:
    """Writes a bundle to a new folder, or a zip if the path ends in `.zip`, after sealing a checkpoint into the control log.

    Args:
        pinned: sizes of the data log at which an evaluator has pinned checkpoints: consistency proofs from there are included.
    Raises:
        ConfigError: nothing in the log, no register, a claim on something unknown, an empty window, or a path that exists.
    """
    chosen = dict(load_indicators() if indicators is None else indicators)
    check_references(claims, packs, chosen, "claims")
    if not claims or window.length_us == 0:
        raise ConfigError("bundle: nothing to judge: no claims, or an empty window")
    if archive.data_size == 0:
        raise ConfigError("bundle: the data log is empty; wait until an edge has delivered")
    revisions = revisions_in_force(archive.registers(), window)
    _seal(archive)
    # The control log first: no checkpoint in it can then know of a longer data log than the bundle's.
    notes = {"control": archive.checkpoint("control"), "data": archive.checkpoint("data")}
    data, control = (parse_checkpoint(_text(notes[log])) for log in ("data", "control"))
    first, end = _range(archive, window, data.size)
    survey = Survey(window)
    stream = (item.batch for item in archive.batches(first, end))
    results, verdicts = evaluate(archive.registers(), parts_of(stream), claims, packs, window, indicators=chosen, as_of=as_of)
    bag = BagWriter(out)
    try:
        for log in ("control", "data"):
            bag.add(CHECKPOINTS[log], notes[log].encode())
        bag.add(CLAIMS, encode_claims(claims))
        with bag.file(CONTROL_LOG) as file:
            write_head(file, 0)
            for _, leaf in zip(range(control.size), archive.control_leaves(), strict=False):
                write_leaf(file, leaf)
        for name in sorted(packs):
            bag.add(f"data/packs/{name}.json", packs[name].canonical)
        bag.add(PROOFS, encode_proofs(_proofs(archive, first, end, data.size, pinned)))
        bag.add(REGISTER, canonical_json(revisions[-1][1]))
        _segments(archive, bag, window, first, end, survey)
        predicate = Predicate(
            1, archive.origin, archive.key.public, window.start_us, window.end_us, LOOKBACK_US, as_of,
            LogState(data.size, data.root.hex(), first, end), LogState(control.size, control.root.hex(), 0, control.size),
            tuple(RegisterState(time_us, item.digest) for time_us, item in revisions),
            tuple(PackState(name, packs[name].digest) for name in sorted(packs)),
            tuple(IndicatorState(item.id, item.version) for item in chosen.values()),
            survey.gaps, survey.absent,
            tuple(msgspec.to_builtins(item) for item in results), tuple(msgspec.to_builtins(item) for item in verdicts),
        )
        files = {name: digest for name, (digest, _) in bag.payload.items()}
        bag.add(STATEMENT, seal_statement(make_statement(files, predicate), archive.key))
        bag.finish()
    finally:
        bag.close()
    size = sum(size for _, size in bag.payload.values())
    return BundleInfo(out, first, end, data.size, survey.batches, survey.rows, size, tuple(verdicts))


def _text(note: str) -> str:
    """The text of a note that this process has just signed."""
    return note.rpartition("\n\n")[0] + "\n"


def _seal(archive: Archive) -> None:
    """Seals the data log's present size into the control log, unless its last entry says just that: exporting again then gives the same bytes."""
    last = archive.control_entries(max(0, archive.control_size - 1))
    if not last or last[-1].kind != "checkpoint" or last[-1].body.get("size") != archive.data_size:
        archive.seal_checkpoint()


def _one(archive: Archive, index: int) -> StoredBatch:
    return next(archive.batches(index, index + 1))


def _range(archive: Archive, window: Window, size: int) -> tuple[int, int]:
    """The stretch of the data log to export: all that meets the window, and on both sides so much that nothing can have been left out.

    It begins with a batch accepted before the window and its lookback, or with the log; it ends when every edge has sealed a batch after the
    window's end, or with the log.
    """
    first, end = archive.range_for(window, LOOKBACK_US)
    if first == end:
        first, end = size, 0
    bound_us = window.start_us - LOOKBACK_US
    # Accepted times never go backwards within a log: the last batch accepted by then, if there is one.
    low, high = 0, first
    while low < high:
        middle = (low + high) // 2
        if _one(archive, middle).accepted_us <= bound_us:
            low = middle + 1
        else:
            high = middle
    first = min(max(0, low - 1), size - 1)
    end = max(min(end, size), first + 1)
    waiting = {record.edge for record in archive.edges() if record.enrolled_us < window.end_us}
    for item in archive.batches(end, size):
        if not waiting:
            break
        header = decode_header(item.batch.header)
        if header.sealed_us >= window.end_us:
            waiting.discard(header.edge)
        end = item.index + 1
    return first, end


def _proofs(archive: Archive, first: int, end: int, size: int, pinned: Sequence[int]) -> Proofs:
    left = left_siblings(first, size, archive.inclusion_proof("data", first, size))
    sealed = [entry.body["size"] for entry in archive.control_entries(kind="checkpoint")]
    outside = sorted({item for item in (*sealed[-MAX_PROOFS:], *pinned) if 0 < item < size and not first <= item <= end})
    return Proofs(
        first, end, size, _hex(left), _hex(archive.consistency_proof("data", end, size)),
        tuple(Consistency(old, size, _hex(archive.consistency_proof("data", old, size))) for old in outside),
    )


def _hex(hashes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(item.hex() for item in hashes)


def _segments(archive: Archive, bag: BagWriter, window: Window, first: int, end: int, survey: Survey) -> None:
    """The range as segment files. Parts that do not meet the window are left out, headers never."""
    for start, stop in _cuts(archive, first, end):
        with bag.file(f"data/segments/{start:012d}-{stop:012d}.seg") as file:
            write_head(file, start)
            for item in archive.batches(start, stop):
                batch = item.batch
                header = decode_header(batch.header)
                parts = [part if meets(entry, window) else None for entry, part in zip(header.parts, batch.parts, strict=True)]
                write_leaf(file, data_leaf(item.accepted_us, batch.header, batch.signature), parts)
                survey.add(header, tuple(part is not None for part in parts))


def _cuts(archive: Archive, first: int, end: int) -> list[tuple[int, int]]:
    """Where one segment file ends and the next begins: the name says the end, so it must be known before."""
    cuts, start, size = [], first, 0
    for item in archive.batches(first, end):
        size += len(item.batch.header) + sum(len(part or b"") for part in item.batch.parts)
        if size >= SEGMENT_BYTES or item.index + 1 - start >= SEGMENT_LEAVES:
            cuts.append((start, item.index + 1))
            start, size = item.index + 1, 0
    return [*cuts, (start, end)] if start < end else cuts
