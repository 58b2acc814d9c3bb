"""Whether a server's certificate is good: the checks of OPC 10000-4, 6.1.3, each with its cause and its cure in words. Pure: no network, no clock."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import pairwise
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.opcua.trust import Trust, fingerprint

E = TypeVar("E", bound=x509.ExtensionType)
_WEAK = (hashes.MD5, hashes.SHA1)
_MAX_CHAIN = 6
SOON = timedelta(days=30)


class Refused(Exception):
    """A certificate is not good enough. Never leaves `edge.opcua`: the border makes a ConfigError of it.

    Attributes:
        code: the status of OPC UA for this cause.
        cause: what is wrong.
        cure: what a person does about it.
    """

    def __init__(self, code: str, cause: str, cure: str) -> None:
        super().__init__(f"{code}: {cause}; {cure}")
        self.code, self.cause, self.cure = code, cause, cure


class Wanted(msgspec.Struct, frozen=True):
    """Whom we mean to talk to."""

    host: str
    """Name or IP address that has to stand in the certificate."""
    uri: str
    """ApplicationUri of the endpoint, or the one that the file expects."""


def check_server(chain: list[x509.Certificate], trust: Trust, wanted: Wanted, now: datetime) -> list[str]:
    """Checks what a server shows.

    Args:
        chain: its own certificate, and what it sent with it.
    Returns:
        warnings: what will be refused soon, or could not be looked up.
    Raises:
        Refused: with the first cause that is found.
    """
    own, *sent = chain
    try:
        _check_strength(own)
        path = _path(own, [*sent, *trust.issuers, *trust.trusted], trust)
        for one in path:
            _check_time(one, now, "the server's certificate" if one is own else f"the authority '{_name(one)}'")
        _check_names(own, wanted)
        _check_use(own)
        warnings = _check_revocation(path, trust, now)
    except (ValueError, UnsupportedAlgorithm) as error:  # extensions are decoded only when they are asked for
        raise Refused("BadCertificateInvalid", f"the server's certificate cannot be read ({error})", "have the machine make a new one") from error
    if own.not_valid_after_utc - now < SOON:
        warnings.append(f"the server's certificate expires on {own.not_valid_after_utc:%Y-%m-%d}; renew it on the machine and trust the new one")
    return warnings


def describe(certificate: x509.Certificate) -> str:
    """What a person needs to recognise a certificate: name, fingerprint, validity."""
    print_, from_, to = fingerprint(certificate), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return f"'{_name(certificate)}', SHA-256 {print_}, valid {from_:%Y-%m-%d} to {to:%Y-%m-%d}"


def _name(certificate: x509.Certificate) -> str:
    text = certificate.subject.rfc4514_string()
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:120]


def _check_strength(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or not 2048 <= key.key_size <= 4096:
        has = f"RSA of {key.key_size} bits" if isinstance(key, rsa.RSAPublicKey) else type(key).__name__
        raise Refused("BadSecurityChecksFailed", f"the key of '{_name(certificate)}' is {has}; RSA of 2048 to 4096 bits is wanted", "renew it")
    if isinstance(certificate.signature_hash_algorithm, _WEAK):
        used = certificate.signature_hash_algorithm.name
        raise Refused("BadSecurityChecksFailed", f"'{_name(certificate)}' is signed with {used}, which can be forged", "renew it with SHA-256")


def _path(own: x509.Certificate, known: list[x509.Certificate], trust: Trust) -> list[x509.Certificate]:
    """From the certificate up to a trusted one, both included; farther up as long as issuers are known, for their revocation lists."""
    path = [own]
    while path[-1].issuer != path[-1].subject and len(path) < _MAX_CHAIN:
        issuer = next((one for one in known if one not in path and _signed(path[-1], one)), None)
        if issuer is None:
            break
        _check_authority(issuer, below=len(path) - 1)
        path.append(issuer)
    if own.issuer == own.subject and not _signed(own, own):
        raise Refused("BadCertificateInvalid", f"the server's certificate, {describe(own)}, does not bear its own signature", "make a new one there")
    if not any(one in trust.trusted for one in path):
        raise Refused(
            "BadCertificateUntrusted", f"the server's certificate, {describe(own)}, is not trusted by {trust.folder}",
            f"compare the fingerprint with the machine's own, then: chejian edge trust FILE {fingerprint(own)[:16]}",
        )
    return path


def _signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _check_authority(issuer: x509.Certificate, below: int) -> None:
    _check_strength(issuer)
    basic = _extension(issuer, x509.BasicConstraints)
    usage = _extension(issuer, x509.KeyUsage)
    names = _extension(issuer, x509.SubjectAlternativeName)
    # A machine's own certificate is often marked as an authority's by the library that made it; to trust one machine is not to trust what it signs.
    is_application = names is not None and bool(names.get_values_for_type(x509.UniformResourceIdentifier))
    may_sign = basic is not None and basic.ca and (usage is None or usage.key_cert_sign) and not is_application
    if not may_sign or (basic is not None and basic.path_length is not None and basic.path_length < below):
        raise Refused("BadCertificateIssuerUseNotAllowed", f"'{_name(issuer)}' signed a certificate and is no authority", "have it issued by one")


def _check_time(certificate: x509.Certificate, now: datetime, what: str) -> None:
    from_, to = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > to:
        raise Refused("BadCertificateTimeInvalid", f"{what} expired on {to:%Y-%m-%d %H:%M} UTC; it is {now:%Y-%m-%d %H:%M} here", "renew it")
    if now < from_:
        raise Refused(
            "BadCertificateTimeInvalid", f"{what} is valid only from {from_:%Y-%m-%d %H:%M} UTC; it is {now:%Y-%m-%d %H:%M} here",
            "set the clock of this computer, or of the one that made the certificate",
        )


def _check_names(certificate: x509.Certificate, wanted: Wanted) -> None:
    names = _extension(certificate, x509.SubjectAlternativeName)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names is not None else []
    hosts = names.get_values_for_type(x509.DNSName) if names is not None else []
    addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)] if names is not None else []
    try:
        is_there = str(ip_address(wanted.host)) in addresses
    except ValueError:
        is_there = wanted.host.lower().rstrip(".") in [host.lower().rstrip(".") for host in hosts]
    if not is_there:
        raise Refused(
            "BadCertificateHostNameInvalid", f"the certificate is for {_shown([*hosts, *addresses])}, not for '{wanted.host}'",
            "reach the machine by a name in it, renew it with this one, or write server_name = \"…\" with the name that you expect in it",
        )
    if uris != [wanted.uri]:
        raise Refused(
            "BadCertificateUriInvalid", f"the certificate is for the application {_shown(uris)}, and the server calls itself '{wanted.uri[:200]}'",
            "one of the two was copied from another server; have the machine make its own certificate",
        )


def _shown(names: list[str]) -> str:
    return ", ".join(f"'{name[:200]}'" for name in names[:5]) or "no name at all"


def _check_use(certificate: x509.Certificate) -> None:
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not (usage.digital_signature and usage.key_encipherment and usage.data_encipherment):
        raise Refused("BadCertificateUseNotAllowed", "the certificate may not sign and encipher (KeyUsage)", "renew it for OPC UA")
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.SERVER_AUTH not in purposes and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in purposes:
        raise Refused("BadCertificateUseNotAllowed", "the certificate is not one for servers (ExtendedKeyUsage)", "renew it for a server")


def _check_revocation(path: list[x509.Certificate], trust: Trust, now: datetime) -> list[str]:
    warnings = []
    if path[-1].issuer != path[-1].subject:
        place = trust.folder / "issuers"
        warnings.append(f"who issued '{_name(path[-1])}' is not in {place}: whether it was revoked is not known; put that certificate there")
    for one, issuer in pairwise(path):
        lists = [each for each in trust.lists if each.issuer == issuer.subject and _vouched(each, issuer)]
        if any(each.get_revoked_certificate_by_serial_number(one.serial_number) is not None for each in lists):
            raise Refused(
                "BadCertificateRevoked", f"'{_name(one)}' was revoked by '{_name(issuer)}'", "have a new one issued, and find out why it was revoked",
            )
        if not lists:
            warnings.append(f"no revocation list of '{_name(issuer)}' in {trust.folder / 'crl'}: whether its certificates were revoked is not known")
        elif all(each.next_update_utc is not None and each.next_update_utc < now for each in lists):
            warnings.append(f"the revocation list of '{_name(issuer)}' is out of date; get the new one")
    return warnings


def _vouched(revocations: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    return isinstance(key, rsa.RSAPublicKey) and revocations.is_signature_valid(key)


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def utc(time_us: int) -> datetime:
    """The time as certificates have it."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC)
