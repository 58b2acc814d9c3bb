"""MTConnect: an agent's observations by number, each one once, over HTTP, streamed where the agent can and asked for where it cannot.

Where the agent's buffer has run over or it began anew, the hole is declared; a stream without a heartbeat is no connection.

Addresses are ids of data items, `id:{equipment}-load`, with a rule where the words of the device are to be numbers: `id:{equipment}-execution |
READY=2 ACTIVE=3`. A condition is 0 when Normal, otherwise its native code.
"""

import asyncio
import logging
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from edge.gathering import Gathering
from edge.json_values import to_us
from edge.mtconnect.client import AgentClient, Stream
from edge.mtconnect.document import UNAVAILABLE, Document, Observation
from edge.openly import openly
from edge.place import Place
from edge.rules import Rule, split_rule
from edge.source import Delivery, Loss, MappedSignal, Source, SourceContext
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.reading import AGED, Quality, Reading, Value
from workshop.signal import SignalKind

__all__ = ["open_source"]

_log = logging.getLogger(__name__)
_PREFIX = "id:"
_RUN_OVER = "the agent's buffer has run over"
_OLD_US = 60_000_000


class MtConnectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of `protocol = "mtconnect"`."""

    url: str
    """Of the agent, without /probe; with /DEVICE for one device of several."""
    period_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 500
    """From one document to the next, at least: the interval of the stream; from one request to the next, where the agent does not stream."""
    stream: bool = True
    """Whether to ask for a stream; without one, or where the agent gives none, each document is asked for."""
    heartbeat_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = 5000
    """How often the agent should say that it lives when nothing has changed; twice without it, the link is down."""
    count: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """Observations in one answer at most."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0
    max_bytes: Annotated[int, Meta(ge=1024, le=2**28)] = 16 * 2**20
    """A larger answer is refused."""


def open_source(settings: MtConnectSettings, context: SourceContext) -> Source:
    """The source of one MTConnect agent.

    Raises:
        ConfigError: a URL or rule of another form, an item of two signals.
    """
    return _MtConnectSource(settings, context)


