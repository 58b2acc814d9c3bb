"""Claims: what is accepted, and what the messages say."""

from pathlib import Path

import pytest

from evidence.claim import Claim, check_references, decode_claims, encode_claims, parse_claims
from evidence.packs import load_packs
from workshop.errors import ConfigError

HEAD = '[[claims]]\nid = "a"\ntitle_zh = "甲"\ntitle_en = "A"\n'


def test_the_demo_claims_are_well_formed_and_round_trip() -> None:
    claims = parse_claims((Path(__file__).parents[3] / "config/demo/claims.toml").read_bytes(), "claims.toml")
    assert [claim.id for claim in claims] == ["changsha-effect", "yancheng-targets", "networking", "defect-rate"]
    assert decode_claims(encode_claims(claims), "claims.json") == claims
    check_references(claims, load_packs(), ["networking_rate_all", "defect_rate"], "claims.toml")


@pytest.mark.parametrize(("text", "says"), [
    ("", "no claims"),
    ("[[claims", "claims.toml"),
    (HEAD, "pack and clause"),
    (HEAD + 'pack = "p"\n', "pack and clause"),
    (HEAD + 'indicator = "x"\n', "at_least or at_most"),
    (HEAD + 'indicator = "x"\nat_least = "1"\nat_most = "2"\n', "at_least or at_most"),
    (HEAD + 'pack = "p"\nclause = "c"\nat_least = "1"\n', "remove indicator"),
    (HEAD + 'indicator = "x"\nat_least = "most"\n', "not a decimal"),
    (HEAD + 'indicator = "x"\nat_least = "NaN"\n', "not a decimal number"),
    (HEAD + 'indicator = "x"\nat_least = 0.95\n', "at_least"),
    (HEAD + 'indicator = "x"\nat_least = "1"\nthreshold = 2\n', "threshold"),
    (HEAD + 'indicator = "x"\nat_least = "1"\nmin_count = { n = 0 }\n', "min_count"),
    ((HEAD + 'indicator = "x"\nat_least = "1"\n') * 2, "twice"),
])
def test_wrong_claims_are_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_claims(text, "claims.toml")


@pytest.mark.parametrize(("claim", "says"), [
    (Claim("a", "", "", indicator="speed", at_least="1"), "there are defect_rate"),
    (Claim("a", "", "", pack="paris", clause="x"), "no pack 'paris'; there are changsha-2015, yancheng-2022"),
    (Claim("a", "", "", pack="changsha-2015", clause="CS-T9"), "there are CS-T1"),
])
def test_references_must_exist(claim: Claim, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_references([claim], load_packs(), ["defect_rate"], "claims.toml")
