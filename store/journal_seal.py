"""What may enter an edge's journal, and how readings and gaps are cut into batches that the header's limits allow. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from store.journal_fragment import decode_fragment, decode_spans, spans_of
from workshop.batch import MAX_BYTES, Gap, PartEntry
from workshop.block import Block, check_block
from workshop.canonical import LARGEST_INTEGER
from workshop.errors import Rejected
from workshop.part import encode_part, split_block
from workshop.register import EQUIPMENT_ID
from workshop.signal import split_signal_id

MAX_TEXT = 2**18
"""Characters of one text value, so that a single reading always fits in a batch."""
MAX_NAME = 120
MAX_REASON = 500
_ENTRIES_BYTES, _GAPS_BYTES = 400 * 1024, 512 * 1024  # together below the header's 1 MiB
_GAP_SIGNALS = 500


class CutPart(NamedTuple):
    """A part ready to be named in a header, and the span of each of its signals."""

    entry: PartEntry
    data: bytes
    spans: dict[str, tuple[int, int]]


def check_signal(name: str) -> None:
    """Refuses a signal id whose batch a gateway would refuse.

    Raises:
        Rejected: no `equipment/name`, too long, or not printable.
    """
    equipment, own = split_signal_id(name)
    if not EQUIPMENT_ID.fullmatch(equipment) or not own or not own.isprintable() or len(name) > MAX_NAME:
        raise Rejected(f"signal '{name[:MAX_NAME]}': must be equipment/name as in the register, at most {MAX_NAME} characters")


def check_readings(block: Block) -> None:
    """Refuses readings that could be stored but never sealed; they belong in quarantine.

    Raises:
        Rejected: columns that do not fit together, times beyond ±(2^53 - 1) µs, texts that are too long.
    """
    check_block(block)
    if not len(block):
        return
    for times in (block.source_time_us, block.received_time_us):
        if int(times.max()) >= LARGEST_INTEGER or int(times.min()) <= -LARGEST_INTEGER:
            raise Rejected("block: a time beyond 2^53 - 1 µs has no canonical form")
    if block.value_text and max(map(len, block.value_text)) > MAX_TEXT:
        raise Rejected(f"block: a text of more than {MAX_TEXT} characters")
    if max(map(len, block.statuses)) > MAX_REASON:
        raise Rejected(f"block: a status of more than {MAX_REASON} characters")


def unsealable(block: Block) -> list[tuple[NDArray[np.int64], str]]:
    """The rows for whose sake `check_readings` refuses a block, by reason; the others could be sealed. The columns must fit together."""
    late = np.zeros(len(block), np.bool_)
    for times in (block.source_time_us, block.received_time_us):
        late |= (times >= LARGEST_INTEGER) | (times <= -LARGEST_INTEGER)
    long_text = np.array([len(text) > MAX_TEXT for text in block.value_text] or np.zeros(len(block)), np.bool_)
    long_status = np.array([len(status) > MAX_REASON for status in block.statuses], np.bool_)[block.status]
    reasons = (
        ("a time beyond 2^53 - 1 µs has no canonical form", late), (f"a text of more than {MAX_TEXT} characters", long_text & ~late),
        (f"a status of more than {MAX_REASON} characters", long_status & ~long_text & ~late),
    )
    return [(rows, reason) for reason, wrong in reasons if len(rows := np.flatnonzero(wrong))]


def check_gap(gap: Gap) -> None:
    """Refuses a gap that no header could carry.

    Raises:
        Rejected: no signals, no length, no reason or one that is too long or not valid Unicode, times beyond ±(2^53 - 1) µs.
    """
    if not gap.signals or gap.to_us <= gap.from_us:
        raise Rejected(f"gap '{gap.reason[:MAX_REASON]}': must name signals and have a length")
    if max(abs(gap.from_us), abs(gap.to_us)) > LARGEST_INTEGER:
        raise Rejected("gap: a time beyond 2^53 - 1 µs has no canonical form")
    try:
        gap.reason.encode()
    except UnicodeEncodeError as error:
        raise Rejected("gap: the reason is not valid Unicode") from error
    if not 0 < len(gap.reason) <= MAX_REASON:
        raise Rejected(f"gap: a reason has 1 to {MAX_REASON} characters")


def lost_spans(spans: dict[str, tuple[int, int]]) -> list[Gap]:
    """The gaps that declare exactly these spans lost to damage on disk; no reading outside them is touched."""
    return [Gap((name,), start, end + 1, "damaged") for name, (start, end) in spans.items()]


def read_fragments(
    rows: Iterable[tuple[bytes, bytes, bytes]], numbers: dict[str, int]
) -> tuple[list[Block], list[Gap], list[tuple[bytes, str]]]:
    """Of fragments as (digest, span, data): readable blocks in order, the gaps for those that are not, and these with the reason."""
    blocks: list[Block] = []
    lost: list[Gap] = []
    damaged: list[tuple[bytes, str]] = []
    for digest, span, data in rows:
        try:
            if hashlib.sha256(data).digest() != digest:
                raise Rejected("fragment: its digest differs, the disk changed it")
            block = decode_fragment(data)
            if blocks and block.signals == blocks[-1].signals:
                # The same list: what is put together from thousands of signals need not be looked at name by name.
                block = msgspec.structs.replace(block, signals=blocks[-1].signals)
            blocks.append(block)
        except Rejected as error:
            damaged.append((data, str(error)))
            with suppress(Rejected):  # a span that is damaged too leaves the count in quarantine as the only trace
                lost += lost_spans(decode_spans(span, numbers))
    return blocks, lost, damaged


def merge_gaps(gaps: Iterable[Gap]) -> list[Gap]:
    """Gaps of equal range and reason as one gap with all their signals, sorted; in order of time."""
    merged: dict[tuple[int, int, str], set[str]] = {}
    for gap in gaps:
        merged.setdefault((gap.from_us, gap.to_us, gap.reason), set()).update(gap.signals)
    return [Gap(tuple(sorted(names)), start, end, reason) for (start, end, reason), names in sorted(merged.items())]


def share_gaps(gaps: Sequence[Gap]) -> list[tuple[Gap, ...]]:
    """The gaps in groups that fit into one header each."""
    groups: list[tuple[Gap, ...]] = []
    group: list[Gap] = []
    size = 0
    for gap in gaps:
        for first in range(0, len(gap.signals), _GAP_SIGNALS):
            piece = Gap(gap.signals[first : first + _GAP_SIGNALS], gap.from_us, gap.to_us, gap.reason)
            length = len(msgspec.json.encode(piece)) + 1
            if group and size + length > _GAPS_BYTES:
                groups.append(tuple(group))
                group, size = [], 0
            group.append(piece)
            size += length
    return [*groups, tuple(group)] if group else groups


def cut_parts(block: Block, max_rows: int, max_bytes: int) -> Iterator[list[CutPart]]:
    """The parts of one batch after the other, rows in order of arrival; halves what turns out too large.

    Raises:
        Rejected: a single reading that does not fit; `check_readings` keeps those out.
    """
    for first in range(0, len(block), max_rows):
        yield from _halve(block.take(np.arange(first, min(first + max_rows, len(block)))), max_bytes)


def _halve(block: Block, max_bytes: int) -> Iterator[list[CutPart]]:
    parts: list[CutPart] | None
    try:
        parts = [CutPart(*encode_part(equipment, rows), spans_of(rows)) for equipment, rows in split_block(block).items()]
    except Rejected:
        if len(block) == 1:
            raise
        parts = None
    # A single reading is let through whatever the caller's limit; the format's own limit stands.
    limit = min(max_bytes, MAX_BYTES) if len(block) > 1 else MAX_BYTES
    if parts is None or _data_bytes(parts) > limit or sum(len(msgspec.json.encode(part.entry)) for part in parts) > _ENTRIES_BYTES:
        middle = len(block) // 2
        yield from _halve(block.take(np.arange(middle)), max_bytes)
        yield from _halve(block.take(np.arange(middle, len(block))), max_bytes)
    else:
        yield parts


def _data_bytes(parts: Sequence[CutPart]) -> int:
    return sum(part.entry.bytes for part in parts)
