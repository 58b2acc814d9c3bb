"""The control log: everything besides batches that a verdict depends on, one signed entry after the other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from store.archive_records import ControlEntry, GatewayKeyRecord
from store.archive_trees import Additions, ArchiveTrees
from store.control_kinds import Body, KeyRevocation, Origin, Restore, Rotation, Sealed, kind_of
from store.log import LogName, checkpoint_text, data_leaf, leaf_hash, open_note, parse_checkpoint, sign_note
from store.signing import SigningKey, encode_signature
from store.sqlite import Database
from workshop.canonical import canonical_json
from workshop.errors import ConfigError, Rejected
from workshop.register import Workshop
from workshop.statements import RotationStatement
from workshop.window import Clock

SCHEMA = (
    "CREATE TABLE control (number INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, kind TEXT NOT NULL, leaf BLOB NOT NULL, entry BLOB NOT NULL,"
    " signature BLOB NOT NULL)",
    "CREATE INDEX control_kind ON control (kind, number)",
)
_PAGE = 64


class _Entry(msgspec.Struct, frozen=True):
    v: int
    kind: str
    time_us: int
    author: str
    body: dict[str, Any]


class ControlLog(ArchiveTrees):
    """The control log, signed by the gateway's present key, in one generation after the other."""

    def __init__(self, database: Database, key: SigningKey, origin: str, clock: Clock) -> None:
        super().__init__(database, clock)
        self.key = key
        self.origin = origin
        if self.control_size == 0:
            self.add(Origin(origin, key.public), author="gateway")
        elif (found := self.control_entries(0, "origin")[0].body["origin"]) != origin or self.gateway_keys()[-1].key != key.public:
            raise ConfigError(f"archive {database.path}: is the log '{found}' of another gateway key; name another data folder")
        restores = self.control_entries(0, "restore")
        self.generation: int = restores[-1].body["generation"] if restores else 1
        """1, and one more with each restore from a backup."""

    def add(self, body: Body, *, author: str) -> int:
        """Adds an entry of the kind that belongs to its body; returns its index. Raises as `add_control`."""
        return self.add_control(kind_of(body), msgspec.to_builtins(body), author=author)

    def add_control(self, kind: str, body: Mapping[str, Any], *, author: str) -> int:
        """Adds an entry, signed by the gateway and naming the authenticated author; returns its index.

        Raises:
            Rejected: a body without canonical JSON (integers beyond 2^53 - 1, NaN, keys that are not text).
        """
        with self._adding() as added:
            return self._add_control(added, kind, body, author)

    def checkpoint(self, log: LogName) -> str:
        """Signed note of the log's present size and root; origin line and key name are `<origin>/data` or `<origin>/control`."""
        name, tree = f"{self.origin}/{log}", self._trees[log]
        size = tree.size
        return sign_note(checkpoint_text(name, size, tree.root(size), self.generation), name, self.key)

    def seal_checkpoint(self) -> int:
        """Adds the data log's size and root to the control log, so that one checkpoint covers both; returns the entry's index."""
        with self._write_lock:
            size = self.data_size
            return self.add(Sealed(size, self.root("data", size).hex()), author="gateway")

    def gateway_keys(self) -> list[GatewayKeyRecord]:
        """Every key of the gateway, the present one last, with the time in which it signs."""
        first = self.control_entries(0, "origin")[0]
        keys = [GatewayKeyRecord(first.body["gateway_key"], 0, None)]
        for entry in self.control_entries(0, "rotation"):
            if entry.body["statement"]["subject"] == "gateway":
                # The old key signs the entry of its own rotation.
                keys[-1] = msgspec.structs.replace(keys[-1], to_us=entry.time_us + 1)
                keys.append(GatewayKeyRecord(entry.body["statement"]["new"], entry.time_us, None))
        return keys

    def rotate_key(self, new: SigningKey, *, author: str, reason: str) -> None:
        """Signs with a new key from now on; the entry "rotation" still has the old key, and both have signed the statement in it.

        Raises:
            Rejected: the gateway has had this key.
        """
        with self._write_lock:
            if new.public in {record.key for record in self.gateway_keys()}:
                raise Rejected("rotation: the gateway has had this key before; make a new one")
            statement = RotationStatement(self.origin, "gateway", self.key.public, new.public, 0, 0, self._clock())
            data = canonical_json(statement)
            old_signature, new_signature = (encode_signature(key.sign("rotation", data)) for key in (self.key, new))
            self.add(Rotation(statement, old_signature, new_signature, reason), author=author)
            self.key = new

    def revoke_key(self, key: str, *, author: str, reason: str) -> int:
        """Declares a former gateway key to be in wrong hands: from here on it vouches for nothing new. Returns the entry's index.

        Raises:
            Rejected: not a former key; the present one must be rotated first.
        """
        with self._write_lock:
            if key not in {record.key for record in self.gateway_keys()[:-1]}:
                raise Rejected(f"key '{key[:60]}' is no former key of this gateway; rotate the present one first")
            return self.add(KeyRevocation(key, self.control_size, reason), author=author)

    def begin_generation(self, known: Sequence[str], *, backup_us: int, author: str, reason: str) -> Restore:
        """Declares that the logs go on from a backup; one-time tokens of the backup become void.

        Args:
            known: signed checkpoints from after the backup, of either log, that somebody outside has kept.
        Raises:
            Rejected: a checkpoint that this gateway did not sign, of a later generation, or of another history than the backup's.
        """
        with self._write_lock:
            for note in known:
                self._check_known(note)
            body = Restore(
                self.generation + 1, self.data_size, self.root("data").hex(), self.control_size, self.root("control").hex(), tuple(known),
                backup_us, reason,
            )
            self.add(body, author=author)
            self.generation = body.generation
            self.forget_invitations()
            return body

    def _check_known(self, note: str) -> None:
        name = note.partition("\n")[0]
        log: LogName = "data" if name.endswith("/data") else "control"
        if name != f"{self.origin}/{log}":
            raise Rejected(f"checkpoint of '{ascii(name)[:100]}', not of a log of {self.origin}")
        for record in reversed(self.gateway_keys()):
            try:
                checkpoint = parse_checkpoint(open_note(note, name, record.key))
            except Rejected as error:
                refused = error
                continue
            if checkpoint.generation > self.generation:
                raise Rejected(f"checkpoint of {name}: of generation {checkpoint.generation}, the backup is of {self.generation}; take a newer one")
            here = checkpoint.size <= self._trees[log].size and checkpoint.generation == self.generation
            if here and self.root(log, checkpoint.size) != checkpoint.root:
                raise Rejected(f"checkpoint of {name} at {checkpoint.size}: the backup has another history; it is not a backup of this log")
            return
        raise Rejected(f"checkpoint of {name}: {refused}")

    def control_entries(self, first: int = 0, kind: str | None = None, end: int = 2**62, limit: int = -1) -> list[ControlEntry]:
        """Entries with index in [first, end), all or those of one kind; the first `limit` of them, unless it is negative."""
        sql, values = "SELECT number, entry FROM control WHERE number >= ? AND number < ?", [first, end]
        rows = self._reader.execute(f"{sql} ORDER BY number LIMIT ?", [*values, limit]) if kind is None else self._reader.execute(
            f"{sql} AND kind = ? ORDER BY number LIMIT ?", [*values, kind, limit]
        )
        entries = []
        for number, data in rows:
            entry = msgspec.json.decode(data, type=_Entry)
            entries.append(ControlEntry(number, entry.v, entry.kind, entry.time_us, entry.author, entry.body))
        return entries

    def control_leaves(self, first: int = 0) -> Iterator[bytes]:
        """Leaves from index `first` on, as they are hashed; read in pages, so that no reader holds the file up."""
        while rows := self._reader.execute(
            "SELECT number, time_us, entry, signature FROM control WHERE number >= ? ORDER BY number LIMIT ?", (first, _PAGE)
        ):
            for _, time_us, entry, signature in rows:
                yield data_leaf(time_us, entry, signature)
            first = int(rows[-1][0]) + 1

    def revise_register(self, workshop: Workshop, *, author: str, reason: str) -> bool:
        """Adds the register in full as a control entry if it differs from the one in force; whether it did."""
        with self._write_lock:
            last = self.register()
            if last is not None and last.digest == workshop.digest:
                return False
            body = {"digest": workshop.digest, "reason": reason, "register": msgspec.to_builtins(workshop)}
            self.add_control("register", body, author=author)
            return True

    def register(self) -> Workshop | None:
        """The register in force, or None before the first."""
        rows = self._reader.execute("SELECT entry FROM control WHERE kind = 'register' ORDER BY number DESC LIMIT 1")
        return _register_of(msgspec.json.decode(rows[0][0], type=_Entry).body) if rows else None

    def registers(self) -> list[tuple[int, Workshop]]:
        """Every revision with the time, µs, of its entry."""
        return [(entry.time_us, _register_of(entry.body)) for entry in self.control_entries(kind="register")]

    def _add(self, added: Additions, body: Body, author: str) -> int:
        return self._add_control(added, kind_of(body), msgspec.to_builtins(body), author)

    def _add_control(self, added: Additions, kind: str, body: Mapping[str, Any], author: str) -> int:
        """Writes an entry inside a transaction; returns its index."""
        # Times never go backwards within the log, whatever the clock does.
        time_us = max(self._clock(), added.control_us)
        try:
            data = canonical_json({"v": 1, "kind": kind, "time_us": time_us, "author": author, "body": dict(body)})
        except (ValueError, TypeError) as error:
            raise Rejected(f"control entry '{kind}': {error}") from error
        index = self.control_size + len(added.control)
        signature = self.key.sign("control", data)
        leaf = leaf_hash(data_leaf(time_us, data, signature))
        self._db.execute("INSERT INTO control VALUES (?, ?, ?, ?, ?, ?)", (index, time_us, kind, leaf, data, signature))
        added.control.append(leaf)
        added.control_us = time_us
        return index


def _register_of(body: Mapping[str, Any]) -> Workshop:
    return msgspec.convert(body["register"], Workshop)
