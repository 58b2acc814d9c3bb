"""What the page says, without a browser: figures, units, ages, words."""

from decimal import Decimal

import msgspec
import pytest

from gateway.web.feed import Snapshot
from gateway.web.figures import clock_text, decimal, percent, reading_text, share, window_text, with_unit
from gateway.web.shapes import (
    Definition,
    LatestAnswer,
    QuarantineCount,
    QuarantineRow,
    RegisterAnswer,
    ResultAnswer,
    VerdictAnswer,
    decode,
)
from gateway.web.view import overview
from gateway.web.words import UNITS, WORDS, say, unit_word
from tests.web.stand_in import NOW_US, answers


def snapshot() -> Snapshot:
    paths = answers()
    definitions = msgspec.convert(paths["/v1/indicators"], list[Definition])
    return Snapshot(
        register=msgspec.convert(paths["/v1/workshop"], RegisterAnswer).register, time_us=NOW_US,
        readings={each.signal: each for each in msgspec.convert(paths["/v1/latest"], LatestAnswer).readings}, definitions=definitions,
        results={each.id: msgspec.convert(paths[f"/v1/indicators/{each.id}"], ResultAnswer) for each in definitions},
        verdicts=msgspec.convert(paths["/v1/verdicts"], list[VerdictAnswer]), provenances=("simulated",), window_us=(NOW_US - 3_600_000_000, NOW_US),
    )


@pytest.mark.parametrize(("ratio", "words"), [("0.923077", "92.31 %"), ("1", "100.00 %"), ("0", "0.00 %"), ("0.01333", "1.33 %"), ("0.5", "50.00 %")])
def test_a_ratio_is_shown_as_per_cent(ratio: str, words: str) -> None:
    assert percent(Decimal(ratio)) == words


@pytest.mark.parametrize(("coverage", "words"), [("1.000000", "100.0 %"), ("0.999999", "99.9 %"), ("0", "0.0 %")])
def test_a_coverage_is_never_rounded_up(coverage: str, words: str) -> None:
    assert share(Decimal(coverage)) == words


@pytest.mark.parametrize("bad", [None, "", "NaN", "Infinity", "many", True])
def test_what_is_no_number_is_no_figure(bad: str | None) -> None:
    assert decimal(bad) is None


@pytest.mark.parametrize(("value", "unit", "shown"), [
    (7421.5, "W", ("7.42", "kW")), (31450.0, "W", ("31.4", "kW")), (1284, "{part}", ("1,284", "")), (61.23, "%", ("61.2", "%")),
    (0.8731, "1", ("0.87", "")), (None, "W", ("–", "")), (7.13, "bar", ("7.1", "bar")),
])
def test_live_readings(value: float | None, unit: str, shown: tuple[str, str]) -> None:
    assert reading_text(value, unit, "en") == shown


def test_units_of_indicators() -> None:
    assert with_unit(Decimal("18.42"), "W.h/{part}", "zh") == "18.42 Wh/件"
    assert with_unit(Decimal("0.007698"), "kW.h/{part}", "en") == "7.70 Wh/part"
    assert with_unit(Decimal("0.00123"), "m", "en") == "0.0012 m"
    assert with_unit(Decimal("0"), "kW.h/{part}", "en") == "0.00 kWh/part"
    assert unit_word("en", "furlong") == "furlong"
    assert all(word.zh is not None and word.en is not None for word in UNITS.values())


def test_every_word_has_both_languages() -> None:
    assert [key for key, word in WORDS.items() if not word.zh or not word.en] == []
    assert say("en", "a-new-provenance") == "a-new-provenance"


def test_times_are_those_of_the_workshop() -> None:
    assert clock_text(NOW_US, "Asia/Shanghai") == "22:13:20"
    assert clock_text(0, "Asia/Shanghai") == ""
    assert window_text(NOW_US - 60_000_000, NOW_US, "Asia/Shanghai") == "2026-09-21 22:12:20 – 22:13:20"
    assert window_text(NOW_US - 86_400_000_000, NOW_US, "Asia/Shanghai") == "2026-09-20 22:13 – 2026-09-21 22:13"
    assert window_text(0, 0, "UTC") == ""


def test_tiles_count_what_is_known_now() -> None:
    view = overview(snapshot(), "en")
    assert [(style, count) for style, _, count in view.tally] == [("state-3", 8), ("state-2", 2), ("state-unknown", 2), ("state-register", 1)]
    assert len(view.tiles) == 13


def test_a_bad_reading_shows_no_value() -> None:
    now = snapshot()
    now.readings["cnc-01/spindle_load"].quality = 2
    tiles = {tile.equipment: tile for tile in overview(now, "en").tiles}
    assert tiles["cnc-01"].figures[0].text == "–"
    now.readings["cnc-01/spindle_load"].quality = 1
    assert overview(now, "en").tiles[0].figures[0].text.startswith("≈ ")


def test_before_the_first_answer_the_page_says_that_it_waits() -> None:
    view = overview(Snapshot(), "en")
    assert view.banner == "Waiting for the gateway's first data…" and view.tiles == () and view.figures_note == "Being computed…"


def test_two_edges_under_one_identity_are_told_on_the_page() -> None:
    now = snapshot()
    assert overview(now, "en").banner == ""
    now.alarmed = ("edge-1",)
    assert overview(now, "en").banner.endswith("see /v1/edges: edge-1") and "警报" in overview(now, "zh").banner
    now.trouble = "lost"
    assert "edge-1" not in overview(now, "en").banner


def test_an_unknown_outcome_is_shown_as_it_is_in_the_colour_of_doubt() -> None:
    now = snapshot()
    now.verdicts[0].outcome = "postponed"
    card = overview(now, "en").verdicts[0]
    assert (card.outcome, card.outcome_text) == ("undetermined", "postponed")


def test_rows_in_quarantine_are_shown_with_their_place_and_reason() -> None:
    now = snapshot()
    assert (overview(now, "en").quarantined, overview(now, "en").quarantine) == ("", ())
    now.quarantined = QuarantineCount(10_000, more=True)
    now.quarantine = [QuarantineRow("edge-1", 7, "cnc-01", 3, "not in the register"), QuarantineRow("edge-1", 7, "cnc-02", -1, "spoiled"),
                      QuarantineRow("line-protocol", 0, "", 2**40, "cpu,host=h usage: no row")]
    view = overview(now, "en")
    assert view.quarantined == "10000+ · /v1/quarantine"
    assert [line.where for line in view.quarantine] == [
        "edge-1 · batch 7 · cnc-01 · row 3", "edge-1 · batch 7 · cnc-02 · the whole part", "line-protocol"]
    assert [line.reason for line in view.quarantine] == ["not in the register", "spoiled", "cpu,host=h usage: no row"]
    assert overview(now, "zh").quarantine[0].where == "edge-1 · 批次 7 · cnc-01 · 行 3"


def test_lists_may_come_in_an_object() -> None:
    assert decode(b'{"edges": [1]}', list[int], "edges") == decode(b"[1]", list[int], "edges") == [1]
