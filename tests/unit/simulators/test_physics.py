"""The physics against numbers worked out by hand, and the parts of it that live and history share."""

import math
import zlib

import numpy as np
import pytest

from simulators.images import DEFECTS, png, surface
from simulators.machine import quantise
from simulators.physics import electricity, spindle
from simulators.physics.cutting import C45, Milling, Turning
from simulators.physics.noise import Colour, Noise, colour, noise_column, quantise_column
from simulators.physics.scrap import CODES, hazards, reasons
from simulators.physics.thermal import ambient, first_order, growth_um
from simulators.physics.tool import Tool
from simulators.programs import PROGRAMS


def test_kienzle_turning_by_hand() -> None:
    """κ = 90°: h = f = 0.25; k_c = 2220 · 0.25^-0.14 = 2695 N/mm²; F_c = 2695 · 2 · 0.25 = 1348 N; at 200 m/min and 85 % that is 5285 W."""
    cut = Turning(200.0, 0.25, 2.0, 60.0, 90.0)
    assert C45.specific_force(0.25) == pytest.approx(2695.4, rel=1e-3)
    assert cut.power(C45) == pytest.approx(5285, rel=1e-3)
    assert cut.spindle_speed == pytest.approx(1061.0, rel=1e-3)


def test_kienzle_milling_by_hand() -> None:
    """n = 2864.8, v_f = 1145.9 mm/min, Q = 103.1 cm³/min, h_m = 0.0548 mm, k_c = 3333 N/mm²: 5729 W of cutting."""
    cut = Milling(180.0, 0.10, 15.0, 6.0, 20.0, 4)
    assert cut.power(C45) * 0.85 == pytest.approx(5729, rel=2e-3)


def test_thin_chips_need_more_force() -> None:
    assert C45.specific_force(0.05) > C45.specific_force(0.1) > C45.specific_force(0.4)


def test_taylor_by_hand() -> None:
    """C = 400 m/min, n = 0.25: at 200 m/min 2^4 = 16 min; half the speed, sixteen times the life."""
    tool = Tool(1, "insert", 400.0)
    assert tool.life_min(200.0) == pytest.approx(16.0)
    assert tool.life_min(100.0) == pytest.approx(256.0)


def test_every_program_loads_its_spindle_and_lasts_between_50_and_300_parts() -> None:
    for kind, rated_w in (("machining_centre", 19_000.0), ("lathe", 15_000.0)):
        for program in PROGRAMS[kind]:
            assert all(0.1 < power / (spindle.RATED_SHARE * rated_w) < 0.85 for power in program.powers()), program.name
            assert all(50 < 1.0 / step < 300 for step in program.wear_per_part()), program.name


def test_first_order_column_is_the_recursion() -> None:
    dice = np.random.default_rng(1)
    targets, keep, y = dice.normal(20.0, 5.0, 3000), 0.97, 7.0
    expected = []
    for target in targets:
        y = keep * y + (1.0 - keep) * target
        expected.append(y)
    assert np.allclose(first_order(targets.copy(), keep, 7.0), expected, rtol=0, atol=1e-10)
    assert first_order(np.zeros(0), 0.5, 1.0).size == 0


def test_noise_has_its_colour_live_and_in_a_column() -> None:
    own = Colour(0.7, 2.0)
    live = Noise(own, np.random.default_rng(3))
    for values in (np.array([live.next() for _ in range(40_000)]), noise_column(own, np.random.default_rng(4), 40_000)):
        assert values.std() == pytest.approx(2.0, rel=0.05)
        assert np.corrcoef(values[1:], values[:-1])[0, 1] == pytest.approx(0.7, abs=0.02)


def test_no_two_machines_have_one_colour() -> None:
    colours = {colour(seed, f"cnc-{number:02d}", signal, 1.0) for seed in (1, 2) for number in range(20) for signal in ("power", "load")}
    assert len(colours) == 80


def test_a_column_is_quantised_to_the_same_bits_as_a_value() -> None:
    values = np.random.default_rng(5).uniform(0.0, 9000.0, 5000)
    for step in (0.001, 0.01, 0.1, 0.5, 1.0, 10.0):
        assert quantise_column(values, step).tolist() == [quantise(value, step) for value in values.tolist()]


def test_thermal_growth_and_hall() -> None:
    assert growth_um(0.2, 10.0) == pytest.approx(23.0)
    times = 1_767_571_200_000_000 + np.arange(0, 86_400_000_000, 60_000_000)
    assert ambient(times).max() - ambient(times).min() == pytest.approx(4.0, abs=0.1)


def test_bearing_grows_exponentially_up_to_the_worst() -> None:
    assert spindle.bearing_growth(0.0, 10.0) == 0.0
    assert spindle.bearing_growth(10.0, 10.0) == pytest.approx(math.e - 1.0)
    assert spindle.bearing_growth(1e9, 10.0) == spindle.WORST_BEARING
    assert spindle.bearing_growth_column(np.array([0.0, 10.0, 1e9]), 10.0).tolist() == [0.0, pytest.approx(math.e - 1.0), 6.0]


def test_scrap_follows_its_hazards() -> None:
    zero = np.zeros(1)
    worn = hazards(0.015, np.array([0.0, 0.5, 1.0]), *[np.zeros(3)] * 4).sum(axis=0)
    assert worn[0] < worn[1] < worn[2]
    backlash = hazards(0.015, zero, zero, zero, zero + 1.0, zero)[:, 0]
    draw = backlash[:3].sum() + 1e-6
    assert CODES[int(reasons(backlash[:, None], np.array([draw]))[0])] == "DIM-BACKLASH"
    assert reasons(backlash[:, None], np.array([0.9]))[0] == -1


def test_three_phases_carry_the_power() -> None:
    factor = electricity.power_factor(9_000.0, 15_000.0)
    currents = electricity.phase_currents(9_000.0, 400.0, factor, (1.02, 0.99, 0.99))
    assert sum(currents) * 400.0 / math.sqrt(3.0) * factor == pytest.approx(9_000.0)
    assert electricity.line_voltage(0.0, 1.0) == pytest.approx(360.0)


def test_pictures_show_their_defects_and_are_png() -> None:
    good = surface(1, "EP-1")
    assert (good == surface(1, "EP-1")).all()
    for defect in DEFECTS[1:]:
        # Far from the grey of a sound surface, as an inspection would look for it.
        assert (np.abs(surface(1, "EP-1", defect).astype(int) - 140) > 50).sum() > (np.abs(good.astype(int) - 140) > 50).sum() + 5, defect
    data = png(good)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8:start - 4], "big")
    rows = np.frombuffer(zlib.decompress(data[start:start + length]), np.uint8).reshape(64, 65)
    assert (rows[:, 1:] == good).all()