class _MtConnectSource:
    def __init__(self, settings: MtConnectSettings, context: SourceContext) -> None:
        self.equipment = context.equipment
        self.problems: dict[str, str] = {}
        host = _host(settings.url, context.where)
        is_open = settings.url.startswith("http://")
        self.warnings = openly(host, "no TLS", "put the agent behind https:// or on a network that only the edge reaches") if is_open else []
        self._settings, self._context, self._url = settings, context, settings.url.rstrip("/")
        self._items: dict[str, tuple[MappedSignal, Rule]] = {}
        for signal in context.signals:
            item, rule = split_rule(signal.address.removeprefix(_PREFIX), f"{context.where}: {signal.id}")
            if not signal.address.startswith(_PREFIX) or not item or set(item) & set(" #/;="):
                form = "write id: and the id of a data item, as /probe shows it"
                raise ConfigError(f"{context.where}: {signal.id}: address '{signal.address}': {form}")
            if item in self._items:
                raise ConfigError(f"{context.where}: {signal.id} and {self._items[item][0].id} have the same data item '{item}'")
            self._items[item] = (signal, rule)
        self._signals = tuple(signal.id for signal in context.signals)
        self._place = Place(context, "position")
        self._away: set[str] = set(self._items)
        self.terms: dict[str, str] = {}
        self._client: AgentClient | None = None
        self._stream: Stream | None = None
        self._may_stream = settings.stream
        self._instance, self._next = 0, 0
        self._waiting: Gathering | None = None
        self._due_at = 0.0

    async def connect(self) -> None:
        """Reaches the agent; goes on where the last life ended, if the agent still has that, otherwise begins with what is now."""
        settings = self._settings
        self._client = AgentClient(self._url, settings.timeout_s, settings.max_bytes)
        self._may_stream = settings.stream
        probe = await self._get("probe")
        self.problems = {
            signal.id: f"the agent has no data item '{item}'" for item, (signal, _) in self._items.items() if item not in probe.items
        }
        gathering = self._waiting = Gathering()
        self._away = set(self._items)
        current = await self._get("current")
        if not self._next and (known := self._place.load(list[int])) is not None and len(known) == 2:
            self._instance, self._next = known
        if not self._next or current.instance != self._instance:
            self._begin(current, gathering, "agent restarted" if self._next else "first contact")
        elif self._next < current.first:
            self._begin(current, gathering, _RUN_OVER)
        else:
            self._note(current)
        self._links(gathering)

    async def read(self) -> list[Delivery]:
        """The next observations."""
        if self._client is None:
            raise NotConnected(f"{self._url}: not connected")
        if self._waiting is not None:
            gathering, self._waiting = self._waiting, None
            return self._deliveries(gathering)
        gathering = Gathering()
        document = await self._document()
        if document.instance != self._instance:
            await self._anew(await self._get("current"), gathering, "agent restarted")
        elif "OUT_OF_RANGE" in document.errors or document.first > self._next:
            current = await self._get("current")
            if current.instance == self._instance and current.first <= self._next <= current.following:
                raise NotConnected(f"{self._url}: the agent refuses count={self._settings.count}; set a smaller count")
            await self._anew(current, gathering, _RUN_OVER)
        elif document.errors:
            raise NotConnected(f"{self._url}: the agent answers {document.errors[0]}")
        else:
            self._take(document, gathering, self._next)
            self._next = max(document.following, self._next)
        self._links(gathering)
        return self._deliveries(gathering)

    async def close(self) -> None:
        """Closes the connection."""
        client, self._client = self._client, None
        await self._end_stream()
        if client is not None:
            await client.close()

    async def _document(self) -> Document:
        """The next one: of the stream, which is begun where there is none, or by asking."""
        assert self._client is not None  # noqa: S101 – only called between connect and close
        settings, loop = self._settings, asyncio.get_running_loop()
        wanted = f"sample?from={self._next}&count={settings.count}"
        if self._stream is None and self._may_stream:
            begun = await self._client.stream(
                f"{wanted}&interval={settings.period_ms}&heartbeat={settings.heartbeat_ms}", settings.heartbeat_ms / 1000)
            if isinstance(begun, Stream):
                self._stream = begun
                self.terms = {"streaming": f"every {settings.period_ms} ms, heartbeat every {settings.heartbeat_ms} ms"}
            elif "OUT_OF_RANGE" in begun.errors:
                return begun
            else:
                _log.info("%s: the agent does not stream: asking every %d ms", self._context.where, settings.period_ms)
                self._may_stream = False
        if self._stream is not None:
            return await self._stream.next()
        self.terms = {"polling": f"every {settings.period_ms} ms" + ("; the agent does not stream" if settings.stream else "")}
        if self._due_at > loop.time():
            await asyncio.sleep(self._due_at - loop.time())
        document = await self._client.get(wanted)
        is_full = len(document.observations) >= settings.count
        self._due_at = loop.time() + (0 if is_full else settings.period_ms / 1000)
        return document

    async def _anew(self, current: Document, gathering: Gathering, why: str) -> None:
        await self._end_stream()
        self._begin(current, gathering, why)

    async def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    async def _get(self, what: str) -> Document:
        assert self._client is not None  # noqa: S101 – only called between connect and close
        return await self._client.get(what)

    def _deliveries(self, gathering: Gathering) -> list[Delivery]:
        place = [self._instance, self._next]
        return gathering.deliveries(lambda: self._place.save(place))

    def _begin(self, current: Document, gathering: Gathering, why: str) -> None:
        _log.info("%s: %s", self._context.where, why)
        gathering.lose(Loss(self._signals, why))
        self._instance, self._next = current.instance, current.following
        self._take(current, gathering)

    def _take(self, document: Document, gathering: Gathering, since: int = 0) -> None:
        """Adds the observations from this number on; what an agent sends again counts once."""
        self._note(document)
        received_us = self._context.clock()
        # An answer is grouped by component; readings of one signal are wanted in order.
        for observation in sorted(document.observations, key=lambda one: one.sequence):
            if observation.item in self._items and observation.sequence >= since:
                self._add(observation, received_us, gathering)

    def _add(self, observation: Observation, received_us: int, gathering: Gathering) -> None:
        signal, rule = self._items[observation.item]
        try:
            time_us = to_us(observation.timestamp, "iso")
            if observation.is_unavailable:
                gathering.add(Reading(signal.id, time_us, received_us, None, Quality.BAD, UNAVAILABLE))
                return
            value: Value = rule.apply(_raw(observation, signal), signal)
        except Rejected as error:
            self.problems[signal.id] = str(error)
            gathering.refuse(repr(observation).encode(errors="backslashreplace"), f"{signal.id}: {signal.address}: {error}", (signal.id,))
            return
        self.problems.pop(signal.id, None)
        # What has not changed for long is old, and nobody's clock is wrong.
        status = AGED if received_us - time_us > _OLD_US else ""
        gathering.add(Reading(signal.id, time_us, received_us, value, status=status))

    def _note(self, document: Document) -> None:
        for observation in document.observations:
            if observation.item in self._items:
                (self._away.add if observation.is_unavailable else self._away.discard)(observation.item)

    def _links(self, gathering: Gathering) -> None:
        heard = {signal.equipment for item, (signal, _) in self._items.items() if item not in self._away}
        for equipment in self.equipment:
            gathering.link(equipment, equipment in heard)


def _host(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc:
            return parts.hostname
    except ValueError:
        pass
    raise ConfigError(f"{where}: url '{url}' should look like http://host:5000, without credentials")


def _raw(observation: Observation, signal: MappedSignal) -> str | int:
    if not observation.is_condition:
        return observation.text
    if signal.kind in (SignalKind.TEXT, SignalKind.EVENT):
        return f"{observation.element} {observation.native_code or ''} {observation.text}".strip()
    return "0" if observation.element == "Normal" else observation.native_code or "1"
