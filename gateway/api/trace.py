"""Where a part came from, by its identifier."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from analytics.missing import missing_of
from analytics.trace import Passage, Record
from analytics.trace_search import trace
from gateway.auth import PEOPLE, Caller, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.problems import Refusal
from workshop.errors import Rejected
from workshop.identifier import split_identifier
from workshop.window import HOUR_US, Window

DAY_US = 24 * HOUR_US
USUAL_DAYS, MOST_DAYS = 7, 31
ALONE = "Only the form of the identifier is checked; nothing says that its prefix is registered."
AtUs = Annotated[int | None, Query(ge=0, le=2**53 - 1, description="µs UTC")]


class TraceAnswer(msgspec.Struct):
    """`GET /v1/trace/{identifier}`: what the readings say of a part; no evidence, `chejian trace --bundle` computes it from batches."""

    identifier: str
    serial: str
    from_us: int
    to_us: int
    passages: list[Passage]
    """Machines that it was in, in order of time."""
    records: list[Record]
    """Inspections, in order of time."""
    next: int | None
    """`page` of what follows; None: this is all."""
    note: str


SHAPES = (TraceAnswer,)


def routes(house: House) -> APIRouter:
    """`/v1/trace`."""
    router = APIRouter(tags=["trace"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]

    @router.get("/v1/trace/{identifier:path}", summary="A part by its identifier, 88.<node>.<enterprise>/<serial>: machines, order, lot, inspections",
                responses=answers("TraceAnswer"))
    def of_part(
        _: reader, identifier: str, from_us: AtUs = None, to_us: AtUs = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most passages and records together")] = 100,
        page: Annotated[int, Query(ge=0, le=10_000, description="`next` of the answer before")] = 0,
    ) -> Response:
        prefix, serial = split_identifier(identifier)
        window = _window(from_us, to_us, house.clock())
        register = house.in_force(window)
        if register.identifier_prefix != prefix:
            own = f"it is {register.identifier_prefix}" if isinstance(register.identifier_prefix, str) else "it has none, see identifier_prefix"
            raise Refusal(404, "not-found", f"prefix '{prefix}' is not this workshop's in its register: {own}")
        gaps = missing_of((gap.signals, gap.from_us, gap.to_us) for _, gap in house.archive.gaps_in(window))
        found = trace(house.engine, register, serial, window, gaps)
        if not found.passages and not found.records:
            days = window.length_us / DAY_US
            raise Refusal(404, "not-found", f"no reading told the serial '{serial[:80]}' in these {days:.1f} days; give another from_us and to_us")
        told: list[Passage | Record] = [*found.passages, *found.records]
        ordered = sorted(told, key=lambda one: one.from_us if isinstance(one, Passage) else one.at_us)
        shown = ordered[page : page + limit]
        return json_answer(TraceAnswer(
            identifier, serial, window.start_us, window.end_us, [one for one in shown if isinstance(one, Passage)],
            [one for one in shown if isinstance(one, Record)], page + limit if page + limit < len(ordered) else None, ALONE,
        ))

    return router


def _window(from_us: int | None, to_us: int | None, now_us: int) -> Window:
    end_us = now_us + 1 if to_us is None else to_us
    start_us = max(0, end_us - USUAL_DAYS * DAY_US) if from_us is None else from_us
    if not 0 < end_us - start_us <= MOST_DAYS * DAY_US:
        raise Rejected(f"trace: from_us must lie before to_us, by at most {MOST_DAYS} days")
    return Window(start_us, end_us)
