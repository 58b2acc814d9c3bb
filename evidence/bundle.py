"""Export: everything needed to check verdicts on a window, in one BagIt folder or zip. Streams; what is in memory does not grow with the window."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from analytics.compute import LOOKBACK_US
from analytics.indicator import Indicator, load_indicators
from evidence.bag import CHECKPOINTS, CLAIMS, CONTROL_LOG, PROOFS, REGISTER, STATEMENT, BagWriter
from evidence.challenges import judge_challenges
from evidence.claim import Claim, check_references, encode_claims, needed
from evidence.control import Control, control_of
from evidence.evaluate import evaluate, revisions_in_force
from evidence.parts import Files, Place, Reader, meets
from evidence.policy import Pack
from evidence.proofs import MAX_PROOFS, Consistency, Proofs, encode_proofs
from evidence.ranges import hole_hashes
from evidence.remarks import Remark, of_challenges, of_commitments, of_data, of_losses
from evidence.segment import write_head, write_leaf
from evidence.statement import (
    IndicatorState,
    LogState,
    PackState,
    Predicate,
    RegisterState,
    Span,
    WindowState,
    make_statement,
    seal_statement,
)
from evidence.stretches import ranges_for
from evidence.survey import Survey
from evidence.verdict import Verdict
from store.archive import Archive
from store.log import data_leaf, parse_checkpoint
from workshop.batch import decode_header
from workshop.canonical import canonical_json
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import Window

SEGMENT_BYTES = 64 * 2**20
SEGMENT_LEAVES = 65_536

Registers = Sequence[tuple[int, Workshop]]


class BundleInfo(msgspec.Struct, frozen=True):
    """What was exported."""

    path: Path
    ranges: tuple[Span, ...]
    """The ranges of the data log in the bundle."""
    size: int
    """Of the data log at the checkpoint."""
    batches: int
    rows: int
    """Readings in parts that meet the window."""
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
    baseline: Window | None = None,
    withhold: Collection[str] = (),
    pinned: Sequence[int] = (),
    processes: int = 1,
) -> BundleInfo:
    """Writes a bundle to a new folder, or a zip if the path ends in `.zip`, after sealing a checkpoint into the control log.

    Args:
        indicators: those whose results are stated; those that the claims rest on by default. Whoever has the bundle can compute the others.
        baseline: a second window, before the other one, for claims that compare.
        withhold: equipment whose parts are left out, visibly: coverage falls, and nothing that rests on it is confirmed.
        pinned: sizes of the data log at which an evaluator has pinned checkpoints: consistency proofs from there are included.
        processes: how many may compute figures.
    Raises:
        ConfigError: nothing in the log, no register, a claim or equipment that is unknown, an empty window, or a path that exists.
    """
    shipped = load_indicators() if indicators is None else indicators
    check_references(claims, packs, shipped, "claims")
    chosen = needed(claims, packs, shipped) if indicators is None else dict(shipped)
    windows = checked_windows(window, baseline)
    if not claims:
        raise ConfigError("bundle: nothing to judge: no claims")
    if archive.data_size == 0:
        raise ConfigError("bundle: the data log is empty; wait until an edge has delivered")
    registers = archive.registers()
    in_force = [revisions_in_force(registers, item) for item in windows]
    if strangers := sorted(set(withhold) - {item.id for _, register in registers for item in register.equipment}):
        known = ", ".join(item.id for item in registers[-1][1].equipment)
        raise ConfigError(f"bundle: no equipment '{strangers[0]}' to withhold; the register has {known}")
    _seal(archive)
    # The control log first: no checkpoint in it can then know of a longer data log than the bundle's.
    notes = {"control": archive.checkpoint("control"), "data": archive.checkpoint("data")}
    data, logged = (parse_checkpoint(_text(notes[log])) for log in ("data", "control"))
    control = control_of(archive.control_entries()[: logged.size])
    ranges = ranges_for(archive, control, windows, data.size)
    survey = Survey(windows, control, withhold)
    bag = BagWriter(out)
    try:
        for log in ("control", "data"):
            bag.add(CHECKPOINTS[log], notes[log].encode())
        bag.add(CLAIMS, encode_claims(claims))
        with bag.file(CONTROL_LOG) as file:
            write_head(file, 0)
            for _, leaf in zip(range(logged.size), archive.control_leaves(), strict=False):
                write_leaf(file, leaf)
        for name in sorted(packs):
            bag.add(f"data/packs/{name}.json", packs[name].canonical)
        bag.add(PROOFS, encode_proofs(_proofs(archive, control, ranges, data.size, pinned)))
        bag.add(REGISTER, canonical_json(in_force[0][-1][1]))
        for first, end in ranges:
            survey.begin(first, end)
            _segments(archive, bag, windows, first, end, frozenset(withhold), survey)
        # The figures are computed from what has just been written: the same bytes, by the same function, as the verifier will.
        reader = Files(tuple(bag.files))
        found = evaluate(
            registers, survey.parts(0, reader), claims, packs, window, indicators=chosen, as_of=as_of,
            baseline=(survey.parts(1, reader), baseline) if baseline is not None else None,
            remarks=remarks_on(claims, control, survey, windows, [item for _, item in in_force[0]], reader), processes=processes,
            facts=control.recorded.facts,
        )
        predicate = Predicate(
            1, archive.origin, archive.key.public, data.generation, _state(window), None if baseline is None else _state(baseline), LOOKBACK_US,
            as_of, LogState(data.size, data.root.hex()), LogState(logged.size, logged.root.hex()), tuple(Span(*item) for item in ranges),
            states_of(in_force[0]), states_of(in_force[1]) if baseline is not None else (),
            tuple(PackState(name, packs[name].digest) for name in sorted(packs)),
            tuple(IndicatorState(item.id, item.version) for item in chosen.values()),
            survey.gaps, tuple(sorted(set(withhold))), survey.absent, found.malformed, survey.undelivered,
            _plain(found.results), _plain(found.baseline_results), _plain(found.verdicts),
        )
        files = {name: digest for name, (digest, _) in bag.payload.items()}
        bag.add(STATEMENT, seal_statement(make_statement(files, predicate), archive.key))
        bag.finish()
    finally:
        bag.close()
    size = sum(size for _, size in bag.payload.values())
    return BundleInfo(out, predicate.ranges, data.size, survey.batches, sum(survey.rows), size, found.verdicts)


def checked_windows(window: Window, baseline: Window | None) -> list[Window]:
    """The windows to judge, the baseline last.

    Raises:
        ConfigError: one is empty, or the baseline does not end before the window begins.
    """
    windows = [window] if baseline is None else [window, baseline]
    if any(item.length_us == 0 for item in windows):
        raise ConfigError("window: nothing to judge: it is empty, or the baseline is")
    if baseline is not None and baseline.end_us > window.start_us:
        raise ConfigError("window: the baseline must end before the window begins")
    return windows


def remarks_on(
    claims: Sequence[Claim], control: Control, survey: Survey, windows: Sequence[Window], registers: Sequence[Workshop], reader: Reader
) -> list[Remark]:
    """What must be said of the verdicts beside their figures; the verifier calls it too."""
    judged = {
        item.index: item for number, window in enumerate(windows)
        for item in judge_challenges(control, window, survey.parts(number, reader), survey.lacks)
    }
    return [
        *of_data(survey.absent, (), survey.rows[0], survey.undelivered), *of_losses(control, windows),
        *of_challenges([judged[index] for index in sorted(judged)]), *of_commitments(claims, control, windows[0], registers),
    ]


def states_of(revisions: Registers) -> tuple[RegisterState, ...]:
    """The revisions as the statement names them."""
    return tuple(RegisterState(time_us, item.digest) for time_us, item in revisions)


def _plain(items: Sequence[msgspec.Struct]) -> tuple[dict[str, object], ...]:
    return tuple(msgspec.to_builtins(item) for item in items)


def _state(window: Window) -> WindowState:
    return WindowState(window.start_us, window.end_us)


def _text(note: str) -> str:
    """The text of a note that this process has just signed."""
    return note.rpartition("\n\n")[0] + "\n"


def _seal(archive: Archive) -> None:
    """Seals the data log's present size into the control log, unless its last entry says just that: exporting again then gives the same bytes."""
    last = archive.control_entries(max(0, archive.control_size - 1))
    if not last or last[-1].kind != "checkpoint" or last[-1].body.get("size") != archive.data_size:
        archive.seal_checkpoint()


