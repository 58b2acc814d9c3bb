"""Modbus TCP: registers are asked for in rounds. There is no device time: the time of the answer stands for it.

Addresses are `UNIT:TABLE/REGISTER/TYPE`, `{unit}:input/3/u32 | /10`. Every value of every round is a reading, changed or not. Nothing is written.
"""

import asyncio
import logging
from typing import Annotated

import msgspec
from msgspec import Meta
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException, ModbusIOException
from pymodbus.pdu import ModbusPDU

from edge.gathering import Gathering
from edge.modbus.registers import Cell, Request, WordOrder, cell_of, requests_of, value_of
from edge.openly import openly
from edge.source import Delivery, Loss, Source, SourceContext
from workshop.errors import NotConnected, Rejected
from workshop.reading import Reading

__all__ = ["open_source"]

_log = logging.getLogger(__name__)
# It warns at every try; the supervisor says once what has changed.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
_EXCEPTIONS = {
    1: "the unit does not know this kind of request", 2: "the unit has no such register", 3: "the unit refuses so many registers at once",
    4: "the unit failed", 6: "the unit is busy", 10: "the gateway has no way to this unit", 11: "the unit behind the gateway does not answer",
}
_AWAY = (4, 6, 10, 11)
"""Exceptions that say something of the moment, not of the address."""
_SILENT = 11
_AGAIN_S = 10.0
"""A unit that did not answer is left alone for so long: the others should not wait for it in every round."""


class ModbusSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of `protocol = "modbus"`."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    period_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 1000
    """From one round of requests to the next."""
    word_order: WordOrder = "big"
    """Which word of a longer number stands first: the highest (big) or the lowest (little)."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 3.0


def open_source(settings: ModbusSettings, context: SourceContext) -> Source:
    """The source of one Modbus TCP server and the units behind it.

    Raises:
        ConfigError: an address of another form.
    """
    return _ModbusSource(settings, context)


class _ModbusSource:
    def __init__(self, settings: ModbusSettings, context: SourceContext) -> None:
        self.equipment = context.equipment
        self.problems: dict[str, str] = {}
        self.warnings = openly(settings.host, "Modbus has no security", "keep it on a network that only the edge reaches")
        self._settings, self._context = settings, context
        self._cells = [cell_of(signal, context.where) for signal in context.signals]
        self._requests: list[Request] = []
        self._away: dict[int, float] = {}
        """Unit → when it is asked again."""
        self._client: AsyncModbusTcpClient | None = None
        self._greeting: Gathering | None = None
        self._due_at = 0.0

    @property
    def _name(self) -> str:
        return f"modbus://{self._settings.host}:{self._settings.port}"

    async def connect(self) -> None:
        """Opens the connection; units are heard of in the first round."""
        settings = self._settings
        client = self._client = AsyncModbusTcpClient(
            settings.host, port=settings.port, timeout=settings.timeout_s, retries=0, reconnect_delay=0, reconnect_delay_max=0,
        )
        try:
            async with asyncio.timeout(settings.timeout_s):
                is_open = await client.connect()
        except (TimeoutError, OSError, ModbusException) as error:
            raise NotConnected(f"{self._name}: {error or 'no answer'}") from error
        if not is_open:
            raise NotConnected(f"{self._name}: nobody answers there")
        self.problems, self._away = {}, {}
        self._requests = requests_of(self._cells)
        self._greeting = Gathering()
        self._greeting.lose(Loss(tuple(signal.id for signal in self._context.signals), "connection lost"))
        self._due_at = asyncio.get_running_loop().time()

    async def read(self) -> list[Delivery]:
        """The next round."""
        client, loop = self._client, asyncio.get_running_loop()
        if client is None:
            raise NotConnected(f"{self._name}: not connected")
        if self._greeting is not None:
            gathering, self._greeting = self._greeting, None
            return gathering.deliveries(None)
        await asyncio.sleep(max(0.0, self._due_at - loop.time()))
        # A round that took too long is not made up for: the registers only say what is now.
        self._due_at = max(self._due_at + self._settings.period_ms / 1000, loop.time())
        gathering = Gathering()
        heard: dict[str, bool] = {}
        for request in list(self._requests):
            is_heard = self._away.get(request.unit, 0.0) <= loop.time() and await self._ask(client, request, gathering)
            for cell in request.cells:
                heard[cell.signal.equipment] = is_heard or heard.get(cell.signal.equipment, False)
        if self._requests and len(self._away) == len({cell.unit for cell in self._cells}):
            raise NotConnected(f"{self._name}: {next(iter(self.problems.values()), 'no unit answers')}")
        for equipment, is_up in heard.items():
            gathering.link(equipment, is_up)
        return gathering.deliveries(None)

    async def close(self) -> None:
        """Closes the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def _ask(self, client: AsyncModbusTcpClient, request: Request, gathering: Gathering) -> bool:
        """One request; returns whether the unit was heard."""
        answer = await self._call(client, request)
        received_us = self._context.clock()
        signals = tuple(cell.signal.id for cell in self._cells if cell.unit == request.unit)
        code = _SILENT if answer is None else answer.exception_code if answer.isError() else 0
        if answer is None or code in _AWAY:
            why = f"unit {request.unit}: {_EXCEPTIONS[code] if answer is not None else 'no answer'}"
            if request.unit not in self._away:
                _log.warning("%s: %s", self._context.where, why)
            self._away[request.unit] = asyncio.get_running_loop().time() + _AGAIN_S
            self.problems |= dict.fromkeys(signals, why)
            gathering.lose(Loss(signals, "unit did not answer"))
            return False
        if self._away.pop(request.unit, None) is not None:
            for signal in signals:
                self.problems.pop(signal, None)
        if code:
            self._split(request, _EXCEPTIONS.get(code, f"exception {code}"))
            return True
        words = [int(bit) for bit in answer.bits] if request.cells[0].is_bits else list(answer.registers)
        for cell in request.cells:
            self._add(cell, words[cell.start - request.start : cell.start - request.start + cell.words], received_us, gathering)
        return True

    async def _call(self, client: AsyncModbusTcpClient, request: Request) -> ModbusPDU | None:
        calls = {
            "input": client.read_input_registers, "holding": client.read_holding_registers, "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
        }
        try:
            return await calls[request.table](request.start, count=request.count, device_id=request.unit)
        except ModbusIOException:
            return None
        except (ModbusException, OSError, TimeoutError) as error:
            raise NotConnected(f"{self._name}: unit {request.unit}: {error}") from error

    def _split(self, request: Request, why: str) -> None:
        """Finds which of several cells the unit refuses; a cell that is refused alone is asked for again after the next connect."""
        self._requests.remove(request)
        if len(request.cells) > 1:
            self._requests += [each for cell in request.cells for each in requests_of([cell])]
            return
        cell = request.cells[0]
        self.problems[cell.signal.id] = f"{cell.signal.address}: {why}"
        _log.warning("%s: %s: %s: %s", self._context.where, cell.signal.id, cell.signal.address, why)

    def _add(self, cell: Cell, words: list[int], received_us: int, gathering: Gathering) -> None:
        signal = cell.signal
        try:
            value = cell.rule.apply(value_of(cell, words, self._settings.word_order), signal)
        except Rejected as error:
            self.problems[signal.id] = f"{signal.address}: {error}"
            gathering.refuse(repr(words).encode(), f"{signal.id}: {signal.address}: {error}", (signal.id,))
            return
        gathering.add(Reading(signal.id, received_us, received_us, value))
