"""Checkpoints and signed notes: the formats byte for byte, and a parser that refuses everything else in words."""

import base64
import hashlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.log import Checkpoint, checkpoint_text, open_note, parse_checkpoint, sign_note
from store.note import cosign, open_cosignature
from store.signing import SigningKey, decode_key, verify_raw
from workshop.errors import Rejected

KEY, OTHER = SigningKey.create(), SigningKey.create()
NAME = "chejian.local/demo-0011aabb/data"
ROOT = hashlib.sha256(b"root").digest()
TEXT = checkpoint_text(NAME, 42, ROOT)
NOTE = sign_note(TEXT, NAME, KEY)


def test_the_note_is_the_c2sp_format() -> None:
    text, line, end = NOTE.rpartition("\n\n")[0] + "\n", NOTE.split("\n")[4], NOTE[-1]
    assert text == f"{NAME}\n42\n{base64.b64encode(ROOT).decode()}\n" == TEXT
    dash, name, encoded = line.split(" ")
    raw = base64.b64decode(encoded)
    assert (dash, name, end, len(raw)) == ("\u2014", NAME, "\n", 68)
    assert raw[:4] == hashlib.sha256(NAME.encode() + b"\n\x01" + decode_key(KEY.public)).digest()[:4]
    assert verify_raw(KEY.public, text.encode(), raw[4:])


def test_a_note_of_the_go_implementation_opens() -> None:
    # The example of golang.org/x/mod/sumdb/note; its verifier key is "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".
    note = (
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    key = base64.b64encode(base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]).decode()
    assert open_note(note, "PeterNeumann", key).startswith("If you think")


def test_a_signed_note_opens_with_its_key_only() -> None:
    assert parse_checkpoint(open_note(NOTE, NAME, KEY.public)) == Checkpoint(NAME, 42, ROOT)
    for name, key in ((NAME, OTHER.public), ("another", KEY.public)):
        with pytest.raises(Rejected, match="not signed by"):
            open_note(NOTE, name, key)


def test_signatures_of_witnesses_may_stand_beside_ours() -> None:
    witness = sign_note(TEXT, "witness.example", OTHER).rpartition("\n\n")[2]
    for note in (NOTE + witness, TEXT + "\n" + witness + NOTE.rpartition("\n\n")[2]):
        assert open_note(note, NAME, KEY.public) == TEXT
        assert open_note(note, "witness.example", OTHER.public) == TEXT


def test_a_wrong_signature_is_not_overlooked_beside_a_right_one() -> None:
    raw = bytearray(base64.b64decode(NOTE.split("\n")[4].split(" ")[2]))
    raw[20] ^= 1
    with pytest.raises(Rejected, match="wrong"):
        open_note(NOTE + f"— {NAME} {base64.b64encode(bytes(raw)).decode()}\n", NAME, KEY.public)


@pytest.mark.parametrize("note", [
    "", "\n\n", TEXT, TEXT + "\n", NOTE[:-1], NOTE + "\n", NOTE + "more", NOTE + "— a b\n", " " + NOTE, NOTE.replace("42", "43"),
    NOTE.replace("— ", "- "), NOTE.replace("— ", "—  "), NOTE.replace("=\n", "\n"), NOTE.replace("\n", "\r\n"), NOTE + NOTE, "\0" + NOTE,
    "\ud800" + NOTE, NOTE.replace(f"— {NAME} ", f"— {NAME}+1 "), NOTE + "— x AAAA\n", "x" * 2**20 + "\n" + NOTE, NOTE + "— x AAAAAAA=\n" * 101,
])
def test_spoiled_notes_are_refused(note: str) -> None:
    with pytest.raises(Rejected):
        open_note(note, NAME, KEY.public)


