"""The edge that imports: it reads files instead of machines, and is enrolled, signed and announced like every edge. Its provenance is imported."""

import ssl
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import numpy as np

from chejian.enrolment import load_enrolment
from chejian.history_folder import Lot
from store.control_kinds import Announcement, Import
from store.journal import EdgeJournal
from workshop.batch import MAX_ROWS, ClockState, Provenance, SealedBatch, decode_header, frame
from workshop.block import Block, concat
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.window import Clock
from workshop.wire import BATCH_CONTENT_TYPE, Acknowledgement, Problem, RequestsAnswer

DONE, UNDER_WAY = "imported.json", "under-way.json"
SEAL_ROWS = 2 * MAX_ROWS
BODY_BYTES = 4 * 2**20
UNSENT_BATCHES = 64
"""So many batches may wait for the gateway before reading waits too."""
PATIENCE_S = 600.0
_RETRY_S = 1.0


class UnderWay(msgspec.Struct):
    """The lot whose batches are being sealed: what of it is in the journal already."""

    lot: str
    """SHA-256."""
    rules: str
    epoch: int
    from_seq: int
    seq: int = 0
    rows: int = 0
    """Sealed up to `seq`."""
    from_us: int = 2**53
    to_us: int = -(2**53)


class Importer:
    """Seals and sends lots; its folder holds key, enrolment, journal, and which lots it has taken.

    Args:
        rules: digest of what decides about rows. A lot that was stopped goes on only under the same rules; else it begins anew, and rows that come
            twice count once.
    Raises:
        ConfigError: not enrolled, or with another provenance than imported.
    """

    def __init__(self, url: str, edge: str, folder: Path, clock: Clock, rules: str) -> None:
        answer, key = load_enrolment(folder, edge)
        if answer.provenance is not Provenance.IMPORTED:
            raise ConfigError(f"{folder}: edge '{edge}' is enrolled as {answer.provenance.value}; imports need an edge of provenance imported")
        self._rules, self._folder, self._origin = rules, folder, answer.origin
        self._url, self._done, self._state = url.rstrip("/"), folder / DONE, folder / UNDER_WAY
        self._journal = EdgeJournal.open(folder / "journal.sqlite", edge=edge, provenance=Provenance.IMPORTED, key=key, clock=clock)
        self._client = httpx.Client(
            timeout=60, trust_env=False, verify=ssl.create_default_context(), headers={"Authorization": f"Bearer {answer.token}"},
        )
        # One thread sends while this one reads and seals; the journal is only used here.
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="import")
        self._sending: Future[int] | None = None
        self._sent = self._journal.watermark
        self._stop = threading.Event()

    def check_gateway(self) -> None:
        """That the gateway is the one to which this folder's lots were sent, and still holds them: what is left out here must be there.

        Raises:
            ConfigError: another gateway, or one that was restored from a backup of before.
            NotConnected: the gateway does not answer.
        """
        edge, other = self._journal.edge, "give this gateway a folder and an edge of its own: --data run/import-2 --edge import-2"
        try:
            answer = msgspec.json.decode(self._ask("GET", f"edges/{edge}/requests"), type=RequestsAnswer)
        except (Rejected, msgspec.DecodeError) as error:
            said = f"does not know edge '{edge}' of {self._folder}, which is enrolled at {self._origin} and remembers what it has sent there"
            raise ConfigError(f"{self._url}: {said}; {other} ({error})") from error
        if answer.origin != self._origin:
            raise ConfigError(f"{self._url}: is {answer.origin}; {self._folder} remembers what was sent to {self._origin}; {other}")
        there = answer.watermark if answer.epoch == self._journal.epoch else 0
        if there < self._journal.watermark:
            lost = f"holds {there} of the {self._journal.watermark} batches that {self._folder} has sent there; was it restored from a backup?"
            raise ConfigError(f"{self._url}: {lost} {other}, and import again: rows that come twice count once")

    def taken(self, lot: Lot) -> bool:
        """Whether these very bytes were imported before."""
        return lot.sha256 in self._imported()

    def take(self, lot: Lot, blocks: Iterable[Block]) -> None:
        """Seals, sends and announces the rows of a lot. A lot that was stopped goes on with the first row that is not in the journal yet.

        Raises:
            NotConnected: the gateway does not answer; the same command goes on later.
            Rejected: it refuses.
        """
        way = self._resume(lot.sha256)
        waiting: list[Block] = []
        for block in _without(blocks, way.rows):
            waiting.append(block)
            if sum(map(len, waiting)) >= SEAL_ROWS:
                self._seal(way, waiting)
                waiting = []
        if waiting:
            self._seal(way, waiting)
        while self._sent < self._journal.status().last_seq:
            self._send(wait=True)
        if way.rows:
            edge, span = self._journal.edge, (way.from_seq, self._journal.watermark)
            self._announce("announcements", Announcement(edge, way.epoch, *span, way.from_us, way.to_us + 1, "import"))
            self._announce("imports", Import(lot.name, lot.sha256, way.rows, edge, way.epoch, *span))
        _write(self._done, sorted({*self._imported(), lot.sha256}))
        self._state.unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the thread, then closes journal and connection."""
        self._stop.set()
        self._sender.shutdown(wait=True)
        self._journal.close()
        self._client.close()

    def _imported(self) -> set[str]:
        return set(msgspec.json.decode(self._done.read_bytes(), type=list[str])) if self._done.exists() else set()

    def _resume(self, digest: str) -> UnderWay:
        if self._journal.unsealed_rows():
            self._journal.seal(ClockState())
        status = self._journal.status()
        try:
            way = msgspec.json.decode(self._state.read_bytes(), type=UnderWay)
        except (OSError, msgspec.DecodeError):
            way = None
        if way is None or (way.lot, way.rules, way.epoch) != (digest, self._rules, status.epoch):
            way = UnderWay(digest, self._rules, status.epoch, status.last_seq + 1, status.last_seq)
        # The journal may be ahead of the note: a batch was sealed, then the power went.
        while batches := self._journal.from_seq(way.seq + 1):
            for seq, batch in batches:
                _add(way, seq, batch)
        return way

    def _seal(self, way: UnderWay, blocks: list[Block]) -> None:
        _write(self._state, way)
        self._journal.append([concat(blocks)])
        last = self._journal.seal(ClockState())
        while last is not None and way.seq < last:
            for seq, batch in self._journal.from_seq(way.seq + 1):
                _add(way, seq, batch)
        _write(self._state, way)
        self._send(wait=False)
        while way.seq - self._sent > UNSENT_BATCHES:
            self._send(wait=True)

    def _send(self, *, wait: bool) -> None:
        if self._sending is not None and (wait or self._sending.done()):
            self._sent = self._sending.result()
            self._journal.acknowledge(self._sent)
            self._sending = None
        if self._sending is None:
            body = b""
            for _, batch in self._journal.from_seq(self._sent + 1):
                if body and len(body) + sum(len(part or b"") for part in batch.parts) > BODY_BYTES:
                    break
                body += frame(batch)
            if body:
                self._sending = self._sender.submit(self._deliver, body)

    def _deliver(self, body: bytes) -> int:
        answer = self._ask("POST", "batches", body, BATCH_CONTENT_TYPE)
        return msgspec.json.decode(answer, type=Acknowledgement).watermark

    def _announce(self, path: str, body: Announcement | Import) -> None:
        self._ask("POST", path, msgspec.json.encode(body), "application/json")

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        """Asks until the gateway answers; it may ask to wait, and it may be away for a while."""
        where, waited_s = f"{self._url}/v1/{path}", 0.0
        while True:
            wait_s = _RETRY_S
            try:
                answer = self._client.request(method, where, content=body, headers={"Content-Type": kind})
            except httpx.HTTPError as error:
                said = str(error) or type(error).__name__
            else:
                if answer.is_success:
                    return answer.content
                said = f"{answer.status_code} {_detail(answer.content)}"
                if answer.status_code != 429 and answer.status_code < 500:
                    raise Rejected(f"{where}: refuses: {said}")
                asked = answer.headers.get("retry-after", "")
                wait_s = min(60.0, float(asked)) if asked.isdigit() else _RETRY_S
            waited_s += wait_s
            if waited_s > PATIENCE_S or self._stop.wait(wait_s):
                raise NotConnected(f"{where}: {said}; give the same command later, it goes on where it was")


def _without(blocks: Iterable[Block], rows: int) -> Iterator[Block]:
    """The blocks without their first rows."""
    for block in blocks:
        if rows >= len(block):
            rows -= len(block)
        elif rows:
            keep = [False] * rows + [True] * (len(block) - rows)
            yield block.take(np.array(keep, np.bool_))
            rows = 0
        else:
            yield block


def _add(way: UnderWay, seq: int, batch: SealedBatch) -> None:
    header = decode_header(batch.header)
    way.seq, way.rows = seq, way.rows + header.rows
    way.from_us = min([way.from_us, *(part.from_us for part in header.parts)])
    way.to_us = max([way.to_us, *(part.to_us for part in header.parts)])


def _write(file: Path, content: object) -> None:
    scratch = file.with_name(file.name + ".new")
    try:
        scratch.write_bytes(msgspec.json.encode(content))
        scratch.replace(file)
    except OSError as error:
        raise NotConnected(f"{file}: cannot be written ({error.strerror}); make room, then give the same command again") from error


def _detail(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Problem).detail
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[:200].decode("utf-8", "replace")
