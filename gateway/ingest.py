"""Ingest: frames from a request's body into the archive. An answer of 200 means: on disk, in the Merkle log, never to be asked for again."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request

from gateway.coding import unpack
from gateway.monitoring import Monitoring
from gateway.problems import Refusal
from store.archive import Archive, Committed, Refused
from workshop.batch import Header, SealedBatch, decode_header, unframe
from workshop.errors import ChejianError, NotConnected, Rejected
from workshop.wire import Acknowledgement

GROUP_BYTES = 32 * 2**20
MAX_FRAMES = 2_000
SILENT_S = 20.0
"""A body of which nothing more comes for so long is given up."""
SLOWEST_BYTES_S = 1_000
"""So is one that comes slower than this on the whole, once it has had `SILENT_S`."""

STALLED_S = 30.0
"""A commit that takes longer than this is stuck."""
TRY_S = 1.0

STATUS = {"sequence-gap": 409, "conflict": 409, "fenced": 403, "unknown-edge": 403, "bad-signature": 403, "wrong-provenance": 403, "invalid": 400}

log = structlog.get_logger()


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request, unpacked, never more than `limit` bytes of it in memory.

    Raises:
        Refusal: 413, too large; 415 or 400, a coding that is not taken or not what it says.
    """
    return unpack(await read_packed(request, limit), request.headers.get("content-encoding", ""), limit)


async def read_packed(request: Request, limit: int) -> bytes:
    """The body of a request as it came, never more than `limit` bytes of it.

    Raises:
        Refusal: 413, too large; 400, cut off; 408, too slow.
    """
    stated = request.headers.get("content-length", "0")
    if not stated.isdigit() or int(stated) > limit:
        raise Refusal(413, "too-large", f"a body of {stated} bytes, at most {limit}; send fewer batches at once")
    pieces, size, began_s = [], 0, time.monotonic()
    stream = request.stream()
    try:
        while True:
            async with asyncio.timeout(SILENT_S):
                piece = await anext(stream, None)
            if piece is None:
                break
            size += len(piece)
            if size > limit:
                raise Refusal(413, "too-large", f"a body of more than {limit} bytes; send fewer batches at once")
            if (took_s := time.monotonic() - began_s) > SILENT_S and size < SLOWEST_BYTES_S * took_s:
                raise Refusal(408, "too-slow", f"{size} bytes in {took_s:.0f} s; at least {SLOWEST_BYTES_S} a second are needed")
            pieces.append(piece)
    except TimeoutError as error:
        raise Refusal(408, "too-slow", f"nothing more came for {SILENT_S:g} s; send the body in one go") from error
    except ClientDisconnect as error:
        raise Refusal(400, "invalid", "the body was cut off") from error
    return b"".join(pieces)


def split_frames(body: bytes, edge: str) -> list[tuple[Header, SealedBatch]]:
    """The batches in a body, all of this edge.

    Raises:
        Rejected: no batch, cut short, or a header that is not one.
        Refusal: 403, a batch of another edge.
    """
    found: list[tuple[Header, SealedBatch]] = []
    offset = 0
    while offset < len(body):
        if len(found) == MAX_FRAMES:
            raise Rejected(f"batches: more than {MAX_FRAMES} in one body")
        batch, offset = unframe(body, offset)
        header = decode_header(batch.header)
        if header.edge != edge:
            raise Refusal(403, "unauthorised", f"this token belongs to edge '{edge}', the batch says '{header.edge}'")
        found.append((header, batch))
    if not found:
        raise Rejected("batches: the body is empty")
    return found


class _Request(msgspec.Struct, eq=False):
    batches: list[tuple[Header, SealedBatch]]
    results: list[Committed | Refused] | None = None
    error: ChejianError | None = None

    @property
    def size(self) -> int:
        return sum(len(part or b"") for _, batch in self.batches for part in batch.parts)


