"""The application: all routes over one open house."""

from types import ModuleType
from typing import Any

import msgspec
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
    northbound,
    orders,
    people,
    readings,
    register,
    requests,
    setup,
    tiles,
    trace,
)
from gateway.documents import document
from gateway.house import House
from gateway.lockout import RateLimit
from gateway.problems import LastHandler, add_handlers
from store import answers
from store.archive import QuarantinedRow
from store.control_kinds import Prune
from workshop import wire

GROUPS = (
    health,
    batches,
    line_protocol,
    live,
    edges,
    people,
    register,
    readings,
    logs,
    tiles,
    entries,
    requests,
    setup,
    orders,
    alerts,
    engines,
    northbound,
    trace,
)
"""Files of routes; `SHAPES` of a file are the shapes of its bodies and answers that stand elsewhere than in `gateway.shapes` or `workshop.wire`."""


def _structs(module: ModuleType) -> list[type[Any]]:
    return [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, msgspec.Struct) and item is not msgspec.Struct]


def _shapes() -> list[type[Any]]:
    of_groups = [shape for group in (*GROUPS, figures) for shape in getattr(group, "SHAPES", ())]
    # A problem is added by the document itself.
    found = [*_structs(shapes), *_structs(wire), *_structs(answers), *of_groups, TrustFile, QuarantinedRow, Prune]
    return list(dict.fromkeys(item for item in found if item is not wire.Problem))


def create_app(house: House) -> FastAPI:
    """The gateway's HTTP API. It opens nothing: the house is open, and whoever opened it closes it."""
    app = FastAPI(
        title="chejian gateway", version="1", docs_url=None, redoc_url=None,
        summary="Takes signed batches, keeps them in a log that anyone can check, and answers questions about them. 网关",
    )
    add_handlers(app)
    for group in GROUPS:
        app.include_router(group.routes(house))
    app.include_router(figures.routes(house, load_indicators()))
    app.add_middleware(LastHandler, monitoring=house.monitoring, rate=RateLimit(house.settings.requests_per_s))
    document(app, _shapes())
    return app
