"""Older machine tools as an MTConnect 2.0 agent shows them, by HTTP: `/probe`, `/current`, `/sample?from=N&count=N`, each also below `/<equipment>`.

With `interval` (and `heartbeat`), ms, `/sample` streams: a part of `multipart/x-mixed-replace` for what has changed, an empty one as heartbeat.
Observations are numbered, 8192 are kept. `at`, `path` and assets are not served and say so. Data items carry the register's name of their
signal; `simulators.mtconnect.items` says how values read.

Truth: every change of a signal that a data item shows, from the first scan on.
"""

import asyncio
import contextlib
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from simulators.errors import SimulatorError
from simulators.face import Face, Stage
from simulators.link import port_error
from simulators.machine import Machine
from simulators.mtconnect import documents
from simulators.mtconnect.agent import Agent, OutOfRange
from simulators.mtconnect.items import texts
from simulators.settings import Device

__all__ = ["open_face"]

_KINDS = ("machining_centre", "lathe")
_MOST = 8192
_PATIENCE_S = 10.0


async def open_face(block: Device, stage: Stage) -> Face:
    """Listen; clients can ask when this returns.

    Raises:
        SimulatorError: equipment that is no machine tool (exit code 2); the port is in use (exit code 3).
    """
    for machine in stage.machines:
        if machine.kind not in _KINDS:
            raise SimulatorError(f"device {block.name!r}: {machine.equipment} is a {machine.kind}; by MTConnect there are {', '.join(_KINDS)}")
    face = _MtConnectFace(stage)
    try:
        await face.start(block.host, block.port)
    except OSError as error:
        raise port_error(block.host, block.port, f"device {block.name!r}", error) from error
    return face


class Wanted(NamedTuple):
    """A stream: of which device (None: all), from which observation on, at most how many in a part, how often, and how often at least."""

    device: str | None
    start: int
    most: int
    interval_s: float
    heartbeat_s: float


