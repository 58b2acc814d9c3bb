"""Where the energy commands get results and components of one window from: a bundle's batches as they lie there, or a gateway."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from analytics.compute import LOOKBACK_US, components_of, needed_signals
from analytics.grouping import grouped, local_days
from analytics.indicator import Components, Indicator, Result, load_indicators
from analytics.missing import NOTHING, Missing, missing_of, union, without
from chejian.commands.files import read_file
from chejian.commands.windows import parse_window
from chejian.demo.client import GatewayClient
from evidence.replay import Shelf
from store.engines.gateway import GatewaySettings, open_engine
from workshop.block import Block
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import HOUR_US, Window


class EnergySource(Protocol):
    """A register, a window, and what indicators say in it."""

    register: Workshop
    window: Window

    def result(self, item: Indicator) -> Result:
        """The indicator's result in the window."""

    def daily(self, item: Indicator, window: Window) -> list[tuple[str, Result]]:
        """The indicator's result of every local day of a window, by its date."""

    def pieces(self, item: Indicator) -> list[Components]:
        """Components that cover the window as far as there are readings, without overlap."""

    def days(self) -> Iterator[tuple[Window, Workshop]]:
        """The local days of the window, each with the register in force in it."""

    def read(self, signals: list[str], window: Window) -> Block:
        """Rows of these signals with source time in the window."""

    def missing(self, window: Window) -> Missing:
        """Declared gaps that meet the window, as far as the source tells them."""

    def close(self) -> None:
        """Ends the connection, if there is one."""


class Opened:
    """A source and the indicators that there are; as a context it closes itself."""

    def __init__(self, source: EnergySource) -> None:
        self.known, self.source = load_indicators(), source
        self.register, self.window = source.register, source.window

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.source.close()

    def result(self, name: str) -> Result:
        """The result of an indicator, by its id."""
        return self.source.result(self.known[name])

    def pieces(self, name: str) -> list[Components]:
        """Components of an indicator, by its id."""
        return self.source.pieces(self.known[name])

    def newest_days(self, most: int) -> list[tuple[Window, Workshop]]:
        """The last days of the window, this many at most, each with its register."""
        return list(self.source.days())[-most:]


def opened(asked: tuple[str, str] | None, bundle: Path | None, url: str, token_file: Path) -> Opened:
    """The bundle, or the gateway where none is given.

    Raises:
        ConfigError: no such bundle, window or token; NotConnected: no gateway there.
    """
    return Opened(BundleEnergy(bundle, asked) if bundle is not None else GatewayEnergy(url, token_file, asked))


class BundleEnergy:
    """A bundle: folder or zip. It says nothing about trust: `chejian evidence verify` does."""

    def __init__(self, path: Path, asked: tuple[str, str] | None) -> None:
        from chejian.commands.indicators import replayed_in

        self._replay, self.window = replayed_in(path, asked)
        self.register, self._shelf = self._replay.register, Shelf(self._replay)

    def result(self, item: Indicator) -> Result:
        """As the protocol says."""
        return self._replay.result(item, self.register, self.window)

    def daily(self, item: Indicator, window: Window) -> list[tuple[str, Result]]:
        """As the protocol says."""
        measure = self._replay.components
        return grouped(item, self.register, window, "day", lambda register, part: measure(item, register, part), self._replay.facts)

    def pieces(self, item: Indicator) -> list[Components]:
        """As the protocol says."""
        return list(self._replay.components(item, self.register, self.window))

    def days(self) -> Iterator[tuple[Window, Workshop]]:
        """As the protocol says; a bundle's figures are under the last revision in its window."""
        return ((part, self.register) for _, part in local_days(self.register, self.window))

    def read(self, signals: list[str], window: Window) -> Block:
        """As the protocol says; decoded again at each call."""
        return self._shelf.read(signals, window)

    def missing(self, window: Window) -> Missing:
        """Nothing: what is not there goes stale by the signal's maximum age."""
        return NOTHING

    def close(self) -> None:
        """Nothing is open."""


