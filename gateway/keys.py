"""The gateway's key on disk: made at the first start, rotated in steps that a crash cannot leave half done."""

from pathlib import Path

from gateway.pseudonyms import FILE as PSEUDONYMS
from gateway.settings import GatewaySettings
from store.archive import Archive
from store.signing import SigningKey, decode_key
from workshop.canonical import sha256_hex
from workshop.errors import ConfigError
from workshop.register import Workshop
from workshop.window import Clock

KEY, NEXT_KEY, ORIGIN, ARCHIVE = "key.pem", "key-next.pem", "origin", "archive.sqlite"


def open_archive(settings: GatewaySettings, clock: Clock, register: Workshop) -> Archive:
    """The archive, with its key: both are made at the first start. Its origin is that of the first start, whatever the register says later.

    Raises:
        ConfigError: the key is missing, or is not that of the archive.
    """
    key_file, origin_file = settings.file(KEY), settings.file(ORIGIN)
    if not key_file.exists():
        if settings.file(ARCHIVE).exists():
            raise ConfigError(f"{key_file}: missing, but there is an archive; restore the key from the backup, a new one could not continue its logs")
        SigningKey.create().save(key_file)
    key = SigningKey.load(key_file)
    origin = origin_file.read_text().strip() if origin_file.exists() else f"chejian.local/{register.id}-{sha256_hex(decode_key(key.public))[:8]}"
    try:
        archive = Archive.open(settings.file(ARCHIVE), key=key, origin=origin, clock=clock)
    except ConfigError:
        # A rotation that ended between the log and the file: the archive has the next key already.
        if not settings.file(NEXT_KEY).exists():
            raise
        archive = Archive.open(settings.file(ARCHIVE), key=SigningKey.load(settings.file(NEXT_KEY)), origin=origin, clock=clock)
        _take_next(settings)
    if not origin_file.exists():
        origin_file.write_text(origin + "\n")
    return archive


def rotate_key(settings: GatewaySettings, clock: Clock, register: Workshop, *, reason: str) -> str:
    """Gives the gateway a new key, which its log announces under the old one; the gateway must not be running.

    Returns:
        the new public key, base64, for trust files.
    Raises:
        ConfigError: there is no archive, or it is in use.
    """
    if not settings.file(ARCHIVE).exists():
        raise ConfigError(f"{settings.file(ARCHIVE)}: no archive there; check 'data' in gateway.toml")
    archive = open_archive(settings, clock, register)
    try:
        settings.file(NEXT_KEY).unlink(missing_ok=True)
        key = SigningKey.create()
        key.save(settings.file(NEXT_KEY))
        archive.rotate_key(key, author="operator", reason=reason)
    finally:
        archive.close()
    _take_next(settings)
    return key.public


def _take_next(settings: GatewaySettings) -> None:
    settings.file(NEXT_KEY).replace(settings.file(KEY))


def secret_files(folder: Path) -> list[Path]:
    """Files of a data folder that only their owner may read, as far as they are there."""
    return [folder / name for name in (KEY, "admin.token", PSEUDONYMS) if (folder / name).exists()]
