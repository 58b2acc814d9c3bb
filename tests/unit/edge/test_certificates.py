"""Which certificates of servers are refused, and in what words; a parser of chains that survives anything."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.opcua.certificates import Refused, Wanted, check_server
from edge.opcua.own import load_own, make_own, request_of
from edge.opcua.trust import accept, fingerprint, keep_rejected, load_trust, rejected, split_chain, state_of
from tests.unit.edge.rig_pki import DAY, HOST, NOW, URI, der, issue, key, put, revoke
from workshop.errors import ConfigError

CA = issue("ca", is_authority=True)
OTHER = issue("other-ca", is_authority=True)
BETWEEN = issue("between", by=("ca", CA), is_authority=True)
GOOD = issue()
ISSUED = issue("issued", by=("ca", CA))
FAR = issue("far", by=("between", BETWEEN))
MACHINE = issue("machine", uri="urn:test:machine")


def verdict(chain: list[x509.Certificate], folder: Path, host: str = HOST, uri: str = URI) -> list[str]:
    return check_server(chain, load_trust(folder), Wanted(host, uri), NOW)


def test_a_certificate_in_the_folder_is_trusted(tmp_path: Path) -> None:
    put(tmp_path, trusted__machine_der=der(GOOD))
    assert verdict([GOOD], tmp_path) == []


def test_a_chain_to_an_authority_in_the_folder_is_trusted(tmp_path: Path) -> None:
    put(tmp_path, trusted__ca_der=der(CA), crl__ca_crl=revoke(("ca", CA)), crl__between_crl=revoke(("between", BETWEEN)))
    assert verdict([ISSUED], tmp_path) == []
    assert verdict([FAR, BETWEEN], tmp_path) == [], "the server sends what stands between"
    put(tmp_path, issuers__between_der=der(BETWEEN))
    assert verdict([FAR], tmp_path) == [], "or it lies in the folder"


def test_an_authority_in_between_is_not_trusted_by_itself(tmp_path: Path) -> None:
    put(tmp_path, issuers__between_der=der(BETWEEN))
    with pytest.raises(Refused, match="BadCertificateUntrusted"):
        verdict([FAR], tmp_path)



def signed_by_oid(last: int) -> x509.Certificate:
    """A certificate that says it is signed by 1.2.840.113549.1.1.`last`; today's libraries do not make one with SHA-1 any more."""
    rsa = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"
    return x509.load_der_x509_certificate(der(issue(by=("ca", CA))).replace(rsa + b"\x0b", rsa + bytes([last])))


