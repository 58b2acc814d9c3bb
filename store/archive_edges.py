"""The edges in the archive: who is enrolled with which key, how far each one's chain reaches, what it lost in a restore, and alarms."""

from collections import Counter

import msgspec

from store.archive_control import ControlLog
from store.archive_header import unpacked
from store.archive_records import Alarm, Chain, Committed, EdgeRecord, Refused
from store.archive_trees import Additions
from store.control_kinds import Audit, Body, Enrolment, EpochStart, LostBatches, Revocation, Rotation
from store.signing import SigningKey, decode_key, decode_signature, verify
from store.sqlite import Database
from workshop.batch import NO_DIGEST, Header, Provenance, decode_header
from workshop.canonical import canonical_json
from workshop.errors import Rejected
from workshop.statements import ResumeStatement, RotationStatement
from workshop.window import Clock

SCHEMA = (
    "CREATE TABLE edges (edge TEXT PRIMARY KEY, public_key TEXT NOT NULL, provenance TEXT NOT NULL, token_sha256 TEXT NOT NULL,"
    " enrolled_us INTEGER NOT NULL, revoked_us INTEGER) WITHOUT ROWID",
    "CREATE TABLE chains (edge TEXT PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, digest TEXT NOT NULL,"
    " accepted_us INTEGER NOT NULL) WITHOUT ROWID",
)
_PUT_CHAIN = "INSERT OR REPLACE INTO chains VALUES (?, ?, ?, ?, ?)"


