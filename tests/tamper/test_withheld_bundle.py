"""Parts left out of a bundle, by the edge or by the gateway: the bundle stays authentic, coverage falls, and no verdict gets better."""

from collections.abc import Collection, Iterator
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from evidence.bundle import export
from evidence.claim import Claim
from evidence.trust import trust_of
from evidence.verdict import Outcome, Verdict
from evidence.verify import verify
from store.archive import Committed
from tests.tamper.workbench import EDGES, SEAL_S, T0, WINDOW, Plant, readings_of
from workshop.batch import SealedBatch
from workshop.reading import Reading
from workshop.window import SECOND_US

BEFORE_S, AFTER_S = 60, 60
DOWN = range(40, 56)
CLAIMS = [
    Claim("networking", "a", "b", indicator="networking_rate_all", at_least="0.75"),
    Claim("defects", "a", "b", indicator="defect_rate", at_most="0.06"),
]


class Story:
    """An hour's end: the link of cnc-01 is down for 16 of 120 s, and lathe-01 makes scrap alone in the last 20 s."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plants = folder, 0

    def told(self, withheld: Collection[tuple[int, str]]) -> dict[str, Verdict]:
        """The verdicts of a bundle without these parts, named by the second in which they begin, and their machine."""
        self.plants += 1
        folder = self.folder / str(self.plants)
        folder.mkdir()
        plant = Plant(folder)
        try:
            register = plant.register
            plant.archive.revise_register(
                msgspec.structs.replace(register, equipment=tuple(item for item in register.equipment if item.id != "press-01"), shifts=()),
                author="engineer", reason="without the press",
            )
            for start in range(-BEFORE_S, WINDOW.length_us // SECOND_US + AFTER_S, SEAL_S):
                plant.now.time_us = T0 + (start + SEAL_S) * SECOND_US
                for edge, machines in EDGES.items():
                    batch = plant.edges[edge].seal([row for name in machines for row in said(name, start)], plant.now())
                    parts = tuple(None if (start, name) in withheld else part for name, part in zip(machines, batch.parts, strict=True))
                    plant.commit(SealedBatch(batch.header, batch.signature, parts))
                    answer = plant.archive.commit([batch])[0]  # the whole batch again changes nothing: what was left out stays out
                    assert isinstance(answer, Committed) and answer.index is None
            info = export(plant.archive, window=WINDOW, claims=CLAIMS, packs={}, out=folder / "bundle.zip")
            found = verify(info.path, trust_of(plant.archive))
            assert found.ok and all(f"parts of {name} missing" in found.steps[8].text for _, name in withheld)
            return {item.claim: item for item in found.verdicts}
        finally:
            plant.archive.close()


def said(name: str, start: int) -> list[Reading]:
    rows = []
    for row in readings_of(name, T0 + start * SECOND_US, SEAL_S):
        second, signal = (row.source_time_us - T0) // SECOND_US, row.signal.partition("/")[2]
        if name == "cnc-01" and second in DOWN:
            if signal != "link_state":
                continue
            rows.append(Reading(row.signal, row.source_time_us, row.received_time_us, 0))
        elif name == "lathe-01" and second >= 100 and signal in ("good_count", "scrap_count") and isinstance(row.value, int):
            more = second - 99
            rows.append(Reading(row.signal, row.source_time_us, row.received_time_us, row.value + (more if signal == "scrap_count" else -more)))
        else:
            rows.append(row)
    return rows


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    yield Story(tmp_path)


def test_a_part_that_is_withheld_lowers_the_coverage_and_makes_no_verdict_better(story: Story) -> None:
    honest = story.told(())
    assert (honest["networking"].outcome, honest["defects"].outcome) == (Outcome.REFUTED, Outcome.REFUTED)
    about = [(start, "cnc-01") for start in (20, 40, 60)]
    for chosen in [item for count in (1, 2) for item in combinations(about, count)]:
        found = story.told(chosen)
        assert found["networking"].outcome is not Outcome.CONFIRMED, chosen
        assert (found["networking"].coverage or 1) < 1 or found["networking"].outcome is Outcome.REFUTED
        assert found["defects"].outcome is not Outcome.CONFIRMED, chosen


@pytest.mark.parametrize("starts", [[100], [100, 120], list(range(-60, 180, 20))])
def test_the_scrap_of_one_machine_cannot_be_left_out(story: Story, starts: list[int]) -> None:
    found = story.told([(start, "lathe-01") for start in starts])["defects"]
    assert found.outcome is Outcome.UNDETERMINED and "missing" in found.reason
    assert found.coverage is not None and found.coverage < 1


def test_what_is_left_out_before_the_window_is_not_counted_in_it(story: Story) -> None:
    found = story.told([(-40, "lathe-01"), (-20, "lathe-01")])
    assert found["defects"].outcome is Outcome.UNDETERMINED
