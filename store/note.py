"""Checkpoints and the signed notes that carry them: C2SP tlog-checkpoint and signed-note, so that other people's tools read them.

checkpoint   origin ‖ "\\n" ‖ size in decimal ‖ "\\n" ‖ base64 of the root ‖ "\\n" ‖ from the second generation of a log on: "generation <n>\\n"
signed note  text ‖ "\\n" ‖ one or more lines "— <name> <base64(4-byte key id ‖ signature)>\\n"
key id       first 4 bytes of SHA-256(name ‖ "\\n" ‖ 0x01 ‖ public key); 0x01 is Ed25519
cosignature  by a witness (tlog-cosignature): type 0x04; base64(key id ‖ u64be time in s ‖ signature over "cosignature/v1\\ntime <s>\\n" ‖ text)
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Sequence

import msgspec

from store.signing import SigningKey, decode_key, verify_raw
from workshop.batch import SIGNATURE_BYTES
from workshop.errors import Rejected

_ED25519, _COSIGNATURE = b"\x01", b"\x04"
_KEY_ID_BYTES = 4
_HASH_BYTES = 32
_MAX_NOTE = 2**20
_MAX_SIGNATURES = 100
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,17}")
_GENERATION = re.compile(r"generation ([2-9]|[1-9][0-9]{1,8})")
_SIGNATURE_LINE = re.compile("— ([^ ]+) ([A-Za-z0-9+/]+={0,2})")


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log says of itself: its name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes
    generation: int = 1
    """1, and one more with each restore from a backup."""


def checkpoint_text(origin: str, size: int, root: bytes, generation: int = 1) -> str:
    """The text of a checkpoint: three lines, and from the second generation on the extension line "generation <n>"."""
    extension = f"generation {generation}\n" if generation > 1 else ""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode('ascii')}\n{extension}"


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint of three lines, or four with a generation above 1; other extension lines are refused, since we know none.

    Raises:
        Rejected: another number of lines, a bad origin, a size with leading zeros, a root that is not 32 bytes in canonical base64.
    """
    lines = text.split("\n")
    generation = _GENERATION.fullmatch(lines[3]) if len(lines) == 5 else None
    if lines[-1] or not (len(lines) == 4 or generation):
        raise Rejected("checkpoint: must be the three lines origin, size and root, and from the second generation on 'generation <n>'")
    _check_name(lines[0])
    if not _DECIMAL.fullmatch(lines[1]):
        raise Rejected(f"checkpoint: size '{lines[1][:40]}' is not a plain decimal number")
    root = _decode(lines[2])
    if len(root) != _HASH_BYTES:
        raise Rejected(f"checkpoint: root of {len(root)} bytes, expected {_HASH_BYTES}")
    return Checkpoint(lines[0], int(lines[1]), root, int(generation[1]) if generation else 1)


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
    text, lines = _split(note)
    signatures = _of(lines, name, _key_id(name, public_key))
    for raw in signatures:
        if len(raw) != _KEY_ID_BYTES + SIGNATURE_BYTES or not verify_raw(public_key, text.encode(), raw[_KEY_ID_BYTES:]):
            raise Rejected(f"note: the signature of '{name}' is wrong")
    if not signatures:
        raise Rejected(f"note: not signed by '{name}' with the key that was expected")
    return text


def cosign(note: str, name: str, key: SigningKey, time_s: int) -> str:
    """The note with a witness's cosignature under it: as of this time, the witness had seen no other history of the log.

    Raises:
        Rejected: not a note, or a name with spaces or a plus sign.
    """
    text, _ = _split(note)
    _check_name(name)
    signature = _key_id(name, key.public, _COSIGNATURE) + struct.pack(">Q", time_s) + key.sign_raw(_cosigned(text, time_s))
    return f"{note}— {name} {base64.b64encode(signature).decode('ascii')}\n"


def open_cosignature(note: str, name: str, public_key: str) -> tuple[str, int]:
    """Text of the note, and the time in s at which this witness (first) cosigned it.

    Raises:
        Rejected: not a well-formed note, no cosignature by this key under this name, or a wrong one.
    """
    text, lines = _split(note)
    times = []
    for raw in _of(lines, name, _key_id(name, public_key, _COSIGNATURE)):
        if len(raw) != _KEY_ID_BYTES + 8 + SIGNATURE_BYTES:
            raise Rejected(f"note: the cosignature of '{name}' has another length")
        time_s = int(struct.unpack(">Q", raw[_KEY_ID_BYTES : _KEY_ID_BYTES + 8])[0])
        if not verify_raw(public_key, _cosigned(text, time_s), raw[_KEY_ID_BYTES + 8 :]):
            raise Rejected(f"note: the cosignature of '{name}' is wrong")
        times.append(time_s)
    if not times:
        raise Rejected(f"note: not cosigned by '{name}' with the key that was expected")
    return text, min(times)


def cosignatures(note: str, public_key: str) -> list[tuple[int, bytes]]:
    """(time in s, signature) of every right cosignature by this key, under whatever name, oldest first; wrong ones are passed over.

    Raises:
        Rejected: not a well-formed note.
    """
    text, lines = _split(note)
    found = set()
    for name, raw in lines:
        if len(raw) == _KEY_ID_BYTES + 8 + SIGNATURE_BYTES and raw[:_KEY_ID_BYTES] == _key_id(name, public_key, _COSIGNATURE):
            time_s, signature = int(struct.unpack(">Q", raw[_KEY_ID_BYTES : _KEY_ID_BYTES + 8])[0]), raw[_KEY_ID_BYTES + 8 :]
            if verify_raw(public_key, _cosigned(text, time_s), signature):
                found.add((time_s, signature))
    return sorted(found)


def _of(lines: Sequence[tuple[str, bytes]], name: str, key_id: bytes) -> list[bytes]:
    return [raw for signer, raw in lines if signer == name and raw[:_KEY_ID_BYTES] == key_id]


def _cosigned(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Text and signature lines (name, bytes) of a note."""
    if len(note) > _MAX_NOTE:
        raise Rejected(f"note: more than {_MAX_NOTE} characters")
    # The last empty line divides; the text may hold empty lines of its own.
    text, divider, rest = note.rpartition("\n\n")
    text += "\n"
    lines = rest.split("\n")
    if not divider or len(lines) < 2 or lines[-1] or len(lines) > _MAX_SIGNATURES + 1:
        raise Rejected("note: must be a text, an empty line and signature lines, each ending in a newline")
    _check_text(text)
    found = []
    for line in lines[:-1]:
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise Rejected(f"note: '{ascii(line)[:80]}' is not a signature line")
        _check_name(match[1])
        raw = _decode(match[2])
        if len(raw) <= _KEY_ID_BYTES:
            raise Rejected("note: a signature line without a signature")
        found.append((match[1], raw))
    return text, found


def _key_id(name: str, public_key: str, algorithm: bytes = _ED25519) -> bytes:
    _check_name(name)
    return hashlib.sha256(name.encode() + b"\n" + algorithm + decode_key(public_key)).digest()[:_KEY_ID_BYTES]


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
