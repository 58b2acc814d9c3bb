"""Whoever leaves parts out of the evidence gains nothing: what is decided without them would be decided with them, and in the same way."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.claim import Claim
from evidence.evaluate import Evaluation, evaluate
from evidence.parts import parts_of
from evidence.statement import PartName
from evidence.verdict import Outcome, Verdict
from tests.unit.analytics.plant import SIGNALS, START_US, machine, reading, window, workshop
from workshop.batch import Gap, Header, Provenance, SealedBatch, encode_header
from workshop.block import block_of
from workshop.part import encode_part
from workshop.reading import Reading
from workshop.register import TariffPeriod
from workshop.signal import Signal, SignalKind, signal_id

SECONDS, BEFORE, PART_S = 40, 20, 5
WINDOW = window(0, SECONDS)
MACHINES = ("cnc-01", "cnc-02", "cnc-03")
MORE = (
    *SIGNALS, Signal("alarm", "alarm", SignalKind.STATE, max_age_s=5), Signal("first", "first_pass_good_count", SignalKind.COUNTER, max_age_s=5),
    Signal("inspected", "inspected_count", SignalKind.COUNTER, max_age_s=5), Signal("rejected", "rejected_count", SignalKind.COUNTER, max_age_s=5),
    Signal("rework", "rework_count", SignalKind.COUNTER, max_age_s=5), Signal("cloud", "platform_link_state", SignalKind.STATE, max_age_s=5),
    Signal("part_serial", "part_serial", SignalKind.TEXT, max_age_s=5),
)
TARIFF = (TariffPeriod("peak", "08:00", "23:20", "1.02"), TariffPeriod("valley", "23:20", "08:00", "0.31"))
REGISTER = msgspec.structs.replace(workshop(*(machine(name, ideal_cycle_ms=500, signals=MORE) for name in MACHINES)), tariff=TARIFF)
BOUNDS = {
    "networking_rate_all": ("0.3", "0.6", "0.9"), "networking_rate_digital": ("0.6",), "defect_rate": ("0.1", "0.3", "0.5", "0.7"),
    "availability": ("0.3", "0.6", "0.8"), "quality_ratio": ("0.3", "0.5", "0.7"), "energy_per_good_part": ("0.005", "0.01"),
    "effectiveness": ("0.2", "0.5"), "oee": ("0.1", "0.2", "0.4"),
    "allocation_efficiency": ("0.3", "0.7"), "allocation_ratio": ("0.5", "0.9"),
    "utilisation_efficiency": ("0.5", "0.8"), "technical_efficiency": ("0.5", "0.8"),
    "setup_rate": ("0.1", "0.3"), "nee": ("0.1", "0.3"), "teep": ("0.1", "0.3"), "throughput_rate": ("2000", "4000"),
    "mtbf": ("0.001", "0.004"), "mtbf_iso": ("0.001", "0.004"), "mttr": ("0.001", "0.002"), "mttr_iso": ("0.001", "0.002"),
    "data_completeness": ("0.6", "0.8", "0.95"), "networking_rate_platform": ("0.3", "0.6"), "time_to_restore": ("5", "8"),
    "energy_total": ("0.2", "0.4"), "energy_per_part": ("0.002", "0.005"), "energy_idle": ("0.02", "0.1"), "energy_standby": ("0.02", "0.1"),
    "co2_national": ("0.1", "0.2"), "coal_equivalent": ("0.05", "0.1"), "electricity_cost": ("0.1", "0.3"),
    "first_pass_yield": ("0.3", "0.6"), "inspection_pass_rate": ("0.3", "0.6"), "rework_ratio": ("0.1", "0.3"), "scrap_ratio": ("0.3", "0.6"),
    "changeover_time": ("0.05", "0.1"), "lot_size": ("4", "10"), "actual_cycle_time": ("0.5", "1.5"),
    "alarm_rate": ("100", "300"), "alarm_flood_share": ("0.5",), "part_lead_time": ("0.02", "0.03"),
}
LOWER_ONLY = ("effectiveness", "oee", "nee", "teep", "throughput_rate")
"""Their upper ends take it that nobody is faster than the ideal cycle, or than what was seen."""


def claims_of() -> list[Claim]:
    found = []
    for identifier, bounds in BOUNDS.items():
        for bound, least in product(bounds, (True, False)):
            bounded = {"at_least": bound} if least else {"at_most": bound}
            found.append(Claim(f"{identifier}-{bound}-{'least' if least else 'most'}", "", "", indicator=identifier, **bounded))
    return found


CLAIMS = claims_of()
Part = tuple[Header, str, bytes | None]
"""Header of a batch of one part, its equipment, its bytes or None."""


@st.composite
def stories(draw: st.DrawFn) -> list[Part]:
    """What three machines say each second, in parts of five seconds: links that fail, states that change, counters that run ahead."""
    parts: list[Part] = []
    for name in MACHINES:
        steady = draw(st.booleans())
        good = scrap = energy = 1000
        for seq, start in enumerate(range(-BEFORE, SECONDS, PART_S)):
            up = steady or draw(st.sampled_from([True, True, True, False]))
            running, producing, beeping = (steady or draw(st.booleans()) for _ in range(3))
            resting = draw(st.integers(0, 2))
            made = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
            rows: list[Reading] = []
            for second in range(start, start + PART_S):
                good, scrap, energy = good + made[0], scrap + made[1], energy + made[0] * 5
                rows.append(reading(f"{name}/link", second, int(up)))
                if up:
                    values = {
                        "state": 3 if running else resting, "mode": 3 if producing else 1 + running, "parts": good + scrap, "good": good,
                        "scrap": scrap, "energy": energy,
                        "alarm": second % 3 if beeping else 0, "first": good, "inspected": good + scrap, "rejected": scrap,
                        "rework": scrap, "cloud": int(producing), "part_serial": f"{name}-{start}-{(second - start) // (1 + running)}",
                    }
                    rows += [reading(f"{name}/{signal}", second, value) for signal, value in values.items()]
            entry, data = encode_part(name, block_of(rows))
            parts.append((Header("edge-1", 1, seq + 1, "", Provenance.PLANT, 0, parts=(entry,)), name, data))
    return parts


def evaluated(parts: Sequence[Part]) -> Evaluation:
    batches = [SealedBatch(encode_header(header), b"", (part,) if name else ()) for header, name, part in parts]
    return evaluate(REGISTER, parts_of(batches, WINDOW), CLAIMS, {}, WINDOW)


def judged(parts: Sequence[Part]) -> dict[str, Verdict]:
    return {item.claim: item for item in evaluated(parts).verdicts}


def in_gap(part: Part) -> Part:
    """The edge lost what this part held, and says so."""
    header, name, _ = part
    entry = header.parts[0]
    gap = Gap(tuple(signal_id(name, signal.name) for signal in MORE), entry.from_us, entry.to_us + 1, "disk full")
    return msgspec.structs.replace(header, parts=(), gaps=(gap,)), "", None


COUNT = len(MACHINES) * (BEFORE + SECONDS) // PART_S
LOST = st.one_of(st.sets(st.integers(0, COUNT - 1), min_size=1, max_size=4), st.sets(st.integers(0, COUNT - 1), min_size=1))


@given(parts=stories(), lost=LOST, declared=st.booleans())
@settings(max_examples=40, deadline=None)
def test_leaving_parts_out_decides_nothing_that_all_parts_would_not_decide(parts: list[Part], lost: set[int], declared: bool) -> None:
    def left_out(part: Part) -> Part:
        return in_gap(part) if declared else (part[0], part[1], None)

    whole, less = judged(parts), judged([left_out(part) if number in lost else part for number, part in enumerate(parts)])
    for claim in CLAIMS:
        if declared and claim.indicator == "data_completeness":
            continue  # it says what was lost: that is the figure
        said, truth = less[claim.id], whole[claim.id]
        if claim.indicator in LOWER_ONLY and said.outcome is (Outcome.REFUTED if claim.at_least else Outcome.CONFIRMED):
            continue
        if truth.outcome is not Outcome.UNDETERMINED:
            assert said.outcome in (truth.outcome, Outcome.UNDETERMINED), (claim.id, sorted(lost), said.reason, truth.reason)
        if said.coverage is not None and truth.coverage is not None:
            assert said.coverage <= truth.coverage
        if said.outcome is Outcome.CONFIRMED:
            assert truth.outcome is Outcome.CONFIRMED, (claim.id, sorted(lost), said.reason, truth.reason)


def story(down: range = range(0), scrap_from: int = SECONDS) -> list[Part]:
    """Three machines that run; the link of the first is down for a while, and from some second on it makes nothing but scrap."""
    parts: list[Part] = []
    for name in MACHINES:
        for seq, start in enumerate(range(-BEFORE, SECONDS, PART_S)):
            rows = []
            for t in range(start, start + PART_S):
                first = name == MACHINES[0]
                scrap = max(0, t - scrap_from + 1) if first else 0
                away = first and t in down
                rows.append(reading(f"{name}/link", t, int(not away)))
                values = {"state": 3, "mode": 3, "parts": 100 + t, "good": 100 + t - scrap, "scrap": scrap, "energy": 1000 + t}
                rows += [] if away else [reading(f"{name}/{signal}", t, value) for signal, value in values.items()]
            entry, data = encode_part(name, block_of(rows))
            parts.append((Header("edge-1", 1, seq + 1, "", Provenance.PLANT, 0, parts=(entry,)), name, data))
    return parts


def without(parts: Sequence[Part], equipment: str, *from_s: int) -> list[Part]:
    starts = {START_US + second * 1_000_000 for second in from_s}
    return [(header, name, None if name == equipment and header.parts[0].from_us in starts else part) for header, name, part in parts]


def test_a_link_that_was_down_cannot_be_withheld() -> None:
    parts = story(down=range(10, 15))
    assert judged(parts)["networking_rate_all-0.9-least"].outcome is Outcome.REFUTED
    found = judged(without(parts, "cnc-01", 10))["networking_rate_all-0.9-least"]
    assert found.outcome is Outcome.UNDETERMINED
    assert found.coverage == Decimal("0.666666")


@pytest.mark.parametrize("from_s", [(35,), (-20, -15, -10, -5), (-5, 0), (0, 5, 10, 15, 20, 25, 30, 35)])
def test_the_worst_machine_cannot_be_withheld_nor_the_edges_of_the_window(from_s: tuple[int, ...]) -> None:
    parts = story(scrap_from=36)
    assert judged(parts)["defect_rate-0.1-most"].outcome is Outcome.CONFIRMED
    found = judged(without(parts, "cnc-01", *from_s))["defect_rate-0.1-most"]
    assert found.outcome is Outcome.UNDETERMINED and "data is missing" in found.reason


def test_what_was_counted_in_a_hole_is_counted_by_the_reading_after_it() -> None:
    whole, less = judged(story(scrap_from=10)), judged(without(story(scrap_from=10), "cnc-01", 10))
    assert less["defect_rate-0.1-most"].counts == whole["defect_rate-0.1-most"].counts
    assert less["defect_rate-0.1-most"].outcome is Outcome.REFUTED is whole["defect_rate-0.1-most"].outcome


def test_a_part_that_cannot_be_decoded_is_absent_and_named() -> None:
    parts = [(header, name, b"CJP1nonsense" if name == "cnc-01" and n == 6 else part) for n, (header, name, part) in enumerate(story())]
    found, absent = evaluated(parts), judged(without(story(), "cnc-01", 10))
    for said in found.verdicts:
        assert (said.outcome, said.value, said.coverage) == (absent[said.claim].outcome, absent[said.claim].value, absent[said.claim].coverage)
    assert found.malformed == (PartName("edge-1", 1, 7, "cnc-01"),)


def test_a_declared_gap_ends_what_was_held_even_in_a_batch_of_gaps_alone() -> None:
    parts = story()
    gap = Gap(tuple(f"cnc-01/{name}" for name in ("link", "state")), START_US + 10_500_000, START_US + 10_900_000, "disk full")
    header = Header("edge-1", 1, 99, "", Provenance.PLANT, 0, gaps=(gap,))
    oee = next(item for item in evaluated([*parts, (header, "", None)]).results if item.indicator == "oee")
    assert oee.detail["cnc-01"]["covered_us"] == SECONDS * 1_000_000 - 500_000
