"""Random damage: no byte of a bundle can change unnoticed, and no input makes a parser do anything but refuse."""

import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.bag import PROOFS, STATEMENT, TAG_FILES
from evidence.claim import decode_claims
from evidence.proofs import decode_proofs
from evidence.segment import read_segment
from evidence.statement import read_statement
from evidence.trust import encode_trust, parse_trust
from evidence.verify import verify
from evidence.zipped import read_directory
from tests.tamper.conftest import Good
from tests.tamper.workbench import Spoiled
from workshop.errors import ConfigError, Rejected, VerificationError

Change = Callable[[bytes, random.Random], bytes]


def _flip(data: bytes, lots: random.Random) -> bytes:
    at = lots.randrange(len(data))
    return data[:at] + bytes([data[at] ^ lots.randrange(1, 256)]) + data[at + 1 :]


def _drop(data: bytes, lots: random.Random) -> bytes:
    at = lots.randrange(len(data))
    return data[:at] + data[at + lots.randrange(1, 9) :]


def _insert(data: bytes, lots: random.Random) -> bytes:
    at = lots.randrange(len(data) + 1)
    return data[:at] + lots.randbytes(lots.randrange(1, 9)) + data[at:]


CHANGES: tuple[Change, ...] = (_flip, _flip, _drop, _insert)


def mutate(good: Good, folder: Path, number: int, seed: int) -> None:
    """Each mutation spoils the zip, a file of the folder, or a file of the folder with manifests that fit; none may verify."""
    lots = random.Random(seed)
    plain = good.zip.read_bytes()
    for count in range(number):
        change = lots.choice(CHANGES)
        target = folder / f"{count}"
        if count % 3 == 0:
            target = target.with_suffix(".zip")
            target.write_bytes(change(plain, lots))
        else:
            bundle = Spoiled(good.folder, good.plant.key)
            names = sorted(bundle.files) if count % 3 == 1 else sorted(set(bundle.files) - set(TAG_FILES))
            name = lots.choice(names)
            bundle.files[name] = change(bundle.files[name], lots)
            bundle.write(target, fit=count % 3 == 2)
        with pytest.raises(VerificationError):
            verify(target, good.trust)


def test_two_hundred_random_mutations_and_none_verifies(good: Good, tmp_path: Path) -> None:
    mutate(good, tmp_path, 200, seed=1)


@pytest.mark.long
def test_two_thousand_random_mutations_and_none_verifies(good: Good, tmp_path: Path) -> None:
    mutate(good, tmp_path, 2000, seed=2)


def accepts_or_refuses(parse: Callable[[bytes], object], data: bytes) -> None:
    """A parser gives a value, or one of the errors that say so; anything else is a crash."""
    try:
        parse(data)
    except (Rejected, ConfigError):
        return


def _segment(data: bytes) -> object:
    return list(read_segment(BytesIO(data), 0)), list(read_segment(BytesIO(data), 0, parts=False))


PARSERS: dict[str, Callable[[bytes], object]] = {
    "segment": _segment,
    "trust": lambda data: parse_trust(data, "trust.json"),
    "proofs": decode_proofs,
    "statement": read_statement,
    "claims": lambda data: decode_claims(data, "claims.json"),
    "zip": lambda data: read_directory(BytesIO(data)),
}


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_parsers_refuse_any_bytes(name: str, data: bytes) -> None:
    prefix = {"segment": b"CJS1" + bytes(8)}.get(name, b"")
    accepts_or_refuses(PARSERS[name], data)
    accepts_or_refuses(PARSERS[name], prefix + data)


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_parsers_refuse_damaged_files(good: Good, name: str, seed: int) -> None:
    lots = random.Random(seed)
    whole = {
        "segment": (good.folder / "data/control.log").read_bytes(),
        "trust": encode_trust(good.trust),
        "proofs": (good.folder / PROOFS).read_bytes(),
        "statement": (good.folder / STATEMENT).read_bytes(),
        "claims": (good.folder / "data/claims.json").read_bytes(),
        "zip": good.zip.read_bytes(),
    }[name]
    PARSERS[name](whole)
    accepts_or_refuses(PARSERS[name], lots.choice(CHANGES)(whole, lots))


@pytest.mark.parametrize("deep", ["[", '{"a":'])
def test_deep_nesting_is_refused(deep: str) -> None:
    for parse in PARSERS.values():
        accepts_or_refuses(parse, (deep * 100_000).encode())
