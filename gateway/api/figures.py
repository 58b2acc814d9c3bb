"""Indicators, verdicts and bundles."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from analytics.grouping import BY
from analytics.indicator import Indicator, Result
from evidence.verdict import Verdict
from gateway.api.readings import Time
from gateway.auth import PEOPLE, Caller, Role, needs
from gateway.documents import answers, body, json_answer, json_body
from gateway.figures import Figures, GroupRow
from gateway.house import House
from gateway.problems import Refusal
from gateway.shapes import BundleRequest, ComponentsAnswer, IndicatorRow
from workshop.errors import Rejected
from workshop.window import HOUR_US, Window
from workshop.wire import ComponentsPost

SHAPES = (Result, Verdict, GroupRow)
LONGEST_US = 400 * 24 * HOUR_US
PIECE_BYTES = 256 * 1024


def routes(house: House, indicators: Mapping[str, Indicator]) -> APIRouter:
    """`/v1/indicators`, `/v1/components`, `/v1/verdicts`, `/v1/bundles`."""
    router = APIRouter(tags=["figures"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]
    service = Annotated[Caller, Depends(needs(house.access, Role.ADMIN, derived=True))]
    evaluator = Annotated[Caller, Depends(needs(house.access, Role.EVALUATOR, Role.ADMIN))]
    figures = Figures(house, indicators)

    def _known(name: str) -> Indicator:
        if name not in indicators:
            raise Refusal(404, "not-found", f"no indicator '{name[:80]}'; there are {', '.join(indicators)}")
        return indicators[name]

    @router.get("/v1/indicators", summary="Definitions of all indicators", responses=answers("IndicatorRow", many=True))
    def definitions(_: reader) -> Response:
        return json_answer([_definition(item) for item in indicators.values()])

    @router.get("/v1/indicators/{id}", summary="An indicator over source times [from_us, to_us), from the engine; no evidence",
                responses=answers("Result"))
    def result(_: reader, id: str, from_us: Time, to_us: Time) -> Response:
        return Response(figures.result(_known(id), _window(from_us, to_us)), media_type="application/json")

    @router.get("/v1/indicators/{id}/groups", summary="The indicator by machine, class, area, shift, day, product or order",
                responses=answers("GroupRow", many=True))
    def by_group(_: reader, id: str, from_us: Time, to_us: Time, by: Annotated[str, Query(description=", ".join(BY))]) -> Response:
        return Response(figures.by_group(_known(id), _window(from_us, to_us), by), media_type="application/json")

    @router.post("/v1/components", summary="Components that the analytics service has measured; a cache", responses=answers("ComponentsAnswer"),
                 openapi_extra=body("ComponentsPost"))
    async def post_components(request: Request, _: service) -> Response:
        post = await json_body(request, ComponentsPost)
        return json_answer(ComponentsAnswer(await run_in_threadpool(figures.accept, post.rows)))

    @router.get("/v1/components", summary="Posted components of an indicator that lie in the window", responses=answers("ComponentsPost"))
    def components(_: reader, indicator: str, from_us: Time, to_us: Time) -> Response:
        return json_answer(ComponentsPost(house.components.find(indicator, _window(from_us, to_us))))

    @router.get("/v1/verdicts", summary="Verdicts on all claims over the window, computed from the signed batches",
                responses=answers("Verdict", many=True))
    def verdicts(
        _: reader, from_us: Time, to_us: Time,
        as_of: Annotated[str | None, Query(description="Judge by the rules of this date, YYYY-MM-DD")] = None,
        baseline_from_us: Time | None = None, baseline_to_us: Time | None = None,
    ) -> Response:
        window, baseline = _window(from_us, to_us), _baseline(baseline_from_us, baseline_to_us)
        return Response(figures.verdicts(window, _day(as_of), baseline), media_type="application/json")

    @router.post("/v1/bundles", summary="A bundle of the window: everything that anyone needs to check the verdicts",
                 openapi_extra=body("BundleRequest"), responses=answers("", media="application/zip"))
    async def bundle(request: Request, caller: evaluator) -> Response:
        wanted = await json_body(request, BundleRequest, 65_536)
        window, as_of = _window(wanted.from_us, wanted.to_us), _day(wanted.as_of)
        baseline = _baseline(wanted.baseline_from_us, wanted.baseline_to_us)
        file = await run_in_threadpool(figures.bundle, window, as_of, baseline, wanted.withhold, wanted.pinned)
        return StreamingResponse(_pieces(file), media_type="application/zip", headers={"content-disposition": 'attachment; filename="bundle.zip"'})

    return router


def _definition(item: Indicator) -> IndicatorRow:
    return IndicatorRow(
        item.id, item.version, item.title_zh, item.title_en, item.unit, list(item.roles), item.formula, item.notes_zh, item.notes_en, item.source,
        item.places, str(item.min_coverage),
    )


def _window(from_us: int, to_us: int) -> Window:
    if to_us - from_us > LONGEST_US:
        raise Rejected(f"window: {(to_us - from_us) // (24 * HOUR_US)} days, at most {LONGEST_US // (24 * HOUR_US)}")
    if abs(from_us) > 2**53 or abs(to_us) > 2**53:
        raise Rejected("window: times are µs UTC since 1970")
    return Window(from_us, to_us)


def _baseline(from_us: int | None, to_us: int | None) -> Window | None:
    if from_us is None and to_us is None:
        return None
    if from_us is None or to_us is None:
        raise Rejected("baseline_from_us and baseline_to_us belong together")
    return _window(from_us, to_us)


def _day(as_of: str | None) -> str | None:
    if as_of is None:
        return None
    try:
        # fromisoformat alone would also take 20260101 and week dates
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", as_of):
            raise ValueError("another form")
        date.fromisoformat(as_of)
    except ValueError as error:
        raise Rejected(f"as_of '{as_of[:40]}': must be a date such as 2026-01-31") from error
    return as_of


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece
