"""联网上云, measured: how long the platform above had each machine's values."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from gateway.api.readings import Time
from gateway.auth import PEOPLE, Caller, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.north_log import ConnectedTime
from gateway.problems import Refusal
from workshop.errors import Rejected
from workshop.window import Window

SHAPES = (ConnectedTime,)


def routes(house: House) -> APIRouter:
    """`/v1/northbound`."""
    router = APIRouter(tags=["northbound"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]

    @router.get("/v1/northbound", summary="Connected time to the platform, of each machine of the register, within the window",
                responses=answers("ConnectedTime", many=True))
    def times(_: reader, from_us: Time, to_us: Time) -> Response:
        if from_us >= to_us:
            raise Rejected("from_us must be before to_us")
        if house.connected_times is None:
            raise Refusal(404, "not-found", "gateway.toml has no [northbound]: nothing goes to a platform")
        return json_answer(house.connected_times.times(Window(from_us, to_us), [item.id for item in house.register.equipment]))

    return router
