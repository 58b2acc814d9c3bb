"""gateway.toml: where the gateway keeps its data, where it listens, by which register, claims and packs it judges."""

from pathlib import Path
from typing import Any

import msgspec

from gateway.alert_settings import AlertSettings, check_alerts
from gateway.line_rules import LineSettings
from gateway.north_settings import NorthSettings, check_northbound
from store.engine import Engine, load_engine
from workshop.errors import ConfigError


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting of the gateway. `register` and `claims` are relative to the file's folder, `data` to the working directory."""

    register: str
    """The register (台账), a workshop.toml."""
    data: str = "run/gateway"
    """Folder for key, archive, engine and the administrator's token."""
    listen: str = "127.0.0.1"
    """Address to listen on; an IPv6 address too."""
    tls_certificate: str = ""
    """File with the certificate chain, PEM, relative to gateway.toml; empty: no TLS here, but perhaps in a proxy in front."""
    tls_key: str = ""
    """File with its private key, PEM."""
    port: int = 8410
    """TCP port; 0 takes a free one."""
    claims: str = ""
    """The claims to judge, a claims.toml; none when empty."""
    packs: tuple[str, ...] = ()
    """Policy packs to judge by."""
    engine: dict[str, Any] = msgspec.field(default_factory=lambda: {"name": "duckdb"})
    """Name of the time-series engine and its own options."""
    second_engine: dict[str, Any] | None = None
    """[second_engine], for a migration: fed at the same time, from the first batch on; questions are still answered by [engine]."""
    checkpoint_every_s: float = 60.0
    """How often a checkpoint of the data log becomes a control entry, s."""
    backlog_rows: int = 1_000_000
    """Rows accepted but not yet in the engine beyond which edges are asked to wait (429)."""
    request_bytes: int = 16 * 2**20
    """Largest body of one POST of batches."""

    failed_logins: int = 30
    """So many wrong tokens from one address within a minute lock it out for a minute (429)."""
    requests_per_s: float = 500.0
    """So many requests a second of one holder of tokens, or of one address without a token, and twice as many at once; more have to wait (429). Edges
    and writers are held back by `backlog_rows` instead."""
    line_protocol: LineSettings | None = None
    """[line_protocol]: other people's collectors may write by `POST /api/v2/write`; without it they may not."""

    alerts: AlertSettings | None = None
    """[alerts]: mail and webhooks for what a person should know; without it nobody is told."""

    northbound: NorthSettings | None = None
    """[northbound]: an uplink to a platform; without it nothing leaves."""

    def file(self, name: str) -> Path:
        """A file in the data folder."""
        return Path(self.data) / name

    def open_engine(self, path: Path | None = None, *, second: bool = False) -> Engine:
        """The time-series engine; an embedded one lies in the data folder.

        Args:
            path: another file for an embedded engine, for a rebuild beside the old one.
            second: the one in [second_engine].
        """
        table = self.table(second=second)
        options = {key: value for key, value in table.items() if key != "name"}
        if (file := self.embedded_file(second=second)) is not None:
            options["path"] = str(path or file)
        else:
            options["cursor_path"] = str(self.cursor_file(second=second))
        return load_engine(str(table["name"]), options, f"gateway.toml: [{'second_' if second else ''}engine]")

    def open_second_engine(self) -> Engine | None:
        """The engine that is fed beside the first one, for a migration."""
        return self.open_engine(second=True) if self.second_engine is not None else None

    def embedded_file(self, *, second: bool = False) -> Path | None:
        """The file of an engine that this process owns; None for a server's."""
        table = self.table(second=second)
        return Path(table.get("path", self.file("engine.duckdb"))) if str(table["name"]) == "duckdb" else None

    def cursor_file(self, *, second: bool = False) -> Path:
        """Where a server's engine notes how far it is."""
        table = self.table(second=second)
        return Path(table.get("cursor_path", self.file(f"engine-{table['name']}.cursor")))

    def table(self, *, second: bool = False) -> dict[str, Any]:
        """[engine], or [second_engine]: name and options."""
        if not second:
            return self.engine
        return self.second_engine if self.second_engine is not None else {"name": ""}


def load_gateway(path: Path) -> GatewaySettings:
    """The settings in a gateway.toml.

    Raises:
        ConfigError: cannot be read, not TOML, an unknown key, a wrong type or a number out of range.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_gateway(text, path)


def parse_gateway(text: bytes | str, file: Path) -> GatewaySettings:
    """The settings in the text of a gateway.toml that lies at `file`."""
    try:
        raw = msgspec.toml.decode(text)
        settings = msgspec.convert(raw, GatewaySettings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        unknown = sorted(set(raw) - set(GatewaySettings.__struct_fields__)) if isinstance(error, msgspec.ValidationError) else []
        there = f"; there are {', '.join(GatewaySettings.__struct_fields__)}" if unknown else ""
        raise ConfigError(f"{file}: {error}{there}") from error
    for key, table in (("engine", settings.engine), ("second_engine", settings.second_engine)):
        if table is not None and not isinstance(table.get("name"), str):
            raise ConfigError(f"{file}: [{key}] lacks the key 'name', such as name = \"duckdb\"")
        if table is not None and table["name"] == "gateway":
            raise ConfigError(f"{file}: [{key}] 'gateway' only reads; a gateway keeps its own rows: name = \"duckdb\"")
    if settings.second_engine is not None:
        same_file = settings.embedded_file() is not None and settings.embedded_file() == settings.embedded_file(second=True)
        if same_file or (settings.embedded_file() is None and settings.cursor_file() == settings.cursor_file(second=True)):
            raise ConfigError(f"{file}: [engine] and [second_engine] are the same; give one of them another path (duckdb) or cursor_path (a server)")
    for key, least, most in (("port", 0, 65_535), ("checkpoint_every_s", 1, 86_400), ("backlog_rows", 1, 10**9), ("request_bytes", 2**20, 2**30),
                             ("failed_logins", 1, 10**9), ("requests_per_s", 1, 10**6)):
        if not least <= getattr(settings, key) <= most:
            raise ConfigError(f"{file}: {key} = {getattr(settings, key)} must be between {least} and {most}")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise ConfigError(f"{file}: tls_certificate and tls_key belong together")
    if settings.tls_certificate:
        certificate, key = str(file.parent / settings.tls_certificate), str(file.parent / settings.tls_key)
        settings = msgspec.structs.replace(settings, tls_certificate=certificate, tls_key=key)
    claims = str(file.parent / settings.claims) if settings.claims else ""
    alerts = check_alerts(settings.alerts, file) if settings.alerts is not None else None
    north = check_northbound(settings.northbound, file) if settings.northbound is not None else None
    return msgspec.structs.replace(settings, register=str(file.parent / settings.register), claims=claims, alerts=alerts, northbound=north)
