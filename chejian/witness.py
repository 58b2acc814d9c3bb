"""The witness at work: asks a gateway for its checkpoints, keeps what it has checked in a folder of its own, and leaves its cosignatures there."""

import base64
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography import x509

from chejian.demo.client import GatewayClient
from evidence.timestamp import QUERY_TYPE, check_response, make_request
from evidence.witness import LOGS, Leaf, Memory, check_log, learn_keys, open_fresh, open_restores, remember
from store.log import Checkpoint, LogName
from store.note import cosign
from store.signing import SigningKey
from workshop.errors import ConfigError, NotConnected, VerificationError
from workshop.window import SECOND_US, Clock

STATE = "state.json"


class Witness:
    """One witness of one gateway.

    Args:
        name: under which it cosigns; a name without spaces, such as evaluator.example/witness-1.
        folder: its memory: state.json, history/, and split-view/ should it ever come to that.
        stamps: address of a time-stamping authority (RFC 3161) and the roots to check it with.
    """

    def __init__(
        self, client: GatewayClient, folder: Path, *, name: str, key: SigningKey, clock: Clock,
        stamps: tuple[str, list[x509.Certificate]] | None = None,
    ) -> None:
        self._client, self._folder, self._name, self._key, self._clock, self._stamps = client, folder, name, key, clock, stamps

    def look(self, trusted: Memory | None = None) -> list[str]:
        """One round: fetch, check, store, cosign, leave the cosignatures with the gateway.

        Args:
            trusted: origin and keys of the gateway from a trust file, for the first time.
        Returns:
            what a person should read.
        Raises:
            VerificationError: the gateway shows another history than before; both sides are kept in split-view/.
            NotConnected: it does not answer; nothing has changed.
        """
        notes: dict[LogName, str] = self._client.get("/v1/checkpoint")
        memory = self._memory(trusted)
        said = [] if memory.seen else [f"first look at {memory.origin}, gateway key {memory.keys[-1]}"]
        try:
            fresh = self._check(memory, notes, said)
        except VerificationError as error:
            self._keep_proof(memory, notes, str(error))
            raise
        memory = remember(memory, notes, fresh, self._clock())
        # (4) Stored first: a witness that forgets could be led to cosign two histories.
        self._write(STATE, msgspec.json.format(msgspec.json.encode(memory), indent=1))
        cosigned = {log: cosign(notes[log], self._name, self._key, self._clock() // SECOND_US) for log in LOGS}
        stamps = {log: self._stamp(cosigned[log]) for log in LOGS}
        for log in LOGS:
            base = f"history/{log}-{fresh[log].generation}-{fresh[log].size:012d}"
            self._write(f"{base}.note", cosigned[log].encode())
            if stamps[log]:
                self._write(f"{base}.tsr", stamps[log])
        self._leave(cosigned, stamps, said)
        sizes = " and ".join(f"{fresh[log].size} in the {log} log" for log in LOGS)
        return [*said, f"{memory.origin}: {sizes}, generation {fresh['data'].generation}: consistent with everything seen before; cosigned"]

    def _check(self, memory: Memory, notes: Mapping[LogName, str], said: list[str]) -> dict[LogName, Checkpoint]:
        try:
            fresh = {log: open_fresh(notes[log], log, memory.origin, memory.keys) for log in LOGS}
        except VerificationError:
            memory.keys = learn_keys(memory, [item["leaf"] for item in self._client.get("/v1/entries", kind="rotation")])
            fresh = {log: open_fresh(notes[log], log, memory.origin, memory.keys) for log in LOGS}
            said.append(f"the gateway has a new key, announced under its old one: {memory.keys[-1]}")
        control = fresh["control"]
        leaves = []
        for item in self._client.get("/v1/entries", kind="restore"):
            if item["index"] < control.size:
                proof = self._client.get("/v1/proof/inclusion", log="control", index=item["index"], size=control.size)["proof"]
                leaves.append(Leaf(item["index"], item["leaf"], tuple(proof)))
        restores = open_restores(leaves, control, memory.keys)
        for log in LOGS:
            if warning := check_log(memory, log, fresh[log], restores, partial(self._proof, log, fresh[log].size)):
                said.append(f"WARNING {warning}")
        return fresh

    def _proof(self, log: LogName, new: int, old: int) -> list[bytes]:
        try:
            return [bytes.fromhex(node) for node in self._client.get("/v1/proof/consistency", log=log, old=old, new=new)["proof"]]
        except (ConfigError, ValueError) as error:
            raise VerificationError(3, f"{log} log: the gateway has no proof from {old} to {new} ({error})") from error

    def _memory(self, trusted: Memory | None) -> Memory:
        file = self._folder / STATE
        if not file.exists():
            if trusted is not None:
                return trusted
            given = self._client.get("/v1/trust")
            return Memory(given["origin"], [item["key"] for item in given["gateway"]])
        try:
            return msgspec.json.decode(file.read_bytes(), type=Memory)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: {error}; a witness without its memory is none: restore the file, or begin in a new folder") from error

    def _stamp(self, note: str) -> bytes:
        if self._stamps is None:
            return b""
        url, roots = self._stamps
        query, nonce = make_request(note.encode())
        try:
            answer = httpx.post(url, content=query, headers={"Content-Type": QUERY_TYPE}, timeout=30, trust_env=False)
        except httpx.HTTPError as error:
            raise NotConnected(f"time-stamping authority {url}: {error or type(error).__name__}") from error
        if not answer.is_success:
            raise NotConnected(f"time-stamping authority {url}: {answer.status_code}")
        check_response(answer.content, note.encode(), roots, nonce)
        return answer.content

    def _leave(self, cosigned: Mapping[LogName, str], stamps: Mapping[LogName, bytes], said: list[str]) -> None:
        body: dict[str, Any] = {"witness": self._name, "key": self._key.public, "notes": [cosigned[log] for log in LOGS]}
        if self._stamps is not None:
            body["timestamps"] = [base64.b64encode(stamps[log]).decode() for log in LOGS]
        try:
            self._client.post("/v1/checkpoint/cosignatures", body)
        except (ConfigError, NotConnected) as error:
            said.append(f"WARNING the gateway did not take the cosignatures ({error}); they are in {self._folder / 'history'}")

    def _keep_proof(self, memory: Memory, notes: Mapping[LogName, str], why: str) -> None:
        last = [item.note for log in LOGS if (item := memory.last(log)) is not None]
        text = "\n----\n".join([why, *last, *(notes[log] for log in LOGS)])
        self._write(f"split-view/{self._clock()}.txt", text.encode())

    def _write(self, name: str, data: bytes) -> None:
        file = self._folder / name
        draft = file.with_suffix(".new")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(file)
        except OSError as error:
            raise ConfigError(f"{file}: cannot be written ({error.strerror or error})") from error
