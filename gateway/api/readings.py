"""What the engine holds."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Response

from gateway.auth import PEOPLE, Caller, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from store.answers import AggregateAnswer, CountAnswer
from workshop.block import Block, concat
from workshop.errors import Rejected
from workshop.reading import Value, ValueKind
from workshop.window import Window
from workshop.wire import ReadingsAnswer

MOST_ROWS = 1_000_000
MOST_SIGNALS = 500
MOST_STEPS = 100_000
Time = Annotated[int, Query(ge=-(2**62), le=2**62, description="µs UTC")]


def routes(house: House) -> APIRouter:
    """`/v1/readings`, `/v1/count`, `/v1/aggregate`."""
    router = APIRouter(tags=["readings"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]

    @router.get("/v1/readings", summary="Readings of some signals with source time in [from_us, to_us), sorted by signal and time",
                responses=answers("ReadingsAnswer"))
    def readings(
        _: reader,
        signal: Annotated[list[str], Query(min_length=1, max_length=MOST_SIGNALS, description="Signal ids, equipment/name; may be repeated")],
        from_us: Time,
        to_us: Time,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most rows; `truncated` says that there are more")] = 100_000,
        last_before: Annotated[bool, Query(description="Adds the newest row of each signal before from_us, beyond the limit")] = False,
    ) -> Response:
        window = Window(from_us, to_us)
        block = house.engine.read(signal, window, limit + 1)
        truncated = len(block) > limit
        if truncated:
            block = block.take(np.arange(limit))
        if last_before:
            block = _in_order(concat([house.engine.last_before(signal, from_us), block]), signal)
        return json_answer(readings_answer(block, truncated))

    @router.get("/v1/count", summary="Rows in the engine, and how far they are indexed", responses=answers("CountAnswer"))
    def count(_: reader) -> Response:
        return json_answer(CountAnswer(house.engine.count(), house.engine.cursor()))

    @router.get("/v1/aggregate", summary="Count, minimum, maximum and mean of a signal's numbers per step", responses=answers("AggregateAnswer"))
    def aggregate(_: reader, signal: str, from_us: Time, to_us: Time, step_us: Annotated[int, Query(ge=1)]) -> Response:
        window = Window(from_us, to_us)
        if window.length_us > step_us * MOST_STEPS:
            raise Rejected(f"aggregate: more than {MOST_STEPS} steps; ask for longer steps or a shorter window")
        made = house.engine.aggregate(signal, window, step_us)
        return json_answer(AggregateAnswer(
            made.start_us.tolist(), made.count.tolist(), made.minimum.tolist(), made.maximum.tolist(), made.mean.tolist(),
        ))

    return router


def readings_answer(block: Block, truncated: bool) -> ReadingsAnswer:
    """The block as columns of JSON values."""
    values: list[Value] = [None] * len(block)
    for kind, column in ((ValueKind.F64, block.value_f64), (ValueKind.I64, block.value_i64)):
        rows = np.flatnonzero(block.kind == kind)
        for row, value in zip(rows.tolist(), column[rows].tolist(), strict=True):
            values[row] = value
    for row in np.flatnonzero(block.kind == ValueKind.TEXT).tolist():
        values[row] = block.value_text[row]
    return ReadingsAnswer(
        block.signals, block.statuses, block.signal.tolist(), block.source_time_us.tolist(), block.received_time_us.tolist(), values,
        block.quality.tolist(), block.status.tolist(), truncated,
    )


def _in_order(block: Block, signals: list[str]) -> Block:
    place = {name: i for i, name in reversed(list(enumerate(signals)))}
    rank = np.array([place.get(name, len(place)) for name in block.signals] or [0], np.int64)[block.signal]
    return block.take(np.lexsort((block.source_time_us, rank)))
