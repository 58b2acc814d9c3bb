"""What an edge asks for and answers outside the stream of batches: requests of the gateway, what it still keeps after a restore, a new key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.auth import Caller, Role, needs
from gateway.documents import answers, body, json_answer, json_body
from gateway.house import House
from gateway.ingest import STATUS
from gateway.problems import Refusal
from store.archive import Refused
from workshop.wire import Acknowledgement, AnswerPost, RequestsAnswer, ResumePost, RotationPost


def routes(house: House) -> APIRouter:
    """`/v1/edges/{edge}/requests`, `/resume`, `/rotation`, `/answers`."""
    router = APIRouter(tags=["edges"])
    caller_is_edge = Annotated[Caller, Depends(needs(house.access, Role.EDGE))]

    def own(edge: str, caller: Caller, said: str | None = None) -> None:
        if caller.subject != edge or said not in (None, edge):
            raise Refusal(403, "unauthorised", f"this token belongs to edge '{caller.subject}', not '{edge}'")

    @router.get("/v1/edges/{edge}/requests", summary="What the gateway wants of this edge: polled by it", responses=answers("RequestsAnswer"))
    def requests(edge: str, caller: caller_is_edge) -> Response:
        own(edge, caller)
        epoch, watermark = house.archive.watermark(edge) or (None, 0)
        open_challenges = house.challenges.open(edge)
        return json_answer(RequestsAnswer(house.archive.origin, house.archive.generation, epoch, watermark, open_challenges, house.clock()))

    @router.post("/v1/edges/{edge}/resume", summary="After a restore: the first batch that this edge still keeps; what is before is declared lost",
                 responses=answers("Acknowledgement"), openapi_extra=body("ResumePost"))
    async def resume(edge: str, request: Request, caller: caller_is_edge) -> Response:
        post = await json_body(request, ResumePost)
        own(edge, caller, post.statement.edge)
        result = await run_in_threadpool(house.archive.resume, post.statement, post.signature)
        if isinstance(result, Refused):
            raise Refusal(STATUS[result.type], result.type, result.detail, watermark=result.watermark, epoch=result.epoch)
        return json_answer(Acknowledgement(edge, post.statement.epoch, result.watermark))

    @router.post("/v1/edges/{edge}/rotation", summary="A new key of this edge, signed by the old one and the new one", status_code=204,
                 responses=answers("", status=204), openapi_extra=body("RotationPost"))
    async def rotation(edge: str, request: Request, caller: caller_is_edge) -> Response:
        post = await json_body(request, RotationPost)
        own(edge, caller, post.statement.subject)
        await run_in_threadpool(
            house.archive.rotate, post.statement, post.old_signature, post.new_signature, author=caller.author, reason=post.reason[:4000])
        return Response(status_code=204)

    @router.post("/v1/edges/{edge}/answers", summary="The answer to a challenge, signed by this edge", status_code=204,
                 responses=answers("", status=204), openapi_extra=body("AnswerPost"))
    async def answer(edge: str, request: Request, caller: caller_is_edge) -> Response:
        post = await json_body(request, AnswerPost)
        own(edge, caller)
        await run_in_threadpool(house.challenges.answer, edge, post)
        return Response(status_code=204)

    return router
