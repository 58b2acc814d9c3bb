"""Rotating an edge's key in its folder, in steps that can be taken again after a crash: next key, signed statement, gateway, journal, key file."""

from pathlib import Path

import msgspec

from chejian.enrolment import ANSWER, KEY, ROTATION
from edge.rotate import send_rotation
from store.journal import EdgeJournal
from store.signing import SigningKey, encode_signature
from workshop.batch import ClockState
from workshop.errors import ConfigError
from workshop.window import Clock
from workshop.wire import EnrolAnswer, RotationPost

NEXT_KEY = "key-next.pem"


def rotate_edge(url: str, folder: Path, edge: str, clock: Clock, reason: str) -> str:
    """Gives the edge in this folder a new key; the agent must not be running.

    Returns:
        the new public key, base64.
    Raises:
        ConfigError: not enrolled, the journal is in use, or the gateway refuses.
        NotConnected: the gateway does not answer; call it again, nothing is lost.
    """
    try:
        answer = msgspec.json.decode((folder / ANSWER).read_bytes(), type=EnrolAnswer)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{folder}: edge '{edge}' is not enrolled ({error}); run: chejian edge enrol") from error
    if not (folder / NEXT_KEY).exists():
        SigningKey.create().save(folder / NEXT_KEY)
    new = SigningKey.load(folder / NEXT_KEY)
    try:
        journal = _open(folder, answer, SigningKey.load(folder / KEY), clock)
    except ConfigError:
        _open(folder, answer, new, clock).close()  # the journal has the new key already: only the files are left to move
    else:
        try:
            send_rotation(url, answer.token, _statement(folder, journal, new, answer.origin, reason))
            journal.take_key(new)
        finally:
            journal.close()
    (folder / NEXT_KEY).replace(folder / KEY)
    # Kept: after a gateway's restore from before this rotation it has to be shown again.
    if (folder / ROTATION).exists():
        (folder / ROTATION).replace(folder / f"rotated-{clock()}.json")
    return new.public


def _statement(folder: Path, journal: EdgeJournal, new: SigningKey, origin: str, reason: str) -> RotationPost:
    """The statement, on disk before anybody sees it: until it is through, the edge does not start and seals nothing more with the old key."""
    file = folder / ROTATION
    if file.exists():
        return msgspec.json.decode(file.read_bytes(), type=RotationPost)
    journal.seal(ClockState())
    statement, old_signature, new_signature = journal.rotate(new, origin)
    post = RotationPost(statement, encode_signature(old_signature), encode_signature(new_signature), reason)
    draft = file.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(post), indent=1))
    draft.replace(file)
    return post


def _open(folder: Path, answer: EnrolAnswer, key: SigningKey, clock: Clock) -> EdgeJournal:
    return EdgeJournal.open(folder / "journal.sqlite", edge=answer.edge, provenance=answer.provenance, key=key, clock=clock)
