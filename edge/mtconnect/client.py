"""An MTConnect agent over HTTP: one document at a time, or a stream of them. The only file of MTConnect that calls httpx."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx

from edge.mtconnect.document import Document, parse
from edge.mtconnect.parts import Parts, boundary_of
from workshop.errors import NotConnected, Rejected


class Stream:
    """Documents as the agent sends them; an empty one is its heartbeat."""

    def __init__(self, name: str, pieces: AsyncIterator[bytes], parts: Parts, patience_s: float, closing: AsyncExitStack) -> None:
        """The beginning of an answer; `patience_s` is how long a whole document may be waited for."""
        self._name, self._pieces, self._parts, self._patience_s, self._closing = name, pieces, parts, patience_s, closing
        self._bodies: list[bytes] = []

    async def next(self) -> Document:
        """The next document.

        Raises:
            NotConnected: nothing within two heartbeats, the agent ends the stream, or what it sends is no stream of documents.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                while not self._bodies:
                    if self._parts.ended:
                        raise NotConnected(f"{self._name}: the agent has ended the stream")
                    self._bodies += self._parts.feed(await anext(self._pieces))
            return parse(self._bodies.pop(0))
        except StopAsyncIteration as error:
            raise NotConnected(f"{self._name}: the agent has ended the stream") from error
        except TimeoutError as error:
            raise NotConnected(f"{self._name}: no document and no heartbeat within {self._patience_s:.1f} s") from error
        except httpx.HTTPError as error:
            raise NotConnected(f"{self._name}: {error or 'connection lost'}") from error
        except Rejected as error:
            raise NotConnected(f"{self._name}: {error}") from error

    async def close(self) -> None:
        """Gives the answer up."""
        await self._closing.aclose()


class AgentClient:
    """Requests to one agent."""

    def __init__(self, url: str, timeout_s: float, max_bytes: int) -> None:
        """For the agent at this URL; answers and parts of more bytes are refused."""
        self._url, self._timeout_s, self._max = url, timeout_s, max_bytes
        # As all programs that read a plant's own network: no proxy from the environment.
        self._client = httpx.AsyncClient(timeout=timeout_s, trust_env=False)

    async def get(self, what: str) -> Document:
        """One document.

        Raises:
            NotConnected: no answer in time, one that is too large, or no document.
        """
        name = f"{self._url}/{what}"
        try:
            async with asyncio.timeout(self._timeout_s), self._client.stream("GET", name) as answer:
                return await self._whole(name, answer)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise NotConnected(f"{name}: {error or 'no answer in time'}") from error

    async def stream(self, what: str, heartbeat_s: float) -> Stream | Document:
        """A stream, or the document with which an agent answers that does not stream or refuses.

        Raises:
            NotConnected: as `get`.
        """
        name = f"{self._url}/{what}"
        patience_s = 2 * heartbeat_s + self._timeout_s
        closing = AsyncExitStack()
        try:
            async with asyncio.timeout(self._timeout_s):
                request = self._client.stream("GET", name, timeout=httpx.Timeout(self._timeout_s, read=patience_s))
                answer = await closing.enter_async_context(request)
                boundary = boundary_of(answer.headers.get("content-type", "")) if answer.is_success else None
                if boundary is not None:
                    return Stream(name, answer.aiter_bytes(), Parts(boundary, self._max), patience_s, closing)
                document = await self._whole(name, answer)
        except BaseException as error:
            await closing.aclose()
            if isinstance(error, httpx.HTTPError | httpx.InvalidURL | TimeoutError):
                raise NotConnected(f"{name}: {error or 'no answer in time'}") from error
            raise
        await closing.aclose()
        return document

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def _whole(self, name: str, answer: httpx.Response) -> Document:
        body = bytearray()
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > self._max:
                raise NotConnected(f"{name}: an answer of more than {self._max} bytes; allow more or count fewer")
        try:
            return parse(bytes(body))
        except Rejected as error:
            raise NotConnected(f"{name}: {error}") from error
