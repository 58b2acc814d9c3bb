"""The engines: how far each of them is."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from gateway.auth import PEOPLE, Caller, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.shapes import EngineRow


def routes(house: House) -> APIRouter:
    """`/v1/engines`."""
    router = APIRouter(tags=["health"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE))]

    @router.get("/v1/engines", summary="The time-series engine, and during a migration the second one: how far each is",
                responses=answers("EngineRow", many=True))
    def engines(_: reader) -> Response:
        tables = (("engine", house.settings.engine, house.writer), ("second_engine", house.settings.second_engine, house.second_writer))
        return json_answer([
            EngineRow(place, str(table["name"]), writer.engine.cursor(), house.archive.data_size, writer.moving)
            for place, table, writer in tables if table is not None and writer is not None
        ])

    return router
