"""The watch over the workshop's machines as part of the analytics service: scores cell by cell, tells alerts, and puts each on record once.

Order of a round: readings of the ended cells are fed to the machines' watches; the derived readings go to the edge's journal; states and outbox are
saved; alerts go to the gateway. What was not saved is computed again after a crash and gives the same, and an alert that the gateway has on record
already is not posted twice.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from analytics.maintenance.advice import advise
from analytics.maintenance.watch.finding import ADVICE, Finding
from analytics.maintenance.watch.machine import Watch
from analytics.maintenance.watch.record import MODEL, document_of, prediction_of
from analytics.maintenance.watch.settings import WatchSettings
from analytics.maintenance.watch.state import State
from chejian.service_api import ServiceApi
from store.engine import Engine
from workshop.block import Block, block_of
from workshop.calendar import scheduled_windows
from workshop.errors import ConfigError, NotConnected, Rejected
from workshop.reading import Reading, Value
from workshop.register import Equipment, Workshop
from workshop.signal import Origin, SignalKind, signal_id, split_signal_id
from workshop.window import HOUR_US, SECOND_US, Window

SETTLE_US = 30 * SECOND_US
"""How far behind a machine's newest reading a cell must have ended: readings come batch by batch."""
AT_ONCE_US = 24 * HOUR_US
"""Of a longer arrear so much is scored in one round; the next follows at once."""
BACK_US = 60 * 24 * HOUR_US
"""How far back a machine's first reading is looked for."""
_AHEAD_US = 7 * 24 * HOUR_US

_log = structlog.get_logger()


class Kept(msgspec.Struct):
    """The file `watch.json`: what the watches know, and alerts that the gateway has not taken yet."""

    settings: WatchSettings
    states: dict[str, State] = {}
    outbox: list[Finding] = []


