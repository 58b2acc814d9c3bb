"""Checkpoints and the signed notes that carry them: C2SP tlog-checkpoint and signed-note, so that other people's tools read them.

checkpoint   origin ‖ "\\n" ‖ size in decimal ‖ "\\n" ‖ base64 of the root ‖ "\\n"
signed note  text ‖ "\\n" ‖ one or more lines "— <name> <base64(4-byte key id ‖ signature)>\\n"
key id       first 4 bytes of SHA-256(name ‖ "\\n" ‖ 0x01 ‖ public key); 0x01 is Ed25519
"""

import base64
import binascii
import hashlib
import re

import msgspec

from store.signing import SigningKey, decode_key, verify_raw
from workshop.batch import SIGNATURE_BYTES
from workshop.errors import Rejected

_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_HASH_BYTES = 32
_MAX_NOTE = 2**20
_MAX_SIGNATURES = 100
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,17}")
_SIGNATURE_LINE = re.compile("— ([^ ]+) ([A-Za-z0-9+/]+={0,2})")


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log says of itself: its name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint, three lines."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode('ascii')}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint of exactly three lines; extension lines are refused, since we write none and know none.

    Raises:
        Rejected: another number of lines, a bad origin, a size with leading zeros, a root that is not 32 bytes in canonical base64.
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Rejected("checkpoint: must be the three lines origin, size and root")
    _check_name(lines[0])
    if not _DECIMAL.fullmatch(lines[1]):
        raise Rejected(f"checkpoint: size '{lines[1][:40]}' is not a plain decimal number")
    root = _decode(lines[2])
    if len(root) != _HASH_BYTES:
        raise Rejected(f"checkpoint: root of {len(root)} bytes, expected {_HASH_BYTES}")
    return Checkpoint(lines[0], int(lines[1]), root)


def sign_note(text: str, name: str, key: SigningKey) -> str:
    """The text with our signature line under it.

    Args:
        name: of the key; for a log's own checkpoint the origin line.
    Raises:
        Rejected: a text that does not end in a newline or holds control characters, or a name with spaces or a plus sign.
    """
    _check_text(text)
    _check_name(name)
    signature = _key_id(name, key.public) + key.sign_raw(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode('ascii')}\n"


def open_note(note: str, name: str, public_key: str) -> str:
    """The text of a note that this key (base64) has signed under this name; signatures of others, such as witnesses, may stand beside it.

    Raises:
        Rejected: not a well-formed note, no signature by this key, or a wrong one.
    """
    if len(note) > _MAX_NOTE:
        raise Rejected(f"note: more than {_MAX_NOTE} characters")
    # The last empty line divides; the text may hold empty lines of its own.
    text, divider, rest = note.rpartition("\n\n")
    text += "\n"
    lines = rest.split("\n")
    if not divider or len(lines) < 2 or lines[-1] or len(lines) > _MAX_SIGNATURES + 1:
        raise Rejected("note: must be a text, an empty line and signature lines, each ending in a newline")
    _check_text(text)
    _check_name(name)
    wanted = _key_id(name, public_key)
    signed = False
    for line in lines[:-1]:
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise Rejected(f"note: '{ascii(line)[:80]}' is not a signature line")
        _check_name(match[1])
        raw = _decode(match[2])
        if len(raw) <= _KEY_ID_BYTES:
            raise Rejected("note: a signature line without a signature")
        if match[1] == name and raw[:_KEY_ID_BYTES] == wanted:
            if len(raw) != _KEY_ID_BYTES + SIGNATURE_BYTES or not verify_raw(public_key, text.encode(), raw[_KEY_ID_BYTES:]):
                raise Rejected(f"note: the signature of '{name}' is wrong")
            signed = True
    if not signed:
        raise Rejected(f"note: not signed by '{name}' with the key that was expected")
    return text


def _key_id(name: str, public_key: str) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + decode_key(public_key)).digest()[:_KEY_ID_BYTES]


def _check_name(name: str) -> None:
    if not name or "+" in name or any(letter.isspace() or letter < " " for letter in name):
        raise Rejected(f"note: name '{ascii(name)[:80]}' must not be empty nor hold spaces or a plus sign")
    _encode(name)


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(letter < " " and letter != "\n" for letter in text):
        raise Rejected("note: a text ends in a newline and holds no other control characters")
    _encode(text)


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Rejected("note: not valid Unicode") from error


def _decode(text: str) -> bytes:
    """Bytes from canonical base64 alone: padded, no stray bits."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected(f"note: '{ascii(text)[:80]}' is not base64") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise Rejected(f"note: '{ascii(text)[:80]}' is not canonical base64")
    return raw
