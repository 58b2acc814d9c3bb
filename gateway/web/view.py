"""The page as plain text: what each tile, row and card says, made from a snapshot without any widget."""

from decimal import Decimal

import msgspec

from gateway.web.feed import Snapshot
from gateway.web.figures import DASH, clock_text, decimal, reading_text, share, window_text, with_unit
from gateway.web.shapes import Definition, QuarantineRow, ResultAnswer, VerdictAnswer
from gateway.web.words import say
from workshop.reading import Quality
from workshop.register import Equipment
from workshop.signal import Origin, Signal, signal_id
from workshop.wire import LatestReading

FIGURE_ROLES = ("spindle_load", "pressure", "active_power", "produced_count", "inspected_count", "cycle_count", "rejected_count", "oil_temperature")
"""Roles worth a place on a tile, most telling first; a tile shows the first three that its equipment has."""
FIGURES_PER_TILE = 3
INDICATOR_ORDER = (
    "networking_rate_all", "networking_rate_digital", "key_process_nc_rate", "defect_rate", "oee", "availability", "effectiveness", "quality_ratio",
    "energy_per_good_part",
)
"""What the policies ask for first, a figure before its factors; an indicator that is not named comes after these."""
OUTCOMES = ("confirmed", "refuted", "undetermined", "not_applicable")


class Figure(msgspec.Struct, frozen=True):
    """One live value on a tile."""

    label: str
    text: str
    unit: str


class Tile(msgspec.Struct, frozen=True):
    """One piece of equipment. `state` and `link` are words of a closed set, fit for a style class; the rest is text from outside."""

    equipment: str
    title: str
    place: str
    state: str
    state_text: str
    mode_text: str
    link: str
    link_text: str
    figures: tuple[Figure, ...]
    note: str


class IndicatorRow(msgspec.Struct, frozen=True):
    """One indicator over the window. Bar positions are per cent of the width, None where the figure is no ratio."""

    indicator: str
    title: str
    value: str
    interval: str
    coverage: str
    coverage_percent: int
    note: str
    bar: tuple[float, float, float] | None


class VerdictCard(msgspec.Struct, frozen=True):
    """One verdict. `outcome` is of a closed set; the rest is text from outside."""

    key: str
    outcome: str
    outcome_text: str
    title: str
    clause: str
    figures: str
    reason: str
    as_of: str


class QuarantineLine(msgspec.Struct, frozen=True):
    """Rows that no engine could take: where they stand and why. Text from outside."""

    where: str
    reason: str


class Overview(msgspec.Struct, frozen=True):
    """The whole page."""

    title: str
    place: str
    clock: str
    provenance: str
    banner: str
    stale: bool
    tally: tuple[tuple[str, str, int], ...]
    """(style, word, number of pieces of equipment)."""
    tiles: tuple[Tile, ...]
    window: str
    indicators: tuple[IndicatorRow, ...]
    verdicts: tuple[VerdictCard, ...]
    figures_note: str
    quarantined: str
    """How many records are in quarantine; empty where there is none."""
    quarantine: tuple[QuarantineLine, ...]


