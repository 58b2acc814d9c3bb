"""What people look at now."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Header, Response
from starlette.responses import StreamingResponse

from gateway.auth import PEOPLE, Caller, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.live import merge_latest
from gateway.problems import Refusal
from gateway.shapes import LatestAnswer

LOOK_S, GAP_S = 0.02, 0.05
"""A change goes out at once, and the next one not before this long after it."""
BEAT_S = 15.0
STREAMS = 64


def routes(house: House) -> APIRouter:
    """`GET /v1/latest` and `GET /v1/live`."""
    router = APIRouter(tags=["live"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]
    streams: set[int] = set()
    numbers = itertools.count()

    @router.get("/v1/latest", summary="The newest reading of each signal, live or stored", responses=answers("LatestAnswer"))
    def latest(_: reader) -> Response:
        return json_answer(LatestAnswer(house.clock(), merge_latest(house.hub.since(0)[1], house.engine.latest())))

    @router.get("/v1/live", summary="Server-sent events: what has changed, at once, at most twenty times a second",
                responses=answers("LatestAnswer", media="text/event-stream"))
    async def live(
        _: reader, last_event_id: Annotated[str | None, Header(description="Goes on after the event of this id")] = None,
    ) -> Response:
        if len(streams) >= STREAMS:
            raise Refusal(429, "busy", f"{STREAMS} streams are open already; close one or ask /v1/latest", retry_after_s=10)
        return StreamingResponse(events(next(numbers), last_event_id), media_type="text/event-stream")

    async def events(number: int, seen: str | None) -> AsyncIterator[bytes]:
        streams.add(number)
        try:
            version, beat_s = house.hub.resume(seen), time.monotonic()
            yield b": chejian\n\n"
            while not house.hub.closing:
                await asyncio.sleep(LOOK_S)
                if house.hub.version == version and time.monotonic() - beat_s <= BEAT_S:
                    continue
                now, changed = house.hub.since(version)
                if changed:
                    version, beat_s = now, time.monotonic()
                    yield b"id: %b\ndata: " % house.hub.event_id(now).encode() + msgspec.json.encode(LatestAnswer(house.clock(), changed)) + b"\n\n"
                elif time.monotonic() - beat_s > BEAT_S:
                    beat_s = time.monotonic()
                    yield b": still here\n\n"
                await asyncio.sleep(GAP_S - LOOK_S)
        finally:
            streams.discard(number)

    return router
