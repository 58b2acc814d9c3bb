"""Starting and stopping a gateway: opens the house in order, serves, and closes it in the reverse order with nothing lost."""

import contextlib
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from analytics.indicator import load_indicators
from gateway.app import create_app
from gateway.house import House
from gateway.opening import open_house
from gateway.posted import Posted
from gateway.settings import GatewaySettings
from workshop.errors import ChejianError, ConfigError, NotConnected
from workshop.window import Clock

GRACE_S = 5
DRAIN_S = 10.0
KEEP_S = 5.0
CERTIFICATE_S = 1.0
SUMS_S, PAUSE_S = 300.0, 0.05

log = structlog.get_logger()


def run(settings: GatewaySettings, clock: Clock, *, stop: threading.Event | None = None, ready: Callable[[int], None] | None = None) -> None:
    """Serves until SIGTERM, SIGINT or `stop`; requests under way are finished, waiting rows are written, then everything is closed.

    Args:
        ready: is called with the port once the gateway listens.
    Raises:
        NotConnected: the port is in use.
        ConfigError: settings, register, claims, packs, key or data that cannot be used.
    """
    with bind(settings.listen, settings.port) as listener, open_house(settings, clock) as house:
        server = _Server(uvicorn.Config(
            create_app(house), log_level="warning", access_log=False, server_header=False, date_header=False, lifespan="off",
            timeout_graceful_shutdown=GRACE_S, timeout_keep_alive=30, ssl_certfile=settings.tls_certificate or None,
            ssl_keyfile=settings.tls_key or None,
        ), house)
        try:
            server.config.load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ConfigError(f"{settings.tls_certificate}, {settings.tls_key}: no TLS with these ({error}); see 'chejian doctor'") from error
        port = int(listener.getsockname()[1])
        ended = threading.Event()
        keepers = [
            threading.Thread(target=keep, args=(house, ended), name=name, daemon=True)
            for name, keep in (("checkpoints", _keep_checkpoints), ("engine keeper", _keep_engine), ("sums", _keep_sums))
        ]
        if server.config.ssl is not None:
            renewing = (settings, server.config.ssl, ended)
            keepers.append(threading.Thread(target=_keep_certificate, args=renewing, name="certificate", daemon=True))
        if stop is not None:
            keepers.append(threading.Thread(target=_wait_to_stop, args=(stop, ended, server), name="stop", daemon=True))
        for keeper in keepers:
            keeper.start()
        log.info("gateway listens", address=settings.listen, port=port, origin=house.archive.origin)
        if house.access.setup_code:
            log.info("first start: open this link once, within the hour", link=setup_link(settings, port, house.access.setup_code))
        if ready is not None:
            ready(port)
        try:
            with _quiet_signals():
                server.run(sockets=[listener])
        finally:
            ended.set()
            for keeper in keepers:
                keeper.join(DRAIN_S)
    log.info("gateway stopped")


def bind(address: str, port: int) -> socket.socket:
    """A socket bound to the address, IPv4 or IPv6, before anything else is opened.

    Raises:
        NotConnected: in use.
        ConfigError: not an address of this machine.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"listen = \"{address}\": not an address ({error.strerror or error})") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = f"cannot listen there ({error.strerror or error})"
        raise NotConnected(f"{address}:{port}: {reason}; stop what listens there, or choose another port in gateway.toml") from error
    return listener


def setup_link(settings: GatewaySettings, port: int, code: str) -> str:
    """The link of the first start, as a browser on the listening side reaches it."""
    host = socket.gethostname() if settings.listen in ("0.0.0.0", "::", "") else settings.listen  # noqa: S104
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/setup?code={code}"


class _Server(uvicorn.Server):
    """A signal also ends the streams of live values, which would otherwise hold the stop up."""

    def __init__(self, config: uvicorn.Config, house: House) -> None:
        super().__init__(config)
        self._house = house

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._house.hub.closing = True
        super().handle_exit(sig, frame)

    def end(self) -> None:
        """The same without a signal."""
        self._house.hub.closing = True
        self.should_exit = True


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """uvicorn raises a signal again when it has stopped, which would kill the process before the house is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _keep_checkpoints(house: House, ended: threading.Event) -> None:
    """A control entry with the data log's root every so often, when something has come; one more at the end."""
    sealed = -1
    while True:
        last = ended.wait(house.settings.checkpoint_every_s)
        size = house.archive.data_size
        if size > max(0, sealed):
            try:
                house.archive.seal_checkpoint()
                sealed = size
            except NotConnected as error:
                log.warning("checkpoint could not be stored", reason=str(error))
        if last:
            return


def _keep_engine(house: House, ended: threading.Event) -> None:
    """Sorting and retention of the engine, beside its writer."""
    while not ended.wait(KEEP_S):
        try:
            for writer in (house.writer, house.second_writer):
                if writer is not None:
                    writer.engine.maintain(house.clock())
        except NotConnected as error:
            log.warning("engine could not keep house", reason=str(error))


def _keep_sums(house: House, ended: threading.Event) -> None:
    """Days and months of what the service has posted, merged before somebody asks; with pauses, since values of the moment go first."""
    posted, indicators = Posted(house.components, house.in_force), [item for item in load_indicators().values() if item.roles]
    while not ended.wait(SUMS_S):
        try:
            made = posted.roll_up(indicators, house.clock(), lambda: ended.wait(PAUSE_S))
            if made:
                log.info("components merged", sums=made)
        except ChejianError as error:
            log.warning("components could not be merged", reason=str(error))


def _keep_certificate(settings: GatewaySettings, context: ssl.SSLContext, ended: threading.Event) -> None:
    """A new certificate in the files counts for the next connection, without a restart; a bad one is said, and the old one stays."""
    files = (Path(settings.tls_certificate), Path(settings.tls_key))

    def stamps() -> list[tuple[int, int]]:
        return [(found.st_mtime_ns, found.st_ino) for found in (file.stat() for file in files)]

    seen, said = stamps(), ""
    while not ended.wait(CERTIFICATE_S):
        try:
            now = stamps()
            if now == seen:
                continue
            # Into a context to throw away first: a certificate without its key would spoil the one in use.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
            context.load_cert_chain(*files)
            log.info("certificate renewed", file=str(files[0]))
            seen, said = now, ""
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            if str(error) != said:
                said = str(error)
                log.warning("certificate cannot be renewed; the old one stays", file=str(files[0]), reason=said)


def _wait_to_stop(stop: threading.Event, ended: threading.Event, server: _Server) -> None:
    while not ended.is_set():
        if stop.wait(0.1):
            server.end()
            return
