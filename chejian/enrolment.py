"""The folder of an enrolled edge: its key, and what the gateway answered."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from workshop.errors import ConfigError
from workshop.wire import EnrolAnswer

if TYPE_CHECKING:
    from store.signing import SigningKey

KEY, ANSWER, ROTATION = "key.pem", "enrolment.json", "rotation.json"


def enrol_folder(url: str, token: str, edge: str, folder: Path) -> EnrolAnswer:
    """Makes the edge's key, if there is none yet, and enrols it; key and answer stay in the folder, readable by their owner only.

    Raises:
        ConfigError: enrolled already, the folder cannot be written, or the gateway refuses the token.
        NotConnected: nobody answers.
    """
    from edge.enrol import enrol
    from store.signing import SigningKey

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror})") from error
    if (folder / ANSWER).exists():
        raise ConfigError(f"{folder}: edge '{edge}' is enrolled already; move {ANSWER} away to enrol again")
    if (folder / KEY).exists():  # an enrolment that failed half-way: the key has not been used yet
        key = SigningKey.load(folder / KEY)
    else:
        key = SigningKey.create()
        key.save(folder / KEY)
    _keep_certificate(folder / "pki", edge)  # before the token is used up
    answer = enrol(url, token, edge, key)
    descriptor = os.open(folder / ANSWER, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(answer), indent=1))
    return answer


def _keep_certificate(pki: Path, edge: str) -> None:
    """The certificate by which machines know this edge: made where there is none, renewed where it ends soon; the old one stays beside it."""
    import socket

    from chejian.clock import real_clock
    from edge.opcua.certificates import utc
    from edge.opcua.own import load_own, make_own

    if not (pki / "own").exists() or load_own(pki).warnings(utc(real_clock())):
        make_own(pki, edge, socket.gethostname(), real_clock)


def load_enrolment(folder: Path, edge: str) -> tuple[EnrolAnswer, "SigningKey"]:
    """The answer and the key of an enrolled edge.

    Raises:
        ConfigError: not enrolled, or another edge's folder.
    """
    from store.signing import SigningKey

    try:
        answer = msgspec.json.decode((folder / ANSWER).read_bytes(), type=EnrolAnswer)
    except OSError as error:
        raise ConfigError(f"{folder}: edge '{edge}' is not enrolled; get a one-time token and run: chejian edge enrol") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{folder / ANSWER}: {error}; move it away and enrol again") from error
    if (folder / ROTATION).exists():
        raise ConfigError(f"{folder}: a rotation of the edge's key is not finished; run: chejian edge rotate")
    if answer.edge != edge:
        raise ConfigError(f"{folder}: belongs to edge '{answer.edge}', not '{edge}'; name another data folder")
    return answer, SigningKey.load(folder / KEY)


class TokenFile:
    """The bearer token in an edge's folder, read again when the file is replaced: a new enrolment takes effect while the edge runs."""

    def __init__(self, folder: Path, answer: EnrolAnswer) -> None:
        self._file, self._answer, self._stamp = folder / ANSWER, answer, self._look(folder / ANSWER)

    def __call__(self) -> str:
        stamp = self._look(self._file)
        if stamp not in (None, self._stamp):
            try:
                answer = msgspec.json.decode(self._file.read_bytes(), type=EnrolAnswer)
            except (OSError, msgspec.DecodeError, UnicodeDecodeError):
                return self._answer.token  # half written: the next call sees the whole
            self._stamp = stamp
            if answer.edge == self._answer.edge:
                self._answer = answer
        return self._answer.token

    @staticmethod
    def _look(file: Path) -> tuple[int, int] | None:
        try:
            found = file.stat()
        except OSError:
            return None  # moved away, to be enrolled again
        return found.st_mtime_ns, found.st_ino
