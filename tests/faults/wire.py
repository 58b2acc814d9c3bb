"""A bad network between an edge and its gateway: a TCP relay that cuts, swallows, loses answers or answers in the gateway's place."""

import asyncio
import contextlib
import socket
import struct
from enum import Enum, auto

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


class Fault(Enum):
    """What is wrong with the network."""

    NONE = auto()
    CUT = auto()
    """Connections are reset, new ones too."""
    BLACK_HOLE = auto()
    """Everything is taken, nothing is passed on, nothing comes back, nobody says so."""
    LOSE_ANSWERS = auto()
    """Requests reach the gateway; the connection ends when it answers."""
    BUSY = auto()
    """Somebody in front of the gateway answers 503 with Retry-After."""


class Wire:
    """Between a free port on loopback and the gateway's port. `fault` counts at once, also for open connections."""

    def __init__(self, gateway_port: int) -> None:
        self.fault = Fault.NONE
        self.cut_after: int | None = None
        """Bytes towards the gateway after which each connection is reset."""
        self.connections = self.busy = self.lost_answers = 0
        self._gateway_port = gateway_port
        self._open: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listens, and gives the address."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def set(self, fault: Fault) -> None:
        """Changes the fault; a cut resets what is open."""
        self.fault = fault
        if fault is Fault.CUT:
            for writer in tuple(self._open):
                _reset(writer)

    async def close(self) -> None:
        """Ends it."""
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._open):
            _reset(writer)
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        tasks: list[asyncio.Task[None]] = []
        ends = [writer]
        try:
            if self.fault is Fault.CUT:
                return _reset(writer)
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._gateway_port)
            ends.append(back_writer)
            tasks = [asyncio.create_task(self._forth(reader, back_writer, writer)), asyncio.create_task(self._back(back_reader, writer))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            _reset(writer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._open.discard(writer)
            for end in ends:
                end.close()
                with contextlib.suppress(OSError):
                    await end.wait_closed()
            self._handlers.discard(handler)
        return None

    async def _forth(self, reader: asyncio.StreamReader, target: asyncio.StreamWriter, writer: asyncio.StreamWriter) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                passed += len(data)
                if self.fault is Fault.BLACK_HOLE:
                    continue
                if self.fault is Fault.BUSY:
                    self.busy += 1
                    writer.write(BUSY)
                    await writer.drain()
                    return None
                if self.cut_after is not None and passed > self.cut_after:
                    target.write(data[: self.cut_after])
                    return _reset(writer)
                target.write(data)
                await target.drain()
        return None

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self.fault is Fault.BLACK_HOLE:
                    continue
                if self.fault is Fault.LOSE_ANSWERS:
                    self.lost_answers += 1
                    return _reset(writer)
                writer.write(data)
                await writer.drain()
        return None


def _reset(writer: asyncio.StreamWriter) -> None:
    # SO_LINGER with time 0: the kernel sends RST and throws away what is unsent.
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if writer.transport is not None:
        writer.transport.abort()
