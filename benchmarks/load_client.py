"""A client that only counts: a plain socket, requests laid out by hand, notifications looked at as arrays. Run by `benchmarks/load_face.py`.

`python -m benchmarks.load_client HOST PORT SIGNALS SECONDS` prints JSON: values, bytes, messages, seconds, holes (values that
are not what the formula says comes next), slices (values in each whole second).
"""

import json
import socket
import struct
import sys
import time
from typing import Any

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import header_from_binary, nodeid_from_binary, struct_from_binary, struct_to_binary

from simulators.load.plan import FRACTION, ITEM

_OPEN_REQUESTS = 30
_NAMESPACE = "urn:chejian:load"


class Wire:
    """One secure channel without security."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.number = self.channel = self.token = 0
        self.session = ua.NodeId()
        self._rest = b""
        url = f"opc.tcp://{host}:{port}/".encode()
        hello = struct.pack("<IIIIIi", 0, 65535, 65535, 0, 0, len(url)) + url
        self.socket.sendall(b"HELF" + struct.pack("<I", 8 + len(hello)) + hello)
        self.receive()

    def receive(self) -> bytes:
        """One chunk, which is one message here."""
        head = self._exactly(8)
        return head + self._exactly(struct.unpack_from("<I", head, 4)[0] - 8)

    def _exactly(self, count: int) -> bytes:
        got = bytearray(count)
        view = memoryview(got)
        while view:
            size = self.socket.recv_into(view)
            if not size:
                raise ConnectionError("the load has closed the connection")
            view = view[size:]
        return bytes(got)

    def arrived(self) -> list[bytes]:
        """Every whole message that is there, at least one."""
        found: list[bytes] = []
        while not found:
            more = self.socket.recv(1 << 20)
            if not more:
                raise ConnectionError("the load has closed the connection")
            self._rest += more
            at = 0
            while len(self._rest) - at >= 8:
                end = at + struct.unpack_from("<I", self._rest, at + 4)[0]
                if end > len(self._rest):
                    break
                found.append(self._rest[at:end])
                at = end
            self._rest = self._rest[at:]
        return found

    def frame(self, request: Any, kind: bytes = b"MSGF") -> bytes:
        """A request as a chunk."""
        self.number += 1
        request.RequestHeader.AuthenticationToken = self.session
        request.RequestHeader.RequestHandle = self.number
        body = struct_to_binary(request)
        uri = b"http://opcfoundation.org/UA/SecurityPolicy#None"
        security = struct.pack("<i", len(uri)) + uri + struct.pack("<ii", -1, -1) if kind == b"OPNF" else struct.pack("<I", self.token)
        rest = struct.pack("<I", self.channel) + security + struct.pack("<II", self.number, self.number) + body
        return kind + struct.pack("<I", 8 + len(rest)) + rest

    def ask(self, request: Any, answer: type, kind: bytes = b"MSGF") -> Any:
        """Send a request and decode its answer."""
        self.socket.sendall(self.frame(request, kind))
        data = Buffer(self.receive())
        header = header_from_binary(data)
        self.channel = header.ChannelId
        struct_from_binary(ua.AsymmetricAlgorithmHeader if kind == b"OPNF" else ua.SymmetricAlgorithmHeader, data)
        struct_from_binary(ua.SequenceHeader, data)
        nodeid_from_binary(data.copy())
        return struct_from_binary(answer, data)


def subscribe(wire: Wire, signals: int) -> None:
    """Open channel, session and subscription, and make a monitored item for every signal; the client handle is its number."""
    opening = ua.OpenSecureChannelRequest()
    opening.Parameters.RequestedLifetime = 3_600_000
    opening.Parameters.SecurityMode = ua.MessageSecurityMode.None_
    wire.token = wire.ask(opening, ua.OpenSecureChannelResponse, b"OPNF").Parameters.SecurityToken.TokenId
    creating = ua.CreateSessionRequest()
    creating.Parameters.RequestedSessionTimeout = 3_600_000.0
    creating.Parameters.ClientNonce = b"\0" * 32
    wire.session = wire.ask(creating, ua.CreateSessionResponse).Parameters.AuthenticationToken
    activating = ua.ActivateSessionRequest()
    activating.Parameters.UserIdentityToken = ua.AnonymousIdentityToken("anonymous")
    wire.ask(activating, ua.ActivateSessionResponse)
    reading = ua.ReadRequest()
    reading.Parameters.NodesToRead = [ua.ReadValueId(ua.NodeId(ua.ObjectIds.Server_NamespaceArray), ua.AttributeIds.Value)]
    index = wire.ask(reading, ua.ReadResponse).Results[0].Value.Value.index(_NAMESPACE)
    subscribing = ua.CreateSubscriptionRequest()
    subscribing.Parameters = ua.CreateSubscriptionParameters(100.0, 10_000, 10_000, 0, True, 0)
    subscription = wire.ask(subscribing, ua.CreateSubscriptionResponse).Parameters.SubscriptionId
    monitoring = ua.CreateMonitoredItemsRequest()
    nodes = [ua.ReadValueId(ua.NodeId(f"S{n}", index), ua.AttributeIds.Value) for n in range(signals)]
    items = [
        ua.MonitoredItemCreateRequest(node, ua.MonitoringMode.Reporting, ua.MonitoringParameters(n, 0.0, None, 1, True))
        for n, node in enumerate(nodes)
    ]
    monitoring.Parameters = ua.CreateMonitoredItemsParameters(subscription, ua.TimestampsToReturn.Both, items)
    wire.ask(monitoring, ua.CreateMonitoredItemsResponse)


def count(wire: Wire, signals: int, seconds: float) -> dict[str, Any]:
    """Ask and count; every value is compared with the formula."""
    values = size = messages = holes = 0
    expected = np.zeros(signals)
    fractions = np.arange(signals) * FRACTION
    wire.socket.sendall(b"".join(wire.frame(ua.PublishRequest()) for _ in range(_OPEN_REQUESTS)))
    # Only the numbers of a request change; this one is not sent as it is.
    request = bytearray(wire.frame(ua.PublishRequest()))
    wire.number -= 1
    started = None
    slices: list[int] = []
    while started is None or time.monotonic() - started < seconds:
        answers = bytearray()
        for data in wire.arrived():
            wire.number += 1
            struct.pack_into("<II", request, 16, wire.number, wire.number)
            answers += request
            at = data.find(b"\x01\x00\x2b\x03\x01", 24, 200)
            if at < 0:
                continue
            (number,) = struct.unpack_from("<i", data, at + 9)
            items = np.frombuffer(data, ITEM, number, at + 13)
            for part in range(0, number, signals):
                those = items["handle"][part : part + signals]
                holes += int(np.count_nonzero(items["value"][part : part + signals] != expected[those] + fractions[those]))
                expected[those] += 1
            values, size, messages = values + number, size + len(data), messages + 1
        wire.socket.sendall(answers)
        # The first messages are not counted: the clock starts with them.
        if started is None and values:
            started, values, size, messages = time.monotonic(), 0, 0, 0
        elif started is not None and time.monotonic() - started >= len(slices) + 1:
            slices.append(values - sum(slices))
    assert started is not None
    return {"values": values, "bytes": size, "messages": messages, "seconds": time.monotonic() - started, "holes": holes, "slices": slices}


if __name__ == "__main__":
    _host, _port, _signals, _seconds = sys.argv[1:]
    _wire = Wire(_host, int(_port))
    subscribe(_wire, int(_signals))
    print(json.dumps(count(_wire, int(_signals), float(_seconds))))
