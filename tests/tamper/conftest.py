"""One good bundle, made once, and the trust file that belongs to it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from evidence.bundle import export
from evidence.claim import Claim, parse_claims
from evidence.packs import load_packs
from evidence.trust import TrustFile, trust_of
from tests.tamper.workbench import REPOSITORY, WINDOW, Plant


class Good(msgspec.Struct):
    """A plant that has run, its bundle as folder and zip, and trust in it."""

    plant: Plant
    claims: list[Claim]
    folder: Path
    zip: Path
    trust: TrustFile


@pytest.fixture(scope="session")
def demo_claims() -> list[Claim]:
    return parse_claims((REPOSITORY / "config/demo/claims.toml").read_bytes(), "claims.toml")


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory, demo_claims: list[Claim]) -> Iterator[Good]:
    home = tmp_path_factory.mktemp("good")
    plant = Plant(home)
    plant.run_story()
    for out in (home / "bundle", home / "bundle.zip"):
        export(plant.archive, window=WINDOW, claims=demo_claims, packs=load_packs(), out=out)
    yield Good(plant, demo_claims, home / "bundle", home / "bundle.zip", trust_of(plant.archive))
    plant.archive.close()
