"""Headers have one spelling; frames come back as they were sent, or are Rejected."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop.batch import (
    MAX_BYTES,
    MAX_HEADER_BYTES,
    NO_DIGEST,
    ClockState,
    Gap,
    Header,
    PartEntry,
    Provenance,
    SealedBatch,
    decode_header,
    encode_header,
    frame,
    unframe,
)
from workshop.canonical import canonical_json, sha256_hex
from workshop.errors import Rejected

TEXT = st.text(st.characters(codec="utf-8"), max_size=10)
TIMES = st.integers(-(2**53) + 1, 2**53 - 2)
ENTRIES = st.lists(st.builds(
    lambda equipment, rows, start, length, size: PartEntry(equipment, rows, start, min(start + length, 2**53 - 1), "0" * 64, size),
    TEXT, st.integers(1, 1000), TIMES, st.integers(0, 1000), st.integers(1, 1000),
), max_size=5, unique_by=lambda entry: entry.equipment).map(lambda entries: tuple(sorted(entries, key=lambda entry: entry.equipment)))
GAPS = st.lists(st.builds(
    lambda names, start, reason: Gap(tuple(names), start, start + 1, reason), st.lists(TEXT, min_size=1), TIMES, TEXT,
), max_size=4)
HEADERS = st.builds(
    Header, TEXT, st.integers(0, 2**53 - 1), st.integers(1, 2**53 - 1), st.just(NO_DIGEST), st.sampled_from(Provenance), TIMES,
    st.builds(ClockState, TIMES, st.booleans()), ENTRIES, GAPS.map(tuple),
)
HEADER = Header(
    "edge-1", 5, 1, NO_DIGEST, Provenance.SIMULATED, 9, ClockState(1, True), (PartEntry("a-1", 2, 0, 1, "1" * 64, 10),),
    (Gap(("a-1/x",), 0, 1, "cut"),),
)


@given(HEADERS)
def test_headers_come_back_from_their_one_spelling(header: Header) -> None:
    data = encode_header(header)
    assert decode_header(data) == header
    assert encode_header(decode_header(data)) == data


def test_the_header_is_rfc_8785() -> None:
    assert encode_header(HEADER) == (
        b'{"clock":{"offset_us":1,"synchronised":true},"edge":"edge-1","epoch":5,"gaps":[{"from_us":0,"reason":"cut","signals":["a-1/x"],"to_us":1}],'
        b'"parts":[{"bytes":10,"equipment":"a-1","from_us":0,"rows":2,"sha256":"' + b"1" * 64 + b'","to_us":1}],"prev":"' + b"0" * 64
        + b'","provenance":"simulated","sealed_us":9,"seq":1,"v":1}'
    )
    assert HEADER.rows == 2 and SealedBatch(encode_header(HEADER), b"", ()).digest == sha256_hex(encode_header(HEADER))


def changed(**changes: object) -> bytes:
    plain = json.loads(encode_header(HEADER)) | changes
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


PART = json.loads(encode_header(HEADER))["parts"][0]


@pytest.mark.parametrize("data", [
    b"", b"null", b"[]", b"\xff", b"{" * 5000, encode_header(HEADER) + b"\n", encode_header(HEADER).replace(b":", b": "),
    json.dumps(json.loads(encode_header(HEADER))).encode(), changed(v=2), changed(v=0), changed(extra=1), changed(seq=0), changed(seq=-1),
    changed(seq=2**53), changed(seq=10**400), changed(seq=1.5), changed(seq="1"), changed(epoch=-1), changed(provenance="trusted"),
    changed(edge=None), changed(gaps=[{"signals": [], "from_us": 0, "to_us": 1, "reason": ""}]),
    changed(gaps=[{"signals": ["a"], "from_us": 1, "to_us": 1, "reason": ""}]),
    changed(parts=[PART, PART]), changed(parts=[PART | {"equipment": "b"}, PART]), changed(parts=[PART | {"rows": 0}]),
    changed(parts=[PART | {"rows": 65_537}]), changed(parts=[PART | {"bytes": MAX_BYTES + 1}]), changed(parts=[PART | {"bytes": 0}]),
    changed(parts=[PART | {"to_us": -1}]), encode_header(HEADER).replace(b"edge-1", b"\\ud800"),
    encode_header(HEADER).replace(b"edge-1", b"\\u0065dge-1"),
    encode_header(HEADER).replace(b'"v":1', b'"v":1.0'), encode_header(HEADER).replace(b'"v":1}', b'"v":1,"v":1}'), b" " * (MAX_HEADER_BYTES + 1),
])
def test_other_headers_are_rejected(data: bytes) -> None:
    with pytest.raises(Rejected):
        decode_header(data)


def test_the_unspoiled_header_is_read() -> None:
    assert decode_header(changed()) == HEADER


PARTS = st.lists(st.one_of(st.none(), st.binary(min_size=1, max_size=20)), max_size=4).map(tuple)
BATCHES = st.builds(SealedBatch, st.binary(max_size=50), st.binary(min_size=64, max_size=64), PARTS)


@given(st.lists(BATCHES, max_size=4))
def test_frames_one_after_the_other_come_back(batches: list[SealedBatch]) -> None:
    data = b"".join(map(frame, batches))
    offset, found = 0, []
    while offset < len(data):
        batch, offset = unframe(data, offset)
        found.append(batch)
    assert found == batches and offset == len(data)


@given(BATCHES, st.integers(0, 200))
def test_a_frame_cut_short_is_rejected(batch: SealedBatch, cut: int) -> None:
    data = frame(batch)
    with pytest.raises(Rejected):
        unframe(memoryview(data[: cut % len(data)]))


@settings(max_examples=200)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_noise_is_a_frame_or_rejected(noise: bytes, offset: int) -> None:
    try:
        batch, end = unframe(noise, offset)
    except Rejected:
        return
    assert frame(batch) == noise[offset:end]


def test_lengths_beyond_the_limits_are_rejected_before_anything_is_read() -> None:
    with pytest.raises(Rejected, match="header of"):
        unframe(b"\xff" * 100)
    with pytest.raises(Rejected, match="part of"):
        unframe(b"\0\0\0\0" + bytes(64) + b"\0\1" + b"\xff\xff\xff\xff")


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=4, max_size=4),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_the_header_is_written_as_rfc_8785_says(text: str, numbers: list[int], synchronised: bool) -> None:
    parts = (PartEntry(text, numbers[0], numbers[1], numbers[2], text, numbers[3]),)
    gaps = (Gap((text, "a"), numbers[0], numbers[1], text),)
    header = Header(text, numbers[0], numbers[1], text, Provenance.PLANT, numbers[2], ClockState(numbers[3], synchronised), parts, gaps)
    assert encode_header(header) == canonical_json(header)


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**70])
def test_a_number_without_a_canonical_form_is_no_header(number: int) -> None:
    gap = Gap(("a",), 0, number, "")
    for header in (Header("e", number, 1, "", Provenance.PLANT, 1), Header("e", 1, 1, "", Provenance.PLANT, 1, gaps=(gap,))):
        with pytest.raises(ValueError, match="canonical form"):
            encode_header(header)
