"""Filling an engine from the archive while the gateway stands still."""

from collections.abc import Callable
from pathlib import Path

from gateway.indexing import Rules
from gateway.keys import open_archive
from gateway.monitoring import Monitoring
from gateway.opening import read_register
from gateway.settings import GatewaySettings
from gateway.writer import feed
from store.archive import Archive
from store.engine import Engine
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import Clock

Progress = Callable[[int, int], None]


def rebuild(settings: GatewaySettings, clock: Clock, progress: Progress, *, second: bool = False) -> int:
    """Makes an engine anew from the archive; the gateway must not be running.

    An embedded engine is built in a file beside the old one, which is replaced when all is done. A server's is filled from the first batch on: the
    same rows change nothing there, and what the archive does not have (of another gateway, or older than a restored backup) stays.
    Args:
        progress: is told batches done and batches in all.
        second: the one in [second_engine].
    Returns:
        rows in the engine.
    Raises:
        ConfigError: the gateway is running, there is no archive or no such engine.
        NotConnected: the engine's server does not answer; the same command begins again.
    """
    if second and settings.second_engine is None:
        raise ConfigError("gateway.toml has no [second_engine]")
    if not settings.file("archive.sqlite").exists():
        raise ConfigError(f"{settings.file('archive.sqlite')}: no archive there; check 'data' in gateway.toml")
    register = read_register(settings)
    archive = open_archive(settings, clock, register)
    try:
        present = archive.register() or register
        if not second:
            # What could not be indexed is a matter of batches and the present register: it is found anew. Pruned batches cannot be read again.
            archive.forget_quarantine(archive.pruned_end)
        if settings.embedded_file(second=second) is None:
            settings.cursor_file(second=second).unlink(missing_ok=True)
            return _fill(archive, settings.open_engine(second=second), present, clock, progress)
        return _replace(settings, archive, present, clock, progress, second=second)
    finally:
        archive.close()


def _replace(settings: GatewaySettings, archive: Archive, register: Workshop, clock: Clock, progress: Progress, *, second: bool) -> int:
    file = settings.embedded_file(second=second)
    if file is None:
        raise ConfigError("gateway.toml: this engine is no file")
    scratch = file.with_name(file.name + ".new")
    for leftover in (scratch, _wal(scratch)):
        leftover.unlink(missing_ok=True)
    rows = _fill(archive, settings.open_engine(scratch, second=second), register, clock, progress)
    scratch.replace(file)
    _wal(file).unlink(missing_ok=True)
    return rows


def _fill(archive: Archive, engine: Engine, register: Workshop, clock: Clock, progress: Progress) -> int:
    """Feeds an empty engine with the whole archive, and closes it."""
    rules, monitoring = Rules(register), Monitoring()
    try:
        progress(0, archive.data_size)
        while feed(archive, engine, rules, monitoring) >= 0:
            progress(engine.cursor(), archive.data_size)
        engine.maintain(clock())
        return engine.count()
    finally:
        engine.close()


def _wal(file: Path) -> Path:
    return file.with_name(file.name + ".wal")
