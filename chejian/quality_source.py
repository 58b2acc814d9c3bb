"""Where the quality commands get their figures from: a bundle's batches as they lie there, or a gateway's engine."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from analytics.charted import Sample
from analytics.grouping import local_days
from analytics.indicator import Indicator, Result
from chejian.commands.files import read_file
from chejian.commands.windows import parse_window
from chejian.demo.client import GatewayClient
from evidence.replay import Replay, replay
from workshop.calendar import local_hours
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import SECOND_US, Window

MOST_SAMPLES = 2_000
MINUTES = re.compile(r"([1-9][0-9]{0,3})min")


class Source(Protocol):
    """A register and results under it."""

    register: Workshop

    def window(self, asked: tuple[str, str] | None, option: str = "--window") -> Window:
        """The window that is asked for; without one the whole of what there is."""

    def result(self, indicator: Indicator, window: Window) -> Result:
        """The indicator's result there."""

    def close(self) -> None:
        """Ends the connection, if there is one."""


class BundleSource:
    """A bundle: folder or zip. It says nothing about trust: `chejian evidence verify` does."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise ConfigError(f"{path}: no such bundle; give the folder or the zip that was exported")
        self._path = path
        self._replay: Replay = replay(path)
        self.register = self._replay.register

    def window(self, asked: tuple[str, str] | None, option: str = "--window") -> Window:
        """As the protocol says; it must lie in the bundle's window."""
        whole = self._replay.window
        if asked is None:
            return whole
        found = _parsed(asked, self.register, option)
        if found.start_us < whole.start_us or found.end_us > whole.end_us:
            raise ConfigError(f"{self._path}: {option} reaches beyond the bundle's window [{whole.start_us}, {whole.end_us}) µs")
        return found

    def result(self, indicator: Indicator, window: Window) -> Result:
        """From the batches."""
        return self._replay.result(indicator, self.register, window)

    def close(self) -> None:
        """Nothing is open."""


class GatewaySource:
    """A gateway, which answers from its engine: no evidence."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._client = GatewayClient(url, read_file(token_file).decode().strip())
        self._url = url
        try:
            self.register = msgspec.convert(self._client.get("/v1/workshop")["register"], Workshop)
        except BaseException:
            self.close()
            raise

    def window(self, asked: tuple[str, str] | None, option: str = "--window") -> Window:
        """As the protocol says; a gateway has no window of its own."""
        if asked is None:
            raise ConfigError(f"{option} FROM TO is needed to ask a gateway")
        return _parsed(asked, self.register, option)

    def result(self, indicator: Indicator, window: Window) -> Result:
        """Over HTTP.

        Raises:
            ConfigError: the gateway has another version of the indicator.
        """
        answer = self._client.get(f"/v1/indicators/{indicator.id}", from_us=window.start_us, to_us=window.end_us)
        found = msgspec.convert(answer, Result)
        if found.version != indicator.version:
            raise ConfigError(f"{self._url}: has {indicator.id} in version {found.version}, here it is {indicator.version}; use the same chejian")
        return found

    def close(self) -> None:
        """As the protocol says."""
        self._client.close()


def samples_of(source: Source, indicator: Indicator, window: Window, step: str, *, count: str, size: str) -> list[Sample]:
    """The counts of an indicator in each piece of the window.

    Args:
        step: "day", "hour", or minutes such as "10min", counted from the window's start.
        count, size: names among the result's counts.
    Raises:
        ConfigError: another step, or too many samples.
    """
    register = source.register
    if step in ("day", "hour"):
        pieces = [part for _, part in local_days(register, window)] if step == "day" else list(local_hours(register, window))
    elif minutes := MINUTES.fullmatch(step):
        step_us = int(minutes[1]) * 60 * SECOND_US
        starts = range(window.start_us, window.end_us, step_us)
        pieces = [Window(start, min(start + step_us, window.end_us)) for start in starts[: MOST_SAMPLES + 1]]
    else:
        raise ConfigError(f"--every {step[:40]}: there are day, hour, and minutes such as 10min")
    if len(pieces) > MOST_SAMPLES:
        raise ConfigError(f"--every {step}: more than {MOST_SAMPLES} samples in the window; take longer ones")
    return [_sample(source.result(indicator, part), part, register, step, count, size) for part in pieces]


def _sample(result: Result, part: Window, register: Workshop, step: str, count: str, size: str) -> Sample:
    from analytics.explain import local_time

    name = local_time(part.start_us, register)[: 10 if step == "day" else 16]
    return Sample(name, result.counts.get(count, 0), result.counts.get(size, 0), known="undetermined" not in result.why)


def _parsed(asked: Sequence[str], register: Workshop, option: str) -> Window:
    try:
        return parse_window((asked[0], asked[1]), register)
    except ConfigError as error:
        raise ConfigError(str(error).replace("--window", option)) from error
