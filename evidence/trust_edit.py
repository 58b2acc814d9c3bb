"""What an evaluator changes in a trust file by hand: witnesses, authorities, checkpoints, packs, keys; one after the other, each change in words."""

import hashlib
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_pem_x509_certificates

from evidence.trust import GatewayKey, TrustFile, check_trust, open_pinned, roots_of
from workshop.errors import ConfigError, Rejected


class Named(msgspec.Struct, frozen=True):
    """What is to be added, or to be removed."""

    witnesses: Sequence[str] = ()
    """Public keys, base64."""
    authorities: Sequence[str] = ()
    """Root certificates, PEM; to remove one its SHA-256 (hex, over its DER) does as well."""
    checkpoints: Sequence[str] = ()
    """Signed notes; to remove one "data:17", its log and size, does as well."""
    packs: Sequence[str] = ()
    """Digests."""
    edges: Sequence[tuple[str, str]] = ()
    """(edge, public key)"""
    gateway: Sequence[str] = ()
    """Public keys, base64; an added one is believed at any time."""


def fingerprint(certificate: Certificate) -> str:
    """SHA-256 (hex) of a certificate's DER bytes, as other programs show it."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def added(trust: TrustFile, named: Named) -> tuple[TrustFile, list[str]]:
    """The trust file with more in it, and every change in words; what is there already stays once.

    Raises:
        ConfigError: no such key, certificate, note or digest, or a checkpoint that the gateway did not sign.
    """
    said: list[str] = []

    def more(before: Sequence[str], fresh: Sequence[str], what: str) -> tuple[str, ...]:
        for item in dict.fromkeys(fresh):
            said.append(f"{what} {_short(item)} {'was there already' if item in before else 'added'}")
        return tuple(dict.fromkeys((*before, *fresh)))

    authorities = [_certificates(text) for text in named.authorities]
    roots = {fingerprint(item) for item in roots_of(trust)}
    fresh = [item for certificates in authorities for item in certificates]
    for item in fresh:
        said.append(f"authority {fingerprint(item)} {'was there already' if fingerprint(item) in roots else 'added'}")
    keys = {item.key for item in trust.gateway}
    edges = dict(trust.edges)
    for edge, key in named.edges:
        edges[edge] = more(edges.get(edge, ()), [key], f"key of edge '{edge}'")
    changed = msgspec.structs.replace(
        trust, edges=edges,
        witnesses=more(trust.witnesses, named.witnesses, "witness"), packs=more(trust.packs, named.packs, "pack"),
        checkpoints=more(trust.checkpoints, named.checkpoints, "checkpoint"),
        gateway=(*trust.gateway, *(GatewayKey(key) for key in dict.fromkeys(named.gateway) if key not in keys)),
        authorities=(*trust.authorities, *(_pem(item) for item in fresh if fingerprint(item) not in roots)),
    )
    said += [f"gateway key {key} {'was there already' if key in keys else 'added'}" for key in dict.fromkeys(named.gateway)]
    return _checked(changed), said


def removed(trust: TrustFile, named: Named) -> tuple[TrustFile, list[str]]:
    """The trust file with less in it, and every change in words.

    Raises:
        ConfigError: something named is not there, or nothing would be left to trust.
    """
    said: list[str] = []

    def less(before: Sequence[str], gone: Sequence[str], what: str) -> tuple[str, ...]:
        for item in gone:
            if item not in before:
                raise ConfigError(f"{what} {_short(item)} is not in the trust file; there are {', '.join(map(_short, before)) or 'none'}")
            said.append(f"{what} {_short(item)} removed")
        return tuple(item for item in before if item not in gone)

    edges = dict(trust.edges)
    for edge, key in named.edges:
        edges[edge] = less(edges.get(edge, ()), [key], f"key of edge '{edge}'")
    notes = {f"{log}:{item.size}": note for note in trust.checkpoints for log, item in [open_pinned(trust, note)]}
    prints = [fingerprint(item) for item in roots_of(trust)]
    gone = [name for text in named.authorities for name in ([text] if len(text) == 64 else [fingerprint(item) for item in _certificates(text)])]
    less(prints, list(dict.fromkeys(gone)), "authority")
    left = less([item.key for item in trust.gateway], named.gateway, "gateway key")
    changed = msgspec.structs.replace(
        trust, edges={edge: keys for edge, keys in edges.items() if keys},
        witnesses=less(trust.witnesses, named.witnesses, "witness"), packs=less(trust.packs, named.packs, "pack"),
        checkpoints=less(trust.checkpoints, [notes.get(item, item) for item in named.checkpoints], "checkpoint"),
        gateway=tuple(item for item in trust.gateway if item.key in left),
        authorities=tuple(_pem(item) for item in roots_of(trust) if fingerprint(item) not in gone) if gone else trust.authorities,
    )
    return _checked(changed), said


def described(trust: TrustFile) -> list[tuple[str, str]]:
    """(what, which) of everything in a trust file."""
    rows = [("origin", trust.origin)]
    rows += [("gateway key", f"{item.key} from {item.from_us} to {'–' if item.to_us is None else item.to_us}") for item in trust.gateway]
    rows += [(f"key of edge '{edge}'", key) for edge, keys in sorted(trust.edges.items()) for key in keys]
    rows += [("witness", key) for key in trust.witnesses]
    rows += [("authority", f"{fingerprint(item)} {item.subject.rfc4514_string()}") for item in roots_of(trust)]
    for note in trust.checkpoints:
        log, item = open_pinned(trust, note)
        rows.append(("checkpoint", f"{log}:{item.size} {item.root.hex()}, generation {item.generation}"))
    return [*rows, *(("pack", digest) for digest in trust.packs)]


def _checked(trust: TrustFile) -> TrustFile:
    try:
        check_trust(trust)
    except Rejected as error:
        raise ConfigError(str(error)) from error
    return trust


def _certificates(text: str) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ConfigError(f"authority: no certificate in PEM form ({error}); give the root certificate of the time-stamping authority") from error


def _pem(certificate: Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _short(item: str) -> str:
    """A note by its first two lines, everything else as it is."""
    return " ".join(item.split("\n")[:2]) if "\n" in item else item
