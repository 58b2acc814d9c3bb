"""A network link that fails: a TCP relay that cuts its connections on a schedule."""

import asyncio
import errno
import socket
import struct
from collections.abc import Callable, Iterator

import numpy as np

from simulators.clock import Clock
from simulators.errors import SimulatorError
from simulators.settings import Link


def outages(link: Link, start_us: int, dice: np.random.Generator) -> Iterator[tuple[int, int]]:
    """When the link goes down and comes back, µs UTC, for ever; every outage is `down_s` long and a little early or late."""
    number = 0
    while True:
        planned_s = link.first_s + number * link.period_s + dice.uniform(-link.jitter_s, link.jitter_s)
        down_us = start_us + round(max(0.0, planned_s) * 1e6)
        yield down_us, down_us + round(link.down_s * 1e6)
        number += 1


async def check_port(host: str, port: int, owner: str) -> None:
    """See that the port is free before anything slow is started for it.

    Raises:
        SimulatorError: it is in use, or the address is not one of this computer's.
    """
    try:
        probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    except OSError as error:
        raise port_error(host, port, owner, error) from error
    probe.close()
    await probe.wait_closed()


def port_error(host: str, port: int, owner: str, error: OSError) -> SimulatorError:
    """What to say when listening is refused."""
    why = "is in use; end the other program or give another port" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
    return SimulatorError(f"{owner}: port {port} of {host} {why} in simulators.toml", exit_code=3)


class Relay:
    """Passes bytes between clients and one server while the link is up; what is in flight when it is cut is lost."""

    def __init__(self, listen: tuple[str, int], target: tuple[str, int], *, owner: str) -> None:
        """A relay from one address (host, port) to another, for the server that `owner` names in messages."""
        self._listen = listen
        self._target = target
        self._owner = owner
        self._server: asyncio.Server | None = None
        self._fronts: set[_Front] = set()
        self.is_down = False

    async def start(self) -> None:
        """Listen; the link is up.

        Raises:
            SimulatorError: the port is in use.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Front(self._target, self._fronts, lambda: self.is_down), *self._listen)
        except OSError as error:
            raise port_error(*self._listen, self._owner, error) from error

    def cut(self) -> None:
        """Take the link down: reset every connection, and every new one until it is restored."""
        self.is_down = True
        for front in tuple(self._fronts):
            front.reset()

    def restore(self) -> None:
        """Let new connections pass again."""
        self.is_down = False

    async def run(self, link: Link, clock: Clock, dice: np.random.Generator, changed: Callable[[bool], None]) -> None:
        """Follow the schedule until cancelled; `changed` is told of every change, True for down, at the moment when it takes effect."""
        for down_us, up_us in outages(link, clock(), dice):
            await asyncio.sleep(clock.seconds_until(down_us))
            self.cut()
            changed(True)
            await asyncio.sleep(clock.seconds_until(up_us))
            self.restore()
            changed(False)

    async def close(self) -> None:
        """Stop listening and drop what is connected."""
        if self._server is not None:
            self._server.close()
            for front in tuple(self._fronts):
                front.reset()
            await self._server.wait_closed()


class _Leg(asyncio.Protocol):
    """One of the two connections of a passage; it holds its peer back when the other side reads slowly."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.peer: _Leg | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 – narrows the type; create_server makes no other
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        # An orderly end passes on what is still to be written; close() does that.
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def reset(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            # SO_LINGER with time 0 makes the kernel send RST and throw away what is unsent, as a broken link does.
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


class _Front(_Leg):
    """The client's connection; it opens the one to the server and owns both."""

    def __init__(self, target: tuple[str, int], fronts: set["_Front"], is_down: Callable[[], bool]) -> None:
        super().__init__()
        self._target = target
        self._fronts = fronts
        self._is_down = is_down
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._is_down():
            self.reset()
            return
        self._fronts.add(self)
        assert self.transport is not None  # noqa: S101 – set by the line above
        self.transport.pause_reading()
        self._opening = asyncio.create_task(self._open())

    def connection_lost(self, exc: Exception | None) -> None:
        self._fronts.discard(self)
        if self._opening is not None:
            self._opening.cancel()
        super().connection_lost(exc)

    def reset(self) -> None:
        super().reset()
        if self.peer is not None:
            self.peer.reset()

    async def _open(self) -> None:
        back = _Leg()
        back.peer = self
        try:
            await asyncio.get_running_loop().create_connection(lambda: back, *self._target)
        except OSError:
            self.reset()
            return
        self.peer = back
        if self.transport is None or self.transport.is_closing():
            back.reset()
        else:
            self.transport.resume_reading()