class EdgeBook(ControlLog):
    """Enrolled edges and their chains."""

    def __init__(self, database: Database, key: SigningKey, origin: str, clock: Clock, silence_us: int) -> None:
        super().__init__(database, key, origin, clock)
        self._silence_us = silence_us
        self._edges = {row[0]: EdgeRecord(row[0], row[1], Provenance(row[2]), *row[3:]) for row in database.execute("SELECT * FROM edges")}
        self._chains = {row[0]: Chain(*row[1:]) for row in database.execute("SELECT * FROM chains")}
        self._rotations: dict[str, list[RotationStatement]] = {}
        """By edge: the rotations since its last enrolment, in order."""
        self._alarms: dict[tuple[str, str, int], Alarm] = {}
        for entry in sorted((entry for kind in ("enrolment", "rotation", "audit") for entry in self.control_entries(0, kind)), key=lambda e: e.index):
            if entry.kind == "enrolment":
                self._rotations.pop(entry.body["edge"], None)
            elif entry.kind == "rotation":
                statement = msgspec.convert(entry.body["statement"], RotationStatement)
                self._rotations.setdefault(statement.subject, []).append(statement)
            else:
                audit = msgspec.convert(entry.body, Audit)
                if audit.edge:
                    self._alarms[audit.edge, audit.what, audit.epoch] = Alarm(audit.what, audit.epoch, audit.detail, entry.time_us)

    def enrol(self, record: EdgeRecord, *, author: str) -> None:
        """Admits an edge, or gives a known one a new key and token; with a control entry "enrolment".

        Raises:
            Rejected: no Ed25519 key, or another provenance than the edge has had: that is fixed for ever.
        """
        decode_key(record.public_key)
        before = self._edges.get(record.edge)
        if before is not None and before.provenance is not record.provenance:
            raise Rejected(f"edge '{record.edge}' is enrolled as {before.provenance.value}, which never changes; enrol it under another name")
        with self._write_lock:
            self._write_edge(record, Enrolment(record.edge, record.public_key, record.provenance), author)
            self._rotations.pop(record.edge, None)

    def revoke(self, edge: str, *, author: str, reason: str) -> None:
        """Refuses the edge's batches and its token from now on; with a control entry "revocation".

        Raises:
            Rejected: no such edge.
        """
        record = self._edges.get(edge)
        if record is None:
            raise Rejected(f"no edge '{edge}'; there are {', '.join(sorted(self._edges)) or 'none'}")
        self._write_edge(msgspec.structs.replace(record, revoked_us=self._clock()), Revocation(edge, reason), author)

    def rotate(self, statement: RotationStatement, old_signature: str, new_signature: str, *, author: str, reason: str) -> None:
        """Gives an edge a new key, by a statement that both keys signed; the same statement again changes nothing.

        Raises:
            Rejected: no such edge, not its present key, a wrong signature, or batches that the log has already would need the new key.
        """
        with self._write_lock:
            record = self._edges.get(statement.subject)
            if record is None or record.revoked_us is not None or statement.origin != self.origin:
                raise Rejected(f"rotation: no edge '{statement.subject[:80]}' is enrolled at {self.origin}")
            if record.public_key == statement.new and statement in self._rotations.get(record.edge, []):
                return
            data = canonical_json(statement)
            for key, signature in ((record.public_key, old_signature), (statement.new, new_signature)):
                if not verify(key, "rotation", data, decode_signature(signature)):
                    raise Rejected(f"rotation of edge '{record.edge}': must be signed by its present key {record.public_key} and by the new one")
            if statement.old != record.public_key or statement.new in {item.old for item in self._rotations.get(record.edge, [])} | {statement.old}:
                raise Rejected(f"rotation of edge '{record.edge}': does not lead from its present key to one that it never had")
            chain = self._chains.get(record.edge)
            if chain is not None and (statement.epoch, statement.after_seq) < (chain.epoch, chain.seq):
                raise Rejected(f"rotation of edge '{record.edge}': the log has batch {chain.seq}, which the old key signed; seal, then rotate")
            changed = msgspec.structs.replace(record, public_key=statement.new)
            self._write_edge(changed, Rotation(statement, old_signature, new_signature, reason), author)
            self._rotations.setdefault(record.edge, []).append(statement)

    def resume(self, statement: ResumeStatement, signature: str) -> Committed | Refused:
        """Lets an edge's chain go on after a restore with the first batch that it still keeps; what lies before is declared lost, kind "gap".

        Returns:
            Committed with the new watermark; Refused "sequence-gap" when the edge's view of the watermark is out of date, "fenced" for another
            epoch than the edge's, "bad-signature", or "invalid" without a restore: a gateway that lost nothing skips nothing.
        """
        with self._write_lock:
            record, chain = self._edges.get(statement.edge), self._chains.get(statement.edge)
            if refused := self._judge_resume(statement, signature, record, chain):
                return refused
            now = max(self._clock(), self._control_us)
            with self._adding() as added:
                if chain is not None and chain.epoch != statement.epoch:
                    self._add(added, EpochStart(statement.edge, statement.epoch, chain.epoch, chain.seq, "skipped"), "gateway")
                self._add(added, LostBatches(
                    statement.edge, statement.epoch, statement.watermark + 1, statement.first_seq - 1, self._last_sealed_us(statement.edge, chain),
                    statement.sealed_us, "restore", statement, signature,
                ), f"edge:{statement.edge}")
                chain = Chain(statement.epoch, statement.first_seq - 1, statement.prev, now)
                self._db.execute(_PUT_CHAIN, (statement.edge, *msgspec.structs.astuple(chain)))
            self._chains[statement.edge] = chain
            return Committed(chain.seq, None)

    def alarm(self, what: str, edge: str, epoch: int, detail: str) -> bool:
        """Logs an alarm about an edge, kind "audit", once for each edge and epoch; whether it is new."""
        with self._write_lock:
            if (edge, what, epoch) in self._alarms:
                return False
            self.add(Audit(what, edge, epoch, detail[:4000]), author="gateway")
            self._alarms[edge, what, epoch] = Alarm(what, epoch, detail, self._control_us)
            return True

    def alarms(self, edge: str) -> list[Alarm]:
        """The alarms about an edge, in order of time."""
        return sorted((alarm for (name, _, _), alarm in list(self._alarms.items()) if name == edge), key=lambda alarm: alarm.time_us)

    def alarm_counts(self) -> dict[str, int]:
        """How many alarms there are of each kind."""
        return {"fenced": 0, "conflict": 0, **Counter(what for edge, what, _ in list(self._alarms) if edge)}

    def edges(self) -> list[EdgeRecord]:
        """All edges ever enrolled, by name."""
        return [self._edges[name] for name in sorted(self._edges)]

    def edge(self, edge: str) -> EdgeRecord | None:
        """The edge of this name, or None."""
        return self._edges.get(edge)

    def watermark(self, edge: str) -> tuple[int, int] | None:
        """(epoch, last committed seq) of an edge, or None before its first batch."""
        chain = self._chains.get(edge)
        return (chain.epoch, chain.seq) if chain else None

    def chain(self, edge: str) -> Chain | None:
        """How far the edge's chain goes: epoch, last seq and its digest; None before its first batch."""
        return self._chains.get(edge)

    def last_accepted_us(self, edge: str) -> int | None:
        """When the edge's last batch was accepted, µs, or None before its first."""
        chain = self._chains.get(edge)
        return chain.accepted_us if chain else None

    def _key_of(self, record: EdgeRecord, header: Header) -> str:
        """The key that signs this batch: batches sealed before a rotation keep the old one."""
        for rotation in self._rotations.get(record.edge, ()):
            if (header.epoch, header.seq) <= (rotation.epoch, rotation.after_seq):
                return rotation.old
        return record.public_key

    def _judge_resume(self, statement: ResumeStatement, signature: str, record: EdgeRecord | None, chain: Chain | None) -> Refused | None:
        where = f"edge {statement.edge[:80]}, epoch {statement.epoch}"
        if record is None or record.revoked_us is not None:
            return Refused("unknown-edge", f"{where}: not enrolled")
        if not verify(record.public_key, "resume", canonical_json(statement), decode_signature(signature)):
            return Refused("bad-signature", f"{where}: the statement is not signed with the key that the edge was enrolled with")
        if statement.origin != self.origin or statement.generation != self.generation or self.generation == 1:
            detail = f"{where}: the statement is for generation {statement.generation} of {statement.origin}"
            return Refused("invalid", f"{detail}, this log is {self.origin} in generation {self.generation}; without a restore nothing is skipped")
        same = chain is not None and chain.epoch == statement.epoch
        if chain is not None and statement.epoch < chain.epoch:
            return Refused("fenced", f"{where}: the edge is in epoch {chain.epoch} since then; two journals are in use", chain.seq, chain.epoch)
        if chain is not None and not same and self._clock() - chain.accepted_us < self._silence_us:
            return Refused("fenced", f"{where}: epoch {chain.epoch} was heard from just now", chain.seq, chain.epoch)
        watermark = chain.seq if chain is not None and same else 0
        if statement.watermark != watermark:
            return Refused("sequence-gap", f"{where}: the watermark is {watermark}", watermark, statement.epoch)
        if statement.first_seq <= watermark or (statement.first_seq == watermark + 1 and (same or statement.prev == NO_DIGEST)):
            return Refused("invalid", f"{where}: nothing is missing before batch {statement.first_seq}; send it")
        return None

    def _begin_epoch(self, added: Additions, header: Header, before: Chain, how: str) -> None:
        """Entry "epoch", and where the edge came without its old journal, "gap": what was in it from the last delivered batch on is lost."""
        self._add(added, EpochStart(header.edge, header.epoch, before.epoch, before.seq, how), "gateway")
        if how == "lost":
            after_us = self._last_sealed_us(header.edge, before)
            # A clock that was set back between the two tells nothing of when the new journal began.
            before_us = header.epoch if header.epoch > after_us else max(after_us, header.sealed_us)
            self._add(added, LostBatches(header.edge, before.epoch, before.seq + 1, None, after_us, before_us, "journal", None, ""), "gateway")

    def _last_sealed_us(self, edge: str, chain: Chain | None) -> int:
        rows = self._db.execute("SELECT header FROM batches WHERE edge = ? AND epoch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1", (
            edge, chain.epoch, chain.seq)) if chain else []
        return decode_header(unpacked(rows[0][0])).sealed_us if rows else 0

    def _write_edge(self, record: EdgeRecord, body: Body, author: str) -> None:
        with self._adding() as added:
            row = (record.edge, record.public_key, record.provenance.value, record.token_sha256, record.enrolled_us, record.revoked_us)
            self._db.execute("INSERT OR REPLACE INTO edges VALUES (?, ?, ?, ?, ?, ?)", row)
            self._add(added, body, author)
        self._edges[record.edge] = record
