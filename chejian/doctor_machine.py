"""The machine: its clock, its disks, its certificates, its programs."""

import ctypes
import os
import shutil
import sqlite3
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from chejian.doctor import Finding, bad, ok, warning

LITTLE_BYTES, VERY_LITTLE_BYTES = 10 * 2**30, 2 * 2**30
SLOW_SYNC_S = 0.1
SOON = timedelta(days=30)
FAR_US = 100_000
_TIME_ERROR = 5
_NEWEST_SQLITE_BUG = (3, 7, 0)


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2); only what is read here has a name."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
        ("status", ctypes.c_int), ("rest", ctypes.c_char * 256),
    )


def look_at_clock() -> Iterator[Finding]:
    """Whether the kernel believes that its clock is synchronised, and within which error."""
    what = "clock 时钟"
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None) if sys.platform == "linux" else None
    if adjtimex is None:
        yield warning(what, "this system does not say whether its clock is synchronised", "make sure that a time service runs")
        return
    timex = _Timex()
    if adjtimex(ctypes.byref(timex)) == _TIME_ERROR:
        yield warning(what, "the kernel's clock is not synchronised: times are evidence only as far as the clock is right",
                      "run a time service, such as chrony, against a server in the factory; in a container, on its host")
    elif timex.maxerror > FAR_US:
        yield warning(what, f"synchronised, but only to within {timex.maxerror / 1000:.0f} ms", "use a nearer time server")
    else:
        yield ok(what, f"synchronised to within {timex.maxerror / 1000:.1f} ms")


def look_at_programs() -> Iterator[Finding]:
    """Python and the libraries below it."""
    yield ok("program 程序", f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION.split(' (')[0]}")


def look_at_folder(folder: Path, secrets: Sequence[str] = ()) -> Iterator[Finding]:
    """Whether a data folder can be written safely, and how much room is left.

    Args:
        secrets: files in it that only their owner may read.
    """
    what = f"disk 磁盘 {folder}"
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    room = f"{free / 2**30:.1f} GiB free"
    if free < VERY_LITTLE_BYTES:
        yield bad(what, room, "make room, or move 'data' to a larger disk: a full disk stops the line")
    elif free < LITTLE_BYTES:
        yield warning(what, room, "make room before it stops the line")
    else:
        yield ok(what, room)
    if there != folder.absolute():
        yield ok(what, "is not there yet: the first start makes it")
        return
    try:
        took_s = _write_and_sync(folder / f".doctor-{os.getpid()}")
    except OSError as error:
        yield bad(what, f"cannot be written ({error.strerror})", f"give user {os.getuid() if hasattr(os, 'getuid') else ''} the right to write there")
        return
    if took_s > SLOW_SYNC_S:
        yield warning(what, f"a write takes {took_s * 1000:.0f} ms to reach the disk", "every commit waits so long; use a disk with a faster fsync")
    for name in secrets:
        if (folder / name).exists() and (folder / name).stat().st_mode & 0o077:
            yield bad(f"secret 密钥 {folder / name}", "others than its owner may read it", f"chmod 600 {folder / name}; it may be known: rotate it")


def _write_and_sync(file: Path) -> float:
    begun_s = time.monotonic()
    try:
        with file.open("wb") as stream:
            stream.write(b"chejian doctor\n" * 300)
            stream.flush()
            os.fsync(stream.fileno())
        return time.monotonic() - begun_s
    finally:
        file.unlink(missing_ok=True)


def look_at_certificate(file: Path, now_us: int, key: Path | None = None) -> Iterator[Finding]:
    """Whether a certificate is valid now and for a while, and belongs to its key."""
    what = f"certificate 证书 {file}"
    try:
        data = file.read_bytes()
        found = x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)
    except (OSError, ValueError) as error:
        yield bad(what, f"cannot be read ({getattr(error, 'strerror', None) or error})", "put a certificate there, PEM or DER")
        return
    now, end = datetime.fromtimestamp(now_us / 1e6, UTC), found.not_valid_after_utc
    if not found.not_valid_before_utc <= now < end:
        yield bad(what, f"valid only from {found.not_valid_before_utc:%Y-%m-%d} to {end:%Y-%m-%d}", "have it made anew; look at this machine's clock")
    elif end - now < SOON:
        yield warning(what, f"ends on {end:%Y-%m-%d}", "have it made anew before that day")
    else:
        yield ok(what, f"valid until {end:%Y-%m-%d}")
    if key is not None:
        yield from _look_at_key(found, key)


def _look_at_key(certificate: x509.Certificate, key: Path) -> Iterator[Finding]:
    what = f"key 私钥 {key}"
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        said = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        yield bad(what, said, "put the certificate's private key there, PEM without a password")
        return
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        yield bad(what, "is not the key of that certificate", "put both from the same making there")
    if key.stat().st_mode & 0o077:
        yield bad(what, "others than its owner may read it", f"chmod 600 {key}")
