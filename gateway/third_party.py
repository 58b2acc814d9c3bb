"""The gateway as an edge of its own: what other people's collectors write is signed, chained and committed like the batches of any edge.

Its provenance is third-party. It needs no journal: the writer is told 204 only when its rows are in the archive, and the archive knows where the
chain stands.
"""

import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import msgspec

from gateway.ingest import Committer
from gateway.monitoring import Monitoring
from store.archive import Archive, EdgeRecord, QuarantinedRow
from store.archive_records import Chain
from store.journal_seal import check_readings, cut_parts
from store.signing import SigningKey
from workshop.batch import MAX_BYTES, MAX_ROWS, NO_DIGEST, Header, Provenance, SealedBatch, encode_header
from workshop.block import Block, concat
from workshop.canonical import sha256_hex
from workshop.errors import ChejianError, ConfigError, NotConnected
from workshop.window import Clock

GROUP_ROWS = 4 * MAX_ROWS


class UnmappedRows:
    """Counts what the table does not map; each series is written into quarantine once."""

    def __init__(self, archive: Archive, monitoring: Monitoring, edge: str) -> None:
        self._archive, self._monitoring, self._edge = archive, monitoring, edge

    def __call__(self, series: str, reason: str, rows: int) -> None:
        self._monitoring.line_rows.labels("unmapped").inc(rows)
        if self._monitoring.first_time(series, reason):
            # These rows are in no batch: a number made of the series stands for the row.
            number = int(sha256_hex(series.encode())[:12], 16)
            self._archive.quarantine([QuarantinedRow(self._edge, 0, 0, "", number, f"{series[:300]}: {reason}")])
            self._monitoring.quarantined.inc()


class _Write(msgspec.Struct, eq=False):
    block: Block
    done: Future[None]


class ThirdParty:
    """One thread that seals for everybody: writes that wait at the same time share their batches, one commit and one fsync.

    Args:
        key_file: the key of this edge; made at the first start, together with its enrolment.
        provenance: of this edge.
    Raises:
        ConfigError: an edge of this id is enrolled with another provenance.
    """

    def __init__(
        self, edge: str, key_file: Path, archive: Archive, committer: Committer, clock: Clock, provenance: Provenance = Provenance.THIRD_PARTY,
    ) -> None:
        self._provenance = provenance
        self._edge, self._archive, self._committer, self._clock = edge, archive, committer, clock
        if not key_file.exists():
            SigningKey.create().save(key_file)
        self._key = SigningKey.load(key_file)
        record = archive.edge(edge)
        if record is not None and record.provenance is not provenance:
            raise ConfigError(f"gateway.toml: edge = '{edge}' is enrolled as {record.provenance.value}; choose another id")
        if record is None or record.public_key != self._key.public:
            # Nobody holds a token of this edge: its batches come from within.
            nobody = sha256_hex(secrets.token_bytes(32))
            archive.enrol(EdgeRecord(edge, self._key.public, provenance, nobody, clock()), author="gateway")
        self._waiting: list[_Write] = []
        self._lock = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="line protocol", daemon=True)
        self._thread.start()

    def submit(self, block: Block) -> Future[None]:
        """Seals and commits these rows; done when they are on disk and in the log.

        Raises:
            Rejected: rows that no batch can hold.
        """
        check_readings(block)
        write = _Write(block, Future())
        with self._lock:
            if self._closed:
                raise NotConnected("line protocol: the gateway is stopping; send the same again")
            self._waiting.append(write)
            self._lock.notify()
        return write.done

    def close(self) -> None:
        """Commits what was submitted and ends the thread."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            try:
                self._commit([write.block for write in group])
            except ChejianError as error:
                for write in group:
                    write.done.set_exception(error)
            else:
                for write in group:
                    write.done.set_result(None)

    def _next_group(self) -> list[_Write]:
        with self._lock:
            while not self._waiting and not self._closed:
                self._lock.wait()
            group: list[_Write] = []
            rows = 0
            while self._waiting and (not group or rows + len(self._waiting[0].block) <= GROUP_ROWS):
                group.append(self._waiting.pop(0))
                rows += len(group[-1].block)
            return group

    def _commit(self, blocks: Sequence[Block]) -> None:
        """Where the chain stands is read from the archive each time: after a refusal or a full disk nothing has to be put right here."""
        chain = self._archive.chain(self._edge) or Chain(self._clock(), 0, NO_DIGEST, 0)
        seq, previous = chain.seq, chain.digest
        batches: list[tuple[Header, SealedBatch]] = []
        for parts in cut_parts(concat([block for block in blocks if len(block)]), MAX_ROWS, MAX_BYTES):
            seq += 1
            header = Header(
                self._edge, chain.epoch, seq, previous, self._provenance, self._clock(), parts=tuple(part.entry for part in parts),
            )
            data = encode_header(header)
            previous = sha256_hex(data)
            batches.append((header, SealedBatch(data, self._key.sign("batch", data), tuple(part.data for part in parts))))
        if batches:
            self._committer.submit(batches).result()
