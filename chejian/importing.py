"""Importing history: an enrolled edge of provenance imported that reads files instead of machines. What the register does not have is refused."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import msgspec

from chejian.enrolment import load_enrolment
from chejian.history_files import Piece, read
from gateway.indexing import Rules
from store.journal import EdgeJournal
from store.journal_seal import check_readings
from workshop.batch import ClockState, Provenance, frame
from workshop.block import Block
from workshop.canonical import sha256_hex
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.register import Workshop
from workshop.signal import SignalKind
from workshop.window import Clock
from workshop.wire import BATCH_CONTENT_TYPE, Acknowledgement, EnrolAnswer, Problem

DONE = "imported.json"
_SHOWN = 20


class Summary(msgspec.Struct):
    """What an import takes, or would take."""

    files: int = 0
    rows: int = 0
    signals: dict[str, int] = {}
    """Rows of each signal that is taken."""
    from_us: int | None = None
    to_us: int | None = None
    refused: dict[str, int] = {}
    """Rows by reason."""
    examples: list[str] = []
    """Where the first refused rows stand."""


def sift(file: Path, rules: Rules, rename: Mapping[str, str], register: Workshop, summary: Summary) -> Iterator[Block]:
    """The rows of a file that the register allows; the others are counted with their reasons."""
    texts = {name for name, _, signal in register.signals() if signal.kind is SignalKind.TEXT}
    refused = Counter(summary.refused)
    for piece in read(file, rename, texts.__contains__):
        _count_bad(file, piece, refused, summary)
        block, _, reasons = rules.sift(piece.block)
        for _, reason in reasons:
            rows = int(reason.rpartition("(")[2].split()[0])
            refused[reason.rpartition(" (")[0]] += rows
        check_readings(block)
        summary.refused = dict(refused)
        if len(block):
            _count_good(block, summary)
            yield block
    summary.files += 1


def _count_bad(file: Path, piece: Piece, refused: Counter[str], summary: Summary) -> None:
    for row in piece.refused:
        refused[row.reason] += 1
        if len(summary.examples) < _SHOWN:
            summary.examples.append(f"{file.name}:{row.line}: {row.reason}")


def _count_good(block: Block, summary: Summary) -> None:
    summary.rows += len(block)
    for number, name in enumerate(block.signals):
        if rows := int((block.signal == number).sum()):
            summary.signals[name] = summary.signals.get(name, 0) + rows
    first, last = int(block.source_time_us.min()), int(block.source_time_us.max())
    summary.from_us = min(first, summary.from_us if summary.from_us is not None else first)
    summary.to_us = max(last, summary.to_us if summary.to_us is not None else last)


class Importer:
    """The edge that imports: its folder holds key, enrolment, journal, and which files it has taken.

    Raises:
        ConfigError: not enrolled, or with another provenance than imported.
    """

    def __init__(self, url: str, edge: str, folder: Path, clock: Clock) -> None:
        answer, key = load_enrolment(folder, edge)
        if answer.provenance is not Provenance.IMPORTED:
            raise ConfigError(f"{folder}: edge '{edge}' is enrolled as {answer.provenance.value}; imports need an edge of provenance imported")
        self._answer: EnrolAnswer = answer
        self._url, self._done = url.rstrip("/"), folder / DONE
        self._journal = EdgeJournal.open(folder / "journal.sqlite", edge=edge, provenance=Provenance.IMPORTED, key=key, clock=clock)
        self._client = httpx.Client(timeout=60, trust_env=False, headers={"Authorization": f"Bearer {answer.token}"})

    def taken(self, file: Path) -> bool:
        """Whether these very bytes were imported before."""
        return _digest(file) in self._imported()

    def take(self, file: Path, blocks: Iterator[Block], progress: Callable[[int], None]) -> None:
        """Seals and sends the blocks; what is sealed is on disk and goes on after a stop.

        Args:
            progress: is told rows as they are acknowledged.
        """
        self._send(lambda _: None)
        for block in blocks:
            self._journal.append([block])
            self._journal.seal(ClockState())
            self._send(progress)
        self._done.write_bytes(msgspec.json.encode(sorted({*self._imported(), _digest(file)})))

    def close(self) -> None:
        """Closes journal and connection."""
        self._journal.close()
        self._client.close()

    def _imported(self) -> set[str]:
        return set(msgspec.json.decode(self._done.read_bytes(), type=list[str])) if self._done.exists() else set()

    def _send(self, progress: Callable[[int], None]) -> None:
        while pending := self._journal.pending(4):
            where, body = f"{self._url}/v1/batches", b"".join(frame(batch) for _, batch in pending)
            try:
                answer = self._client.post(where, content=body, headers={"Content-Type": BATCH_CONTENT_TYPE})
            except httpx.HTTPError as error:
                raise NotConnected(f"{where}: {error or type(error).__name__}; start the import again, it goes on where it was") from error
            if answer.status_code == 429 or answer.status_code >= 500:
                raise NotConnected(f"{where}: answers {answer.status_code}; start the import again later, it goes on where it was")
            if not answer.is_success:
                raise Rejected(f"{where}: refuses: {_detail(answer.content)}")
            self._journal.acknowledge(msgspec.json.decode(answer.content, type=Acknowledgement).watermark)
            progress(len(pending))


def _digest(file: Path) -> str:
    return sha256_hex(file.read_bytes())


def _detail(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Problem).detail
    except msgspec.DecodeError:
        return body[:200].decode("utf-8", "replace")