class Committer:
    """One thread that commits for everybody: requests that wait at the same time share one transaction and one fsync.

    Args:
        committed: is told the rows of every new batch, after its commit.
    """

    def __init__(self, archive: Archive, monitoring: Monitoring, committed: Callable[[int], None]) -> None:
        self._archive, self._monitoring, self._committed = archive, monitoring, committed
        self._pending: list[_Request] = []
        self._lock = threading.Lock()
        self._failing, self._begun_s, self._tried_s = False, 0.0, 0.0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="committer")

    @property
    def moving(self) -> bool:
        """Whether batches can be stored: the last commit did not fail, and none has been under way for long."""
        return not self._failing and not (self._begun_s and time.monotonic() - self._begun_s > STALLED_S)

    def try_again(self) -> None:
        """After a failed commit: whether the disk takes something again is seen without waiting for the next batch; at most once a second."""
        if not self._failing or time.monotonic() - self._tried_s < TRY_S:
            return
        self._tried_s = time.monotonic()
        try:
            self._archive.set_meta("last-trial", str(time.time_ns() // 1000))
        except ChejianError:
            return
        self._failing = False

    def submit(self, batches: list[tuple[Header, SealedBatch]]) -> Future[Acknowledgement]:
        """Commits these batches of one edge, in order.

        Returns:
            the acknowledgement, or in the future's exception: Refusal for the first batch that the archive refuses (those before it are kept),
            NotConnected when nothing could be stored.
        """
        request = _Request(batches)
        with self._lock:
            self._pending.append(request)
            return self._thread.submit(self._finish, request)

    def close(self) -> None:
        """Commits what was submitted and ends the thread."""
        self._thread.shutdown(wait=True)

    def _finish(self, request: _Request) -> Acknowledgement:
        # Tasks run in the order of submission: when this one runs, its request has been committed by an earlier one's group, or is pending.
        if request.results is None and request.error is None:
            self._commit_group()
        if request.error is not None:
            raise request.error
        if request.results is None:
            raise NotConnected("archive: the commit ended without a result; send the same batches again")
        return _acknowledgement(request)

    def _commit_group(self) -> None:
        group, size = [], 0
        with self._lock:
            while self._pending and size < GROUP_BYTES:
                group.append(self._pending.pop(0))
                size += group[-1].size
        self._begun_s = started_s = time.monotonic()
        try:
            pairs = [pair for request in group for pair in request.batches]
            results = self._archive.commit([batch for _, batch in pairs], [header for header, _ in pairs])
        except ChejianError as error:
            if not self._failing:
                log.error("batches cannot be stored", reason=str(error))
            self._failing = True
            for request in group:
                request.error = error
            return
        finally:
            self._begun_s = 0.0
        self._failing = False
        self._monitoring.commit_seconds.observe(time.monotonic() - started_s)
        at = 0
        for request in group:
            request.results = results[at:at + len(request.batches)]
            at += len(request.batches)
            try:
                self._account(request.batches, request.results)
            except ChejianError as error:
                log.error("alarm could not be stored", reason=str(error))

    def _account(self, batches: Sequence[tuple[Header, SealedBatch]], results: Sequence[Committed | Refused]) -> None:
        for (header, _), result in zip(batches, results, strict=True):
            if isinstance(result, Refused):
                self._monitoring.refused.labels(result.type).inc()
                if result.type in ("conflict", "fenced", "bad-signature", "wrong-provenance"):
                    log.warning("batch refused", edge=header.edge, epoch=header.epoch, seq=header.seq, type=result.type, reason=result.detail)
                if result.type in ("conflict", "fenced"):
                    self._archive.alarm(result.type, header.edge, header.epoch, result.detail)
            elif result.index is None:
                self._monitoring.replays.inc()
            else:
                self._monitoring.batches.inc()
                self._monitoring.rows.inc(header.rows)
                self._monitoring.gaps.inc(len(header.gaps))
                self._committed(header.rows)


def _acknowledgement(request: _Request) -> Acknowledgement:
    watermark = 0
    for result in request.results or []:
        if isinstance(result, Refused):
            raise Refusal(STATUS[result.type], result.type, result.detail, watermark=result.watermark, epoch=result.epoch)
        watermark = result.watermark
    header = request.batches[-1][0]
    return Acknowledgement(header.edge, header.epoch, watermark)