@pytest.mark.parametrize("text", [
    "", "a\n1\n", f"{NAME}\n042\n{base64.b64encode(ROOT).decode()}\n", f"{NAME}\n+42\n{base64.b64encode(ROOT).decode()}\n",
    f"{NAME}\n-1\n{base64.b64encode(ROOT).decode()}\n", f"{NAME}\n4２\n{base64.b64encode(ROOT).decode()}\n", f"{NAME}\n42\n{ROOT.hex()}\n",
    f"{NAME}\n42\n{base64.b64encode(ROOT[:31]).decode()}\n", f"{NAME}\n42\n{base64.b64encode(ROOT).decode()[:-2]}b=\n"[:-3] + "\n",
    TEXT + "extension\n", TEXT[:-1], TEXT + "\n", f"\n42\n{base64.b64encode(ROOT).decode()}\n", f"a b\n42\n{base64.b64encode(ROOT).decode()}\n",
    f"{NAME}\n{'9' * 5000}\n{base64.b64encode(ROOT).decode()}\n",
])
def test_spoiled_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(Rejected):
        parse_checkpoint(text)


def test_texts_that_no_note_can_carry_are_refused() -> None:
    for text, name in (("no newline", NAME), ("a\tb\n", NAME), (TEXT, ""), (TEXT, "a b"), (TEXT, "a+b"), ("\ud800\n", NAME), (TEXT, "\ud800")):
        with pytest.raises(Rejected):
            sign_note(text, name, KEY)


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"], min_codepoint=32) | st.just("\n"), max_size=200))
def test_every_text_comes_back(text: str) -> None:
    assert open_note(sign_note(text + "\n", NAME, KEY), NAME, KEY.public) == text + "\n"


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(max_size=100), st.builds(
    lambda at, length, new: NOTE[:at] + new + NOTE[at + length :], st.integers(0, len(NOTE)), st.integers(0, 5), st.text(max_size=4)
)))
def test_a_changed_note_opens_as_the_same_text_or_is_rejected(note: str) -> None:
    try:
        text = open_note(note, NAME, KEY.public)
    except Rejected:
        text = TEXT
    assert text == TEXT
    with suppress(Rejected):
        checkpoint = parse_checkpoint(note)
        assert checkpoint_text(checkpoint.origin, checkpoint.size, checkpoint.root) == note


def test_the_generation_is_an_extension_line() -> None:
    text = checkpoint_text(NAME, 42, ROOT, 2)
    assert text == TEXT + "generation 2\n" and parse_checkpoint(text) == Checkpoint(NAME, 42, ROOT, 2)
    assert parse_checkpoint(open_note(sign_note(text, NAME, KEY), NAME, KEY.public)).generation == 2
    for line in ("generation 1\n", "generation 02\n", "generation 2\ngeneration 2\n", "generation \n", "else\n", "generation 2"):
        with pytest.raises(Rejected, match="checkpoint"):
            parse_checkpoint(TEXT + line)


def test_a_cosignature_is_the_c2sp_format_and_stands_beside_the_gateways() -> None:
    note = cosign(NOTE, "witness.example/w", OTHER, 1_679_315_147)
    assert note.startswith(NOTE) and open_note(note, NAME, KEY.public) == TEXT
    assert open_cosignature(note, "witness.example/w", OTHER.public) == (TEXT, 1_679_315_147)
    dash, name, encoded = note.removeprefix(NOTE).removesuffix("\n").split(" ")
    raw = base64.b64decode(encoded)
    assert (dash, name, len(raw)) == ("\u2014", "witness.example/w", 76)
    assert raw[:4] == hashlib.sha256(b"witness.example/w\n\x04" + decode_key(OTHER.public)).digest()[:4]
    assert int.from_bytes(raw[4:12], "big") == 1_679_315_147
    assert verify_raw(OTHER.public, b"cosignature/v1\ntime 1679315147\n" + TEXT.encode(), raw[12:])


def test_a_wrong_cosignature_is_refused() -> None:
    note = cosign(NOTE, "w", OTHER, 5)
    for name, key in (("w", KEY.public), ("v", OTHER.public), (NAME, KEY.public)):
        with pytest.raises(Rejected, match="not cosigned by"):
            open_cosignature(note, name, key)
    raw = bytearray(base64.b64decode(note.rstrip("\n").rpartition(" ")[2]))
    raw[11] ^= 1  # another time
    with pytest.raises(Rejected, match="is wrong"):
        open_cosignature(note + f"— w {base64.b64encode(raw).decode()}\n", "w", OTHER.public)
    with pytest.raises(Rejected, match="another length"):
        open_cosignature(NOTE + f"— w {base64.b64encode(raw[:-1]).decode()}\n", "w", OTHER.public)