def overview(now: Snapshot, language: str) -> Overview:
    """The page in this language."""
    register = now.register
    zone = register.time_zone if register else "UTC"
    tiles = tuple(tile(item, now, language) for item in register.equipment) if register else ()
    start_us, end_us = now.window_us
    banner = say(language, now.trouble) if now.trouble else "" if register else say(language, "waiting")
    if not banner and now.alarmed:
        banner = f"{say(language, 'edge_alarm')}: {', '.join(now.alarmed)}"
    figures_note = say(language, "no_figures") if now.figures_trouble and now.results else "" if now.results else say(language, "computing")
    return Overview(
        title=(register.title_zh if language == "zh" else register.title_en) if register else "",
        place=" · ".join(part for part in (register.enterprise, register.site, register.area) if part) if register else "",
        clock=clock_text(now.time_us, zone),
        provenance=" · ".join(say(language, each) for each in now.provenances),
        banner=banner,
        stale=bool(now.trouble),
        tally=tally(tiles, language),
        tiles=tiles,
        window=window_text(start_us, end_us, zone),
        indicators=tuple(
            indicator_row(each.id, each.title_zh if language == "zh" else each.title_en, now.results[each.id], language)
            for each in sorted(now.definitions, key=_place_of) if each.id in now.results
        ),
        verdicts=tuple(verdict_card(number, each, language) for number, each in enumerate(now.verdicts)),
        figures_note=figures_note,
        quarantined=f"{now.quarantined.records}{'+' if now.quarantined.more else ''} · /v1/quarantine" if now.quarantined.records else "",
        quarantine=tuple(quarantine_line(row, language) for row in now.quarantine),
    )


def tally(tiles: tuple[Tile, ...], language: str) -> tuple[tuple[str, str, int], ...]:
    """How many pieces of equipment are in which state now; a count of the moment, not the networking rate."""
    rows = [("state-" + str(state), say(language, f"state_{state}"), sum(each.state == str(state) for each in tiles)) for state in (3, 2, 1, 0)]
    rows.append(("state-unknown", say(language, "state_unknown"), sum(each.state == "unknown" for each in tiles)))
    rows.append(("state-register", say(language, "register_only"), sum(each.state == "register" for each in tiles)))
    return tuple(row for row in rows if row[2])


def tile(item: Equipment, now: Snapshot, language: str) -> Tile:
    """One piece of equipment as it is now. A reading older than its signal's maximum age is unknown, not the last value."""
    title = item.title_zh if language == "zh" else item.title_en
    place = f"{item.id} · {item.work_center}"
    if not item.signals:
        text = say(language, "register_only")
        return Tile(item.id, title, place, "register", text, "", "none", "", (), "")
    link_value = _fresh_value(item, "link_state", now)
    link = "up" if link_value == 1 else "down" if link_value == 0 else "unknown"
    state_value, mode_value = _fresh_value(item, "item_state", now), _fresh_value(item, "operation_mode", now)
    state = str(state_value) if link != "down" and state_value in (0, 1, 2, 3) else "unknown"
    mode = say(language, f"mode_{mode_value}") if state != "unknown" and mode_value in (0, 1, 2, 3) else ""
    alarm = _fresh_value(item, "alarm", now)
    notes = [f"{say(language, 'alarm')} {alarm}"] if alarm and link != "down" else []
    notes += [_derived_note(item, signal, now, language) for signal in item.signals if signal.origin is Origin.DERIVED]
    signals = [signal for role in FIGURE_ROLES if (signal := item.signal(role)) is not None][:FIGURES_PER_TILE]
    return Tile(
        equipment=item.id, title=title, place=place, state=state, state_text=say(language, f"state_{state}"), mode_text=mode,
        link=link, link_text=say(language, f"link_{link}"), figures=tuple(_figure(item, signal, now, language) for signal in signals),
        note=" · ".join(note for note in notes if note),
    )


def indicator_row(indicator: str, title: str, result: ResultAnswer, language: str) -> IndicatorRow:
    """One indicator: its value, interval and coverage as computed by the gateway."""
    value = decimal(result.value)
    low, high, method = decimal(result.display_low), decimal(result.display_high), result.display_method
    if low is None or high is None:
        low, high, method = decimal(result.low), decimal(result.high), result.method
    coverage = decimal(result.coverage) or Decimal(0)
    interval = ""
    if low is not None and high is not None and (low, high) != (value, value):
        interval = f"{with_unit(low, result.unit, language)} – {with_unit(high, result.unit, language)}"
    bar = None
    if value is not None and result.unit in ("1", "%", ""):
        scale = 1 if result.unit == "%" else 100
        points = [min(max(float(each * scale), 0.0), 100.0) for each in (value if low is None else low, value, value if high is None else high)]
        bar = (points[0], points[1], points[2])
    counts = " · ".join(f"{name} {count:,}" for name, count in result.counts.items())
    note = result.why or counts
    if interval and method:
        note = f"{note} · {method}" if note and method not in note else note or method
    return IndicatorRow(
        indicator=indicator, title=title, value=say(language, "no_value") if value is None else with_unit(value, result.unit, language),
        interval=interval, coverage=share(coverage), coverage_percent=int(min(max(coverage, Decimal(0)), Decimal(1)) * 100), note=note, bar=bar,
    )


