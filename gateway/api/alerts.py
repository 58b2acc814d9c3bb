"""Alerts: what was said last, and the test button, for programs and, under `/alerts`, for people."""

from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from gateway.alert_channels import Alert
from gateway.alerts import Alerts
from gateway.auth import PEOPLE, Caller, Role, caller_of, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.ingest import read_body
from gateway.plain_page import plain_page
from gateway.problems import Refusal
from gateway.shapes import AlertTest

SHAPES = (Alert, AlertTest)
_BYTES = 4096
_FORM = (
    "<form method=post action=/alerts><p>向每个已配置的邮箱和 webhook 发送一条测试消息。"
    "Sends a test to every mail and webhook that gateway.toml names.</p>"
    "<p><label>管理员令牌 Administrator's token <input type=password name=token autocomplete=off required></label> "
    "<button>发送测试 Send a test</button></p></form>"
)


def routes(house: House) -> APIRouter:
    """`/v1/alerts`."""
    router = APIRouter(tags=["alerts"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE))]
    admin = Annotated[Caller, Depends(needs(house.access, Role.ADMIN))]

    def told() -> Alerts:
        if house.alerts is None or not house.alerts.has_somebody:
            raise Refusal(404, "not-found", "gateway.toml names neither mail nor webhook in [alerts]: there is nobody to tell")
        return house.alerts

    @router.get("/v1/alerts", summary="The last alerts since the start, in order", responses=answers("Alert", many=True))
    def recent(_: reader) -> Response:
        return json_answer(house.alerts.recent() if house.alerts is not None else [])

    @router.post("/v1/alerts/test", summary="The test button: a message to everybody that gateway.toml names, now", responses=answers("AlertTest"))
    async def test(caller: admin) -> Response:
        return json_answer(AlertTest(await run_in_threadpool(told().test, caller.author)))

    @router.get("/alerts", include_in_schema=False)
    def button() -> HTMLResponse:
        return plain_page(_FORM)

    @router.post("/alerts", include_in_schema=False)
    async def pressed(request: Request) -> HTMLResponse:
        fields = parse_qs((await read_body(request, _BYTES)).decode("utf-8", "replace"))
        token = fields.get("token", [""])[0].strip()
        try:
            caller = await run_in_threadpool(caller_of, token, request.client.host if request.client else "", house.access)
            if caller is None or caller.role is not Role.ADMIN:
                raise Refusal(401, "unauthorised", "需要管理员令牌。This takes the administrator's token.")
            alerts = told()
        except Refusal as refusal:
            return plain_page(f"<p>{escape(str(refusal))}</p>{_FORM}", refusal.problem.status)
        outcome = await run_in_threadpool(alerts.test, caller.author)
        rows = "".join(f"<li><code>{escape(place)}</code>: {escape(said)}</li>" for place, said in outcome.items())
        return plain_page(f"<p>测试结果 What came of it:</p><ul>{rows}</ul>{_FORM}")

    return router
