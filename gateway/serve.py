"""Starting and stopping a gateway: opens the house in order, serves, and closes it in the reverse order with nothing lost."""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from analytics.indicator import load_indicators
from evidence.claim import Claim, check_references, parse_claims
from evidence.packs import load_pack
from gateway.alert_channels import open_channels
from gateway.alert_watch import Watch
from gateway.alerts import Alerts
from gateway.app import create_app
from gateway.auth import Access, admin_token
from gateway.challenges import Challenges
from gateway.components import ComponentsCache
from gateway.house import House
from gateway.ingest import Committer
from gateway.keys import open_archive
from gateway.line_rules import LineRules
from gateway.live import LiveHub
from gateway.lockout import Lockout
from gateway.monitoring import Monitoring
from gateway.orders import Orders
from gateway.settings import GatewaySettings
from gateway.third_party import ThirdParty, UnmappedRows
from gateway.writer import Writer
from gateway.writer import rebuild as rebuild_engine
from store.archive import Archive
from workshop.errors import ConfigError, NotConnected
from workshop.register import Workshop, parse_register
from workshop.window import Clock

GRACE_S = 5
DRAIN_S = 10.0
KEEP_S = 5.0

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
            timeout_graceful_shutdown=GRACE_S, timeout_keep_alive=30,
        ), house)
        port = int(listener.getsockname()[1])
        ended = threading.Event()
        keepers = [
            threading.Thread(target=keep, args=(house, ended), name=name, daemon=True)
            for name, keep in (("checkpoints", _keep_checkpoints), ("engine keeper", _keep_engine))
        ]
        if stop is not None:
            keepers.append(threading.Thread(target=_wait_to_stop, args=(stop, ended, server), name="stop", daemon=True))
        for keeper in keepers:
            keeper.start()
        log.info("gateway listens", address=settings.listen, port=port, origin=house.archive.origin)
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


def rebuild(settings: GatewaySettings, clock: Clock, progress: Callable[[int, int], None]) -> int:
    """Makes the engine anew from the archive; the gateway must not be running.

    An embedded engine is built in a file beside the old one, which is replaced when all is done.
    Args:
        progress: is told batches done and batches in all.
    Returns:
        rows in the engine.
    Raises:
        ConfigError: the gateway is running, there is no archive, or the engine is a server's (empty its bucket there, then start the gateway).
    """
    if not settings.embedded:
        raise ConfigError(f"engine '{settings.engine['name']}' is a server: empty it there and start the gateway, which fills it from the archive")
    if not settings.file("archive.sqlite").exists():
        raise ConfigError(f"{settings.file('archive.sqlite')}: no archive there; check 'data' in gateway.toml")
    register = _read_register(settings)
    archive = open_archive(settings, clock, register)
    scratch = settings.engine_file.with_name(settings.engine_file.name + ".new")
    try:
        for leftover in (scratch, _wal(scratch)):
            leftover.unlink(missing_ok=True)
        engine = settings.open_engine(scratch)
        try:
            rows = rebuild_engine(archive, engine, archive.register() or register, progress)
            engine.maintain(clock())
        finally:
            engine.close()
        scratch.replace(settings.engine_file)
        _wal(settings.engine_file).unlink(missing_ok=True)
    finally:
        archive.close()
    return rows


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


@contextlib.contextmanager
def open_house(settings: GatewaySettings, clock: Clock) -> Iterator[House]:
    """The open gateway without its HTTP server; what is begun is finished when the block ends."""
    folder = Path(settings.data)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror}); change 'data' in gateway.toml") from error
    register = _read_register(settings)
    claims, packs = _read_claims(settings), {name: load_pack(name) for name in settings.packs}
    check_references(claims, packs, load_indicators(), settings.claims)
    with contextlib.ExitStack() as stack:
        archive = open_archive(settings, clock, register)
        stack.callback(archive.close)
        reason = "register file changed" if archive.register() is not None else "first start"
        if archive.revise_register(register, author="operator", reason=reason):
            log.info("register logged", digest=register.digest, reason=reason)
        components = ComponentsCache(folder / "components.sqlite")
        stack.callback(components.close)
        orders = Orders(folder / "orders.sqlite")
        stack.callback(orders.close)
        engine = settings.open_engine()
        stack.callback(engine.close)
        monitoring, access = Monitoring(), Access(archive, clock, Lockout(settings.failed_logins))
        if admin_token(access, folder / "admin.token"):
            log.info("administrator's token made; read it there and keep it secret", file=str(folder / "admin.token"))
        for leftover in folder.glob("bundle-*.zip"):
            leftover.unlink(missing_ok=True)
        writer = Writer(archive, engine, register, monitoring)
        writer.start()
        stack.callback(writer.stop, DRAIN_S)
        committer = Committer(archive, monitoring, writer.notify)
        stack.callback(committer.close)
        hub = LiveHub(name for name, _, _ in register.signals())
        rules = third = None
        if settings.line_protocol is not None:
            edge = settings.line_protocol.edge
            rules = LineRules(settings.line_protocol, register, clock, UnmappedRows(archive, monitoring, edge))
            third = ThirdParty(edge, folder / "line-protocol.pem", archive, committer, clock)
            stack.callback(third.close)
        alerts = _open_alerts(settings, archive, writer, monitoring, clock, stack)
        yield House(
            settings, clock, register, archive, engine, components, monitoring, writer, committer, hub, access,
            Challenges(archive, register, clock), claims, packs, orders, rules, third, alerts,
        )


def _open_alerts(
    settings: GatewaySettings, archive: Archive, writer: Writer, monitoring: Monitoring, clock: Clock, stack: contextlib.ExitStack,
) -> Alerts | None:
    if settings.alerts is None:
        return None
    alerts = Alerts(open_channels(settings.alerts), archive.origin, clock, monitoring, settings.alerts.digest_s)
    stack.callback(alerts.close)
    watch = Watch(alerts, settings.alerts, archive, writer, monitoring, Path(settings.data), clock)
    watch.start()
    stack.callback(watch.close)
    return alerts


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
            house.engine.maintain(house.clock())
        except NotConnected as error:
            log.warning("engine could not keep house", reason=str(error))


def _wait_to_stop(stop: threading.Event, ended: threading.Event, server: _Server) -> None:
    while not ended.is_set():
        if stop.wait(0.1):
            server.end()
            return


def _read_register(settings: GatewaySettings) -> Workshop:
    return parse_register(_read(settings.register, "register"), settings.register)


def _read_claims(settings: GatewaySettings) -> list[Claim]:
    return parse_claims(_read(settings.claims, "claims"), settings.claims) if settings.claims else []


def _read(name: str, key: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror}); it is '{key}' in gateway.toml") from error


def _wal(file: Path) -> Path:
    return file.with_name(file.name + ".wal")