class GatewayEnergy:
    """A gateway, which answers from its engine and from what its analytics service has posted: no evidence."""

    def __init__(self, url: str, token_file: Path, asked: tuple[str, str] | None) -> None:
        if asked is None:
            raise ConfigError("--window FROM TO is needed to ask a gateway")
        token = read_file(token_file).decode().strip()
        self.client = GatewayClient(url, token)
        self._engine = open_engine(GatewaySettings(url, token))
        try:
            self.window = parse_window(asked, self._register_of(None))
            # Windows before a revision are judged by the register in force then.
            self.register = self._register_of(self.window.end_us - 1)
        except BaseException:
            self.close()
            raise

    def result(self, item: Indicator) -> Result:
        """As the protocol says."""
        return msgspec.convert(self.client.get(f"/v1/indicators/{item.id}", from_us=self.window.start_us, to_us=self.window.end_us), Result)

    def daily(self, item: Indicator, window: Window) -> list[tuple[str, Result]]:
        """As the protocol says; day by day, since each answer is one computation."""
        return [
            (day.isoformat(), msgspec.convert(self.client.get(f"/v1/indicators/{item.id}", from_us=part.start_us, to_us=part.end_us), Result))
            for day, part in local_days(self.register, window)
        ]

    def pieces(self, item: Indicator) -> list[Components]:
        """The full hours that the service has posted; the rest is measured from readings, a day at a time."""
        posted = self.client.get("/v1/components", indicator=item.id, from_us=self.window.start_us, to_us=self.window.end_us)["rows"]
        full: dict[str, dict[int, Components]] = {}
        for row in posted:
            if row["version"] == item.version and row["end_us"] - row["start_us"] == HOUR_US:
                full.setdefault(row["equipment"], {})[row["start_us"]] = msgspec.convert(row["components"], Components)
        found = [piece for hours in full.values() for piece in hours.values()]
        for part, register in self.days():
            wanted: dict[tuple[int, int], list[str]] = {}
            for machine in register.equipment:
                if item.applies(machine):
                    hours = union((start, start + HOUR_US) for start in full.get(machine.id, ()))
                    for span in without(((part.start_us, part.end_us),), hours):
                        wanted.setdefault(span, []).append(machine.id)
            for span, names in wanted.items():
                found += self._measured(item, register, names, Window(*span))
        return found

    def read(self, signals: list[str], window: Window) -> Block:
        """As the protocol says, page by page."""
        return self._engine.read(signals, window)

    def missing(self, window: Window) -> Missing:
        """As the protocol says."""
        gaps = self.client.get("/v1/gaps", from_us=window.start_us, to_us=window.end_us)
        return missing_of((gap["signals"], gap["from_us"], gap["to_us"]) for gap in gaps)

    def close(self) -> None:
        """As the protocol says."""
        self.client.close()
        self._engine.close()

    def _register_of(self, at_us: int | None) -> Workshop:
        answer = self.client.get("/v1/workshop", **({} if at_us is None else {"at_us": at_us}))
        return msgspec.convert(answer["register"], Workshop)

    def days(self) -> Iterator[tuple[Window, Workshop]]:
        """As the protocol says."""
        revised = [row["time_us"] for row in self.client.get("/v1/workshop/revisions")]
        known: dict[int, Workshop] = {}
        for _, part in local_days(self.register, self.window):
            number = sum(time_us < part.end_us for time_us in revised)
            if number not in known:
                known[number] = self._register_of(part.end_us - 1)
            yield part, known[number]

    def _measured(self, item: Indicator, register: Workshop, names: Sequence[str], part: Window) -> list[Components]:
        few = msgspec.structs.replace(register, equipment=tuple(machine for machine in register.equipment if machine.id in names))
        span = Window(part.start_us - LOOKBACK_US, part.end_us)
        return components_of(item, few, self._engine.read(needed_signals(item, few), span), part, self.missing(span))
