"""What people and programs put on record: commitments, declarations, predictions, feedback, announcements, challenges. Each is a control entry."""

import re
from fractions import Fraction
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from analytics.declared_figures import fault_of
from gateway.auth import PEOPLE, Caller, Role, needs
from gateway.documents import answers, body, json_answer, json_body
from gateway.house import House
from gateway.paging import NEXT_PAGE, First, Limit
from gateway.problems import Refusal
from gateway.shapes import EntryRow, NewChallenge
from store.control_kinds import KINDS, Announcement, Body, Commitment, Declaration, Feedback, Import, Prediction
from store.signing import decode_signature, verify
from workshop.batch import Provenance
from workshop.errors import Rejected

SHAPES = (Announcement, Commitment, Declaration, Feedback, Import, Prediction)
DIGEST = re.compile("[0-9a-f]{64}")
_ENGINEERS = (Role.ENGINEER, Role.ADMIN)
_LISTS: tuple[tuple[str, str, tuple[Role, ...], bool], ...] = (
    ("commitments", "commitment", _ENGINEERS, False),
    ("declarations", "declaration", _ENGINEERS, False),
    ("predictions", "prediction", _ENGINEERS, True),
    ("feedback", "feedback", (*_ENGINEERS, Role.EVALUATOR), False),
    ("announcements", "announcement", (*_ENGINEERS, Role.EDGE), False),
    ("imports", "import", (Role.EDGE,), False),
)


