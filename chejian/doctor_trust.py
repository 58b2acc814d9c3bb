"""Whom an edge trusts and what it shows of itself, OPC UA: certificates, lists, and sources without security."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from chejian.doctor import Finding, bad, ok, warning
from workshop.errors import ConfigError
from workshop.window import Clock

if TYPE_CHECKING:
    from edge.config import EdgeSettings

_WHAT = "trust 信任"


def look_at_trust(settings: "EdgeSettings", file: Path, clock: Clock) -> Iterator[Finding]:
    """What `security`, own certificate and trust list of the file's OPC UA sources are worth; nothing is connected."""
    from chejian.commands.files import beside

    folders: list[Path] = []
    for source in settings.source:
        if source.protocol != "opcua":
            continue
        if source.options.get("security") == "None":
            said = "no security: anybody on that network can read and forge what it delivers"
            yield warning(f"{_WHAT} {source.name}", said, 'give the machine a certificate, and write security = "Basic256Sha256"')
        else:
            folders.append(beside(file, str(source.options.get("pki") or Path(settings.data) / "pki")))
    for folder in dict.fromkeys(folders):
        yield from _folder(folder, file, clock)


def _folder(folder: Path, file: Path, clock: Clock) -> Iterator[Finding]:
    from edge.opcua.certificates import utc
    from edge.opcua.own import load_own
    from edge.opcua.trust import load_trust

    what = f"{_WHAT} {folder}"
    try:
        own, trust = load_own(folder), load_trust(folder)
    except ConfigError as error:
        yield bad(what, str(error), f"chejian edge certificate {file}")
        return
    for said in own.warnings(utc(clock())):
        yield warning(what, said, f"chejian edge certificate {file} --renew")
    if not trust.trusted:
        said = "no machine and no authority is trusted: every server will be refused"
        yield bad(what, said, f"chejian edge check {file}, then: chejian edge trust {file}")
    else:
        until = f"{own.certificate.not_valid_after_utc:%Y-%m-%d}"
        yield ok(what, f"{len(trust.trusted)} certificates trusted, {len(trust.lists)} revocation lists; own certificate until {until}")
