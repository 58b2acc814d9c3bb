"""The transport of a connection: asyncua's, with limits on what a server may send us, and with the reason when it is cut."""

from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.common.utils import Buffer
from asyncua.crypto.uacrypto import InvalidSignature as UnsignedError  # type: ignore[attr-defined]
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.exceptions import InvalidSignature

CHUNK_BYTES = 65_535
MESSAGE_BYTES = 16 * 2**20
_CHUNKS = MESSAGE_BYTES // CHUNK_BYTES + 1


class Broken(UaError):
    """What a server sent is not acceptable; the text says why."""


class _Limits(TransportLimits):
    """Ours, not the server's: what it says that *it* accepts must not lift what we accept from it."""

    def update_client_limits(self, msg: ua.Acknowledge) -> None:
        self.max_send_buffer = min(self.max_send_buffer, msg.ReceiveBufferSize or CHUNK_BYTES)


class _Channel(SecureConnection):
    """asyncua drops a connection whose bytes it cannot accept, and forgets why."""

    why = ""

    def receive_from_header_and_body(self, header: ua.Header, body: Buffer) -> Any:
        try:
            return super().receive_from_header_and_body(header, body)
        except UaStatusCodeError as error:
            if error.code == StatusCodes.BadRequestTooLarge:
                allowed = f"{MESSAGE_BYTES // 2**20} MiB or {_CHUNKS} chunks"
                self.why = f"BadResponseTooLarge: an answer of more than {allowed}; this is no honest server, or a broken one"
            raise
        except (UnsignedError, InvalidSignature, ValueError) as error:
            self.why = "BadSecurityChecksFailed: what came is not signed with the key of the server's certificate; somebody may stand between"
            raise UaError(self.why) from error


class _Protocol(UASocketProtocol):
    """A socket that does not collect a packet larger than any chunk may be, and says why it was closed."""

    def __init__(self, timeout: float, security_policy: Any, limits: TransportLimits) -> None:
        super().__init__(timeout, security_policy=security_policy, limits=limits)
        self._connection = self.channel = _Channel(security_policy, limits)

    def data_received(self, data: bytes) -> None:
        if self.receive_buffer and len(self.receive_buffer) > CHUNK_BYTES and self.transport is not None:
            self.channel.why = f"BadTcpMessageTooLarge: a chunk of more than {CHUNK_BYTES} bytes; this is no honest server, or a broken one"
            self.transport.abort()
            return
        super().data_received(data)

    def _fail_all_pending(self, exc: Exception) -> None:
        super()._fail_all_pending(Broken(self.channel.why) if self.channel.why else exc)


class Transport(UaClient):
    """asyncua's, with our protocol."""

    def _make_protocol(self) -> UASocketProtocol:
        protocol = self.protocol = _Protocol(self._timeout, self.security_policy, _Limits(CHUNK_BYTES, CHUNK_BYTES, _CHUNKS, MESSAGE_BYTES))
        protocol.on_connection_lost = self._on_transport_lost
        protocol.is_session_closing = self._is_session_closing
        return protocol


def limit(client: Client) -> None:
    """Tells the server our limits in the hello."""
    client.max_messagesize, client.max_chunkcount = MESSAGE_BYTES, _CHUNKS
