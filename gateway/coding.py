"""Compressed bodies of requests: zstd (RFC 8878), unpacked within a limit; every answer to an edge says that it is taken (RFC 9110 12.5.3)."""

import zstandard

from gateway.problems import Refusal

TAKEN = {"Accept-Encoding": "zstd"}
_WINDOW = 2**23
"""RFC 8878 3.1.1.1.2 recommends to support so much, and to refuse what asks for more."""


def unpack(data: bytes, coding: str, limit: int) -> bytes:
    """The body as it was before it was compressed.

    Raises:
        Refusal: 415, another coding; 413, larger than `limit` when unpacked; 400, not what it says.
    """
    if coding.lower() in ("", "identity"):
        return data
    if coding.lower() != "zstd":
        raise Refusal(415, "unsupported-coding", f"a body in coding '{coding[:40]}'; there are zstd and none")
    try:
        size = zstandard.frame_content_size(data)
        if size < 0:
            raise Refusal(400, "invalid", "the body's zstd frame does not state its size")
        if size > limit:
            raise Refusal(413, "too-large", f"a body of {size} bytes when unpacked, at most {limit}; send fewer batches at once")
        whole: bytes = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompress(data, max_output_size=limit, allow_extra_data=False)
    except (zstandard.ZstdError, ValueError) as error:
        raise Refusal(400, "invalid", f"the body is not one zstd frame ({error})") from error
    return whole
