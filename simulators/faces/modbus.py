"""Older machines as a Modbus TCP server shows them: unit 1 is the first machine of the block, and so on; the registers are those of
`simulators.modbus.registers`. Writing is refused (exception 1).

Truth: every scan from the first on, as the registers show it, without the count of scans; a client that asks less often gets fewer.
"""

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.errors import SimulatorError
from simulators.face import Face, Stage
from simulators.link import check_port
from simulators.machine import Machine
from simulators.modbus.registers import MAPS, SCANS, decode, encode
from simulators.settings import Device

__all__ = ["open_face"]

_READS = (3, 4)


async def open_face(block: Device, stage: Stage) -> Face:
    """Listen; clients can connect when this returns.

    Raises:
        SimulatorError: a kind that has no register map (exit code 2); the port is in use (exit code 3).
    """
    for machine in stage.machines:
        if machine.kind not in MAPS:
            raise SimulatorError(f"device {block.name!r}: {machine.equipment} is a {machine.kind}; by Modbus there are {', '.join(sorted(MAPS))}")
    await check_port(block.host, block.port, f"device {block.name!r}")
    face = _ModbusFace(block, stage)
    await face.start()
    return face


class _ModbusFace:
    """A listening server and the registers of its units."""

    def __init__(self, block: Device, stage: Stage) -> None:
        self._stage = stage
        self._registers: dict[str, list[int]] = {}
        self._scans = 0
        for machine in stage.machines:
            self._scan(machine, stage.clock())
        units = [self._unit(number, machine) for number, machine in enumerate(stage.machines, start=1)]
        self._server = ModbusTcpServer(units, address=(block.host, block.port))

    async def start(self) -> None:
        """Listen."""
        await self._server.serve_forever(background=True)

    async def offer(self, machine: Machine, now_us: int) -> None:
        """Scan; who reads afterwards gets this."""
        self._scan(machine, now_us)

    async def close(self) -> None:
        """Stop listening, and drop who is connected."""
        await self._server.shutdown()  # type: ignore[no-untyped-call]

    def _scan(self, machine: Machine, now_us: int) -> None:
        cells = MAPS[machine.kind]
        self._scans += 1
        words = self._registers[machine.equipment] = encode(cells, {**machine.scan(now_us), SCANS: self._scans % 2**32})
        shown = decode(cells, words)
        del shown[SCANS]
        self._stage.truth.reading(machine.equipment, now_us, shown)

    def _unit(self, number: int, machine: Machine) -> SimDevice:
        size = len(self._registers[machine.equipment])

        async def answer(
            function: int, _start: int, _address: int, _count: int, registers: list[int], _values: list[int] | list[bool] | None
        ) -> ExcCodes | None:
            if function not in _READS:
                return ExcCodes.ILLEGAL_FUNCTION
            # All registers of one request are of one scan.
            registers[:size] = self._registers[machine.equipment]
            return None

        return SimDevice(number, [SimData(0, count=size, values=0, datatype=DataType.REGISTERS)], action=answer)