def verdict_card(number: int, verdict: VerdictAnswer, language: str) -> VerdictCard:
    """One verdict with its reason in words."""
    outcome = verdict.outcome if verdict.outcome in OUTCOMES else "undetermined"
    value, low, high, unit = decimal(verdict.value), decimal(verdict.low), decimal(verdict.high), verdict.unit
    figures = "" if value is None else with_unit(value, unit, language)
    if figures and low is not None and high is not None and (low, high) != (value, value):
        figures += f" [{with_unit(low, unit, language)} – {with_unit(high, unit, language)}]"
    title = (verdict.title_zh if language == "zh" else verdict.title_en) or verdict.claim
    reason = (verdict.reason_zh if language == "zh" else "") or verdict.reason
    clause = f"{say(language, 'clause')} {verdict.clause}" if verdict.clause else say(language, "own_claim")
    as_of = f"{say(language, 'as_of')} {verdict.as_of}"
    return VerdictCard(f"{number}:{verdict.claim}", outcome, say(language, verdict.outcome), title, clause, figures, reason, as_of)


def quarantine_line(row: QuarantineRow, language: str) -> QuarantineLine:
    """A record of the quarantine: edge, batch, equipment and row, as far as it has them."""
    if not row.seq:  # of line protocol: it never was in a batch
        return QuarantineLine(row.edge, row.reason)
    number = say(language, "whole_part") if row.row < 0 else f"{say(language, 'row')} {row.row}"
    return QuarantineLine(f"{row.edge} · {say(language, 'batch')} {row.seq} · {row.equipment} · {number}", row.reason)


def _place_of(definition: Definition) -> tuple[int, str]:
    known = definition.id in INDICATOR_ORDER
    return INDICATOR_ORDER.index(definition.id) if known else len(INDICATOR_ORDER), definition.id


def _fresh(item: Equipment, signal: Signal, now: Snapshot) -> LatestReading | None:
    reading = now.readings.get(signal_id(item.id, signal.name))
    if reading is None or reading.quality == Quality.BAD or reading.value is None:
        return None
    return reading if now.time_us - reading.source_time_us <= signal.max_age_s * 1_000_000 else None


def _fresh_value(item: Equipment, role: str, now: Snapshot) -> object:
    signal = item.signal(role)
    reading = _fresh(item, signal, now) if signal else None
    return reading.value if reading else None


def _figure(item: Equipment, signal: Signal, now: Snapshot, language: str) -> Figure:
    reading = _fresh(item, signal, now)
    text, unit = reading_text(reading.value, signal.unit, language) if reading else (DASH, "")
    label = say(language, signal.role)
    own = signal.title_zh if language == "zh" else signal.title_en
    if reading and reading.quality == Quality.UNCERTAIN:
        text = f"≈ {text}"
    return Figure(own if label == signal.role and own else label, text, unit)


def _derived_note(item: Equipment, signal: Signal, now: Snapshot, language: str) -> str:
    reading = _fresh(item, signal, now)
    if reading is None:
        return ""
    text, unit = reading_text(reading.value, signal.unit, language)
    title = (signal.title_zh if language == "zh" else signal.title_en) or signal.name
    return f"{title} {text}{' ' + unit if unit else ''} ({say(language, 'derived_value')})"
