"""Whether the gateway lives, whether its line moves, and what it counts about itself. No bearer token: no names, no values."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.documents import OPEN, answers, json_answer
from gateway.house import House
from gateway.shapes import Readiness


def routes(house: House) -> APIRouter:
    """`/healthz`, `/readyz`, `/metrics`."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="The process lives", responses=answers("", media="text/plain"), openapi_extra=OPEN)
    def alive() -> Response:
        return Response("alive\n", media_type="text/plain")

    @router.get("/readyz", summary="Whether the line moves: batches can be stored, and the engine takes their rows; otherwise 503",
                responses=answers("Readiness"), openapi_extra=OPEN)
    def ready() -> Response:
        house.committer.try_again()
        stuck = [] if house.committer.moving else ["the archive stores no batches"]
        stuck += [] if house.writer.moving else ["the engine takes no rows"]
        state = Readiness(not stuck, house.archive.data_size, house.engine.cursor(), house.writer.backlog_rows, house.clock(), "; ".join(stuck))
        answer = json_answer(state)
        answer.status_code = 503 if stuck else 200
        return answer

    @router.get("/metrics", summary="Prometheus exposition of the gateway's own counters", responses=answers("", media="text/plain"),
                openapi_extra=OPEN)
    def counters() -> Response:
        house.monitoring.backlog_rows.set(house.writer.backlog_rows)
        house.monitoring.backlog_batches.set(house.writer.backlog_batches)
        for place, writer in (("engine", house.writer), ("second_engine", house.second_writer)):
            if writer is not None:
                house.monitoring.lag.labels(place).set(writer.lag_us(house.clock()) / 1e6)
        for what, number in house.archive.alarm_counts().items():
            house.monitoring.edge_alarms.labels(what).set(number)
        return Response(house.monitoring.text(), media_type=CONTENT_TYPE_LATEST)

    return router
