"""Opening a gateway: everything that its routes need, in order; closed in the reverse order with nothing lost."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import structlog

from analytics.indicator import load_indicators
from evidence.claim import Claim, check_references, parse_claims
from evidence.packs import load_pack
from gateway.alert_channels import open_channels
from gateway.alert_settings import AlertSettings
from gateway.alert_watch import Watch
from gateway.alerts import Alerts
from gateway.auth import Access, admin_token
from gateway.challenges import Challenges
from gateway.components import ComponentsCache
from gateway.facts import KnownFacts
from gateway.figures import Figures
from gateway.house import House
from gateway.ingest import Committer
from gateway.keys import open_archive
from gateway.line_rules import LineRules
from gateway.live import LiveHub
from gateway.lockout import Lockout
from gateway.monitoring import Monitoring
from gateway.north_log import ConnectedTimes
from gateway.northbound import Northbound
from gateway.orders import Orders
from gateway.pseudonyms import open_pseudonyms
from gateway.settings import GatewaySettings
from gateway.third_party import ThirdParty, UnmappedRows
from gateway.writer import Writer
from store.archive import Archive
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.register_file import parse_register
from workshop.window import Clock

DRAIN_S = 10.0

log = structlog.get_logger()


@contextlib.contextmanager
def open_house(settings: GatewaySettings, clock: Clock) -> Iterator[House]:
    """The open gateway without its HTTP server; what is begun is finished when the block ends."""
    folder = Path(settings.data)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made ({error.strerror}); change 'data' in gateway.toml") from error
    register = read_register(settings)
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
        second = settings.open_second_engine()
        if second is not None:
            stack.callback(second.close)
        monitoring = Monitoring()
        access = Access(
            archive, clock, open_pseudonyms(folder), Lockout(settings.failed_logins), are_named=register.operators == "named",
            requests_per_s=settings.requests_per_s)
        _first_start(access, folder)
        for leftover in folder.glob("bundle-*.zip"):
            leftover.unlink(missing_ok=True)
        writer = Writer(archive, engine, register, monitoring)
        writer.start()
        stack.callback(writer.stop, DRAIN_S)
        second_writer = None
        if second is not None:
            # Counted apart: what goes into the second engine is the same rows once more.
            second_writer = Writer(archive, second, register, Monitoring())
            second_writer.start()
            stack.callback(second_writer.stop, DRAIN_S)
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
        times = _open_times(settings, folder, stack)
        house = House(
            settings, clock, register, archive, engine, components, monitoring, writer, committer, hub, access,
            Challenges(archive, register, clock), claims, packs, orders, KnownFacts(archive), rules, third, alerts, times, second_writer,
            tuple(archive.registers()),
        )
        _start_northbound(house, folder, stack)
        yield house


def _first_start(access: Access, folder: Path) -> None:
    if admin_token(access, folder / "admin.token"):
        log.info("administrator's token made; read it there and keep it secret", file=str(folder / "admin.token"))
        access.offer_setup()


def _open_alerts(
    settings: GatewaySettings, archive: Archive, writer: Writer, monitoring: Monitoring, clock: Clock, stack: contextlib.ExitStack,
) -> Alerts | None:
    if settings.alerts is None and settings.northbound is None:
        return None
    # A platform gets alarms also where nobody is told by mail.
    given = settings.alerts or AlertSettings(())
    alerts = Alerts(open_channels(given), archive.origin, clock, monitoring, given.digest_s)
    stack.callback(alerts.close)
    watch = Watch(alerts, given, archive, writer, monitoring, Path(settings.data), clock)
    watch.start()
    stack.callback(watch.close)
    return alerts


def _open_times(settings: GatewaySettings, folder: Path, stack: contextlib.ExitStack) -> ConnectedTimes | None:
    if settings.northbound is None:
        return None
    times = ConnectedTimes(folder / "northbound.sqlite", settings.northbound.gap_us)
    stack.callback(times.close)
    return times


def _start_northbound(house: House, folder: Path, stack: contextlib.ExitStack) -> None:
    settings = house.settings.northbound
    if settings is None or house.connected_times is None or house.alerts is None:
        return
    indicators = load_indicators()
    if unknown := set(settings.indicators) - set(indicators):
        raise ConfigError(f"gateway.toml: [northbound] no indicator '{min(unknown)}'; there are {', '.join(indicators)}")
    figures = Figures(house, indicators)
    edge = ThirdParty(settings.edge, folder / "northbound.pem", house.archive, house.committer, house.clock, settings.provenance)
    stack.callback(edge.close)
    uplink = Northbound(
        settings, house.register, house.archive.origin, folder, house.hub, house.connected_times, house.clock,
        lambda name, window: figures.result(indicators[name], window), house.alerts.since, edge.submit,
    )
    uplink.start()
    stack.callback(uplink.close)


def read_register(settings: GatewaySettings) -> Workshop:
    """The register that gateway.toml names.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    return parse_register(_read(settings.register, "register"), settings.register)


def _read_claims(settings: GatewaySettings) -> list[Claim]:
    return parse_claims(_read(settings.claims, "claims"), settings.claims) if settings.claims else []


def _read(name: str, key: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read ({error.strerror}); it is '{key}' in gateway.toml") from error
