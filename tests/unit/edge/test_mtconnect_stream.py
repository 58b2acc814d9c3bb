"""MTConnect streams: parts however they are cut, and a source against agents that lose, restart, fall silent, or do not stream at all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gathering import Gathering
from edge.mtconnect.document import parse
from edge.mtconnect.parts import Parts, boundary_of
from edge.source import Delivery, MappedSignal, SourceContext, open_source
from workshop.errors import NotConnected, Rejected
from workshop.signal import SignalKind

NOW = 1_767_571_200_000_000
BOUNDARY = "x-1"


def part(body: bytes, *, length: bool = True) -> bytes:
    said = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"--{BOUNDARY}\r\nContent-type: text/xml\r\n{said}\r\n".encode() + body + b"\r\n"


# A body that holds the boundary is only possible where its length is stated.
bodies = st.lists(st.tuples(st.binary(max_size=40).filter(lambda body: b"--x" not in body and not body.endswith(b"\r")), st.booleans()), max_size=5)


@given(bodies, st.lists(st.integers(0, 400), max_size=8))
def test_parts_are_whole_however_the_bytes_are_cut(rows: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    data = b"".join(part(body, length=length) for body, length in rows) + f"--{BOUNDARY}--\r\n".encode()
    parts, got = Parts(BOUNDARY, 1000), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        got += parts.feed(data[start:end])
    assert got == [body for body, _ in rows] and parts.ended


@given(st.binary(max_size=300), st.integers(0, 120), st.binary(max_size=8))
def test_whatever_comes_is_parts_or_refused_in_words_and_nothing_piles_up(noise: bytes, at: int, piece: bytes) -> None:
    good = part(b"<a/>") + part(b"<b/>", length=False)
    for data in (noise, good[:at] + piece + good[at:]):
        parts = Parts(BOUNDARY, 100)
        try:
            for body in (one for start in range(0, len(data), 7) for one in parts.feed(data[start : start + 7])):
                assert len(body) <= 100
        except Rejected as error:
            assert str(error)


@pytest.mark.parametrize(("data", "said"), [
    (b"<html>no</html>\n", "where the boundary of a part belongs"), (part(b"a") + b"--other\r\n", "where the boundary of a part belongs"),
    (b"--x-1\r\nContent-length: -5\r\n", "is no length"), (b"--x-1\r\nContent-length: 101\r\n", "a part of 101 bytes; at most 100"),
    (b"--x-1\r\n\r\n" + b"x" * 200, "a part of more than 100 bytes"), (b"x" * 9000, "a line of more than 8192 bytes"),
    (b"--x-1\r\n" + b"a: b\r\n" * 3000, "a head of more than 8192 bytes"),
    (part(b"abc").replace(b": 3", b": 2"), "where the boundary of a part belongs"),
])
def test_broken_streams(data: bytes, said: str) -> None:
    with pytest.raises(Rejected, match=said):
        Parts(BOUNDARY, 100).feed(data)


@pytest.mark.parametrize(("text", "found"), [
    ("multipart/x-mixed-replace;boundary=abc", "abc"), ('multipart/x-mixed-replace; boundary="a b"', "a b"), ("text/xml", None), ("", None),
    ("Multipart/X-Mixed-Replace; charset=utf-8; Boundary=abc", "abc"), ("multipart/mixed", None),
])
def test_boundaries(text: str, found: str | None) -> None:
    assert boundary_of(text) == found


def document(following: int, rows: dict[int, float], *, instance: int = 7, first: int = 1) -> bytes:
    loads = "".join(f'<Load dataItemId="l" sequence="{at}" timestamp="2026-01-05T00:00:00.{at:06}Z">{value}</Load>' for at, value in rows.items())
    header = f'<Header instanceId="{instance}" nextSequence="{following}" firstSequence="{first}" lastSequence="{following - 1}"/>'
    return f"<MTConnectStreams>{header}<Streams><Samples>{loads}</Samples></Streams></MTConnectStreams>".encode()


def refusal(code: str) -> bytes:
    return f'<MTConnectError><Header instanceId="7"/><Errors><Error errorCode="{code}">no</Error></Errors></MTConnectError>'.encode()


PROBE = b'<MTConnectDevices><Header instanceId="7"/><DataItem id="l"/></MTConnectDevices>'


Sample = Callable[[str, asyncio.StreamWriter], AsyncIterator[bytes]]


@asynccontextmanager
async def agent(current: Callable[[], bytes], sample: Sample) -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP server: `sample` yields bytes after the status line; what it was asked is kept."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
            asked.append(target)
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
            if target.startswith("/sample"):
                async for piece in sample(target, writer):
                    writer.write(piece)
                    await writer.drain()
            else:
                writer.write(b"Content-Type: text/xml\r\n\r\n" + (PROBE if target == "/probe" else current()))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


HEAD = f"Content-Type: multipart/x-mixed-replace;boundary={BOUNDARY}\r\n\r\n".encode()


class Seen:
    """A source at an agent, and what came of it."""

    def __init__(self, url: str, **more: object) -> None:
        signals = (MappedSignal("m-1/load", "m-1", SignalKind.GAUGE, "id:l", "m"),)
        options = {"url": url, "period_ms": 10, "timeout_s": 1.0, "heartbeat_ms": 100, **more}
        self.source = open_source("mtconnect", options, SourceContext("s", "w", "e", signals, lambda: NOW, folder=Path()))
        self.values: list[object] = []
        self.losses: list[str] = []

    async def until(self, count: int) -> "Seen":
        async with asyncio.timeout(10):
            while len(self.values) < count:
                self.keep(await self.source.read())
        return self

    def keep(self, deliveries: list[Delivery]) -> None:
        for one in deliveries:
            self.losses += [loss.reason for loss in one.losses]
            self.values += [reading.value for reading in one.block.readings()]
            if one.on_committed is not None:
                one.on_committed()


async def test_each_observation_of_a_stream_once_and_a_heartbeat_is_a_sign_of_life() -> None:
    async def sample(_target: str, _writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
        yield HEAD
        yield part(document(7, {5: 5.0, 6: 6.0}))
        for _ in range(4):
            await asyncio.sleep(0.1)
            yield part(document(7, {}))
        whole = part(document(9, {6: 6.0, 8: 8.0}))
        yield whole[:50]
        await asyncio.sleep(0.05)
        yield whole[50:] + part(document(10, {9: 9.0}), length=False) + part(document(10, {}))

    async with agent(lambda: document(5, {4: 4.0}), sample) as (url, asked):
        seen = Seen(url)
        await seen.source.connect()
        await seen.until(5)
        assert seen.values == [4.0, 5.0, 6.0, 8.0, 9.0] and seen.losses == ["first contact"]
        assert asked == ["/probe", "/current", "/sample?from=5&count=1000&interval=10&heartbeat=100"]
        assert "streaming" in getattr(seen.source, "terms")  # noqa: B009 – not of the protocol's seam
        await seen.source.close()


async def _endless() -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize(("sent", "said"), [
    ([part(document(5, {}))], "no document and no heartbeat within 0.5 s"), ([part(document(5, {}))[:60]], "no document and no heartbeat within"),
    ([part(document(5, {})), b"\r\n--x-1--\r\n"], "the agent has ended the stream"), ([b"--other\r\n"], "where the boundary of a part belongs"),
    ([part(b"no xml")], "not an MTConnect document"), ([b"--x-1\r\nContent-length: 2000\r\n\r\n"], "a part of 2000 bytes; at most 1024"),
    ([part(refusal("INTERNAL_ERROR"))], "the agent answers INTERNAL_ERROR"),
])
async def test_a_stream_that_falls_silent_or_breaks_is_no_connection(sent: list[bytes], said: str) -> None:
    async def sample(_target: str, _writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
        yield HEAD
        for piece in sent:
            yield piece
        await _endless()

    async with agent(lambda: document(5, {4: 4.0}), sample) as (url, _):
        seen = Seen(url, timeout_s=0.3, max_bytes=1024)
        await seen.source.connect()
        with pytest.raises(NotConnected, match=said):
            await seen.until(1000)
        assert seen.values == [4.0]
        await seen.source.close()


@pytest.mark.parametrize(("turn", "why"), [
    (part(document(3, {2: 9.0}, instance=8)), "agent restarted"), (part(refusal("OUT_OF_RANGE")), "the agent's buffer has run over"),
    (part(document(60, {50: 9.0}, first=50)), "the agent's buffer has run over"),
])
async def test_what_the_agent_no_longer_has_is_declared_and_the_stream_begun_anew(turn: bytes, why: str) -> None:
    instance = 8 if why == "agent restarted" else 7
    now = [document(5, {4: 4.0}), document(100, {90: 90.0}, instance=instance, first=60)]

    async def sample(target: str, _writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
        yield HEAD
        if "from=5&" in target:
            yield turn
        else:
            yield part(document(101, {100: 100.0}, instance=instance, first=60))
        await _endless()

    async with agent(lambda: now.pop(0), sample) as (url, asked):
        seen = Seen(url)
        await seen.source.connect()
        await seen.until(3)
        assert seen.values == [4.0, 90.0, 100.0] and seen.losses == ["first contact", why]
        assert asked[-1].startswith("/sample?from=100&")
        await seen.source.close()


@pytest.mark.parametrize("answer", [document(6, {5: 5.0}), refusal("UNSUPPORTED"), refusal("INVALID_REQUEST")])
async def test_an_agent_that_does_not_stream_is_asked(answer: bytes) -> None:
    async def sample(target: str, _writer: asyncio.StreamWriter) -> AsyncIterator[bytes]:
        start = int(target.partition("from=")[2].partition("&")[0])
        yield b"Content-Type: text/xml\r\n\r\n" + (answer if "interval" in target else document(start + 1, {start: float(start)}))

    async with agent(lambda: document(5, {4: 4.0}), sample) as (url, asked):
        seen = Seen(url)
        await seen.source.connect()
        await seen.until(4)
        assert seen.values == [4.0, 5.0, 6.0, 7.0] and [one for one in asked if "interval" in one] == asked[2:3]
        assert getattr(seen.source, "terms") == {"polling": "every 10 ms; the agent does not stream"}  # noqa: B009
        await seen.source.close()


_TEXTS = st.sampled_from(["5.5", " 7 ", "UNAVAILABLE", "", "x", "NaN", "1e400", "五"])
_STAMPS = st.sampled_from(["2026-01-05T00:00:00Z", "2026-01-05T00:00:00", "", "yesterday", "1900-01-01T00:00:00Z", "2026-01-05T00:00:00.123456789Z"])


@given(st.lists(st.tuples(st.sampled_from(["Load", "Fault", "Normal", "Unavailable"]), st.sampled_from(["l", "other"]), _STAMPS, _TEXTS), max_size=8))
def test_every_observation_of_ours_is_a_reading_or_in_quarantine_with_its_loss(rows: list[tuple[str, str, str, str]]) -> None:
    told = "".join(
        f'<{name} dataItemId="{item}" sequence="{number}" timestamp="{stamp}">{text}</{name}>'
        for number, (name, item, stamp, text) in enumerate(rows, 5)
    )
    body = f'<MTConnectStreams><Header instanceId="7" nextSequence="99" firstSequence="1"/>{told}</MTConnectStreams>'.encode()
    source: Any = Seen("http://127.0.0.1:9").source
    gathering = Gathering()
    source._take(parse(body), gathering, 5)
    deliveries = gathering.deliveries(None)
    stored = [reading for one in deliveries for reading in one.block.readings()]
    refused = [refusal for one in deliveries for refusal in one.refusals]
    assert len(stored) + len(refused) == sum(item == "l" for _, item, _, _ in rows) == len(stored) + sum(len(one.losses) for one in deliveries)
    assert all(refusal.reason.startswith("m-1/load: ") for refusal in refused)
    assert all(reading.value in (None, 5.5, 7.0, 0.0, 1.0) for reading in stored)
    again = Gathering()
    source._take(parse(body), again, 99)
    assert not again.deliveries(None), "what came before counts once"
