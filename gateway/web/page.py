"""The widgets of the overview. Text from outside goes into labels only, which escape it; style classes come from closed sets."""

from nicegui import ui
from nicegui.element import Element

from gateway.web.style import CSS
from gateway.web.view import FIGURES_PER_TILE, IndicatorRow, Overview, Tile, VerdictCard
from gateway.web.words import say


def box(classes: str) -> Element:
    """An empty box with these style classes."""
    return ui.element("div").classes(classes)


def text(classes: str, content: str = "") -> ui.label:
    """A label: the only way that text from outside reaches the page."""
    return ui.label(content).classes(classes)


class TileWidget:
    """One tile. It sends nothing while its view stays the same."""

    def __init__(self) -> None:
        self.shown: Tile | None = None
        self.root = box("cj-tile")
        with self.root:
            box("cj-strip")
            with box("cj-body"):
                self.name = text("cj-name")
                with box("cj-second"):
                    self.where, self.link = text("cj-where"), text("cj-link")
                with box("cj-states"):
                    self.state, self.mode = text("cj-state"), text("cj-mode")
                self.figures = []
                with box("cj-figures"):
                    for _ in range(FIGURES_PER_TILE):
                        with box("cj-cell"):
                            label = text("cj-label")
                            with box("cj-figure"):
                                self.figures.append((label, text("cj-digits"), text("cj-unit")))
                self.note = text("cj-note")

    def show(self, tile: Tile) -> None:
        """Shows this view."""
        if tile == self.shown:
            return
        self.shown = tile
        self.root.classes(replace=f"cj-tile state-{tile.state} link-{tile.link}")
        self.root.props["data-equipment"] = tile.equipment
        self.name.text, self.where.text = tile.title, tile.place
        self.state.text, self.mode.text, self.link.text, self.note.text = tile.state_text, tile.mode_text, tile.link_text, tile.note
        for position, (label, digits, unit) in enumerate(self.figures):
            figure = tile.figures[position] if position < len(tile.figures) else None
            label.text, digits.text, unit.text = (figure.label, figure.text, figure.unit) if figure else ("", "", "")


class IndicatorWidget:
    """One row of the indicators: value, interval with its place on a bar, coverage."""

    def __init__(self) -> None:
        self.shown: IndicatorRow | None = None
        self.root = box("cj-row")
        with self.root:
            with box("cj-what"):
                self.name, self.why = text("cj-name"), text("cj-why")
            self.value = text("cj-value")
            with box("cj-between"):
                self.interval = text("cj-interval")
                self.track = box("cj-track")
                with self.track:
                    self.range, self.point = box("cj-range"), box("cj-point")
            with box("cj-covered"):
                self.coverage = text("cj-cover")
                with box("cj-track"):
                    self.fill = box("cj-fill")

    def show(self, row: IndicatorRow) -> None:
        """Shows this view."""
        if row == self.shown:
            return
        self.shown = row
        self.root.props["data-indicator"] = row.indicator
        self.why.props["title"] = row.note
        self.name.text, self.why.text, self.value.text = row.title, row.note, row.value
        self.interval.text, self.coverage.text = row.interval, row.coverage
        self.fill.style(replace=f"width: {row.coverage_percent}%")
        self.track.classes(replace="cj-track" if row.bar else "cj-track cj-none")
        if row.bar:
            low, value, high = row.bar
            self.range.style(replace=f"left: {low:.2f}%; width: {high - low:.2f}%")
            self.point.style(replace=f"left: {value:.2f}%")


class VerdictWidget:
    """One verdict: outcome in colour and word, claim, figures, reason."""

    def __init__(self) -> None:
        self.shown: VerdictCard | None = None
        self.root = box("cj-verdict")
        with self.root:
            with box("cj-top"):
                self.outcome, self.claim, self.number = text("cj-outcome"), text("cj-claim"), text("cj-number")
            self.reason = text("cj-reason")
            with box("cj-foot"):
                self.clause, self.as_of = text("cj-clause"), text("cj-date")

    def show(self, card: VerdictCard) -> None:
        """Shows this view."""
        if card == self.shown:
            return
        self.shown = card
        self.root.classes(replace=f"cj-verdict outcome-{card.outcome}")
        self.outcome.text, self.claim.text, self.number.text = card.outcome_text, card.title, card.figures
        self.reason.text, self.clause.text, self.as_of.text = card.reason, card.clause, card.as_of


