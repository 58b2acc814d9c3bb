"""A gateway and edges as their files describe them: ports, engines, certificates, enrolment, and whether the two clocks agree."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from chejian.doctor import Finding, bad, looked, ok, warning
from chejian.doctor_machine import look_at_certificate, look_at_folder
from chejian.doctor_trust import look_at_trust
from workshop.errors import ConfigError
from workshop.window import Clock

TIMEOUT_S = 5.0
APART_US = 1_000_000
_PORTS = {"opc.tcp": 4840, "mqtt": 1883, "mqtts": 8883, "http": 80, "https": 443}


class _Ready(msgspec.Struct):
    ready: bool
    archive_batches: int
    indexed_batches: int
    time_us: int
    stuck: str = ""


def look_at_gateway(file: Path, clock: Clock) -> list[Finding]:
    """Everything that a gateway.toml names."""
    from chejian.commands.files import read_register
    from gateway.settings import GatewaySettings, load_gateway

    settings: list[GatewaySettings] = []

    def load() -> Iterator[Finding]:
        settings.append(load_gateway(file))
        register = read_register(Path(settings[0].register))
        yield ok(f"settings 配置 {file}", f"register with {len(register.equipment)} pieces of equipment")

    found = looked(f"settings 配置 {file}", [load])
    if not settings:
        return found
    given = settings[0]

    def places() -> Iterator[Finding]:
        yield from look_at_folder(Path(given.data), ("key.pem", "admin.token", "line-protocol.pem"))
        if given.tls_certificate:
            yield from look_at_certificate(Path(given.tls_certificate), clock(), Path(given.tls_key))
        elif given.listen not in ("127.0.0.1", "::1", "localhost"):
            mend = "name tls_certificate and tls_key, or put a proxy in front of it"
            yield warning("TLS", f"the gateway listens on {given.listen} without TLS", mend)

    def port() -> Iterator[Finding]:
        scheme = "https" if given.tls_certificate else "http"
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(given.listen, given.listen)  # noqa: S104
        yield from _look_at_port(f"{scheme}://{host}:{given.port}", clock)

    def engines() -> Iterator[Finding]:
        for second in (False, True) if given.second_engine is not None else (False,):
            name = given.table(second=second)["name"]
            if given.embedded_file(second=second) is not None:
                yield ok(f"engine 时序库 {name}", f"a file of the gateway: {given.embedded_file(second=second)}")
                continue
            engine = given.open_engine(second=second)
            engine.close()
            yield ok(f"engine 时序库 {name}", "answers, and lets us in")

    def alerts() -> Iterator[Finding]:
        for place in given.alerts.allow if given.alerts is not None else ():
            yield _reach("alerts 告警", *_host_port(f"//{place}"))

    def platform() -> Iterator[Finding]:
        north = given.northbound
        if north is not None:
            yield _reach("platform 平台", north.host, north.port)
            if north.ca_file:
                yield from look_at_certificate(Path(north.ca_file), clock())

    return [*found, *looked(f"gateway 网关 {file}", [places, port, engines, alerts, platform])]


def _look_at_port(url: str, clock: Clock) -> Iterator[Finding]:
    what = f"port 端口 {url}"
    try:
        sent_us = clock()
        # Whose certificate it is does not matter here: nothing secret goes there.
        answer = httpx.get(f"{url}/readyz", timeout=TIMEOUT_S, trust_env=False, verify=False)  # noqa: S501
        got_us = clock()
        ready = msgspec.json.decode(answer.content, type=_Ready)
    except httpx.ConnectError:
        yield ok(what, "free: no gateway runs there now")
        return
    except (httpx.HTTPError, msgspec.DecodeError) as error:
        said = f"somebody listens there who is no gateway ({error or type(error).__name__})"
        yield bad(what, said, "stop that program, or give another port")
        return
    if ready.ready:
        waiting = ready.archive_batches - ready.indexed_batches
        yield ok(what, f"a gateway runs there; {waiting} of {ready.archive_batches} batches wait for the engine")
    else:
        yield bad(what, f"a gateway runs there, but its line does not move: {ready.stuck}", "look at its log, its disk and its engine")
    apart_us = ready.time_us - (sent_us + got_us) // 2
    if abs(apart_us) > APART_US + (got_us - sent_us):
        yield bad("clock 时钟", f"the gateway's clock is {apart_us / 1e6:+.1f} s from this one's", "synchronise both machines with one time server")


def look_at_edge(file: Path, clock: Clock) -> list[Finding]:
    """Everything that an edge-*.toml names; what each signal gives is for `chejian edge check`."""
    from chejian.commands.files import beside, read_file, read_register
    from chejian.enrolment import load_enrolment
    from edge.config import EdgeSettings, check_edge, load_edge

    settings: list[EdgeSettings] = []

    def load() -> Iterator[Finding]:
        given = load_edge(read_file(file), str(file))
        check_edge(given, read_register(beside(file, given.register)), str(file))
        settings.append(given)
        yield ok(f"settings 配置 {file}", f"{len(given.source)} sources")

    found = looked(f"settings 配置 {file}", [load])
    if not settings:
        return found
    given = settings[0]
    folder = beside(file, given.data)

    def enrolled() -> Iterator[Finding]:
        try:
            answer, _ = load_enrolment(folder, given.edge)
        except ConfigError as error:
            yield bad(f"edge 采集端 {given.edge}", str(error), f"chejian edge enrol {file}")
        else:
            yield ok(f"edge 采集端 {given.edge}", f"enrolled at {answer.origin} as {answer.provenance.value}")

    def sources() -> Iterator[Finding]:
        for source in given.source:
            yield _reach(f"source 数据源 {source.name}", *_host_port_of(source.options))
            for value in source.options.values():
                if isinstance(value, str) and value.endswith((".pem", ".der", ".crt")) and "key" not in Path(value).name:
                    yield from look_at_certificate(beside(file, value), clock())

    return [*found, *looked(f"edge 采集端 {file}", [
        lambda: look_at_folder(folder, ("key.pem", "enrolment.json")), enrolled, lambda: _look_at_port(given.gateway.url.rstrip("/"), clock), sources,
        lambda: look_at_trust(given, file, clock),
    ])]


def _host_port_of(options: dict[str, Any]) -> tuple[str, int]:
    if "url" in options:
        return _host_port(str(options["url"]))
    return str(options.get("host", "")), int(options.get("port", _PORTS["mqtt"]))


def _host_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


def _reach(what: str, host: str, port: int) -> Finding:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S):
            return ok(what, f"{host}:{port} answers")
    except OSError as error:
        return bad(what, f"{host}:{port} does not answer ({error.strerror or error})", "is it running, and may this machine reach it?")
