"""`POST /api/v2/write`: InfluxDB 2's write API with its codes and words, for Telegraf, Node-RED and every Influx client."""

import asyncio
import zlib
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.auth import Caller, Role, bearer_of
from gateway.house import House
from gateway.ingest import read_packed
from gateway.line_protocol import PRECISIONS, Parsed, parse
from gateway.problems import Refusal
from workshop.errors import NotConnected, Rejected

BODIES_AT_ONCE = 4
BODY_TIME_S = 60
WRITERS = (Role.WRITER, Role.ADMIN)
CODES = {
    400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not found", 408: "request timeout", 413: "request too large",
    422: "unprocessable entity", 429: "too many requests", 500: "internal error", 503: "unavailable",
}
_MOST_WORDS = 20_000


class WriteError(msgspec.Struct):
    """Error of the write API as InfluxDB 2 gives it."""

    code: str
    message: str


SHAPES = (WriteError,)
_ERROR = {"description": "Error as InfluxDB 2 words it", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/WriteError"}}}}
_BODY = {"requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string", "format": "binary"}}}}}


def routes(house: House) -> APIRouter:
    """`/api/v2/write`."""
    router = APIRouter(tags=["line protocol"])
    bodies = asyncio.Semaphore(BODIES_AT_ONCE)

    @router.post("/api/v2/write", summary="Line protocol as InfluxDB 2 takes it; 204 when it is in the log", status_code=204,
                 responses={204: {"description": "Committed"}, "4XX": _ERROR, "5XX": _ERROR}, openapi_extra=_BODY)
    async def write(
        request: Request,
        bucket: Annotated[str, Query(description="As in gateway.toml")] = "",
        org: Annotated[str, Query(description="As in gateway.toml")] = "",
        precision: Annotated[str, Query(description="ns, us, ms or s")] = "ns",
    ) -> Response:
        try:
            _check(house, request, bucket, org, precision)
            async with bodies:
                await _write(house, request, precision or "ns")
        except Refusal as refusal:
            return _error(refusal.problem.status, str(refusal), refusal.retry_after_s)
        except NotConnected as error:
            return _error(503, str(error), 2)
        except Rejected as error:
            return _error(400, str(error))
        return Response(status_code=204)

    return router


def _check(house: House, request: Request, bucket: str, org: str, precision: str) -> None:
    """In InfluxDB's order: token, precision, bucket, organisation."""
    caller: Caller | None = bearer_of(request, house.access, "bearer", "token")
    if caller is None:
        raise Refusal(401, "unauthorised", "unauthorized access")
    if caller.role not in WRITERS:
        raise Refusal(403, "unauthorised", "insufficient permissions for write")
    settings = house.settings.line_protocol
    if settings is None or house.third_party is None or house.line_rules is None:
        raise Refusal(404, "not-found", "bucket not found: gateway.toml has no [line_protocol]")
    if precision and precision not in PRECISIONS:
        raise Refusal(400, "invalid", "invalid precision; valid precision units are ns, us, ms, and s")
    if not bucket:
        raise Refusal(404, "not-found", "bucket not found")
    if not org and not request.query_params.get("orgID"):
        raise Refusal(400, "invalid", "Please provide either orgID or org")
    if org != settings.org:
        raise Refusal(404, "not-found", f'organization name "{org[:100]}" not found' if org else "organization not found")
    if bucket != settings.bucket:
        raise Refusal(404, "not-found", f'bucket "{bucket[:100]}" not found')
    if house.writer.backlog_rows > house.settings.backlog_rows:
        house.monitoring.busy.inc()
        raise Refusal(429, "busy", f"{house.writer.backlog_rows} readings wait for the engine; send the same again later", retry_after_s=1)


async def _write(house: House, request: Request, precision: str) -> None:
    if house.settings.line_protocol is None or house.third_party is None:
        raise Refusal(404, "not-found", "bucket not found")
    try:
        async with asyncio.timeout(BODY_TIME_S):
            raw = await read_packed(request, house.settings.request_bytes)
    except TimeoutError as error:
        raise Refusal(408, "timeout", f"the body did not arrive within {BODY_TIME_S} s; send the same again") from error
    encoding = request.headers.get("content-encoding", "identity").lower()
    parsed = await run_in_threadpool(_parse, raw, encoding, house.settings.line_protocol.body_bytes, precision)
    if parsed.failed:
        # As InfluxDB 2.7 does it: one line that is none, and nothing of the body is stored; the lines are named.
        house.monitoring.line_rows.labels("malformed").inc(len(parsed.failed))
        raise Refusal(400, "invalid", "\n".join(parsed.failed)[:_MOST_WORDS])
    dropped, reason = await _store(house, parsed)
    if dropped:
        house.monitoring.line_rows.labels("conflict").inc(dropped)
        raise Refusal(422, "invalid", f"failure writing points to database: partial write: {reason} dropped={dropped}")


async def _store(house: House, parsed: Parsed) -> tuple[int, str]:
    if house.third_party is None or house.line_rules is None:
        raise Refusal(404, "not-found", "bucket not found")
    mapped = await run_in_threadpool(house.line_rules.block, parsed.values)
    if len(mapped.block):
        await asyncio.wrap_future(house.third_party.submit(mapped.block))
        house.monitoring.line_rows.labels("stored").inc(len(mapped.block))
    return mapped.dropped, mapped.reason


def _parse(raw: bytes, encoding: str, limit: int, precision: str) -> Parsed:
    if encoding in ("gzip", "x-gzip"):
        raw = _inflate(raw, limit)
    elif encoding not in ("", "identity"):
        raise Refusal(400, "invalid", f"content encoding '{encoding[:40]}': send gzip or none")
    if len(raw) > limit:
        raise Refusal(413, "too-large", "unable to read data: points batch is too large")
    return parse(raw, precision)


def _inflate(raw: bytes, limit: int) -> bytes:
    """The content of a gzip body, never more than the limit of it in memory."""
    pieces, size = [], 0
    while raw:
        member = zlib.decompressobj(wbits=31)
        try:
            pieces.append(member.decompress(raw, limit - size + 1))
        except zlib.error as error:
            raise Refusal(400, "invalid", "unable to read data: gzip: invalid header") from error
        size += len(pieces[-1])
        if size > limit:
            raise Refusal(413, "too-large", "unable to read data: points batch is too large")
        if not member.eof:
            raise Refusal(400, "invalid", "unable to read data: unexpected EOF")
        raw = member.unused_data
    return b"".join(pieces)


def _error(status: int, message: str, retry_after_s: int | None = None) -> Response:
    code = CODES.get(status, "internal error")
    headers = {"x-platform-error-code": code} | ({"retry-after": str(retry_after_s)} if retry_after_s is not None else {})
    return Response(msgspec.json.encode(WriteError(code, message)), status, headers, "application/json")