class Page:
    """The overview in one browser window.

    Args:
        language: "zh" or "en".
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.tiles: dict[str, TileWidget] = {}
        self.indicators: dict[str, IndicatorWidget] = {}
        self.verdicts: dict[str, VerdictWidget] = {}
        self.tallied: object = None
        self.quarantined: object = None
        ui.add_css(CSS)
        self._header()
        self.banner = text("cj-banner").props("role=alert")
        self.main = box("cj-main")
        with self.main:
            with box("cj-head"):
                self._heading("equipment")
                self.tally_box = box("cj-tally")
            self.tile_box = box("cj-tiles")
            with box("cj-columns"):
                with box("cj-column"):
                    with box("cj-head"):
                        self._heading("indicators")
                        self.window, self.figures_note = text("cj-side"), text("cj-side")
                    with box("cj-panel"):
                        with box("cj-row cj-names"):
                            text("cj-what")
                            text("cj-value", say(language, "value"))
                            text("cj-between", say(language, "interval"))
                            text("cj-cover", say(language, "coverage"))
                        self.indicator_box = box("cj-indicators")
                with box("cj-column"):
                    with box("cj-head"):
                        self._heading("verdicts")
                    self.verdict_box = box("cj-verdicts")
            self.quarantine = box("cj-quarantine cj-empty")
            with self.quarantine:
                with box("cj-head"):
                    self._heading("quarantine")
                    self.quarantine_count = text("cj-side")
                self.quarantine_box = box("cj-panel")
            text("cj-limits", say(language, "limits"))

    def show(self, view: Overview) -> None:
        """Shows this view; only what has changed is sent."""
        self.title.text, self.place.text = view.title or say(self.language, "page"), view.place
        self.clock.text, self.provenance.text, self.banner.text = view.clock, view.provenance, view.banner
        self.window.text, self.figures_note.text = view.window, view.figures_note
        wanted = "cj-main cj-stale" if view.stale else "cj-main"
        if set(self.main.classes) != set(wanted.split()):
            self.main.classes(replace=wanted)
        self._show_tally(view.tally)
        self._show_quarantine(view)
        if list(self.tiles) != [each.equipment for each in view.tiles]:
            self.tile_box.clear()
            with self.tile_box:
                self.tiles = {each.equipment: TileWidget() for each in view.tiles}
        if list(self.indicators) != [each.indicator for each in view.indicators]:
            self.indicator_box.clear()
            with self.indicator_box:
                self.indicators = {each.indicator: IndicatorWidget() for each in view.indicators}
        if list(self.verdicts) != [each.key for each in view.verdicts]:
            self.verdict_box.clear()
            with self.verdict_box:
                self.verdicts = {each.key: VerdictWidget() for each in view.verdicts}
        for tile in view.tiles:
            self.tiles[tile.equipment].show(tile)
        for row in view.indicators:
            self.indicators[row.indicator].show(row)
        for card in view.verdicts:
            self.verdicts[card.key].show(card)

    def _header(self) -> None:
        with box("cj-bar"):
            text("cj-mark", "车")
            with box("cj-names"):
                self.title = text("cj-title").props("role=heading aria-level=1")
                self.place = text("cj-place")
            box("cj-grow")
            self.provenance = text("cj-chip").props(f'title="{say(self.language, "provenance_tip")}"')
            self.clock = text("cj-clock")
            with box("cj-language"):
                for language, name in (("zh", "中文"), ("en", "English")):
                    ui.link(name, f"/{language}").classes("cj-on" if language == self.language else "cj-off")

    def _heading(self, key: str) -> None:
        text("cj-h2", say(self.language, key)).props("role=heading aria-level=2")

    def _show_quarantine(self, view: Overview) -> None:
        if (view.quarantined, view.quarantine) == self.quarantined:
            return
        self.quarantined = view.quarantined, view.quarantine
        self.quarantine.classes(replace="cj-quarantine" if view.quarantined else "cj-quarantine cj-empty")
        self.quarantine_count.text = view.quarantined
        self.quarantine_box.clear()
        with self.quarantine_box:
            for line in view.quarantine:
                with box("cj-refused"):
                    text("cj-where", line.where)
                    text("cj-reason", line.reason)

    def _show_tally(self, tally: tuple[tuple[str, str, int], ...]) -> None:
        if tally == self.tallied:
            return
        self.tallied = tally
        self.tally_box.clear()
        with self.tally_box:
            for style, word, count in tally:
                with box(f"cj-count {style}"):
                    box("cj-dot")
                    text("cj-tally-word", word)
                    text("cj-tally-count", str(count))
