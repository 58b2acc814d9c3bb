"""For those who watch the logs: tiles, generations, cosignatures; and pruning, which shortens what can still be recomputed."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway.auth import PEOPLE, Caller, Role, needs
from gateway.documents import answers, body, json_answer, json_body
from gateway.house import House
from gateway.paging import NEXT_PAGE, First, Limit
from gateway.shapes import CosignRequest, EntryRow, LeafRow, PruneRequest, RevokeKey
from store.archive import Archive
from store.control_kinds import Cosignature, Witness
from store.log import LogName, open_note, parse_checkpoint
from store.note import open_cosignature
from store.tiles import parse_tile_path
from workshop.errors import Rejected

Log = Literal["data", "control"]


def routes(house: House) -> APIRouter:
    """`/v1/tile/…`, `/v1/entries`, `/v1/checkpoint/cosignatures`, `/v1/prune`, `/v1/key-revocations`."""
    router = APIRouter(tags=["logs"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]
    evaluator = Annotated[Caller, Depends(needs(house.access, Role.EVALUATOR, Role.ADMIN))]
    admin = Annotated[Caller, Depends(needs(house.access, Role.ADMIN))]

    @router.get("/v1/tile/{log}/{level}/{index:path}", summary="A tile of a log (C2SP tlog-tiles): index as x001/067, partial as 067.p/17",
                responses=answers("", media="application/octet-stream"))
    def tile(_: reader, log: Log, level: int, index: str) -> Response:
        number, width = parse_tile_path(index)
        return Response(house.archive.tile(log, level, number, width), media_type="application/octet-stream")

    @router.get("/v1/entries", summary="All control entries of a kind as they are hashed and signed, for those who believe only what they check",
                responses=answers("LeafRow", many=True))
    def entries(
        _: reader, kind: Literal["restore", "rotation", "key-revocation", "gap", "prune", "audit", "declaration", "orders"],
        page: First = 0, limit: Limit = None,
    ) -> Response:
        found = [entry.index for entry in house.archive.control_entries(page, kind, limit=-1 if limit is None else limit + 1)]
        answer = json_answer([LeafRow(index, next(house.archive.control_leaves(index)).hex()) for index in found[:limit]])
        if limit is not None and len(found) > limit:
            answer.headers[NEXT_PAGE] = str(found[limit])
        return answer

    @router.post("/v1/checkpoint/cosignatures", summary="Leave checkpoints that you have checked and cosigned; they become a control entry",
                 responses=answers("EntryRow"), openapi_extra=body("CosignRequest"))
    async def cosignatures(request: Request, caller: evaluator) -> Response:
        post = await json_body(request, CosignRequest, 2**20)
        entry = Witness(post.witness, post.key, _cosignatures(house.archive, post))
        index = await run_in_threadpool(house.archive.add, entry, author=caller.author)
        added = house.archive.control_entries(index, end=index + 1)[0]
        return json_answer(EntryRow(added.index, added.kind, added.time_us, added.author, added.body))

    @router.get("/v1/checkpoint/cosignatures", summary="All cosigned checkpoints that witnesses have left here",
                responses=answers("EntryRow", many=True))
    def witnesses(_: reader) -> Response:
        found = house.archive.control_entries(0, "witness")
        return json_answer([EntryRow(entry.index, entry.kind, entry.time_us, entry.author, entry.body) for entry in found])

    @router.post("/v1/key-revocations", summary="Declare that a former key of the gateway is in wrong hands", responses=answers("EntryRow"),
                 openapi_extra=body("RevokeKey"))
    async def revoke_key(request: Request, caller: admin) -> Response:
        post = await json_body(request, RevokeKey)
        index = await run_in_threadpool(house.archive.revoke_key, post.key, author=caller.author, reason=post.reason)
        added = house.archive.control_entries(index, end=index + 1)[0]
        return json_answer(EntryRow(added.index, added.kind, added.time_us, added.author, added.body))

    @router.post("/v1/prune", summary="Delete the raw data of the oldest batches; headers, signatures and proofs stay",
                 responses=answers("Prune"), openapi_extra=body("PruneRequest"))
    async def prune(request: Request, caller: admin) -> Response:
        post = await json_body(request, PruneRequest)
        # What the engine has not taken yet is not deleted.
        limit = house.engine.cursor()
        return json_answer(await run_in_threadpool(house.archive.prune, post.before_us, author=caller.author, reason=post.reason, limit=limit))

    return router


def _cosignatures(archive: Archive, post: CosignRequest) -> tuple[Cosignature, ...]:
    """The notes, each a checkpoint of this gateway on the present history with a good cosignature.

    Raises:
        Rejected: it is not.
    """
    if len(post.timestamps) not in (0, len(post.notes)):
        raise Rejected("cosignatures: as many timestamps as notes, or none")
    stamps = post.timestamps or ("",) * len(post.notes)
    found = []
    for note, stamp in zip(post.notes, stamps, strict=True):
        name = note.partition("\n")[0]
        log: LogName = "data" if name.endswith("/data") else "control"
        checkpoint = parse_checkpoint(open_note(note, f"{archive.origin}/{log}", archive.key.public))
        same = checkpoint.origin == f"{archive.origin}/{log}" and checkpoint.generation == archive.generation
        if not same or archive.root(log, checkpoint.size) != checkpoint.root:
            raise Rejected(f"cosignatures: '{ascii(name)[:100]}' at {checkpoint.size} is no checkpoint of the present logs")
        open_cosignature(note, post.witness, post.key)
        found.append(Cosignature(note, stamp))
    return tuple(found)
