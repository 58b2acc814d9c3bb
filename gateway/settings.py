"""gateway.toml: where the gateway keeps its data, where it listens, by which register, claims and packs it judges."""

from pathlib import Path
from typing import Any

import msgspec

from gateway.alert_settings import AlertSettings, check_alerts
from gateway.line_rules import LineSettings
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
    port: int = 8410
    """TCP port; 0 takes a free one."""
    claims: str = ""
    """The claims to judge, a claims.toml; none when empty."""
    packs: tuple[str, ...] = ()
    """Policy packs to judge by."""
    engine: dict[str, Any] = msgspec.field(default_factory=lambda: {"name": "duckdb"})
    """Name of the time-series engine and its own options."""
    checkpoint_every_s: float = 60.0
    """How often a checkpoint of the data log becomes a control entry, s."""
    backlog_rows: int = 1_000_000
    """Rows accepted but not yet in the engine beyond which edges are asked to wait (429)."""
    request_bytes: int = 16 * 2**20
    """Largest body of one POST of batches."""

    failed_logins: int = 30
    """So many wrong tokens from one address within a minute lock it out for a minute (429)."""
    line_protocol: LineSettings | None = None
    """[line_protocol]: other people's collectors may write by `POST /api/v2/write`; without it they may not."""

    alerts: AlertSettings | None = None
    """[alerts]: mail and webhooks for what a person should know; without it nobody is told."""

    def file(self, name: str) -> Path:
        """A file in the data folder."""
        return Path(self.data) / name

    def open_engine(self, path: Path | None = None) -> Engine:
        """The time-series engine; an embedded one lies in the data folder.

        Args:
            path: another file for an embedded engine, for a rebuild beside the old one.
        """
        options = {key: value for key, value in self.engine.items() if key != "name"}
        if self.embedded:
            options["path"] = str(path or self.engine_file)
        else:
            options.setdefault("cursor_path", str(self.file(f"engine-{self.engine['name']}.cursor")))
        return load_engine(str(self.engine["name"]), options, "gateway.toml: [engine]")

    @property
    def embedded(self) -> bool:
        """Whether the engine is a file that this process owns."""
        return str(self.engine["name"]) == "duckdb"

    @property
    def engine_file(self) -> Path:
        """The file of an embedded engine."""
        return Path(self.engine.get("path", self.file("engine.duckdb")))


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
    if not isinstance(settings.engine.get("name"), str):
        raise ConfigError(f"{file}: [engine] lacks the key 'name', such as name = \"duckdb\"")
    if settings.engine["name"] == "gateway":
        raise ConfigError(f"{file}: [engine] 'gateway' only reads; a gateway keeps its own rows: name = \"duckdb\"")
    for key, least, most in (("port", 0, 65_535), ("checkpoint_every_s", 1, 86_400), ("backlog_rows", 1, 10**9), ("request_bytes", 2**20, 2**30),
                             ("failed_logins", 1, 10**9)):
        if not least <= getattr(settings, key) <= most:
            raise ConfigError(f"{file}: {key} = {getattr(settings, key)} must be between {least} and {most}")
    claims = str(file.parent / settings.claims) if settings.claims else ""
    alerts = check_alerts(settings.alerts, file) if settings.alerts is not None else None
    return msgspec.structs.replace(settings, register=str(file.parent / settings.register), claims=claims, alerts=alerts)
