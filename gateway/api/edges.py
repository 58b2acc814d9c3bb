"""Edges and tokens: invite, enrol, list."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.auth import PEOPLE, Caller, Role, needs
from gateway.documents import OPEN, answers, body, json_answer, json_body
from gateway.house import House
from gateway.pseudonyms import OWN_SUBJECTS
from gateway.shapes import EdgeRow, Invitation, NewEdge, NewToken, Revoke, TokenAnswer
from workshop.errors import Rejected
from workshop.wire import EnrolRequest


def routes(house: House) -> APIRouter:
    """`/v1/edges`, `/v1/enrol`, `/v1/tokens`."""
    router = APIRouter(tags=["edges"])
    admin = Annotated[Caller, Depends(needs(house.access, Role.ADMIN))]
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]

    @router.post("/v1/edges", summary="Invite an edge: a one-time token for its enrolment", responses=answers("Invitation"),
                 openapi_extra=body("NewEdge"))
    async def invite(request: Request, caller: admin) -> Response:
        new = await json_body(request, NewEdge)
        token = await run_in_threadpool(house.access.invite, new.edge, new.provenance, author=caller.author)
        return json_answer(Invitation(new.edge, token))

    @router.post("/v1/enrol", summary="Enrol an edge with its one-time token and its public key; no bearer token", responses=answers("EnrolAnswer"),
                 openapi_extra=body("EnrolRequest") | OPEN)
    async def enrol(request: Request) -> Response:
        address = request.client.host if request.client else ""
        return json_answer(await run_in_threadpool(house.access.enrol, await json_body(request, EnrolRequest, 65_536), address))

    @router.get("/v1/edges", summary="All edges, with epoch, watermark and time of the last batch", responses=answers("EdgeRow", many=True))
    def edges(_: reader) -> Response:
        rows = []
        for record in house.archive.edges():
            epoch, watermark = house.archive.watermark(record.edge) or (None, None)
            rows.append(EdgeRow(
                record.edge, record.provenance, record.public_key, record.enrolled_us, record.revoked_us, epoch, watermark,
                house.archive.last_accepted_us(record.edge), house.archive.alarms(record.edge),
            ))
        return json_answer(rows)

    @router.post("/v1/edges/{edge}/revocation", summary="Take nothing more from an edge, until it is enrolled again", status_code=204,
                 responses=answers("", status=204), openapi_extra=body("Revoke"))
    async def revoke(edge: str, request: Request, caller: admin) -> Response:
        given = await json_body(request, Revoke)
        await run_in_threadpool(house.archive.revoke, edge, author=caller.author, reason=given.reason)
        return Response(status_code=204)

    @router.post("/v1/tokens", summary="A bearer token for a person or a program", responses=answers("TokenAnswer"), openapi_extra=body("NewToken"))
    async def token(request: Request, caller: admin) -> Response:
        new = await json_body(request, NewToken)
        if new.role is Role.EDGE:
            raise Rejected("tokens: an edge gets its token by enrolment: POST /v1/edges, then POST /v1/enrol")
        if not 0 < len(new.subject) <= 200:
            raise Rejected("tokens: 'subject' says whose token it is, in 1 to 200 characters")
        if new.subject in OWN_SUBJECTS:
            raise Rejected(f"tokens: '{new.subject}' is what the gateway calls tokens of its own; say whose this one is")
        made = await run_in_threadpool(house.access.create, new.role, new.subject, author=caller.author)
        return json_answer(TokenAnswer(new.role, new.subject, made))

    return router