def routes(house: House) -> APIRouter:
    """`/v1/commitments`, `/v1/declarations`, `/v1/predictions`, `/v1/feedback`, `/v1/announcements`, `/v1/imports`, `/v1/challenges`, `/v1/audit`."""
    router = APIRouter(tags=["record"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]
    evaluator = Annotated[Caller, Depends(needs(house.access, Role.EVALUATOR))]

    def rows(kind: str, first: int = 0, limit: int = -1) -> list[EntryRow]:
        found = house.archive.control_entries(first, kind, limit=limit)
        return [EntryRow(entry.index, entry.kind, entry.time_us, entry.author, entry.body) for entry in found]

    def some(kind: str, first: int, limit: int | None) -> Response:
        """All entries of a kind from an index on, or the first of them and in the header where the others begin."""
        found = rows(kind, first, -1 if limit is None else limit + 1)
        answer = json_answer(found[:limit])
        if limit is not None and len(found) > limit:
            answer.headers[NEXT_PAGE] = str(found[limit].index)
        return answer

    def row(index: int) -> EntryRow:
        entry = house.archive.control_entries(index, end=index + 1)[0]
        return EntryRow(entry.index, entry.kind, entry.time_us, entry.author, entry.body)

    def same(kind: str, given: Body, author: str) -> EntryRow | None:
        """The entry in which this author said this already: an edge says it again when the answer was lost."""
        said = msgspec.to_builtins(given)
        return next((entry for entry in rows(kind) if (entry.author, entry.body) == (author, said)), None)

    def add_list(path: str, kind: str, writers: tuple[Role, ...], derived: bool) -> None:
        shape = KINDS[kind]
        writer = Annotated[Caller, Depends(needs(house.access, *writers, derived=derived))]

        @router.post(f"/v1/{path}", summary=f"Put on record: {kind}", responses=answers("EntryRow"), openapi_extra=body(shape.__name__),
                     name=f"post_{path}")
        async def post(request: Request, caller: writer) -> Response:
            given = await json_body(request, shape)
            _check(given, caller, house)
            if isinstance(given, Announcement) and (known := await run_in_threadpool(same, kind, given, caller.author)) is not None:
                return json_answer(known)
            return json_answer(row(await run_in_threadpool(house.archive.add, given, author=caller.author)))

        @router.get(f"/v1/{path}", summary=f"All control entries of kind {kind}", responses=answers("EntryRow", many=True), name=f"get_{path}")
        def get(_: reader, page: First = 0, limit: Limit = None) -> Response:
            return some(kind, page, limit)

    for entry in _LISTS:
        add_list(*entry)

    @router.post("/v1/challenges", summary="Ask an edge for a value, or for what an operator's action does; at a moment of your choice",
                 responses=answers("EntryRow"), openapi_extra=body("NewChallenge"))
    async def ask(request: Request, caller: evaluator) -> Response:
        new = await json_body(request, NewChallenge)
        return json_answer(row(await run_in_threadpool(house.challenges.ask, new, caller.author)))

    @router.get("/v1/challenges", summary="Questions and answers, in the order of the log", responses=answers("EntryRow", many=True))
    def challenges(_: reader) -> Response:
        return json_answer(sorted([*rows("challenge"), *rows("answer")], key=lambda item: item.index))

    @router.get("/v1/audit", summary="Who did what at the gateway, and alarms about edges, in the order of the log",
                responses=answers("EntryRow", many=True))
    def audit(
        _: Annotated[Caller, Depends(needs(house.access, Role.EVALUATOR, Role.ADMIN))], page: First = 0, limit: Limit = None,
    ) -> Response:
        return some("audit", page, limit)

    return router


def _check(given: Body, caller: Caller, house: House) -> None:
    """What the shape alone does not say.

    Raises:
        Rejected: a window without length, machines or edges that are not there, a claimant's signature that is wrong.
        Refusal: 403, an edge that announces another one's batches.
    """
    if isinstance(given, Commitment | Declaration | Feedback | Prediction | Announcement) and given.from_us >= given.to_us:
        raise Rejected("body: 'from_us' must be before 'to_us'")
    if isinstance(given, Commitment):
        unknown = set(given.equipment) - {item.id for item in house.register.equipment}
        if not given.equipment or unknown or len(set(given.equipment)) != len(given.equipment):
            raise Rejected(f"commitment: 'equipment' lists machines of the register, each once; unknown: {', '.join(sorted(unknown)) or 'none'}")
        if given.claimant_key and not verify(
            given.claimant_key, "commitment", given.digest.encode(), decode_signature(given.claimant_signature)
        ):
            raise Rejected("commitment: the claimant's signature over the digest is wrong")
        if given.claimant_signature and not given.claimant_key:
            raise Rejected("commitment: a claimant's signature needs the claimant's key")
    if isinstance(given, Prediction | Feedback) and given.equipment not in {item.id for item in house.register.equipment}:
        raise Rejected(f"body: no equipment '{given.equipment}' in the register")
    if isinstance(given, Declaration) and given.attachment and not DIGEST.fullmatch(given.attachment):
        raise Rejected("declaration: 'attachment' is the SHA-256 of a document that is kept outside, 64 lower-case hexadecimal digits, or empty")
    if isinstance(given, Declaration) and (fault := fault_of(given.name, Fraction(given.value), given.unit)):
        raise Rejected(fault)
    if isinstance(given, Feedback) and given.about is not None:
        found = house.archive.control_entries(max(0, given.about), "prediction", given.about + 1)
        if not found or found[0].body["equipment"] != given.equipment:
            raise Rejected(f"feedback: control entry {given.about} is no prediction about '{given.equipment}'")
    if isinstance(given, Announcement):
        edge = house.archive.edge(given.edge)
        if edge is None or edge.provenance is Provenance.DERIVED or given.from_seq > given.to_seq or given.from_seq == 0:
            raise Rejected(f"announcement: no edge '{given.edge}' that measures is enrolled, or its batches are not in order")
        if caller.role is Role.EDGE and caller.subject != given.edge:
            raise Refusal(403, "unauthorised", f"this token belongs to edge '{caller.subject}', the announcement says '{given.edge}'")
    if isinstance(given, Import):
        if caller.provenance is not Provenance.IMPORTED or caller.subject != given.edge:
            raise Refusal(403, "unauthorised", f"import: edge '{caller.subject}' does not import, or its batches are those of '{given.edge}'")
        if not 0 < given.from_seq <= given.to_seq or (given.epoch, given.to_seq) > (house.archive.watermark(given.edge) or (0, 0)):
            raise Rejected(f"import: batches {given.from_seq} to {given.to_seq} of epoch {given.epoch} are not in the log")
