"""Backup of a gateway that may be running, and its restore as a new generation of the logs.

backup   a folder: archive.sqlite, key.pem, pseudonyms.key, admin.token, origin, manifest.json with digests and the checkpoints of that moment; it
         holds secrets.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.keys import ARCHIVE, KEY, ORIGIN, secret_files
from gateway.settings import GatewaySettings
from store.archive import Archive
from store.control_kinds import Restore
from store.signing import SigningKey
from store.sqlite import Database
from workshop.errors import ConfigError, Rejected
from workshop.window import Clock

MANIFEST = "manifest.json"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds."""

    origin: str
    gateway_key: str
    generation: int
    made_us: int
    data_size: int
    control_size: int
    checkpoints: tuple[str, str]
    """Signed notes of data log and control log: keep them outside, too."""
    files: dict[str, str]
    """Name → SHA-256."""
    v: int = 1


def backup(settings: GatewaySettings, out: Path, clock: Clock) -> Manifest:
    """Copies archive and keys of a gateway, running or not, into a new folder.

    Raises:
        ConfigError: the folder exists or cannot be made, or there is no archive.
    """
    folder = Path(settings.data)
    if out.exists():
        raise ConfigError(f"{out}: exists already; a backup is never overwritten, name another folder")
    if not (folder / ARCHIVE).exists():
        raise ConfigError(f"{folder / ARCHIVE}: no archive there; check 'data' in gateway.toml")
    draft = out.with_name(out.name + ".part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        made_us = clock()
        Database.copy(folder / ARCHIVE, draft / ARCHIVE, "archive")
        (draft / ARCHIVE).chmod(0o600)
        for file in [*secret_files(folder), folder / ORIGIN]:
            shutil.copyfile(file, draft / file.name)
            (draft / file.name).chmod(0o600)
        archive = _open(draft, clock)
        try:
            manifest = Manifest(
                archive.origin, archive.key.public, archive.generation, made_us, archive.data_size, archive.control_size,
                (archive.checkpoint("data"), archive.checkpoint("control")), {},
            )
        finally:
            archive.close()
        (draft / f"{ARCHIVE}.lock").unlink(missing_ok=True)
        files = {file.name: _digest(file) for file in sorted(draft.iterdir())}
        manifest = msgspec.structs.replace(manifest, files=files)
        (draft / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        for file in draft.iterdir():
            _sync(file)
        draft.rename(out)
        _sync(out.parent)
    except OSError as error:
        raise ConfigError(f"{out}: the backup cannot be written ({error.strerror or error})") from error
    return manifest


def restore(settings: GatewaySettings, source: Path, clock: Clock, *, known: Sequence[str] = (), reason: str = "restored from a backup") -> Restore:
    """Makes the gateway's data folder from a backup and opens a new generation of its logs; the engine is filled again at the next start.

    Args:
        known: signed checkpoints from after the backup, as witnesses, evaluators or trust files have them.
    Raises:
        ConfigError: the data folder is there already, the backup is damaged, or a checkpoint does not fit to it.
    """
    folder = Path(settings.data)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: is not empty; move it away, a restore never overwrites (edges wait meanwhile)")
    manifest = read_manifest(source)
    draft = folder.with_name(folder.name + ".restoring")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        for name in manifest.files:
            shutil.copyfile(source / name, draft / name)
            (draft / name).chmod(0o600)
        archive = _open(draft, clock)
        try:
            body = archive.begin_generation(known, backup_us=manifest.made_us, author="operator", reason=reason)
        except Rejected as error:
            raise ConfigError(f"restore: {error}") from error
        finally:
            archive.close()
        if folder.exists():
            folder.rmdir()
        # The folder appears with the new generation declared in it, or not at all: no gateway can start on a restored log that hides it.
        draft.rename(folder)
        _sync(folder.parent)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return body


def read_manifest(source: Path) -> Manifest:
    """The manifest of a backup whose files are all there and whole.

    Raises:
        ConfigError: they are not.
    """
    try:
        manifest = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
        if {ARCHIVE, KEY, ORIGIN} - set(manifest.files) or any(Path(name).name != name for name in manifest.files):
            raise ConfigError(f"{source}: the manifest does not name archive, key and origin; it is no backup of a gateway")
        spoiled = [name for name, digest in manifest.files.items() if _digest(source / name) != digest]
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: no readable backup ({error}); name the folder that `chejian gateway backup` made") from error
    if spoiled:
        raise ConfigError(f"{source}: {', '.join(spoiled)} differ from the manifest; the backup is damaged, take another one")
    return manifest


def _open(folder: Path, clock: Clock) -> Archive:
    origin = (folder / ORIGIN).read_text().strip()
    return Archive.open(folder / ARCHIVE, key=SigningKey.load(folder / KEY), origin=origin, clock=clock)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
