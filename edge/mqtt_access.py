"""How to reach an MQTT broker: the options that every source at a broker has, and the TLS that they ask for."""

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edge.openly import openly
from workshop.errors import ConfigError

Version: TypeAlias = Literal["3.1.1", "5"]


class TlsBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[source.tls]`: encrypted, with the broker's certificate and host name checked. Paths are relative to the edge's file."""

    ca: str | None = None
    """File with the certificates that may have signed the broker's; None for those of the computer."""
    certificate: str | None = None
    """File with our own certificate (PEM), where the broker knows its clients by that."""
    key: str | None = None
    """File with its private key."""
    server_name: str | None = None
    """Name in the broker's certificate, where it is not the one in `host`."""


class BrokerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of every protocol that goes by a broker."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 1883
    version: Version = "3.1.1"
    """Of MQTT: 3.1.1 or 5."""
    client_id: str | None = None
    """None for chejian-EDGE-SOURCE; set it where the broker grants rights by client id."""
    user: str | None = None
    password_file: str | None = None
    """File whose first line is the password."""
    tls: TlsBlock | None = None
    """None for a connection that anybody on the way can read and change: for a broker on the same computer."""
    keepalive_s: Annotated[int, Meta(ge=1, le=3600)] = 5
    """A broker that is silent for one and a half times as long counts as gone."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0
    """How long connecting may take."""
    max_payload_bytes: Annotated[int, Meta(ge=64, le=64 * 2**20)] = 2**20
    """A larger payload goes to quarantine by its first kilobyte."""


class Access(msgspec.Struct, frozen=True):
    """The options as a connection wants them: secrets read, files checked."""

    host: str
    port: int
    version: Version
    user: str | None
    password: bytes | None
    context: ssl.SSLContext | None
    server_name: str | None
    keepalive_s: int
    timeout_s: float
    max_payload: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"{'mqtts' if self.context is not None else 'mqtt'}://{self.host}:{self.port}"


class NamedContext:
    """A TLS context that checks the broker's certificate for another name than the address."""

    check_hostname = True

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        self._context, self._name = context, name
        self.socket: ssl.SSLSocket | None = None
        """The last one, for somebody who has to close it."""

    def wrap_socket(self, sock: Any, server_hostname: str | None = None, **more: Any) -> ssl.SSLSocket:
        """As that of `ssl.SSLContext`."""
        self.socket = self._context.wrap_socket(sock, server_hostname=self._name or server_hostname, **more)
        return self.socket


def access_of(options: BrokerOptions, folder: Path, where: str) -> Access:
    """Reads the files that the options name; done at every connect, so that a new certificate or password needs no restart.

    Raises:
        ConfigError: a file that is missing or is not what it should be, a password without user, a key without certificate.
    """
    password = None
    if options.password_file is not None:
        if options.user is None:
            raise ConfigError(f"{where}: password_file without user; add user")
        password = _read(folder / options.password_file, f"{where}: password_file").split(b"\n", 1)[0].rstrip(b"\r")
    tls = options.tls
    context = _context(tls, folder, where) if tls is not None else None
    server_name = (tls.server_name or options.host) if tls is not None else None
    return Access(
        options.host, options.port, options.version, options.user, password, context, server_name, options.keepalive_s, options.timeout_s,
        options.max_payload_bytes,
    )


def warnings_of(options: BrokerOptions) -> list[str]:
    """What works so and should not stay so."""
    if options.tls is not None:
        return []
    return openly(options.host, "no TLS" if options.password_file is None else "no TLS, for the password neither,", "add [source.tls]")


def _context(tls: TlsBlock, folder: Path, where: str) -> ssl.SSLContext:
    if (tls.key is None) != (tls.certificate is None):
        raise ConfigError(f"{where}: tls: certificate and key belong together; give both or neither")
    for name in (tls.ca, tls.certificate, tls.key):
        if name is not None:
            _read(folder / name, f"{where}: tls")
    try:
        context = ssl.create_default_context(cafile=str(folder / tls.ca) if tls.ca is not None else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate is not None and tls.key is not None:
            context.load_cert_chain(folder / tls.certificate, folder / tls.key)
    except (ssl.SSLError, OSError) as error:
        said = getattr(error, "reason", None) or error
        raise ConfigError(f"{where}: tls: ca, certificate or key is not PEM, or the two do not belong together: {said}") from error
    return context


def _read(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{where}: {path}: cannot be read: {error.strerror}") from error
