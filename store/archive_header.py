"""Headers at rest in the archive: compressed where that is shorter, for digests in hexadecimal and names repeat. What is signed stays the same.

A header is RFC 8785 JSON and begins with a brace; a zstd frame never does, so that headers of older archives are read as they are.
"""

import zstandard

from workshop.batch import MAX_HEADER_BYTES
from workshop.errors import ConfigError


def packed(header: bytes) -> bytes:
    """The header as it is stored."""
    short = zstandard.compress(header, 3)
    return short if len(short) < len(header) else header


def unpacked(stored: bytes) -> bytes:
    """The header's own bytes.

    Raises:
        ConfigError: damaged.
    """
    if stored[:1] == b"{":
        return stored
    try:
        return zstandard.ZstdDecompressor().decompress(stored, max_output_size=MAX_HEADER_BYTES)
    except zstandard.ZstdError as error:
        raise ConfigError(f"archive: a batch's header is damaged ({error}); restore a backup") from error
