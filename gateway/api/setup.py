"""The one-time link of the first start: whoever opens it within the hour gets a token of role admin, once. No script, no cookie."""

from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from gateway.auth import Role
from gateway.documents import OPEN, answers, body, json_answer, json_body
from gateway.house import House
from gateway.ingest import read_body
from gateway.plain_page import plain_page as _page
from gateway.problems import Refusal
from gateway.shapes import Setup, TokenAnswer

_BYTES = 4096


def routes(house: House) -> APIRouter:
    """`/v1/setup`, and the same as a page under `/setup`."""
    router = APIRouter(tags=["setup"])

    def use(request: Request, code: str) -> str:
        return house.access.use_setup(code, request.client.host if request.client else "")

    @router.post("/v1/setup", summary="The administrator's token for the code of the first start's link, once; no bearer token",
                 responses=answers("TokenAnswer"), openapi_extra=body("Setup") | OPEN)
    async def setup(request: Request) -> Response:
        given = await json_body(request, Setup, _BYTES)
        return json_answer(TokenAnswer(Role.ADMIN, "set-up link", await run_in_threadpool(use, request, given.code)))

    @router.get("/setup", include_in_schema=False)
    def ask(code: str = "") -> HTMLResponse:
        # Looking uses nothing up: programs that preview links look, too.
        return _page(
            "<form method=post action=/setup>"
            f"<input type=hidden name=code value=\"{escape(code[:200])}\">"
            "<p>此链接只能使用一次。This link works once, within an hour of the first start.</p>"
            "<button>显示管理员令牌 Show the administrator's token</button></form>"
        )

    @router.post("/setup", include_in_schema=False)
    async def show(request: Request) -> HTMLResponse:
        fields = parse_qs((await read_body(request, _BYTES)).decode("utf-8", "replace"))
        try:
            token = await run_in_threadpool(use, request, fields.get("code", [""])[0])
        except Refusal as refusal:
            return _page(f"<p>{escape(str(refusal))}</p>", refusal.problem.status)
        return _page(
            f"<p>管理员令牌，仅显示这一次。The administrator's token, shown this once:</p><p><code>{escape(token)}</code></p>"
            "<p>请妥善保存。Keep it as you keep a password; make tokens with fewer rights for everything else: <code>POST /v1/tokens</code>.</p>"
        )

    return router
