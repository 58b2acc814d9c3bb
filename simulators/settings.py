"""What is simulated and where it can be reached: `simulators.toml`, decoded strictly."""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from simulators.errors import SimulatorError
from simulators.shifts import Calendar

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
Share = Annotated[float, Meta(ge=0, le=1)]
Kind = Literal["machining_centre", "lathe", "robot", "inspection_station", "compressor", "main_meter"]
Policy = Literal["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
TopicLevel = Annotated[str, Meta(pattern=r"^[^/+#]+$")]


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
    serials: bool = False
    """Whether a machine tool also tells the serial of the part in process, its order and material lot among its plain values."""
    companion: bool | None = None
    """By OPC UA, also as the companion specifications model it; without a word, machine tools are and robots are not."""
    images: str | None = None
    """Folder into which an inspection station writes a small picture of each part, `<serial>.png`; without it, only the names are told."""


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
    security: Literal["None"] | Annotated[list[Policy], Meta(min_length=1)]
    """The policies on offer, each but "None" as Sign and as SignAndEncrypt; "None" is unsigned, for loopback only."""
    equipment: Annotated[list[Equipment], Meta(min_length=1)]
    face: str = "opcua"
    namespace: Annotated[str, Meta(min_length=1)] = "urn:chejian:demo:cnc"
    link: Link | None = None
    anonymous: bool = True
    """Whether somebody without a name may look."""
    users: dict[Name, Literal["user", "admin"]] = {}
    """Who may come by name and password or by certificate, and as what; only an admin may reset counters."""
    pki: str = "run/simulators/pki"
    """Folder of the server's certificate and of the users' passwords, keys and certificates; what is missing is made at start."""


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One MQTT broker with the equipment that publishes to it."""

    name: Name
    host: Annotated[str, Meta(min_length=1)]
    port: Port
    equipment: Annotated[list[Equipment], Meta(min_length=1)]
    face: str = "mqtt"
    prefix: Annotated[str, Meta(pattern=r"^[^/+#][^+#]*[^/+#]$")] = "chejian"
    """The first levels of every topic."""


class EdgeNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Sparkplug B edge node; its equipment are its devices."""

    name: Name
    host: Annotated[str, Meta(min_length=1)]
    port: Port
    equipment: Annotated[list[Equipment], Meta(min_length=1)]
    face: str = "sparkplug"
    group: TopicLevel = "chejian"
    """Sparkplug group id; the edge node id is the name."""
    state: str = "run/simulators/sparkplug"
    """Folder where the number of the last connection (bdSeq) outlives the process."""
    primary_host: TopicLevel | None = None
    """Host application without which the node stays silent; none: it never waits."""


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One older controller that listens at a port of its own: `face` is modbus or mtconnect."""

    name: Name
    face: str
    host: Annotated[str, Meta(min_length=1)]
    port: Port
    equipment: Annotated[list[Equipment], Meta(min_length=1)]


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OPC UA server that is nothing but fast: predictable values for benchmarks."""

    name: Name
    url: str
    signals: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    rate_hz: Annotated[float, Meta(gt=0, le=1e6)] = 10.0
    """Values of each signal a second; what a client does not fetch in time waits, it is never skipped."""
    values_per_message: Annotated[int, Meta(ge=1, le=2000)] = 1000
    """Of which a whole number makes up the signals, or the other way round; 2,000 fill the chunk of 64 KiB that every client accepts."""
    face: str = "load"
    namespace: Annotated[str, Meta(min_length=1)] = "urn:chejian:load"
    equipment: Annotated[list[Equipment], Meta(max_length=0)] = []
    """None: a load is no machine and has no truth but its formula."""


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault that is to happen; kinds, floors and usual lengths are in `simulators.catalogue`."""

    kind: str
    equipment: Name
    after_s: Annotated[float, Meta(ge=0, le=1e9)]
    """Simulated time from the start of the run, s."""
    for_s: Seconds | None = None
    """How long; as long as the kind usually lasts if nothing is said."""
    severity: Annotated[float, Meta(ge=1, le=100)] = 1.0
    """1 is the floor of the kind."""
    signal: str = ""
    """The signal, for faults of a sensor."""


class FraudPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fraud that is asked for."""

    kind: str
    equipment: Name
    after_s: Annotated[float, Meta(ge=0, le=1e9)]
    for_s: Seconds | None = None
    """How long, s; to the end of the run if nothing is said."""
    strength: Annotated[int, Meta(ge=1, le=3)] = 1
    signal: str = ""
    """The signal, or for one_machine_as_two the equipment that is shown."""


Block: TypeAlias = Server | Broker | EdgeNode | Device | Load
"""What can be reached at one address, by one face."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in `simulators.toml`."""

    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    server: list[Server] = []
    broker: list[Broker] = []
    edge_node: list[EdgeNode] = []
    device: list[Device] = []
    load: list[Load] = []

    fault: list[FaultPlan] = []
    fraud: list[FraudPlan] = []
    random_faults_per_day: Annotated[float, Meta(ge=0, le=10_000)] = 0.0
    """Faults of any kind of machine or sensor, on average for each piece of equipment and day of simulated time."""
    calendar: Calendar | None = None
    """Shifts, breaks and maintenance; without a word, machines work round the clock while they run, and the history has the calendar's defaults."""

    def blocks(self) -> list[Block]:
        """Everything with an address of its own."""
        return [*self.server, *self.broker, *self.edge_node, *self.device, *self.load]


_KEYS_OF: dict[str, type[msgspec.Struct]] = {
    "server": Server, "broker": Broker, "equipment": Equipment, "link": Link, "faults": Faults,
    "edge_node": EdgeNode, "device": Device, "load": Load,
    "fault": FaultPlan, "fraud": FraudPlan, "calendar": Calendar,
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
    blocks = settings.blocks()
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
    servers: list[Server | Load] = [*settings.server, *settings.load]
    for reachable in servers:
        try:
            server_address(reachable.url)
        except ValueError as error:
            example = "opc.tcp://127.0.0.1:4840/chejian/"
            raise SimulatorError(f"{path}: server {reachable.name!r}: url {reachable.url!r} should look like {example}") from error
    for load in settings.load:
        if load.signals % load.values_per_message and load.values_per_message % load.signals:
            raise SimulatorError(f"{path}: load {load.name!r}: of signals and values_per_message one must be a multiple of the other")
    for server in settings.server:
        if server.users and (server.security == "None" or set(server.security) == {"None"}):
            raise SimulatorError(f"{path}: server {server.name!r}: users need a policy besides None in security, or passwords travel openly")
        if not server.users and not server.anonymous:
            raise SimulatorError(f"{path}: server {server.name!r}: neither users nor anonymous: nobody could come in; add one")
        link = server.link
        if link is not None and link.down_s + 2 * link.jitter_s >= link.period_s:
            raise SimulatorError(f"{path}: server {server.name!r}: link: down_s and twice jitter_s must be shorter than period_s, or it is never up")
