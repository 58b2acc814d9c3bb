"""What the two logs say: gaps, quarantine, checkpoints, proofs, and the trust file to take away."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from evidence.trust import trust_of
from gateway.auth import PEOPLE, Caller, needs
from gateway.documents import answers, json_answer
from gateway.house import House
from gateway.paging import NEXT_PAGE, Number, key_of, page_after
from gateway.shapes import CheckpointAnswer, GapRow, ProofAnswer, QuarantineCount
from store.archive import QuarantinedRow
from workshop.window import Window

Log = Literal["data", "control"]
Time = Annotated[int, Query(ge=-(2**62), le=2**62, description="µs UTC")]
Size = Annotated[int, Query(ge=0)]
MOST_COUNTED = 10_000


def routes(house: House) -> APIRouter:
    """`/v1/gaps`, `/v1/quarantine`, `/v1/checkpoint`, `/v1/proof/…`, `/v1/trust`."""
    router = APIRouter(tags=["logs"])
    reader = Annotated[Caller, Depends(needs(house.access, *PEOPLE, derived=True))]

    @router.get("/v1/gaps", summary="Every declared loss that meets [from_us, to_us), in the order of the log",
                responses=answers("GapRow", many=True))
    def gaps(_: reader, from_us: Time = -(2**62), to_us: Time = 2**62) -> Response:
        found = house.archive.gaps_in(Window(from_us, to_us))
        return json_answer([GapRow(edge, list(gap.signals), gap.from_us, gap.to_us, gap.reason) for edge, gap in found])

    @router.get("/v1/quarantine", summary="Rows that the engine could not take, with the reason", responses=answers("QuarantinedRow", many=True))
    def quarantine(
        _: reader,
        limit: Annotated[int, Query(ge=1, le=100_000, description="Most rows; the header x-next-page names the page that follows")] = 10_000,
        page: Annotated[str | None, Query(description="x-next-page of the answer before")] = None,
        newest: Annotated[bool, Query(description="Of each edge those of its newest batches, newest first, without pages")] = False,
    ) -> Response:
        if newest:
            return json_answer(house.archive.quarantined_last(limit)[:limit])
        key = key_of(page, tuple[str, Number, Number, str, Number])
        rows = house.archive.quarantined(limit + 1, None if key is None else QuarantinedRow(*key, ""))
        answer = json_answer(rows[:limit])
        if len(rows) > limit:
            last = rows[limit - 1]
            answer.headers[NEXT_PAGE] = page_after((last.edge, last.epoch, last.seq, last.equipment, last.row))
        return answer

    @router.get("/v1/quarantine/count", summary="How many records there are in quarantine, and since the start", responses=answers("QuarantineCount"))
    def quarantine_count(_: reader) -> Response:
        records = house.archive.quarantined_count(MOST_COUNTED + 1)
        return json_answer(QuarantineCount(min(records, MOST_COUNTED), records > MOST_COUNTED, house.monitoring.quarantined_total))

    @router.get("/v1/checkpoint", summary="Signed checkpoints of both logs at their present sizes", responses=answers("CheckpointAnswer"))
    def checkpoint(_: reader) -> Response:
        return json_answer(CheckpointAnswer(house.archive.checkpoint("data"), house.archive.checkpoint("control")))

    @router.get("/v1/proof/inclusion", summary="That an entry is in the log of this size (RFC 6962, 2.1.1)", responses=answers("ProofAnswer"))
    def inclusion(_: reader, log: Log, index: Size, size: Size) -> Response:
        proof = house.archive.inclusion_proof(log, index, size)
        return json_answer(ProofAnswer(log, size, house.archive.root(log, size).hex(), [item.hex() for item in proof], index=index))

    @router.get("/v1/proof/consistency", summary="That the log of size `new` begins with that of size `old` (RFC 6962, 2.1.2)",
                responses=answers("ProofAnswer"))
    def consistency(_: reader, log: Log, old: Size, new: Size) -> Response:
        proof = house.archive.consistency_proof(log, old, new)
        return json_answer(ProofAnswer(log, new, house.archive.root(log, new).hex(), [item.hex() for item in proof], old=old))

    @router.get("/v1/trust", summary="A trust file of what the gateway shows now; take it yourself and keep it outside the factory",
                responses=answers("TrustFile"))
    def trust(_: reader) -> Response:
        return json_answer(trust_of(house.archive))

    return router
