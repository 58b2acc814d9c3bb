"""Who stands behind a pseudonym: for an administrator, and on record."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.auth import Caller, Role, needs
from gateway.documents import answers, body, json_answer, json_body
from gateway.house import House
from gateway.problems import Refusal
from store.control_kinds import Name

SMALL = 65_536


class Resolve(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/pseudonyms`: whose pseudonym this is."""

    pseudonym: Name
    reason: Name
    """Why it has to be known; stands in the audit."""


class Person(msgspec.Struct):
    """A pseudonym and the subject of the tokens behind it."""

    pseudonym: str
    subject: str


SHAPES = (Resolve, Person)


def routes(house: House) -> APIRouter:
    """`/v1/pseudonyms`."""
    router = APIRouter(tags=["edges"])
    admin = Annotated[Caller, Depends(needs(house.access, Role.ADMIN))]

    @router.post("/v1/pseudonyms", summary="Whose pseudonym this is; that it was asked, and why, stands in the audit", responses=answers("Person"),
                 openapi_extra=body("Resolve"))
    async def resolve(request: Request, caller: admin) -> Response:
        asked = await json_body(request, Resolve, SMALL)
        subject = await run_in_threadpool(house.access.resolve, asked.pseudonym, asked.reason, author=caller.author)
        if subject is None:
            known = f"no token of this gateway belongs to '{asked.pseudonym[:80]}'"
            raise Refusal(404, "not-found", f"{known}; pseudonyms look like p-0123456789abcdef0123")
        return json_answer(Person(asked.pseudonym, subject))

    return router
