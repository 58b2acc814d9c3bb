"""What is simulated and where it can be reached: `simulators.toml`, decoded strictly."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from simulators.errors import SimulatorError

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
Share = Annotated[float, Meta(ge=0, le=1)]
Kind = Literal["machining_centre", "lathe", "robot", "inspection_station", "compressor"]


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A spindle bearing that wears: its vibration and temperature grow."""

    wear_after_s: Annotated[float, Meta(ge=0, le=1e9)]
    """Simulated time from the machine's first scan to the beginning of the wear, s."""
    wear_growth_s: Seconds
    """Time constant of the growth, s."""


class Equipment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of equipment; `id` is its id in the register."""

    id: Name
    kind: Kind
    rated_power_w: Annotated[int, Meta(gt=0, le=10_000_000)]
    period_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 1000
    """Time between two scans, ms; an inspection station offers one record a part instead."""
    ideal_cycle_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = 2500
    """The shortest time for one part or handling cycle, ms; the real one is 2 to 15 % longer."""
    scrap_probability: Share = 0.015
    stop_every_s: Seconds = 90.0
    """Mean simulated time between two short stops with an alarm, s."""
    faults: Faults | None = None


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bad network link: down for `down_s` in every `period_s`, for the first time after `first_s`; simulated seconds."""

    period_s: Seconds
    down_s: Seconds
    first_s: Annotated[float, Meta(ge=0, le=1e9)]
    jitter_s: Annotated[float, Meta(ge=0, le=1e9)] = 0.25
    """How far a cut may come early or late, s; drawn from the seed."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One OPC UA server with the machines behind it."""

    name: Name
    url: str
    """Where clients reach it; with a link, this is the link's own port and the server hides behind it."""
    security: Literal["None"]
    """Said aloud because it is none: anonymous, unsigned, for loopback only."""
    equipment: Annotated[list[Equipment], Meta(min_length=1)]
    face: str = "opcua"
    namespace: Annotated[str, Meta(min_length=1)] = "urn:chejian:demo:cnc"
    link: Link | None = None


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One MQTT broker with the equipment that publishes to it."""

    name: Name
    host: Annotated[str, Meta(min_length=1)]
    port: Port
    equipment: Annotated[list[Equipment], Meta(min_length=1)]
    face: str = "mqtt"
    prefix: Annotated[str, Meta(pattern=r"^[^/+#][^+#]*[^/+#]$")] = "chejian"
    """The first levels of every topic."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in `simulators.toml`."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    server: list[Server] = []
    broker: list[Broker] = []


_KEYS_OF: dict[str, type[msgspec.Struct]] = {
    "server": Server, "broker": Broker, "equipment": Equipment, "link": Link, "faults": Faults,
}


def load_settings(path: Path) -> Settings:
    """The settings in a TOML file.

    Raises:
        SimulatorError: not readable, not TOML, an unknown or missing key, an impossible or doubled value; one line with file, key and what to do.
    """
    try:
        settings = msgspec.toml.decode(path.read_bytes(), type=Settings)
    except OSError as error:
        raise SimulatorError(f"{path}: cannot be read ({error.strerror}); give the path of a simulators.toml") from error
    except msgspec.ValidationError as error:
        raise SimulatorError(f"{path}: {_explain(str(error))}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SimulatorError(f"{path}: is not TOML: {error}") from error
    _check(path, settings)
    return settings


def server_address(url: str) -> tuple[str, int]:
    """Host and port of an `opc.tcp://host:port/path` address.

    Raises:
        ValueError: it is not such an address.
    """
    parts = urlsplit(url)
    if parts.scheme != "opc.tcp" or not parts.hostname or not parts.port:
        raise ValueError(url)
    return parts.hostname, parts.port


def _explain(text: str) -> str:
    """What msgspec says, with the keys that are allowed at that place."""
    _, _, place = text.partition(" - at ")
    names: list[str] = re.findall(r"[a-z_]+", place)
    owner = next((_KEYS_OF[name] for name in reversed(names) if name in _KEYS_OF), Settings)
    said = text.replace("Object contains unknown field", "unknown key").replace("Object missing required field", "missing key").replace("`$", "`")
    return f"{said}; the keys there are {', '.join(sorted(owner.__struct_fields__))}" if " key " in f" {said} " else said


def _check(path: Path, settings: Settings) -> None:
    blocks: list[Server | Broker] = [*settings.server, *settings.broker]
    if not blocks:
        raise SimulatorError(f"{path}: no [[server]] and no [[broker]]: nothing would be simulated; add one")
    names: set[str] = set()
    ids: set[str] = set()
    for block in blocks:
        if block.name in names:
            raise SimulatorError(f"{path}: name {block.name!r} is used by two servers or brokers; rename one")
        names.add(block.name)
        for equipment in block.equipment:
            if equipment.id in ids:
                raise SimulatorError(f"{path}: equipment id {equipment.id!r} appears twice; every piece of equipment has one face")
            ids.add(equipment.id)
    for server in settings.server:
        try:
            server_address(server.url)
        except ValueError as error:
            raise SimulatorError(f"{path}: server {server.name!r}: url {server.url!r} should look like opc.tcp://127.0.0.1:4840/chejian/") from error
        link = server.link
        if link is not None and link.down_s + 2 * link.jitter_s >= link.period_s:
            raise SimulatorError(f"{path}: server {server.name!r}: link: down_s and twice jitter_s must be shorter than period_s, or it is never up")
