"""A watched folder of CSV files: every complete line once, also over restarts. Files are only read, never moved or deleted.

Addresses are names of columns, `column:Spindle load | /100`. A file is complete when it has its name (`ready = "rename"`: it is written under another
one), when its marker is there (`ready = "marker"`: `x.csv.done`), or never (`ready = "growing"`: its lines are read as they come).
"""

import asyncio
import logging
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.folder.lines import Piece, Spot, find, read_piece, spot_of
from edge.folder.table import Table, TableBlock
from edge.gathering import Gathering
from edge.place import Place
from edge.source import Delivery, Loss, MappedSignal, Source, SourceContext
from workshop.errors import ConfigError, NotConnected

__all__ = ["open_source"]

_log = logging.getLogger(__name__)


class FolderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of `protocol = "folder"`."""

    directory: str
    """Path of the folder, relative to the edge's file."""
    table: dict[str, TableBlock]
    """One block for each map."""
    ready: Literal["rename", "marker", "growing"] = "rename"
    marker: Annotated[str, Meta(min_length=1, max_length=32)] = ".done"
    """What the marker's name has after the file's."""
    period_ms: Annotated[int, Meta(ge=10, le=3_600_000)] = 1000
    """From one look at the folder to the next."""
    silent_s: Annotated[float, Meta(gt=0, le=7 * 86_400)] = 3600.0
    """A machine of which nothing was read for so long counts as not heard."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """How long the disk, which may be that of another computer, may take."""


def open_source(settings: FolderSettings, context: SourceContext) -> Source:
    """The source of one folder.

    Raises:
        ConfigError: a map without a table block, a pattern that leaves the folder, an address of another form.
    """
    return _FolderSource(settings, context)


class _FolderSource:
    def __init__(self, settings: FolderSettings, context: SourceContext) -> None:
        self.equipment = context.equipment
        self.problems: dict[str, str] = {}
        self.warnings: list[str] = []
        self._settings, self._context = settings, context
        self._folder = context.folder / settings.directory
        groups: dict[tuple[str, str], list[MappedSignal]] = {}
        for signal in context.signals:
            groups.setdefault((signal.equipment, signal.map), []).append(signal)
        self._tables = []
        for (_, name), signals in groups.items():
            block = settings.table.get(name)
            if block is None:
                known = ", ".join(sorted(settings.table)) or "none"
                lacks = f"map '{name}' has no [source.table.{name}] that says how its files are written"
                raise ConfigError(f"{context.where}: {lacks}; there are {known}")
            pattern = block.file
            for part, value in {**signals[0].parts, "equipment": signals[0].equipment}.items():
                pattern = pattern.replace(f"{{{part}}}", value)
            self._tables.append(Table(block, signals, pattern, context.where))
        self._place = Place(context, "files")
        self._spots: dict[str, Spot] = {}
        self._heard: dict[str, float] = {}
        self._is_open = False
        self._due_at = 0.0

    async def connect(self) -> None:
        """Looks whether the folder is there, and how far its files were read."""
        await self._files("*")
        if not self._spots:
            self._spots = self._place.load(dict[str, Spot]) or {}
        self._is_open = True

    async def read(self) -> list[Delivery]:
        """New lines, or which machines are heard."""
        if not self._is_open:
            raise NotConnected(f"{self._folder}: not connected")
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._due_at - loop.time()))
        gathering = Gathering()
        spots, has_more, seen = dict(self._spots), False, set()
        for table in self._tables:
            for path in await self._files(table.pattern):
                if path.name.endswith(self._settings.marker) and self._settings.ready == "marker":
                    continue
                seen.add(path.name)
                piece = await self._next(path, spots)
                if piece is not None:
                    self._take(table, piece, gathering)
                    spots[path.name] = piece.spot
                    self._heard[table.equipment] = loop.time()
                    has_more = True
                    break  # commit first: a folder full of files is read piece by piece
        self._spots = spots if has_more else {name: spot for name, spot in spots.items() if name in seen}
        self._due_at = loop.time() + (0 if has_more else self._settings.period_ms / 1000)
        for equipment in self.equipment:
            heard_at = self._heard.get(equipment)
            gathering.link(equipment, heard_at is not None and loop.time() - heard_at < self._settings.silent_s)
        saved = {name: msgspec.structs.replace(spot) for name, spot in self._spots.items()}
        return gathering.deliveries(lambda: self._place.save(saved)) if has_more else gathering.deliveries(None)

    async def close(self) -> None:
        """Lets go of the folder."""
        self._is_open = False

    async def _next(self, path: Path, spots: dict[str, Spot]) -> Piece | None:
        if self._settings.ready == "marker" and not await asyncio.to_thread(path.with_name(path.name + self._settings.marker).exists):
            return None

        def look() -> Piece | None:
            return read_piece(path, spot_of(path, spots.get(path.name)), is_complete=self._settings.ready != "growing")

        try:
            return await asyncio.to_thread(look)
        except FileNotFoundError:
            return None
        except OSError as error:
            for signal in self._context.signals:
                self.problems[signal.id] = f"{path.name}: cannot be read: {error.strerror}"
            return None

    def _take(self, table: Table, piece: Piece, gathering: Gathering) -> None:
        received_us = self._context.clock()
        missing = table.missing(piece.header)
        for signal in table.signals:
            if signal in missing:
                self.problems[signal] = f"{piece.name}: {missing[signal]}"
            else:
                self.problems.pop(signal, None)
        for number in piece.too_long:
            gathering.refuse(b"", f"{piece.name}, line {number}: longer than a megabyte")
            gathering.lose(Loss(table.signals, "malformed source data"))
        for number, line in piece.lines:
            if number > 1:
                table.gather(line, piece.header, f"{piece.name}, line {number}", received_us, gathering)
        if piece.spot.is_done:
            _log.info("%s: %s read, %d lines", self._context.where, piece.name, piece.spot.line)

    async def _files(self, pattern: str) -> list[Path]:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await asyncio.to_thread(find, self._folder, pattern)
        except TimeoutError as error:
            raise NotConnected(f"{self._folder}: no answer within {self._settings.timeout_s:.0f} s") from error
        except OSError as error:
            raise NotConnected(f"{self._folder}: {error.strerror}; is it mounted, and may the edge read it?") from error
