"""The one reader of the gateway's API in this process: every open page shows what it last heard."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import structlog

from gateway.web.shapes import (
    Definition,
    EdgeAnswer,
    LatestAnswer,
    QuarantineCount,
    QuarantineRow,
    RegisterAnswer,
    ResultAnswer,
    VerdictAnswer,
    decode,
)
from workshop.register import Workshop
from workshop.window import HOUR_US
from workshop.wire import LatestReading

LIVE_S = 0.5
FIGURES_S = 5.0
DEFAULT_WINDOW_US = 8 * HOUR_US
ALARM_US = 24 * HOUR_US
QUARANTINE_ROWS = 8

SHOWN = (
    "networking_rate_all", "networking_rate_digital", "key_process_nc_rate", "defect_rate", "availability", "effectiveness", "quality_ratio", "oee",
    "energy_per_good_part", "energy_total",
)
"""The indicators on the page, of all that the gateway has; the others are for those who ask."""
log = structlog.get_logger()


class Snapshot(msgspec.Struct):
    """What the page knows. `revision` grows with every change, so that a page sends nothing when nothing is new."""

    revision: int = 0
    register: Workshop | None = None
    time_us: int = 0
    """The gateway's time of the last answer, µs UTC; 0 before the first."""
    readings: dict[str, LatestReading] = {}
    definitions: list[Definition] = []
    results: dict[str, ResultAnswer] = {}
    verdicts: list[VerdictAnswer] = []
    provenances: tuple[str, ...] = ()
    alarmed: tuple[str, ...] = ()
    """Edges about which an alarm was raised within the last day."""
    quarantined: QuarantineCount = msgspec.field(default_factory=lambda: QuarantineCount(0))
    quarantine: list[QuarantineRow] = []
    """Some of the newest."""
    window_us: tuple[int, int] = (0, 0)
    trouble: str = ""
    """Key of the word that says why nothing new comes; empty while all is well."""
    figures_trouble: str = ""


class Feed:
    """Polls the gateway: live values twice a second, figures every five seconds, each on its own so that slow figures never hold up live values.

    Args:
        client: speaks to the gateway with a viewer token; its base URL is the gateway's.
        window_from_us: start of the window of indicators and verdicts, µs UTC; None: the last eight hours.
    """

    def __init__(self, client: httpx.AsyncClient, window_from_us: int | None) -> None:
        self.client = client
        self.window_from_us = window_from_us
        self.now = Snapshot()

    async def run(self) -> None:
        """Polls until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(LIVE_S, self.poll_live, "trouble"))
            group.create_task(self._every(FIGURES_S, self.poll_figures, "figures_trouble"))

    async def poll_live(self) -> None:
        """One round of register (the first time) and live values."""
        if self.now.register is None:
            await self._poll_register()
        answer: LatestAnswer = await self._get("/v1/latest", LatestAnswer)
        self.now.time_us = answer.time_us
        self.now.readings = {reading.signal: reading for reading in answer.readings}

    async def poll_figures(self) -> None:
        """One round of register revisions, provenance, indicators and verdicts, over the window up to the gateway's present."""
        await self._poll_register()
        if not self.now.time_us:
            return
        # Derived values never support a claim, and are marked as such where they stand: what counts is where the rest comes from.
        edges: list[EdgeAnswer] = await self._get("/v1/edges", list[EdgeAnswer], list_name="edges")
        self.now.provenances = tuple(sorted({edge.provenance for edge in edges if edge.revoked_us is None and edge.provenance != "derived"}))
        since_us = self.now.time_us - ALARM_US
        self.now.alarmed = tuple(sorted({edge.edge for edge in edges for alarm in edge.alarms if alarm.time_us > since_us}))
        count: QuarantineCount = await self._get("/v1/quarantine/count", QuarantineCount)
        newest = {"newest": 1, "limit": QUARANTINE_ROWS}
        rows: list[QuarantineRow] = await self._get("/v1/quarantine", list[QuarantineRow], newest) if count.records else []
        self.now.quarantined, self.now.quarantine = count, rows
        end = self.now.time_us
        start = self.window_from_us if self.window_from_us is not None else end - DEFAULT_WINDOW_US
        window = {"from_us": min(start, end), "to_us": end}
        known: dict[str, Definition] = {item.id: item for item in await self._get("/v1/indicators", list[Definition], list_name="indicators")}
        definitions = [known[name] for name in SHOWN if name in known]
        results = {each.id: await self._get(f"/v1/indicators/{each.id}", ResultAnswer, window) for each in definitions}
        verdicts = await self._get("/v1/verdicts", list[VerdictAnswer], window, list_name="verdicts")
        self.now.definitions, self.now.results, self.now.verdicts = definitions, results, verdicts
        self.now.window_us = (window["from_us"], window["to_us"])

    async def _poll_register(self) -> None:
        answer: RegisterAnswer = await self._get("/v1/workshop", RegisterAnswer)
        self.now.register = answer.register

    async def _get(self, path: str, shape: Any, params: dict[str, int] | None = None, *, list_name: str = "") -> Any:
        response = await self.client.get(path, params=params)
        response.raise_for_status()
        return decode(response.content, shape, list_name)

    async def _every(self, seconds: float, poll: Callable[[], Awaitable[None]], where: str) -> None:
        while True:
            trouble = ""
            try:
                await poll()
            except httpx.HTTPError as error:
                status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 0
                trouble = "refused" if status in (401, 403) else "lost"
                self._note(where, trouble, error)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                trouble = "strange"
                self._note(where, trouble, error)
            if not trouble and getattr(self.now, where):
                log.info("page reads the gateway again", part=where)
            setattr(self.now, where, trouble)
            self.now.revision += 1
            # Until the first figures are there, ask again at once: a page that has just been opened should not wait for five seconds.
            await asyncio.sleep(seconds if self.now.results else min(seconds, 1.0))

    def _note(self, where: str, trouble: str, error: Exception) -> None:
        if getattr(self.now, where) != trouble:
            reason = (str(error) or type(error).__name__).partition("\n")[0]
            log.warning("page gets no data", part=where, gateway=str(self.client.base_url), reason=reason)