def _proofs(archive: Archive, control: Control, ranges: Sequence[tuple[int, int]], size: int, pinned: Sequence[int]) -> Proofs:
    edges = [0, *(edge for item in ranges for edge in item), size]
    holes = [
        hole_hashes(first, end, lambda size: archive.root("data", size), lambda index, size: archive.inclusion_proof("data", index, size))
        for first, end in zip(edges[::2], edges[1::2], strict=True)
    ]
    sealed = sorted(control.sealed)[-MAX_PROOFS:]
    outside = sorted({item for item in (*sealed, *pinned) if 0 < item < size and not any(first <= item <= end for first, end in ranges)})
    return Proofs(
        size, tuple(_hex(hole) for hole in holes),
        tuple(Consistency(old, size, _hex(archive.consistency_proof("data", old, size))) for old in outside),
    )


def _hex(hashes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(item.hex() for item in hashes)


def _segments(
    archive: Archive, bag: BagWriter, windows: Sequence[Window], first: int, end: int, withheld: frozenset[str], survey: Survey
) -> None:
    """A range as segment files. Parts that meet no window, or are withheld, are left out, headers never."""
    for start, stop in _cuts(archive, first, end):
        with bag.file(f"data/segments/{start:012d}-{stop:012d}.seg") as file:
            write_head(file, start)
            for item in archive.batches(start, stop):
                batch = item.batch
                header = decode_header(batch.header)
                parts = [
                    part if entry.equipment not in withheld and any(meets(entry, window) for window in windows) else None
                    for entry, part in zip(header.parts, batch.parts, strict=True)
                ]
                end_of = file.start + file.summary.size + write_leaf(file, data_leaf(item.accepted_us, batch.header, batch.signature), parts)
                survey.add(item.index, item.accepted_us, header, _places(parts, file.number, end_of))


def _places(parts: Sequence[bytes | None], number: int, end: int) -> list[Place | None]:
    """Where the parts lie that end at this offset, each after its length of four bytes."""
    places: list[Place | None] = []
    for part in reversed(parts):
        size = len(part or b"")
        places.append((number, end - size, size) if part is not None else None)
        end -= size + 4
    return places[::-1]


def _cuts(archive: Archive, first: int, end: int) -> list[tuple[int, int]]:
    """Where one segment file ends and the next begins: the name says the end, so it must be known before."""
    cuts, start, size = [], first, 0
    for item in archive.batches(first, end):
        size += len(item.batch.header) + sum(len(part or b"") for part in item.batch.parts)
        if size >= SEGMENT_BYTES or item.index + 1 - start >= SEGMENT_LEAVES:
            cuts.append((start, item.index + 1))
            start, size = item.index + 1, 0
    return [*cuts, (start, end)] if start < end else cuts
