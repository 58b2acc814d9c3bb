"""Signing with Ed25519: one key an edge and one a gateway, each over `chejian/<kind>/1` and the exact bytes."""

import base64
import binascii
import functools
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from workshop.errors import ConfigError, Rejected

KEY_BYTES = 32
SIGNATURE_BYTES = 64


class SigningKey:
    """A private Ed25519 key; it signs and tells its public half."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public: str = encode_key(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def create(cls) -> "SigningKey":
        """A new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """The key in a PEM file (PKCS 8).

        Raises:
            ConfigError: no such file, or no Ed25519 key in it.
        """
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{path}: no readable private key ({error}); enrol again to make a new one") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{path}: not an Ed25519 key; enrol again to make one")
        return cls(key)

    def save(self, path: Path) -> None:
        """Writes the key to a new file that only its owner can read; an existing file is refused."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ConfigError(f"{path}: exists already; a key is never overwritten") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())

    def sign(self, kind: str, data: bytes) -> bytes:
        """64 bytes: Ed25519 over "chejian/<kind>/1\\n" ‖ data."""
        return self._key.sign(_message(kind, data))

    def sign_raw(self, data: bytes) -> bytes:
        """64 bytes: Ed25519 over the data as it is; for formats that bring their own prefix (signed notes, DSSE)."""
        return self._key.sign(data)


def verify(public_key: str, kind: str, data: bytes, signature: bytes) -> bool:
    """Whether the signature over "chejian/<kind>/1\\n" ‖ data was made by this key (base64)."""
    return verify_raw(public_key, _message(kind, data), signature)


def verify_raw(public_key: str, data: bytes, signature: bytes) -> bool:
    """Whether the signature over the data as it is was made by this key (base64)."""
    try:
        _public_key(public_key).verify(signature, data)
    except InvalidSignature:
        return False
    return True


@functools.lru_cache(maxsize=256)
def _public_key(public_key: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(decode_key(public_key))


def encode_signature(raw: bytes) -> str:
    """A signature as base64."""
    return base64.b64encode(raw).decode("ascii")


def decode_signature(text: str) -> bytes:
    """The 64 bytes of a signature from its one canonical base64 spelling.

    Raises:
        Rejected: anything else.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected("signature: not base64") from error
    if len(raw) != SIGNATURE_BYTES or encode_signature(raw) != text:
        raise Rejected(f"signature: not {SIGNATURE_BYTES} bytes in canonical base64")
    return raw


def encode_key(raw: bytes) -> str:
    """A raw public key as base64."""
    return base64.b64encode(raw).decode("ascii")


def decode_key(text: str) -> bytes:
    """The 32 raw bytes of a public key from its one canonical base64 spelling.

    Raises:
        Rejected: anything else.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejected(f"key '{text[:60]}' is not base64") from error
    if len(raw) != KEY_BYTES or encode_key(raw) != text:
        raise Rejected(f"key '{text[:60]}' is not a raw Ed25519 public key in base64")
    return raw


def _message(kind: str, data: bytes) -> bytes:
    return b"chejian/" + kind.encode("ascii") + b"/1\n" + data
