"""What edges send: batches, which are kept for ever, and live values, which are not kept at all."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.auth import Caller, Role, needs
from gateway.coding import TAKEN
from gateway.documents import answers, body, json_answer, json_body
from gateway.house import House
from gateway.ingest import read_body, split_frames
from gateway.problems import Refusal
from workshop.wire import BATCH_CONTENT_TYPE, LatestPost

BODIES_AT_ONCE = 8
BODY_TIME_S = 60


def routes(house: House) -> APIRouter:
    """`POST /v1/batches` and `POST /v1/latest`."""
    router = APIRouter(tags=["edges"])
    edge = needs(house.access, Role.EDGE)
    # Bodies of this many requests are in memory at the same time; the others wait in their sockets.
    bodies = asyncio.Semaphore(BODIES_AT_ONCE)

    @router.post("/v1/batches", summary="Deliver sealed batches, as frames one after the other",
                 responses=answers("Acknowledgement"), openapi_extra=body("", BATCH_CONTENT_TYPE))
    async def post_batches(request: Request, caller: Annotated[Caller, Depends(edge)]) -> Response:
        if house.writer.backlog_rows > house.settings.backlog_rows:
            house.monitoring.busy.inc()
            raise Refusal(429, "busy", f"{house.writer.backlog_rows} readings wait for the engine; send the same again later", retry_after_s=1)
        async with bodies:
            try:
                async with asyncio.timeout(BODY_TIME_S):
                    data = await read_body(request, house.settings.request_bytes)
            except TimeoutError as error:
                raise Refusal(408, "timeout", f"the body did not arrive within {BODY_TIME_S} s; send the same batches again") from error
            batches = await run_in_threadpool(split_frames, data, caller.subject)
            answer = json_answer(await asyncio.wrap_future(house.committer.submit(batches)))
            answer.headers.update(TAKEN)
            return answer

    @router.post("/v1/latest", summary="Post live values, several times a second; never stored", status_code=204,
                 responses=answers("", status=204), openapi_extra=body("LatestPost"))
    async def post_latest(request: Request, caller: Annotated[Caller, Depends(edge)]) -> Response:
        post = await json_body(request, LatestPost)
        if post.edge != caller.subject:
            raise Refusal(403, "unauthorised", f"this token belongs to edge '{caller.subject}', the post says '{post.edge}'")
        house.monitoring.live.inc(len(post.readings))
        house.hub.post(post.readings)
        return Response(status_code=204, headers=TAKEN)

    return router
