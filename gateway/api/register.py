"""The register: all equipment and signals, connected or not."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from gateway.auth import PEOPLE, Caller, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.shapes import EquipmentRow, RegisterAnswer, RevisionRow
from store.answers import SignalRow, SignalsAnswer
from workshop.window import Window

AtUs = Annotated[int | None, Query(ge=0, le=2**53 - 1, description="µs UTC; without it, now")]


def routes(house: House) -> APIRouter:
    """`/v1/workshop`, `/v1/equipment`, `/v1/signals`."""
    router = APIRouter(tags=["register"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]

    @router.get("/v1/workshop", summary="The register in force, now or at a time, with its digest", responses=answers("RegisterAnswer"))
    def workshop(_: reader, at_us: AtUs = None) -> Response:
        register = house.register if at_us is None else house.in_force(Window(at_us, at_us + 1))
        return json_answer(RegisterAnswer(register, register.digest))

    @router.get("/v1/workshop/revisions", summary="All revisions of the register, oldest first", responses=answers("RevisionRow", many=True))
    def revisions(_: reader) -> Response:
        return json_answer([RevisionRow(time_us, register.digest) for time_us, register in house.revisions])

    @router.get("/v1/equipment", summary="All equipment", responses=answers("EquipmentRow", many=True))
    def equipment(_: reader) -> Response:
        return json_answer([
            EquipmentRow(
                item.id, item.title_zh, item.title_en, item.equipment_class, item.work_center, item.process, item.digital,
                item.numerically_controlled, len(item.signals),
            )
            for item in house.register.equipment
        ])

    @router.get("/v1/signals", summary="All signals", responses=answers("SignalsAnswer"))
    def signals(_: reader) -> Response:
        return json_answer(SignalsAnswer([
            SignalRow(
                name, item.id, signal.name, signal.role, signal.kind, signal.unit, signal.max_age_s, signal.origin, signal.title_zh, signal.title_en,
            )
            for name, item, signal in house.register.signals()
        ]))

    return router