class Watches:
    """The watched machines of one register."""

    def __init__(self, engine: Engine, api: ServiceApi, register: Workshop, settings: WatchSettings, folder: Path) -> None:
        """For a register; goes on from the folder's file.

        Raises:
            ConfigError: the file is not one of ours, or was made with other settings.
        """
        self._engine, self._api, self._register, self._file = engine, api, register, folder / "watch.json"
        self._documents = folder / "alerts.jsonl"
        self._kept = _load(self._file, settings)
        self.watches = {
            item.id: Watch(item, settings, self._kept.states.setdefault(item.id, State(item.id)))
            for item in register.equipment if watched(item)
        }
        self._known: set[tuple[str, str, int]] | None = None
        self.posted = 0
        self.behind = False
        """Whether there is more to score at once: history that was imported, or the time of an outage."""
        self._found: list[Reading] = []
        self._documents_read: list[Reading] = []
        self._told_us = 0
        self._moved = False

    def round(self, positions: Mapping[str, int], now_us: int) -> Block:
        """Scores what has come since the last round; the readings are to be on disk before `confirm` is called.

        Args:
            positions: by signal id, the time before which derived readings are on disk already.
        Raises:
            NotConnected: the gateway is away; nothing is lost.
        """
        due = [watch for watch in self.watches.values() if now_us - SETTLE_US >= watch.state.fed_us + watch.settings.cell_us]
        self.behind = False
        try:
            self._glance(now_us)
            if due:
                newest = self._newest(due)
                for watch in due:
                    self._score(watch, min(newest.get(watch.equipment.id, 0), now_us), now_us)
        except NotConnected:
            if not self._found and not self._documents_read:
                raise
        return block_of([*self._documents_read, *(one for one in self._found if one.source_time_us >= positions.get(one.signal, 0))])

    def confirm(self) -> None:
        """What `round` has returned is on disk: alerts go out, states are saved.

        Raises:
            NotConnected: the gateway is away; the alerts stay in the outbox.
        """
        if self._moved:
            self._save()
        self._found, self._documents_read, self._moved = [], [], False
        while self._kept.outbox:
            finding = self._kept.outbox[0]
            try:
                self._post(finding)
            except Rejected as error:
                # Such as a machine that is no longer in the register: the others must not wait for it.
                _log.error("alert refused", equipment=finding.equipment, what=finding.what, reason=str(error))
                self._write(finding, None)
            del self._kept.outbox[0]
            self._save()

    def _newest(self, due: list[Watch]) -> dict[str, int]:
        """Time of the newest reading of each machine."""
        block = self._engine.latest([name for watch in due for name in watch.inputs])
        newest: dict[str, int] = {}
        for row in range(len(block)):
            equipment = split_signal_id(block.signals[int(block.signal[row])])[0]
            newest[equipment] = max(newest.get(equipment, 0), int(block.source_time_us[row]))
        return newest

    def _glance(self, now_us: int) -> None:
        """Stops are told at once, not when a cell has ended."""
        ready = {signal_id(name, signal.name): watch for name, watch in self.watches.items()
                 if watch.state.ready and (signal := watch.equipment.signal("alarm"))}
        if not ready:
            return
        # What is older comes with its cell; a machine that is silent for days must not make this look long.
        since_us = max(min(watch.state.fed_us for watch in ready.values()), now_us - HOUR_US)
        block = self._engine.read(list(ready), Window(min(since_us, now_us), now_us))
        for watch in ready.values():
            for finding in watch.glance(block):
                self._tell(watch, finding, now_us)

    def _score(self, watch: Watch, newest_us: int, now_us: int) -> None:
        cell_us, state = watch.settings.cell_us, watch.state
        complete_us = newest_us - SETTLE_US
        if complete_us <= 0:
            return
        if not state.fed_us:
            first = self._engine.read(watch.inputs, Window(max(complete_us - BACK_US, 0), complete_us), limit=1)
            if not len(first):
                return
            state.fed_us = int(first.source_time_us[0]) // cell_us * cell_us
        end_us = min(complete_us, state.fed_us + AT_ONCE_US) // cell_us * cell_us
        self.behind |= end_us + cell_us <= complete_us
        # Hour by hour, so that the derived readings have the time of the data and not of the round.
        for hour in Window(state.fed_us, max(end_us, state.fed_us)).hours():
            block = self._engine.read(watch.inputs, hour)
            for finding in watch.feed(block, hour):
                self._tell(watch, self._advised(watch, finding), now_us)
            self._found += self._derived(watch, hour.end_us, now_us)
            self._moved = True

    def _derived(self, watch: Watch, at_us: int, now_us: int) -> list[Reading]:
        """The values of the derived signals that the register gives this machine."""
        values: dict[str, Value] = {}
        soonest = None
        if (tools := watch.tools(at_us, self._stops(at_us))):
            soonest = tools[0].hours
            values |= {"tool_plan": msgspec.json.encode(tools).decode()}
        for role, figures in (
            ("health", watch.health()), ("anomaly", watch.anomaly()), ("remaining_life", watch.remaining()), ("tool_life", soonest),
        ):
            if figures is not None:
                values |= {role: figures[0], f"{role}_low": figures[1], f"{role}_high": figures[2]}
        names = _derived_names(watch.equipment)
        return [Reading(names[role], at_us, now_us, value) for role, value in values.items() if role in names]

    def _stops(self, now_us: int) -> list[int]:
        """When shifts end in the next days: occasions to change a tool."""
        window = Window(now_us, now_us + _AHEAD_US)
        ends: set[int] = set()
        for shift in self._register.shifts:
            alone = msgspec.structs.replace(self._register, shifts=(shift,))
            ends |= {planned.end_us for planned in scheduled_windows(alone, window) if planned.end_us < window.end_us}
        return sorted(ends)

    def _advised(self, watch: Watch, finding: Finding) -> Finding:
        """With the occasion to act that costs least on average, where life left and costs are known."""
        costs = watch.settings.costs
        if costs is None or finding.remaining_h is None:
            return finding
        occasions = [0.0, *((stop_us - finding.at_us) / HOUR_US for stop_us in self._stops(finding.at_us) if stop_us > finding.at_us)]
        best = advise(*finding.remaining_h, occasions, cost_failure=costs.failure, cost_action=costs.action, cost_per_life=costs.life_hour)
        evidence = {**finding.evidence, "cost_of_acting": round(best.cost_of_acting, 2), "cost_of_waiting": round(best.cost_of_waiting, 2),
                    "risk_of_waiting": round(best.risk, 4)}
        return msgspec.structs.replace(finding, evidence=evidence, within_h=best.within)

    def _tell(self, watch: Watch, finding: Finding, now_us: int) -> None:
        item = watch.equipment
        self._kept.outbox.append(finding)
        self._moved = True
        if name := _derived_names(item).get("alert"):
            # Two alerts may be of one moment, and two readings of one signal may not.
            self._told_us = max(now_us, self._told_us + 1)
            self._documents_read.append(Reading(name, self._told_us, self._told_us, document_of(finding).decode()))
        roles = [signal_id(item.id, signal.name) for role in finding.roles if (signal := item.signal(role))]
        _log.warning("alert", equipment=item.id, what=finding.what, since_us=finding.since_us, score=round(finding.score, 3),
                     signals=", ".join(roles), advice=finding.advice_en)

    def _post(self, finding: Finding) -> None:
        if self._known is None:
            self._known = {(row.body["equipment"], row.body["what"], row.body["from_us"]) for row in self._api.predictions()
                           if row.body["model"] == MODEL}
        key = (finding.equipment, finding.what, finding.at_us)
        if key in self._known:
            return
        index = self._api.predict(prediction_of(finding))
        self._known.add(key)
        self.posted += 1
        self._write(finding, index)

    def _write(self, finding: Finding, index: int | None) -> None:
        with self._documents.open("ab") as file:
            file.write(msgspec.json.encode({"index": index, "finding": finding}) + b"\n")

    def _save(self) -> None:
        temporary = self._file.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(self._kept))
        temporary.replace(self._file)


def watched(item: Equipment) -> bool:
    """Whether there is anything to watch: a gauge that the machine itself sends."""
    return item.digital and any(signal.kind is SignalKind.GAUGE and signal.origin is Origin.MACHINE for signal in item.signals)


def read_watch_settings(file: Path | None) -> WatchSettings:
    """The settings in a TOML file; the usual ones without a file.

    Raises:
        ConfigError: not readable, not TOML, an unknown key, a wrong value, or a meaning of an alarm that is no kind of finding.
    """
    if file is None:
        return WatchSettings()
    try:
        settings = msgspec.toml.decode(file.read_bytes(), type=WatchSettings)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}; the keys are {', '.join(WatchSettings.__struct_fields__)}") from error
    if unknown := sorted(set(settings.alarm_meanings.values()) - set(ADVICE)):
        raise ConfigError(f"{file}: alarm_meanings: no kind '{unknown[0]}'; there are {', '.join(ADVICE)}")
    return settings


def _derived_names(item: Equipment) -> dict[str, str]:
    """Ids of the derived signals that the register gives a machine, by role."""
    return {signal.role: signal_id(item.id, signal.name) for signal in item.signals if signal.origin is Origin.DERIVED}


def _load(file: Path, settings: WatchSettings) -> Kept:
    if not file.exists():
        return Kept(settings)
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as what the watch knows ({error}); move it away, and it learns anew") from error
    if kept.settings != settings:
        raise ConfigError(f"{file}: was learned with other settings; start with the same ones, or move it away and it learns anew")
    return kept
