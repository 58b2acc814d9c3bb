"""Readings for those who ask: page by page, thinned to minimum and maximum, and as JSON, CSV or Arrow."""

import csv
import io
import re
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from starlette.responses import Response

from gateway.problems import Refusal
from store.arrow_block import ARROW_TYPE, to_arrow
from store.engine import Engine
from workshop.block import Block, concat
from workshop.errors import Rejected
from workshop.reading import Quality, Value, ValueKind
from workshop.window import HOUR_US, Window
from workshop.wire import ReadingsAnswer

CSV_TYPE, JSON_TYPE = "text/csv", "application/json"
CSV_COLUMNS = ("signal", "source_time_us", "received_time_us", "value", "quality", "status")
FORMS = {CSV_TYPE: CSV_TYPE, "text/*": CSV_TYPE, JSON_TYPE: JSON_TYPE, "application/*": JSON_TYPE, "*/*": JSON_TYPE, "": JSON_TYPE}
"""What an Accept header may name, and what is given for it."""
READING_FORMS = FORMS | {ARROW_TYPE: ARROW_TYPE}
_ROUND_US = HOUR_US // 6
_PAGE = re.compile(r"(\d{1,6})\.(-?\d{1,19})\.(\d{1,9})")


def read_page(engine: Engine, signals: Sequence[str], window: Window, limit: int, page: str | None) -> tuple[Block, str | None]:
    """Rows from where a page begins, at most `limit`, and the name of the page after it.

    Args:
        page: as given with the page before: place of a signal in the list, a time, and rows to leave out at that time.
    Raises:
        Rejected: not the name of a page of this question.
    """
    names = list(dict.fromkeys(signals))
    first, start_us, skip = 0, window.start_us, 0
    if page is not None:
        found = _PAGE.fullmatch(page)
        if found is None or int(found[1]) >= len(names) or not window.holds(int(found[2])):
            raise Rejected(f"page '{page[:60]}': not one of this question; take `next` of the answer before")
        first, start_us, skip = int(found[1]), int(found[2]), int(found[3])
    asked = names[first:]
    if start_us == window.start_us and skip == 0:
        block = engine.read(asked, window, limit + 1)
    else:
        block = engine.read(asked[:1], Window(start_us, window.end_us), limit + 1 + skip)
        block = block.take(np.arange(min(skip, len(block)), len(block)))
        if len(block) <= limit and len(asked) > 1:
            block = concat([block, engine.read(asked[1:], window, limit + 1 - len(block))])
    if len(block) <= limit:
        return block, None
    block = block.take(np.arange(limit))
    last, time_us = int(block.signal[-1]), int(block.source_time_us[-1])
    held = int(((block.signal == last) & (block.source_time_us == time_us)).sum())
    place = names.index(block.signals[last])
    # Rows of that signal and time that earlier pages had are left out as well.
    if place == first and time_us == start_us:
        held += skip
    return block, f"{place}.{time_us}.{held}"


def thin(engine: Engine, signals: Sequence[str], window: Window, points: int) -> Block:
    """For each of `points` steps of the window the smallest and the largest number, at the start and in the middle of the step.

    The quality is good and the received time that of the point: these rows are for drawing, they are no readings. Steps of more than an hour are
    whole tens of minutes and begin at one, so that an engine can put them together from what it has prepared.
    """
    names = list(dict.fromkeys(signals))
    step_us = max(1, -(-window.length_us // points))
    if step_us > HOUR_US:
        step_us = -(-step_us // _ROUND_US) * _ROUND_US
        window = Window(window.start_us // _ROUND_US * _ROUND_US, window.end_us)
    blocks = []
    for name in names:
        made = engine.aggregate(name, window, step_us)
        n = len(made.start_us)
        times = np.column_stack([made.start_us, made.start_us + step_us // 2]).reshape(-1)
        numbers = np.column_stack([made.minimum, made.maximum]).reshape(-1)
        blocks.append(Block(
            [name], [""], np.zeros(2 * n, np.int32), times, times, np.full(2 * n, ValueKind.F64, np.uint8), numbers, np.zeros(2 * n, np.int64), [],
            np.full(2 * n, Quality.GOOD, np.uint8), np.zeros(2 * n, np.int32),
        ))
    return concat(blocks)


def in_order(block: Block, signals: Sequence[str]) -> Block:
    """The rows by (signal in the order given, source time)."""
    place = {name: i for i, name in reversed(list(enumerate(signals)))}
    rank = np.array([place.get(name, len(place)) for name in block.signals] or [0], np.int64)[block.signal]
    return block.take(np.lexsort((block.source_time_us, rank)))


def media_of(accept: str, forms: Mapping[str, str] = READING_FORMS) -> str:
    """The form that an Accept header asks for: the named one with the highest weight, JSON for anything.

    Raises:
        Refusal: 406, none of ours.
    """
    ranked: list[tuple[float, str]] = []
    for item in accept.lower().split(","):
        kind, *rest = (piece.strip() for piece in item.split(";"))
        weight = next((piece[2:] for piece in rest if piece.startswith("q=")), "1")
        form = forms.get(kind, "")
        if form and re.fullmatch(r"[01](\.\d{0,3})?", weight) and float(weight) > 0:
            ranked.append((-float(weight), form))
    if not ranked:
        raise Refusal(406, "not-acceptable", f"this comes as {', '.join(sorted(set(forms.values())))}")
    return min(ranked, key=lambda item: item[0])[1]


def readings_response(block: Block, following: str | None, media: str) -> Response:
    """The rows in this form; what follows stands in the JSON and, in every form, in the header x-next-page."""
    headers = {"vary": "accept"} | ({"x-next-page": following} if following is not None else {})
    if media == ARROW_TYPE:
        return Response(to_arrow(block), 200, headers, ARROW_TYPE)
    if media == CSV_TYPE:
        return Response(_csv(block), 200, headers, "text/csv; charset=utf-8; header=present")
    return Response(msgspec.json.encode(readings_answer(block, following)), 200, headers, JSON_TYPE)


def readings_answer(block: Block, following: str | None) -> ReadingsAnswer:
    """The block as columns of JSON values."""
    return ReadingsAnswer(
        block.signals, block.statuses, block.signal.tolist(), block.source_time_us.tolist(), block.received_time_us.tolist(), _values(block),
        block.quality.tolist(), block.status.tolist(), following is not None, following,
    )


def _values(block: Block) -> list[Value]:
    values: list[Value] = [None] * len(block)
    for kind, column in ((ValueKind.F64, block.value_f64), (ValueKind.I64, block.value_i64)):
        rows = np.flatnonzero(block.kind == kind)
        for row, value in zip(rows.tolist(), column[rows].tolist(), strict=True):
            values[row] = value
    for row in np.flatnonzero(block.kind == ValueKind.TEXT).tolist():
        values[row] = block.value_text[row]
    return values


def _csv(block: Block) -> str:
    """RFC 4180; a bad reading has an empty value, and its quality says so."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    signals, statuses = block.signals, block.statuses
    columns = zip(
        block.signal.tolist(), block.source_time_us.tolist(), block.received_time_us.tolist(), _values(block), block.quality.tolist(),
        block.status.tolist(), strict=True,
    )
    writer.writerows((signals[s], at, received, value, quality, statuses[status]) for s, at, received, value, quality, status in columns)
    return text.getvalue()
