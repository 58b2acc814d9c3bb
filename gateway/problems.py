"""Errors as problem details (RFC 9457): every answer that is not the one asked for has this shape."""

import re
from http import HTTPStatus

import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.lockout import RateLimit
from gateway.monitoring import Monitoring
from workshop.errors import ChejianError, ConfigError, NotConnected, Rejected, VerificationError
from workshop.wire import Problem

PROBLEM_TYPE = "application/problem+json"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_STATUS = ((NotConnected, 503, "not-available"), (Rejected, 400, "invalid"), (ConfigError, 400, "invalid"), (VerificationError, 500, "evidence"))

log = structlog.get_logger()


class Refusal(ChejianError):
    """An answer of the API that refuses, with its HTTP status and the members of the problem."""

    def __init__(
        self, status: int, kind: str, detail: str, *, watermark: int | None = None, epoch: int | None = None, retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(kind, HTTPStatus(status).phrase, status, detail, watermark, epoch)
        self.retry_after_s = retry_after_s


def problem_answer(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The problem as an HTTP answer."""
    return Response(msgspec.json.encode(problem), problem.status, headers, PROBLEM_TYPE)


def methods_of(app: FastAPI, path: str) -> set[str]:
    """What may be done with a path."""
    documented = app.openapi()["paths"].items()
    fits = [methods for known, methods in documented if re.fullmatch(re.sub(r"\\{[^/]+\\}", "[^/]+", re.escape(known)), path)]
    return {method.upper() for methods in fits for method in methods}


def add_handlers(app: FastAPI) -> None:
    """Turns errors into problems: ours, the framework's, and wrong parameters."""

    @app.exception_handler(ChejianError)
    async def ours(_: Request, error: ChejianError) -> Response:
        if isinstance(error, Refusal):
            headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s is not None else {}
            if error.problem.status == 401:
                headers["www-authenticate"] = "Bearer"
            if error.problem.status == 408:
                # The rest of the body is not waited for (RFC 9110 15.5.9).
                headers["connection"] = "close"
            return problem_answer(error.problem, headers)
        status, kind = next(((status, kind) for cls, status, kind in _STATUS if isinstance(error, cls)), (500, "error"))
        return problem_answer(Problem(kind, HTTPStatus(status).phrase, status, str(error)), {"retry-after": "2"} if status == 503 else None)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        kind = {404: "not-found", 405: "method"}.get(error.status_code, "invalid")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            # Routes of one path stand one by one, and the framework names the methods of the first only.
            headers["allow"] = ", ".join(sorted(methods_of(app, request.url.path)))
        return problem_answer(Problem(kind, HTTPStatus(error.status_code).phrase, error.status_code, str(error.detail)), headers)

    @app.exception_handler(RequestValidationError)
    async def parameters(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(piece) for piece in first["loc"])
        return problem_answer(Problem("invalid", HTTPStatus(422).phrase, 422, f"{where}: {first['msg']}"))


class LastHandler:
    """The outermost layer: security headers on every answer, a limit for callers without a token, and the last handler of an unexpected error, which
    logs the traceback and counts.
    """

    def __init__(self, app: ASGIApp, monitoring: Monitoring, rate: RateLimit) -> None:
        self.app, self.monitoring, self.rate = app, monitoring, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                named = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in named)]
            await send(message)

        # Who shows a token is counted by it; the others, such as who looks whether we are ready, by address.
        if not any(name == b"authorization" for name, _ in scope["headers"]):
            wait_s = self.rate.wait_s(str((scope.get("client") or ("",))[0]))
            if wait_s:
                said = Problem("too-many", HTTPStatus(429).phrase, 429, "too many requests; see requests_per_s in gateway.toml")
                await problem_answer(said, {"retry-after": str(wait_s)})(scope, receive, guarded)
                return
        try:
            await self.app(scope, receive, guarded)
        except Exception:  # the last handler of the API
            self.monitoring.errors.inc()
            log.exception("unexpected error", method=scope["method"], path=scope["path"])
            if not started:
                answer = problem_answer(Problem("error", "Internal Server Error", 500, "unexpected error; the gateway's log has the traceback"))
                await answer(scope, receive, guarded)
