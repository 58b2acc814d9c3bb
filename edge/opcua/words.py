"""asyncua's errors in our words: they leave as `NotConnected`, with the server and what was tried."""

import contextlib
import struct
from collections.abc import Iterator

from asyncua.crypto.uacrypto import InvalidSignature as UnsignedError  # type: ignore[attr-defined]
from asyncua.ua.uaerrors import UaError
from cryptography.exceptions import InvalidSignature

from workshop.errors import NotConnected

ERRORS = (UaError, OSError, struct.error, ValueError, InvalidSignature, UnsignedError)
"""Everything that a call of asyncua raises when the other side is gone, refuses, or answers what it should not."""
_PLAIN: dict[type[BaseException], str] = {
    TimeoutError: "no answer in time", ConnectionRefusedError: "connection refused: nothing listens at this port",
}


@contextlib.contextmanager
def words(url: str, what: str) -> Iterator[None]:
    """Translates what goes wrong inside.

    Raises:
        NotConnected: the connection is gone, or the server refuses.
    """
    try:
        yield
    except ERRORS as error:
        said = _PLAIN.get(type(error)) or getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotConnected(f"{url}: {what}: {said}") from error
