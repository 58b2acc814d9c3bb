"""Whom this edge trusts: a folder of certificates and revocation lists that people keep.

    pki/own/certificate.der key.pem    who we are
    pki/trusted/                       certificates of servers, or of authorities whose servers are all trusted (.der, .pem, .crt, .cer)
    pki/issuers/                       authorities in between: they complete a chain and are not trusted by themselves
    pki/crl/                           revocation lists (.crl, .der, .pem)
    pki/rejected/                      what was refused lately, to be looked at: see `chejian edge trust`
"""

from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from workshop.errors import ConfigError

OWN, TRUSTED, ISSUERS, LISTS, REJECTED = "own", "trusted", "issuers", "crl", "rejected"
MAX_REJECTED = 20
_PEM = b"-----BEGIN"


class Trust(msgspec.Struct, frozen=True):
    """What the folder says at one time."""

    folder: Path
    trusted: tuple[x509.Certificate, ...] = ()
    issuers: tuple[x509.Certificate, ...] = ()
    lists: tuple[x509.CertificateRevocationList, ...] = ()


def load_trust(folder: Path) -> Trust:
    """The trust list of this folder; folders that are missing are empty.

    Raises:
        ConfigError: a file that is not what its folder is for. A revocation list that cannot be read must not be passed over.
    """
    trusted = tuple(one for file in _files(folder / TRUSTED) for one in _certificates(file))
    issuers = tuple(one for file in _files(folder / ISSUERS) for one in _certificates(file))
    return Trust(folder, trusted, issuers, tuple(_revocations(file) for file in _files(folder / LISTS)))


def state_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Something that changes when a file of the folder does: name, time and size of each."""
    found = []
    for part in (OWN, TRUSTED, ISSUERS, LISTS):
        for file in _files(folder / part):
            try:
                facts = file.stat()
            except OSError:  # taken away between looking and asking
                continue
            found.append((f"{part}/{file.name}", facts.st_mtime_ns, facts.st_size))
    return tuple(found)


def split_chain(data: bytes) -> list[x509.Certificate]:
    """The certificates in a server's answer: DER, one after the other, its own first (OPC 10000-6, 6.2.6).

    Raises:
        ValueError: not certificates.
    """
    chain = []
    while data:
        length = _der_length(data)
        chain.append(x509.load_der_x509_certificate(data[:length]))
        data = data[length:]
    if not chain:
        raise ValueError("no certificate")
    return chain


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, hex: what people compare."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def keep_rejected(folder: Path, certificate: x509.Certificate) -> None:
    """Puts a refused certificate where a person can look at it; the oldest go when there are many. A full disk changes nothing about the refusal."""
    place = folder / REJECTED
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{fingerprint(certificate)}.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
        for old in sorted(place.glob("*.der"), key=lambda file: file.stat().st_mtime_ns)[:-MAX_REJECTED]:
            old.unlink()
    except OSError:
        return


def accept(folder: Path, beginning: str) -> x509.Certificate:
    """Moves a rejected certificate to the trusted ones.

    Args:
        beginning: at least the first eight digits of its SHA-256.
    Raises:
        ConfigError: none or more than one begins so, or the folder cannot be written to.
    """
    wanted = beginning.lower().replace(":", "").replace(" ", "")
    rejected = [file for file in _files(folder / REJECTED) if len(wanted) >= 8 and file.stem.startswith(wanted)]
    if len(rejected) != 1:
        held = ", ".join(file.stem[:16] for file in _files(folder / REJECTED)) or "none"
        count = "more than one" if rejected else "none"
        raise ConfigError(f"{folder / REJECTED}: {count} begins with '{beginning}' (eight digits at least); there are {held}")
    (certificate,) = _certificates(rejected[0])
    try:
        (folder / TRUSTED).mkdir(parents=True, exist_ok=True)
        rejected[0].replace(folder / TRUSTED / rejected[0].name)
    except OSError as error:
        raise ConfigError(f"{folder / TRUSTED}: cannot be written to ({error.strerror})") from error
    return certificate


def rejected(folder: Path) -> list[x509.Certificate]:
    """What was refused lately."""
    return [one for file in _files(folder / REJECTED) for one in _certificates(file)]


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")) if folder.is_dir() else []


def _certificates(file: Path) -> list[x509.Certificate]:
    try:
        data = file.read_bytes()
        return x509.load_pem_x509_certificates(data) if data.startswith(_PEM) else split_chain(data)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{file}: is not a certificate ({error}); take it away or put the certificate there as .der or .pem") from error


def _revocations(file: Path) -> x509.CertificateRevocationList:
    try:
        data = file.read_bytes()
        return x509.load_pem_x509_crl(data) if data.startswith(_PEM) else x509.load_der_x509_crl(data)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{file}: is not a revocation list ({error}); put the authority's list there as .crl or .pem") from error


def _der_length(data: bytes) -> int:
    """Bytes of the first element: a tag, then its length in the short or the long form (X.690, 8.1.3)."""
    if len(data) < 2 or data[0] != 0x30:
        raise ValueError("not a DER sequence")
    if data[1] < 0x80:
        return 2 + data[1]
    count = data[1] & 0x7F
    if not 1 <= count <= 4 or len(data) < 2 + count:
        raise ValueError("not a DER length")
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big")
