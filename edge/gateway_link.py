"""The edge's connections to its gateway: a client that keeps them open and finds dead ones, compression where the gateway takes it, and back-off."""

import random
import socket
import ssl
from collections.abc import Callable, Generator
from email.utils import parsedate_to_datetime
from typing import ClassVar

import httpx
import msgspec
import zstandard

from workshop.errors import ConfigError
from workshop.wire import Problem

KEEP_ALIVE_S = 5.0
_FIRST_RETRY_S = 0.5
_LONGEST_WAIT_S = 3600.0
_WORTH_BYTES = 512
Token = str | Callable[[], str]
"""A bearer token, or what gives the present one: it may be renewed while the edge runs."""


class _Bearer(httpx.Auth):
    def __init__(self, token: Token) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if token := present(self._token):
            request.headers["Authorization"] = f"Bearer {token}"
        yield request


def present(token: Token) -> str:
    """The token as it is now."""
    return token if isinstance(token, str) else token()


def open_client(url: str, token: Token, timeout_s: float, keep_alive_s: float = KEEP_ALIVE_S) -> httpx.AsyncClient:
    """A client of the gateway; proxies of the environment are not ours to use. A gateway's certificate must be known to the system's store, or to the
    file that SSL_CERT_FILE names.

    A connection on which nothing comes back is given up within twice `keep_alive_s`, whoever swallows it: the kernel probes idle ones and gives up
    what is not confirmed (RFC 1122 4.2.3.6, RFC 5482), and no answer is waited for longer.
    Args:
        timeout_s: how long an answer may take; it may be less.
    Raises:
        ConfigError: not an http address.
    """
    check_gateway(url)
    # A tenth is left for noticing.
    answer_s = min(timeout_s, 1.8 * keep_alive_s)
    transport = httpx.AsyncHTTPTransport(
        trust_env=False, verify=ssl.create_default_context(),
        limits=httpx.Limits(keepalive_expiry=4 * keep_alive_s), socket_options=list(_socket_options(keep_alive_s))
    )
    timeout = httpx.Timeout(answer_s, connect=min(answer_s, keep_alive_s))
    return httpx.AsyncClient(base_url=url, auth=_Bearer(token), timeout=timeout, trust_env=False, transport=transport)


def _socket_options(keep_alive_s: float) -> Generator[tuple[int, int, int], None, None]:
    yield socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    every_s = max(1, int(keep_alive_s / 3))
    wanted = {
        "TCP_KEEPIDLE": max(1, round(keep_alive_s)), "TCP_KEEPINTVL": every_s, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": round(1000 * 1.8 * keep_alive_s)
    }
    for name, value in wanted.items():
        if (number := getattr(socket, name, None)) is not None:  # not every system has every one
            yield socket.IPPROTO_TCP, number, value


def check_gateway(url: str) -> None:
    """Refuses what is not an http address.

    Raises:
        ConfigError: it is not.
    """
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigError(f"gateway url '{url}': {error}; write http://host:port") from error
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ConfigError(f"gateway url '{url}' should look like http://host:port")


class Body:
    """Bodies for one gateway: compressed as soon as an answer has said that it takes that (Accept-Encoding, RFC 9110 12.5.3)."""

    _CODING: ClassVar = "zstd"

    def __init__(self) -> None:
        self._is_taken = False

    def hear(self, answer: httpx.Response) -> None:
        """Takes note of what an answer says about codings; one that says nothing, or refuses the coding, ends it."""
        self._is_taken = self._CODING in answer.headers.get("Accept-Encoding", "") and answer.status_code != 415

    def encode(self, data: bytes, kind: str) -> tuple[bytes, dict[str, str]]:
        """The body, and its headers."""
        headers = {"Content-Type": kind}
        if self._is_taken and len(data) >= _WORTH_BYTES:
            packed = zstandard.ZstdCompressor(level=3).compress(data)
            if len(packed) < len(data):
                return packed, headers | {"Content-Encoding": self._CODING}
        return data, headers


class Backoff:
    """How long to wait before the next try: full jitter over a span that doubles, so that many edges do not come at once.

    Args:
        draw: a number from the first to the second, evenly.
    """

    def __init__(self, max_s: float, draw: Callable[[float, float], float] = random.uniform) -> None:
        self._max_s, self._draw = max_s, draw
        self._tries = 0

    def reset(self) -> None:
        """After a success."""
        self._tries = 0

    def next_s(self, at_least_s: float = 0.0) -> float:
        """Seconds to wait; what the gateway asked for is the least, and the jitter comes on top: it asked everybody for the same."""
        span_s = min(self._max_s, _FIRST_RETRY_S * 2 ** min(self._tries, 20))
        self._tries += 1
        at_least_s = min(at_least_s, _LONGEST_WAIT_S)
        return at_least_s + self._draw(0, max(span_s, at_least_s / 4) if at_least_s else span_s)


def retry_after_s(answer: httpx.Response) -> float:
    """Seconds that the answer asks to wait (RFC 9110 10.2.3): a number, or a date, which is compared with the answer's own; 0 if it asks nothing."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers["Date"])).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0


def problem_of(answer: httpx.Response) -> Problem:
    """The problem that an answer tells (RFC 9457), or its status in words."""
    try:
        return msgspec.json.decode(answer.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Problem("unknown", answer.reason_phrase, answer.status_code)
