"""Alerts: what was said last, and the test button."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from gateway.alert_channels import Alert
from gateway.auth import PEOPLE, Caller, Role, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.problems import Refusal
from gateway.shapes import AlertTest

SHAPES = (Alert, AlertTest)


def routes(house: House) -> APIRouter:
    """`/v1/alerts`."""
    router = APIRouter(tags=["alerts"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE))]
    admin = Annotated[Caller, Depends(needs(house.access, Role.ADMIN))]

    @router.get("/v1/alerts", summary="The last alerts since the start, in order", responses=answers("Alert", many=True))
    def recent(_: reader) -> Response:
        return json_answer(house.alerts.recent() if house.alerts is not None else [])

    @router.post("/v1/alerts/test", summary="The test button: a message to everybody that gateway.toml names, now", responses=answers("AlertTest"))
    async def test(caller: admin) -> Response:
        if house.alerts is None:
            raise Refusal(404, "not-found", "gateway.toml has no [alerts]: there is nobody to tell")
        return json_answer(AlertTest(await run_in_threadpool(house.alerts.test, caller.author)))

    return router
