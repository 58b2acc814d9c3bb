"""What a CNC's sensors show, and what its controller knows beyond the register's signals.

`detail` names: spindle_power W, spindle_override %, rapid_override %, feed_rate mm/min, axis_x axis_y axis_z mm, axis_temperature Cel,
axis_deviation um (thermal growth and backlash), coolant_level %, coolant_flow L/min, door_closed, operation_number, tool_number, tool_name, tool_wear
(share of life), tool_life_left (parts), alarm_text, order, order_quantity, order_completed, material_lot, part_serial (of the part in process),
parts_started, parts_in_process, ambient_temperature Cel, voltage_l1…3 V, current_l1…3 A, power_factor.
"""

import math
from typing import TYPE_CHECKING

from simulators.machine import Value, Values, generator, quantise
from simulators.personality import personality
from simulators.physics import electricity, spindle
from simulators.physics.noise import Noise, colour
from simulators.physics.thermal import ambient, growth_um
from simulators.programs import ALARMS
from simulators.settings import Equipment
from simulators.timeline import Phase

if TYPE_CHECKING:
    from simulators.cnc import Cnc

SOUND_VIBRATION = {"machining_centre": 1.1, "lathe": 1.4}
"""Vibration of a sound spindle at 80 % load, mm/s RMS."""
TEMPERATURE_STEP = {"machining_centre": 0.1, "lathe": 0.5}
"""Resolution of the temperature sensor, Cel."""
COOLANT_FLOW, FLOW_NOISE = 24.0, 0.4
"""Flow of the coolant while it cuts, L/min, and the usual σ of its sensor."""


class Sensors:
    """The noisy sensors of one machine, each with its own colour."""

    def __init__(self, settings: Equipment, seed: int) -> None:
        self._sound = SOUND_VIBRATION[settings.kind] * personality(seed, settings.id).vibration
        self._step = TEMPERATURE_STEP[settings.kind]

        def noise(signal: str, sigma: float) -> Noise:
            return Noise(colour(seed, settings.id, signal, sigma), generator(seed, settings.id, "noise", signal))

        self._load, self._speed = noise("spindle_load", spindle.NOISE_LOAD), noise("spindle_speed", spindle.NOISE_SPEED)
        self._temperature = noise("spindle_temperature", spindle.NOISE_TEMPERATURE)
        self._vibration = noise("spindle_vibration", spindle.NOISE_VIBRATION)
        self.voltage, self.flow = noise("voltage", 1.6), noise("coolant_flow", FLOW_NOISE)

    def read(self, phase: Phase, temperature: float, bearing: float) -> dict[str, Value]:
        """The four signals of the spindle. Every call throws dice, so that only a scan may call."""
        load, speed, shake = self._load.next(), self._speed.next(), self._vibration.next()
        turning = phase.speed > 0.0
        vibration = float(spindle.vibration(self._sound, phase.load, bearing)) if turning else spindle.STANDING_VIBRATION
        return {
            "spindle_load": quantise(max(0.0, phase.load + load) if turning else 0.0, 0.1),
            "spindle_speed": quantise(phase.speed * (1.0 + speed), 1.0),
            "spindle_temperature": quantise(temperature + self._temperature.next(), self._step),
            "spindle_vibration": quantise(vibration * math.exp(shake * (1.0 if turning else spindle.STANDING_NOISE)), 0.01),
        }


def detail(cnc: "Cnc", sensors: Sensors, at_us: int) -> Values:
    """Everything else, as of the last scan."""
    phase, settings, schedule = cnc.phase, cnc.settings, cnc.schedule
    cutting = phase.operation >= 0
    coolant = schedule.severity("coolant_loss", cnc.equipment, at_us)
    backlash = schedule.severity("axis_backlash", cnc.equipment, at_us)
    dip = schedule.severity("power_quality_event", cnc.equipment, at_us)
    tool = next((o.tool for o in cnc.program.operations if o.tool.number == phase.tool), cnc.program.operations[0].tool)
    wear = min(1.0, cnc.magazine.wear[tool.number])
    step = dict(zip((o.tool.number for o in cnc.program.operations), cnc.program.wear_per_part(), strict=True))[tool.number] * cnc.own.wear
    factor = electricity.power_factor(cnc.power_w, settings.rated_power_w, dip)
    voltage = electricity.line_voltage(sensors.voltage.next(), dip)
    currents = electricity.phase_currents(cnc.power_w, voltage, factor, cnc.own.phase)
    # The tool's path: a Lissajous figure over the table, quick enough that two scans differ.
    turn = 2.0 * math.pi * (at_us % 7_000_000) / 7e6
    flow = max(0.0, COOLANT_FLOW * max(0.0, 1.0 - 0.5 * coolant) + sensors.flow.next()) if cutting else 0.0
    values: Values = {
        "spindle_power": quantise(max(0.0, phase.load - 4.0) / 100.0 * spindle.RATED_SHARE * settings.rated_power_w, 10.0),
        "spindle_override": 100.0, "rapid_override": 100.0,
        "feed_rate": quantise(phase.speed * 0.4 * cnc.feed_override / 100.0 if cutting else 0.0, 1.0),
        "axis_x": quantise(250.0 + 180.0 * math.sin(turn) * cutting, 0.001), "axis_y": quantise(200.0 + 120.0 * math.sin(2 * turn) * cutting, 0.001),
        "axis_z": quantise(400.0 - 150.0 * cutting, 0.001),
        "axis_temperature": quantise(cnc.axis.temperature, 0.1),
        "axis_deviation": quantise(growth_um(0.2, cnc.spindle.temperature - 34.0) + 9.0 * backlash, 0.1),
        "coolant_level": quantise(max(0.0, 82.0 - 30.0 * coolant - 2.0 * ((at_us // 3_600_000_000) % 8)), 0.5),
        "coolant_flow": quantise(flow, 0.1),
        "door_closed": int(phase.speed > 0.0 and phase.name not in ("take_out",)),
        "operation_number": phase.operation + 1, "tool_number": tool.number, "tool_name": tool.name, "tool_wear": quantise(wear, 0.001),
        "tool_life_left": max(0, math.floor((1.0 - wear) / step)),
        "alarm_text": ALARMS.get(phase.alarm, ""),
        **cnc.told(), "order_quantity": 0 if cnc.order is None else cnc.order.quantity,
        "order_completed": 0 if cnc.order is None else cnc.order.good + cnc.order.scrap,
        "parts_started": cnc.started, "parts_in_process": cnc.started - cnc.good - cnc.scrap,
        "ambient_temperature": quantise(float(ambient(at_us)), 0.1), "power_factor": quantise(factor, 0.01),
    }
    for line, current in zip((1, 2, 3), currents, strict=True):
        values[f"voltage_l{line}"] = quantise(voltage * cnc.own.phase[line - 1] ** -0.1, 0.1)
        values[f"current_l{line}"] = quantise(current, 0.01)
    return values