class _MtConnectFace:
    """A listening agent."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._agent = Agent([machine.equipment for machine in stage.machines], stage.clock() // 1_000_000)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        for machine in stage.machines:
            self._scan(machine, stage.clock())

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, host, port)

    async def offer(self, machine: Machine, now_us: int) -> None:
        """Scan, and number what has changed."""
        self._scan(machine, now_us)

    async def close(self) -> None:
        """Stop listening, and drop who is connected."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.close()
            await self._server.wait_closed()

    def _scan(self, machine: Machine, now_us: int) -> None:
        values = machine.scan(now_us)
        stamp_us = now_us + self._stage.schedule.clock_offset_us(machine.equipment, now_us)
        changed = self._agent.observe(machine.equipment, stamp_us, texts(values))
        shown = {name: value for name, value in values.items() if name in changed}
        if shown:
            self._stage.truth.reading(machine.equipment, stamp_us, shown)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, until the client has enough of it."""
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while True:
                    async with asyncio.timeout(_PATIENCE_S):
                        head = await reader.readuntil(b"\r\n\r\n")
                    request = head.split(b"\r\n", 1)[0].decode("latin-1")
                    if (wanted := self._stream_of(request)) is not None:
                        await self._send_stream(wanted, writer)
                        return
                    status, body = self._answer(request)
                    said = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
                    writer.write(said.encode() + body)
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()

    def _stream_of(self, request: str) -> Wanted | None:
        """What a request wants streamed; None if it is to be answered, or refused, with one document."""
        target = request.split(" ")[1] if request.startswith("GET ") and request.count(" ") == 2 else ""
        parts = urlsplit(target)
        levels = [level for level in parts.path.split("/") if level]
        query = dict(parse_qsl(parts.query))
        if levels[-1:] != ["sample"] or "interval" not in query or set(query) - {"from", "count", "interval", "heartbeat"}:
            return None
        device = levels[0] if len(levels) == 2 else None
        numbers = {name: int(text) for name, text in query.items() if text.isascii() and text.isdigit() and len(text) < 19}
        if len(levels) > 2 or device not in (None, *self._agent.devices) or set(numbers) != set(query):
            return None
        start = numbers.get("from", self._agent.first_sequence)
        wanted = Wanted(device, start, numbers.get("count", 100), numbers["interval"] / 1000, numbers.get("heartbeat", 10_000) / 1000)
        is_there = self._agent.first_sequence <= start <= self._agent.next_sequence
        return wanted if is_there and 1 <= wanted.most <= _MOST and wanted.heartbeat_s > 0 else None

    async def _send_stream(self, wanted: Wanted, writer: asyncio.StreamWriter) -> None:
        boundary, at, loop = f"chejian-{self._agent.instance}", wanted.start, asyncio.get_running_loop()
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary={boundary}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        said_at = float("-inf")
        while not writer.is_closing():
            now = documents.stamp(self._stage.clock())
            try:
                rows, at = self._agent.sample(wanted.device, at, wanted.most)
                body, is_last = documents.streams(self._agent, now, rows, at), False
            except OutOfRange as error:
                body, rows, is_last = documents.error(self._agent, now, "OUT_OF_RANGE", str(error)), [], True
            if rows or is_last or loop.time() - said_at >= wanted.heartbeat_s:
                said_at = loop.time()
                part = f"--{boundary}\r\nContent-type: text/xml\r\nContent-length: {len(body)}\r\n\r\n".encode() + body + b"\r\n"
                part += f"--{boundary}--\r\n".encode() if is_last else b""
                writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n" + (b"0\r\n\r\n" if is_last else b""))
                await writer.drain()
            if is_last:
                return
            await asyncio.sleep(max(wanted.interval_s, 0.001))

    def _answer(self, request: str) -> tuple[HTTPStatus, bytes]:
        now = documents.stamp(self._stage.clock())
        try:
            method, target, _version = request.split(" ")
        except ValueError:
            return self._refuse(now, HTTPStatus.BAD_REQUEST, "INVALID_REQUEST", "not a request")
        parts = urlsplit(target)
        levels = [level for level in parts.path.split("/") if level]
        what = levels.pop() if levels and levels[-1] in ("probe", "current", "sample") else "probe"
        device = levels[0] if levels else None
        if method != "GET":
            return self._refuse(now, HTTPStatus.METHOD_NOT_ALLOWED, "UNSUPPORTED", "only GET")
        if len(levels) > 1 or (device is not None and device not in self._agent.devices):
            return self._refuse(now, HTTPStatus.NOT_FOUND, "NO_DEVICE", f"there is no device {'/'.join(levels)}")
        query = dict(parse_qsl(parts.query))
        if unknown := set(query) - ({"from", "count", "interval", "heartbeat"} if what == "sample" else set()):
            return self._refuse(now, HTTPStatus.BAD_REQUEST, "UNSUPPORTED", f"{what} takes no {', '.join(sorted(unknown))} here")
        if what == "probe":
            return HTTPStatus.OK, documents.devices(self._agent, now, device)
        if what == "current":
            return HTTPStatus.OK, documents.streams(self._agent, now, self._agent.current(device), self._agent.next_sequence)
        return self._sample(now, device, query)

    def _sample(self, now: str, device: str | None, query: dict[str, str]) -> tuple[HTTPStatus, bytes]:
        try:
            start = int(query["from"]) if "from" in query else None
            count = int(query.get("count", "100"))
            times = int(query.get("interval", "0")), int(query.get("heartbeat", "1"))
        except ValueError:
            return self._refuse(now, HTTPStatus.BAD_REQUEST, "INVALID_REQUEST", "from, count, interval and heartbeat are whole numbers")
        if times[0] < 0 or times[1] < 1:
            return self._refuse(now, HTTPStatus.BAD_REQUEST, "OUT_OF_RANGE", "interval must be from 0, heartbeat from 1 on")
        if not 1 <= count <= _MOST:
            return self._refuse(now, HTTPStatus.BAD_REQUEST, "OUT_OF_RANGE", f"count must be from 1 to {_MOST}")
        try:
            rows, following = self._agent.sample(device, start, count)
        except OutOfRange as error:
            return self._refuse(now, HTTPStatus.NOT_FOUND, "OUT_OF_RANGE", str(error))
        return HTTPStatus.OK, documents.streams(self._agent, now, rows, following)

    def _refuse(self, now: str, status: HTTPStatus, code: str, text: str) -> tuple[HTTPStatus, bytes]:
        return status, documents.error(self._agent, now, code, text)
