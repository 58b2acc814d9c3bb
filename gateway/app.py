"""The application: all routes over one open house."""

from fastapi import FastAPI

from analytics.indicator import load_indicators
from evidence.trust import TrustFile
from gateway import shapes
from gateway.api import (
    alerts,
    batches,
    edges,
    engines,
    entries,
    figures,
    health,
    line_protocol,
    live,
    logs,
    orders,
    readings,
    register,
    requests,
    tiles,
)
from gateway.documents import document
from gateway.house import House
from gateway.problems import LastHandler, add_handlers
from store.answers import AggregateAnswer, CountAnswer, SignalsAnswer
from store.archive import QuarantinedRow
from store.control_kinds import Prune
from workshop.wire import (
    Acknowledgement,
    AnswerPost,
    ComponentsPost,
    ComponentsRow,
    EnrolAnswer,
    EnrolRequest,
    LatestPost,
    ReadingsAnswer,
    RequestsAnswer,
    ResumePost,
    RotationPost,
)

SHAPES = (
    Acknowledgement, AggregateAnswer, ComponentsPost, ComponentsRow, CountAnswer, EnrolAnswer, EnrolRequest, LatestPost, QuarantinedRow,
    ReadingsAnswer, SignalsAnswer, TrustFile, shapes.BundleRequest, shapes.CheckpointAnswer, shapes.ComponentsAnswer, shapes.EdgeRow,
    shapes.EquipmentRow, shapes.GapRow, shapes.IndicatorRow, shapes.Invitation, shapes.LatestAnswer, shapes.NewEdge, shapes.NewToken,
    shapes.ProofAnswer, shapes.Readiness, shapes.RegisterAnswer, shapes.RevisionRow,
    shapes.TokenAnswer, *figures.SHAPES, *entries.SHAPES, *line_protocol.SHAPES,
    shapes.EntryRow, shapes.NewChallenge, shapes.Revoke, shapes.RevokeKey, shapes.PruneRequest, shapes.CosignRequest, shapes.LeafRow, AnswerPost,
    RequestsAnswer,
    ResumePost, RotationPost, Prune, shapes.OrdersAnswer, *orders.SHAPES, *alerts.SHAPES, shapes.EngineRow,
)


def create_app(house: House) -> FastAPI:
    """The gateway's HTTP API. It opens nothing: the house is open, and whoever opened it closes it."""
    app = FastAPI(
        title="chejian gateway", version="1", docs_url=None, redoc_url=None,
        summary="Takes signed batches, keeps them in a log that anyone can check, and answers questions about them. 网关",
    )
    add_handlers(app)
    for group in (health, batches, line_protocol, live, edges, register, readings, logs, tiles, entries, requests, orders, alerts,
                  engines):
        app.include_router(group.routes(house))
    app.include_router(figures.routes(house, load_indicators()))
    app.add_middleware(LastHandler, monitoring=house.monitoring)
    document(app, SHAPES)
    return app
