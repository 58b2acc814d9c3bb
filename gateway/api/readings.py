"""What the engine holds."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from gateway.auth import PEOPLE, Caller, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.readings import CSV_TYPE, in_order, media_of, read_page, readings_response, thin
from gateway.shapes import TouchedAnswer, TouchedWindow
from store.answers import AggregateAnswer, CountAnswer
from store.arrow_block import ARROW_TYPE
from workshop.block import concat
from workshop.errors import Rejected
from workshop.window import Window

MOST_ROWS = 1_000_000
MOST_SIGNALS = 500
MOST_STEPS = 100_000
MOST_BATCHES = 10_000
MOST_POINTS = 20_000
Time = Annotated[int, Query(ge=-(2**62), le=2**62, description="µs UTC")]

_ANSWERS = answers("ReadingsAnswer")
_ANSWERS[200]["content"] |= {
    CSV_TYPE: {"schema": {"type": "string"}}, ARROW_TYPE: {"schema": {"type": "string", "format": "binary"}},
}


def routes(house: House) -> APIRouter:
    """`/v1/readings`, `/v1/count`, `/v1/touched`, `/v1/aggregate`."""
    router = APIRouter(tags=["readings"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]

    @router.get("/v1/readings", summary="Readings of some signals with source time in [from_us, to_us), sorted by signal and time",
                responses=_ANSWERS)
    def readings(
        request: Request,
        _: reader,
        signal: Annotated[list[str], Query(min_length=1, max_length=MOST_SIGNALS, description="Signal ids, equipment/name; may be repeated")],
        from_us: Time,
        to_us: Time,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most rows; `next` names the page with those that follow")] = 100_000,
        page: Annotated[str | None, Query(description="`next` of the answer before, or its header x-next-page")] = None,
        points: Annotated[int | None, Query(ge=1, le=MOST_POINTS, description="Thinned: minimum and maximum of so many steps a signal")] = None,
        last_before: Annotated[bool, Query(description="Adds the newest row of each signal before from_us, beyond the limit")] = False,
    ) -> Response:
        media, window = media_of(request.headers.get("accept", "*/*")), Window(from_us, to_us)
        if points is not None:
            if len(set(signal)) * points > MOST_ROWS // 2:
                raise Rejected(f"readings: {len(set(signal))} signals of {points} points are more than {MOST_ROWS} rows; ask for fewer")
            return readings_response(thin(house.engine, signal, window, points), None, media)
        block, following = read_page(house.engine, signal, window, limit, page)
        if last_before and page is None:
            block = in_order(concat([house.engine.last_before(signal, from_us), block]), signal)
        return readings_response(block, following, media)

    @router.get("/v1/count", summary="Rows in the engine, and how far they are indexed", responses=answers("CountAnswer"))
    def count(_: reader) -> Response:
        return json_answer(CountAnswer(house.engine.count(), house.engine.cursor()))

    @router.get("/v1/touched", summary="Which source times the batches are about that were indexed since a place in the data log",
                responses=answers("TouchedAnswer"))
    def touched(_: reader, since: Annotated[int, Query(ge=0, le=2**53 - 1, description="`next` of the answer before")]) -> Response:
        end = min(since + MOST_BATCHES, house.engine.cursor())
        return json_answer(TouchedAnswer(end, [TouchedWindow(*span) for span in house.archive.touched(since, end)]))

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