REFUSED: dict[str, tuple[str, str, list[x509.Certificate]]] = {
    "unknown": ("BadCertificateUntrusted", "is not trusted by .*chejian edge trust", [issue("stranger")]),
    "unknown authority": ("BadCertificateUntrusted", "is not trusted", [issue("x", by=("other-ca", OTHER)), OTHER]),
    "same name as a trusted one": ("BadCertificateUntrusted", "is not trusted", [issue(key_name="forger")]),
    "same name as a trusted authority": ("BadCertificateUntrusted", "is not trusted", [issue("x", by=("forger", CA))]),
    "expired": ("BadCertificateTimeInvalid", "expired on .*; it is .* here; renew", [issue(by=("ca", CA), to=NOW - DAY / 2)]),
    "not valid yet": ("BadCertificateTimeInvalid", "set the clock of this computer", [issue(by=("ca", CA), from_=NOW + DAY)]),
    "revoked": ("BadCertificateRevoked", "was revoked by 'CN=ca'", [issue("revoked", by=("ca", CA))]),
    "wrong host": ("BadCertificateHostNameInvalid", "for 'elsewhere.example', not for '127.0.0.1'", [
        issue(by=("ca", CA), hosts=("elsewhere.example",)),
    ]),
    "no host": ("BadCertificateHostNameInvalid", "for no name at all", [issue(by=("ca", CA), hosts=())]),
    "address as a name": ("BadCertificateHostNameInvalid", "server_name", [issue(by=("ca", CA), hosts=("127.0.0.1.example",))]),
    "wrong URI": ("BadCertificateUriInvalid", "application 'urn:test:other'.*calls itself 'urn:test:server'", [
        issue(by=("ca", CA), uri="urn:test:other"),
    ]),
    "no URI": ("BadCertificateUriInvalid", "no name at all", [issue(by=("ca", CA), uri=None)]),
    "short key": ("BadSecurityChecksFailed", "RSA of 1024 bits", [issue("short", by=("ca", CA), bits=1024)]),
    "SHA-1": ("BadSecurityChecksFailed", "signed with sha1", [signed_by_oid(5)]),
    "unknown algorithm": ("BadCertificateInvalid", "cannot be read", [signed_by_oid(2)]),
    "for clients": ("BadCertificateUseNotAllowed", "not one for servers", [issue(by=("ca", CA), purpose=ExtendedKeyUsageOID.CLIENT_AUTH)]),
    "may not sign": ("BadCertificateUseNotAllowed", "KeyUsage", [issue(by=("ca", CA), signs=False)]),
    "issued by a machine": ("BadCertificateIssuerUseNotAllowed", "is no authority", [issue("x", by=("machine", MACHINE)), MACHINE]),
    "broken signature": ("BadCertificateInvalid", "does not bear its own signature", [issue("machine", signed_with="forger")]),
    "authority expired": (
        "BadCertificateTimeInvalid", "the authority 'CN=old'",
        [issue("x", by=("old", old := issue("old", by=("ca", CA), is_authority=True, to=NOW - DAY / 2))), old],
    ),
    "too deep": (
        "BadCertificateIssuerUseNotAllowed", "is no authority",
        [issue("x", by=("between", BETWEEN)), BETWEEN, issue("ca", is_authority=True, path_length=0)],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_why(tmp_path: Path, case: str) -> None:
    code, said, chain = REFUSED[case]
    trusted = der(chain[-1]) if case == "too deep" else der(CA)
    put(tmp_path, trusted__ca_der=trusted, trusted__own_der=der(GOOD), trusted__machine_der=der(MACHINE))
    put(tmp_path, crl__ca_crl=revoke(("ca", CA), *(chain if case == "revoked" else [])))
    with pytest.raises(Refused, match=said) as caught:
        verdict(chain, tmp_path)
    assert caught.value.code == code


def test_a_machine_that_is_marked_as_an_authority_is_trusted_only_for_itself(tmp_path: Path) -> None:
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:test:m"), x509.DNSName("m.example")])
    machine = issue("machine", uri="urn:test:m", is_authority=True)
    builder = x509.CertificateBuilder(
        machine.subject, machine.subject, machine.public_key(), 1, NOW - DAY, NOW + DAY,
    ).add_extension(names, critical=False).add_extension(x509.BasicConstraints(True, 0), critical=True)
    marked = builder.sign(key("machine"), hashes.SHA256())
    put(tmp_path, trusted__machine_der=der(marked))
    with pytest.raises(Refused, match="BadCertificateIssuerUseNotAllowed"):
        verdict([issue("x", by=("machine", marked)), marked], tmp_path)


@pytest.mark.parametrize(("make", "said"), [
    (lambda: {"trusted__ca_der": der(CA)}, "no revocation list of 'CN=ca'"),
    (lambda: {"trusted__ca_der": der(CA), "crl__ca_crl": revoke(("ca", CA), next_=NOW - DAY)}, "out of date"),
    (lambda: {"trusted__ca_der": der(CA), "crl__ca_crl": revoke(("ca", CA), ISSUED, key_name="forger")}, "no revocation list"),
    (lambda: {"trusted__one_der": der(ISSUED)}, "who issued 'CN=issued' is not in"),
])
def test_what_cannot_be_looked_up_is_a_warning(tmp_path: Path, make: Callable[[], dict[str, bytes]], said: str) -> None:
    put(tmp_path, **make())
    (warning,) = verdict([ISSUED], tmp_path)
    assert said in warning


def test_what_expires_soon_is_a_warning(tmp_path: Path) -> None:
    soon = issue(to=NOW + 10 * DAY)
    put(tmp_path, trusted__machine_der=der(soon))
    (warning,) = verdict([soon], tmp_path)
    assert "expires on" in warning


@pytest.mark.parametrize(("host", "names"), [
    ("VMC-850.plant.example", ("vmc-850.plant.example",)), ("::1", ("0:0:0:0:0:0:0:1",)), ("10.0.0.7", ("a.example", "10.0.0.7")),
])
def test_names_are_compared_as_names(tmp_path: Path, host: str, names: tuple[str, ...]) -> None:
    one = issue(hosts=names)
    put(tmp_path, trusted__machine_der=der(one))
    assert verdict([one], tmp_path, host=host) == []


@pytest.mark.parametrize("file", ["trusted__x_der", "issuers__x_pem", "crl__x_crl"])
def test_a_file_that_cannot_be_read_is_never_passed_over(tmp_path: Path, file: str) -> None:
    put(tmp_path, **{file: b"-----BEGIN nothing"})
    with pytest.raises(ConfigError, match=r"x\.(der|pem|crl): is not a"):
        load_trust(tmp_path)


def test_a_refused_certificate_is_kept_looked_at_and_accepted(tmp_path: Path) -> None:
    before = state_of(tmp_path)
    for number in range(25):
        keep_rejected(tmp_path, issue(f"n{number}", key_name="server"))
    keep_rejected(tmp_path, GOOD)
    assert len(rejected(tmp_path)) == 20 and GOOD in rejected(tmp_path), "a flood of certificates does not fill the disk"
    assert state_of(tmp_path) == before, "what is refused changes nothing about what is trusted"
    for short in ("", fingerprint(GOOD)[:7], "0" * 64):
        with pytest.raises(ConfigError, match="eight digits at least"):
            accept(tmp_path, short)
    text = fingerprint(GOOD).upper()
    accept(tmp_path, ":".join(text[at : at + 2] for at in range(0, 12, 2)))
    assert state_of(tmp_path) != before
    assert verdict([GOOD], tmp_path) == []


def test_our_own_certificate_is_made_renewed_and_asked_for(tmp_path: Path) -> None:
    clock = [int(NOW.timestamp()) * 1_000_000]
    with pytest.raises(ConfigError, match="chejian edge certificate"):
        load_own(tmp_path)
    first = make_own(tmp_path, "edge-1", "box.example", lambda: clock[0])
    assert first.uri == "urn:chejian:edge:edge-1" and first.warnings(NOW) == []
    assert (tmp_path / "own" / "key.pem").stat().st_mode & 0o077 == 0
    assert "expires on" in first.warnings(NOW + 720 * DAY)[0] and "expired on" in first.warnings(NOW + 800 * DAY)[0]
    before = state_of(tmp_path)
    second = make_own(tmp_path, "edge-1", "box.example", lambda: clock[0])
    assert second.certificate != first.certificate and state_of(tmp_path) != before
    assert load_own(tmp_path).certificate == second.certificate
    assert len(list(tmp_path.glob("certificate-until-*.der"))) == 1
    request = x509.load_pem_x509_csr(request_of(tmp_path, "edge-1", "box.example").read_bytes())
    assert request.is_signature_valid and request.public_key() == second.certificate.public_key()
    (tmp_path / "own" / "certificate.der").write_bytes(der(GOOD))
    with pytest.raises(ConfigError, match="belong to key"):
        load_own(tmp_path)


# Some cuts give a certificate that the library still reads and warns of, such as one with a negative serial number.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.integers(0, 900).flatmap(
    lambda cut: st.binary(min_size=1, max_size=4).map(lambda junk: der(GOOD)[:cut] + junk + der(GOOD)[cut + len(junk) :]))))
def test_any_bytes_are_a_chain_or_a_value_error(data: bytes) -> None:
    try:
        chain = split_chain(data)
    except ValueError:
        return
    assert b"".join(der(one) for one in chain) == data


def test_a_chain_is_split_where_its_certificates_end() -> None:
    assert split_chain(der(GOOD) + der(CA)) == [GOOD, CA]
