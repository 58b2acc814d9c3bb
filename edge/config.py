"""What an edge collects and where it sends it: edge-*.toml. Addresses stand here and nowhere else."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge.mapping import SourceBlock, machines_of, mapped_signals
from edge.source import SourceContext, open_source
from edge.strict import convert
from store.journal import JournalLimits, WhenFull
from workshop.batch import Provenance
from workshop.errors import ConfigError
from workshop.register import EQUIPMENT_ID, Workshop

Milliseconds = Annotated[int, Meta(ge=1, le=3_600_000)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]

MAX_SKEW_S = 300.0


class GatewayBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[gateway]`: where batches go."""

    url: str
    timeout_s: Seconds = 10.0
    """How long an answer may take."""
    max_retry_s: Seconds = 30.0
    """Upper limit of the back-off, which is drawn anew for each try."""
    keep_alive_s: Seconds = 5.0
    """A connection on which nothing comes back is given up within twice this."""
    catch_up_kib_s: Annotated[int, Meta(ge=1, le=2**20)] = 4096
    """How fast a backlog may be delivered, at most; the gateway's own speed may make it slower."""


class SealBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[seal]`: when readings on disk become a signed batch."""

    every_s: Seconds = 10.0
    rows: Annotated[int, Meta(ge=1, le=65_536)] = 65_536
    away_s: Seconds = 600.0
    """In place of `every_s` while the gateway cannot be reached."""


class CommitBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[commit]`: when readings are made durable, and their senders told."""

    every_ms: Milliseconds = 200
    """At most this long after the first reading of a commit: under load."""
    idle_ms: Milliseconds = 20
    """This long after it when little comes and the disk is quick; in between it adapts by itself."""


class JournalBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[journal]`: how much room the journal may take, and what happens when there is none."""

    max_mib: Annotated[int, Meta(ge=1, le=2**20)] = 4096
    """Of the file."""
    min_free_mib: Annotated[int, Meta(ge=0, le=2**20)] = 64
    """Of the disk, left to others."""
    retention_mib: Annotated[int, Meta(ge=0, le=2**20)] = 256
    """Kept after the gateway has it, so that a gateway restored from a backup can ask again."""
    when_full: WhenFull = WhenFull.BLOCK
    """block: the sources wait; drop-oldest-with-gap: the oldest undelivered readings are dropped and declared."""

    def limits(self) -> JournalLimits:
        """The same in the words of the journal."""
        return JournalLimits(
            max_bytes=self.max_mib * 2**20, min_free_bytes=self.min_free_mib * 2**20, retention_bytes=self.retention_mib * 2**20,
            when_full=self.when_full,
        )


class LiveBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[live]`: the thin way for values that people look at."""

    every_ms: Milliseconds = 100
    """Least time between two posts; a change after a silence goes out at once."""


class RetryBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[retry]`: how the supervisor comes back to a source; each wait is a random half to whole of the doubled one before."""

    first_s: Seconds = 0.2
    max_s: Seconds = 5.0


class ShutdownBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[shutdown]`: how an orderly end goes."""

    linger_ms: Milliseconds = 500
    """How long to go on reading what is already on its way."""
    drain_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """How long to try to deliver everything; what is left is sent after the next start."""


class MetricsBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[metrics]`: what the edge counts about itself, for Prometheus at `GET /metrics`. It names sources, no machines and no values."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """TCP port; 0: none is opened."""
    listen: str = "127.0.0.1"
    """Address to listen on; there is neither TLS nor a token."""


class EdgeSettings(msgspec.Struct, frozen=True):
    """Everything in an edge-*.toml."""

    edge: str
    provenance: Provenance
    register: str
    """Path of the register, relative to the file."""
    data: str
    """Folder of key, enrolment and journal."""
    gateway: GatewayBlock
    source: tuple[SourceBlock, ...]
    max_skew_s: Seconds = MAX_SKEW_S
    """A reading whose source time is further than this from its reception is uncertain: one of the two clocks is wrong, or it was long on its way."""
    seal: SealBlock = SealBlock()
    commit: CommitBlock = CommitBlock()
    journal: JournalBlock = JournalBlock()
    live: LiveBlock = LiveBlock()
    retry: RetryBlock = RetryBlock()
    shutdown: ShutdownBlock = ShutdownBlock()
    metrics: MetricsBlock = MetricsBlock()


class _EdgeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    edge: str
    provenance: Provenance
    register: str
    data: str
    gateway: dict[str, Any]
    source: list[dict[str, Any]] = []
    max_skew_s: Seconds = MAX_SKEW_S
    seal: dict[str, Any] = {}
    commit: dict[str, Any] = {}
    journal: dict[str, Any] = {}
    live: dict[str, Any] = {}
    retry: dict[str, Any] = {}
    shutdown: dict[str, Any] = {}
    metrics: dict[str, Any] = {}


def load_edge(text: bytes | str, file: str, *, may_be_empty: bool = False) -> EdgeSettings:
    """The settings from the text of an edge-*.toml.

    Args:
        file: name to put in messages.
        may_be_empty: whether a file without a source is one, too: before anything was found that could be collected.
    Raises:
        ConfigError: not TOML, an unknown or missing key, a wrong type. Options of protocols and signals are looked at by `check_edge`.
    """
    try:
        tables = msgspec.toml.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: is not TOML: {error}") from error
    raw = convert(tables, _EdgeFile, file)
    if not EQUIPMENT_ID.fullmatch(raw.edge):
        raise ConfigError(f"{file}: edge '{raw.edge}': an id is lower-case letters, digits and single hyphens, such as edge-1")
    if not raw.source and not may_be_empty:
        raise ConfigError(f"{file}: no [[source]]: this edge would collect nothing; add one")
    return EdgeSettings(
        raw.edge, raw.provenance, raw.register, raw.data, convert(raw.gateway, GatewayBlock, f"{file}: [gateway]"),
        tuple(_source(table, file, number) for number, table in enumerate(raw.source, 1)), raw.max_skew_s,
        convert(raw.seal, SealBlock, f"{file}: [seal]"), convert(raw.commit, CommitBlock, f"{file}: [commit]"),
        convert(raw.journal, JournalBlock, f"{file}: [journal]"),
        convert(raw.live, LiveBlock, f"{file}: [live]"), convert(raw.retry, RetryBlock, f"{file}: [retry]"),
        convert(raw.shutdown, ShutdownBlock, f"{file}: [shutdown]"), convert(raw.metrics, MetricsBlock, f"{file}: [metrics]"),
    )


def _source(table: dict[str, Any], file: str, number: int) -> SourceBlock:
    where = f"{file}: source '{table['name']}'" if isinstance(table.get("name"), str) else f"{file}: [[source]] number {number}"
    own = {key: table[key] for key in ("name", "protocol", "map", "equipment") if key in table}
    block = convert(own, SourceBlock, where)
    return msgspec.structs.replace(block, options={key: value for key, value in table.items() if key not in own})


def check_provenance(settings: EdgeSettings, enrolled: Provenance, file: str) -> None:
    """Compares the provenance that the file states with the one that the gateway fixed at enrolment.

    Raises:
        ConfigError: they differ: somebody means other data than what the gateway will write down.
    """
    if settings.provenance is not enrolled:
        raise ConfigError(
            f"{file}: provenance is '{settings.provenance.value}', but edge '{settings.edge}' is enrolled as '{enrolled.value}'; write "
            f'provenance = "{enrolled.value}", or have another edge enrolled as {settings.provenance.value} and give it a data folder of its own'
        )


def check_edge(settings: EdgeSettings, register: Workshop, file: str) -> None:
    """Compares the settings with the register, and lets every protocol look at its options and addresses. Nothing is connected.

    Raises:
        ConfigError: unknown protocol, option, equipment, map or signal, equipment or source named twice, an address that the protocol refuses.
    """
    names: set[str] = set()
    owner: dict[str, str] = {}
    for block in settings.source:
        where = f"{file}: source '{block.name}'"
        if block.name in names:
            raise ConfigError(f"{where} stands twice; give each source its own name")
        names.add(block.name)
        for equipment, _ in machines_of(settings.source, block, register, file):
            if equipment.id in owner:
                raise ConfigError(f"{where}: equipment '{equipment.id}' is already read by source '{owner[equipment.id]}'; a machine has one source")
            owner[equipment.id] = block.name
        open_source(block.protocol, block.options, source_context(settings, block, register, file, clock=lambda: 0))


def source_context(settings: EdgeSettings, block: SourceBlock, register: Workshop, file: str, **more: Any) -> SourceContext:
    """What the source of this block is given; `more` are clock, directory and durable.

    Raises:
        ConfigError: equipment, map or signal that does not exist; names file, source, equipment and what exists.
    """
    where = f"{file}: source '{block.name}'"
    signals = mapped_signals(settings.source, block, register, file)
    folder = Path(file).parent
    return SourceContext(block.name, where, settings.edge, signals, data=folder / settings.data, folder=folder, **more)
