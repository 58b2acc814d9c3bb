"""Trust files: strict, because everything rests on them."""

import pytest

from evidence.trust import GatewayKey, TrustFile, check_trust, encode_trust, open_checkpoint, parse_trust, pin
from store.log import checkpoint_text, sign_note
from store.signing import SigningKey
from workshop.errors import ConfigError, Rejected

KEY = SigningKey.create()
ORIGIN = "chejian.local/demo-00000000"
NOTE = sign_note(checkpoint_text(f"{ORIGIN}/data", 3, bytes(32)), f"{ORIGIN}/data", KEY)
TRUST = TrustFile(ORIGIN, (GatewayKey(KEY.public),), {"edge-1": (KEY.public,)}, checkpoints=(NOTE,))


def test_it_reads_back() -> None:
    assert parse_trust(encode_trust(TRUST), "trust.json") == TRUST


@pytest.mark.parametrize(("old", "new"), [
    ('"origin":"chejian', '"origin":"other'), ('"gateway":[{', '"gateway":[],"x":[{'),
    pytest.param(KEY.public, KEY.public[:-2], id="a key cut short"),
    ('"edge-1":["', '"edge-1":["A'),
    ('"packs":[]', '"packs":["ABC"]'), ('"packs":[]', '"pack":[]'), ("demo-00000000\\/data", "x"), ("{", "["), ('"origin"', '"Origin"'),
])
def test_a_changed_one_is_refused_or_no_longer_the_same(old: str, new: str) -> None:
    text = encode_trust(TRUST).decode()
    changed = text.replace(old, new, 1)
    if changed == text:
        changed = text.replace("demo-00000000/data", "demo-00000001/data", 1)
    with pytest.raises(ConfigError, match=r"trust\.json"):
        parse_trust(changed, "trust.json")


def test_nothing_empty_is_trusted() -> None:
    for trust in (TrustFile("", TRUST.gateway, {}), TrustFile(ORIGIN, (), {}), TrustFile(ORIGIN, TRUST.gateway, {"edge-1": ()})):
        with pytest.raises(Rejected):
            check_trust(trust)


def test_only_notes_of_this_gateway_and_origin_are_pinned() -> None:
    later = sign_note(checkpoint_text(f"{ORIGIN}/control", 9, bytes(32)), f"{ORIGIN}/control", KEY)
    assert pin(TRUST, [NOTE, later]).checkpoints == (NOTE, later)
    stranger = sign_note(checkpoint_text(f"{ORIGIN}/data", 9, bytes(32)), f"{ORIGIN}/data", SigningKey.create())
    elsewhere = sign_note(checkpoint_text("elsewhere/data", 9, bytes(32)), "elsewhere/data", KEY)
    for note in (stranger, elsewhere, "nonsense"):
        with pytest.raises(Rejected):
            pin(TRUST, [note])


def test_a_note_that_says_another_origin_than_its_signature_is_refused() -> None:
    with pytest.raises(Rejected):
        open_checkpoint(sign_note(checkpoint_text(f"{ORIGIN}/control", 1, bytes(32)), f"{ORIGIN}/data", KEY), f"{ORIGIN}/data", [KEY.public])
    with pytest.raises(Rejected, match="no key"):
        open_checkpoint(NOTE, f"{ORIGIN}/data", [])


def test_keys_are_valid_in_their_time() -> None:
    key = GatewayKey(KEY.public, 10, 20)
    assert [key.valid_at(time_us) for time_us in (9, 10, 19, 20)] == [False, True, True, False]
    assert GatewayKey(KEY.public).valid_at(10**15)
