"""MTConnect: an agent's observations by number, each one once, over HTTP. Where its buffer has run over, the hole is declared.

Addresses are ids of data items, `id:{equipment}-load`, with a rule where the words of the device are to be numbers: `id:{equipment}-execution |
READY=2 ACTIVE=3`. A condition is 0 when Normal, otherwise its native code.
"""

import asyncio
import logging
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Meta

from edge.gathering import Gathering
from edge.json_values import to_us
from edge.mtconnect.document import UNAVAILABLE, Document, Observation, parse
from edge.openly import openly
from edge.place import Place
from edge.rules import Rule, split_rule
from edge.skew import HISTORICAL
from edge.source import Delivery, Loss, MappedSignal, Source, SourceContext
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.reading import Quality, Reading, Value
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
    """From one request to the next, when nothing is waiting."""
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
        self._client: httpx.AsyncClient | None = None
        self._instance, self._next = 0, 0
        self._waiting: Gathering | None = None
        self._due_at = 0.0

    async def connect(self) -> None:
        """Reaches the agent; goes on where the last life ended, if the agent still has that, otherwise begins with what is now."""
        # As all programs that read a plant's own network: no proxy from the environment.
        self._client = httpx.AsyncClient(timeout=self._settings.timeout_s, trust_env=False)
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
        loop = asyncio.get_running_loop()
        if self._client is None:
            raise NotConnected(f"{self._url}: not connected")
        if self._waiting is not None:
            gathering, self._waiting = self._waiting, None
            return self._deliveries(gathering)
        gathering = Gathering()
        if self._due_at > loop.time():
            await asyncio.sleep(self._due_at - loop.time())
        document = await self._get(f"sample?from={self._next}&count={self._settings.count}")
        if document.instance != self._instance:
            self._begin(await self._get("current"), gathering, "agent restarted")
        elif "OUT_OF_RANGE" in document.errors or document.first > self._next:
            current = await self._get("current")
            if current.instance == self._instance and current.first <= self._next <= current.following:
                raise NotConnected(f"{self._url}: the agent refuses count={self._settings.count}; set a smaller count")
            self._begin(current, gathering, _RUN_OVER)
        elif document.errors:
            raise NotConnected(f"{self._url}: the agent answers {document.errors[0]}")
        else:
            self._take(document, gathering)
            self._next = max(document.following, self._next)
        is_full = len(document.observations) >= self._settings.count
        self._due_at = loop.time() + (0 if is_full else self._settings.period_ms / 1000)
        self._links(gathering)
        return self._deliveries(gathering)

    async def close(self) -> None:
        """Closes the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _deliveries(self, gathering: Gathering) -> list[Delivery]:
        place = [self._instance, self._next]
        return gathering.deliveries(lambda: self._place.save(place))

    def _begin(self, current: Document, gathering: Gathering, why: str) -> None:
        _log.info("%s: %s", self._context.where, why)
        gathering.lose(Loss(self._signals, why))
        self._instance, self._next = current.instance, current.following
        self._take(current, gathering)

    def _take(self, document: Document, gathering: Gathering) -> None:
        self._note(document)
        received_us = self._context.clock()
        # An answer is grouped by component; readings of one signal are wanted in order.
        for observation in sorted(document.observations, key=lambda one: one.sequence):
            if observation.item in self._items:
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
        status = HISTORICAL if received_us - time_us > _OLD_US else ""
        gathering.add(Reading(signal.id, time_us, received_us, value, status=status))

    def _note(self, document: Document) -> None:
        for observation in document.observations:
            if observation.item in self._items:
                (self._away.add if observation.is_unavailable else self._away.discard)(observation.item)

    def _links(self, gathering: Gathering) -> None:
        heard = {signal.equipment for item, (signal, _) in self._items.items() if item not in self._away}
        for equipment in self.equipment:
            gathering.link(equipment, equipment in heard)

    async def _get(self, what: str) -> Document:
        assert self._client is not None  # noqa: S101 – only called between connect and close
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.timeout_s), self._client.stream("GET", f"{self._url}/{what}") as answer:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > self._settings.max_bytes:
                        raise NotConnected(f"{self._url}/{what}: an answer of more than {self._settings.max_bytes} bytes; allow more or count fewer")
            return parse(bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise NotConnected(f"{self._url}/{what}: {error or 'no answer in time'}") from error
        except Rejected as error:
            raise NotConnected(f"{self._url}/{what}: {error}") from error


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
