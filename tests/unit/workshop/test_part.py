"""Parts: bit-exact both ways, independent of the order of dictionaries, and Rejected when spoiled."""

import struct

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop.batch import MAX_ROWS
from workshop.block import Block, block_of, concat
from workshop.canonical import sha256_hex
from workshop.errors import Rejected
from workshop.part import MAX_BODY, decode_part, encode_part, split_block
from workshop.reading import Quality, Reading

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-10**6, 10**6).map(lambda n: n / 1000),
    st.sampled_from([0.0, -0.0, 5e-324, 2.0**53, 0.1]),
)
VALUES = st.one_of(st.none(), FLOATS, st.integers(-(2**63), 2**63 - 1), TEXT)
TIMES = st.one_of(st.integers(0, 50), st.integers(-(2**62), 2**62))


def reading(names: list[str]) -> st.SearchStrategy[Reading]:
    return st.builds(
        lambda signal, source, received, value, good, status: Reading(
            signal, source, received, value, Quality.BAD if value is None else good, status
        ),
        st.sampled_from(names), TIMES, TIMES, VALUES, st.sampled_from([Quality.GOOD, Quality.UNCERTAIN]), TEXT,
    )


def exact(readings: list[Reading]) -> list[object]:
    return [(r.signal, r.source_time_us, r.received_time_us, type(r.value), repr(r.value), r.quality, r.status) for r in readings]


def canonical(readings: list[Reading]) -> list[Reading]:
    return sorted(readings, key=lambda r: (r.signal, r.source_time_us))  # stable: arrival decides between equals


@settings(deadline=None)
@given(st.lists(reading(["a-1/x", "a-1/y", "a-1/z_2"]), min_size=1, max_size=60))
def test_a_part_gives_back_its_readings_sorted(readings: list[Reading]) -> None:
    entry, data = encode_part("a-1", block_of(readings))
    assert exact(decode_part("a-1", data).readings()) == exact(canonical(readings))
    times = [r.source_time_us for r in readings]
    assert (entry.equipment, entry.rows, entry.from_us, entry.to_us) == ("a-1", len(readings), min(times), max(times))
    assert (entry.sha256, entry.bytes) == (sha256_hex(data), len(data))


@settings(deadline=None, max_examples=50)
@given(st.lists(reading(["a-1/x", "a-1/y"]), min_size=2, max_size=30), st.integers(1, 29))
def test_equal_readings_give_equal_bytes_whatever_the_dictionaries(readings: list[Reading], cut: int) -> None:
    extra = block_of([Reading("a-1/unused", 0, 0, None, Quality.BAD, "unused")])
    longer = concat([extra, block_of(readings[:cut]), block_of(readings[cut:])])
    assert encode_part("a-1", longer.take(np.arange(1, len(longer)))) == encode_part("a-1", block_of(readings))
    entry, data = encode_part("a-1", block_of(readings))
    assert encode_part("a-1", decode_part("a-1", data)) == (entry, data)


@given(st.lists(reading(["a-1/x", "b-2/x", "a-1/y"]), max_size=40))
def test_blocks_split_by_equipment_in_order_of_arrival(readings: list[Reading]) -> None:
    split = split_block(block_of(readings))
    assert list(split) == sorted({r.signal.split("/")[0] for r in readings})
    for equipment, block in split.items():
        assert exact(block.readings()) == exact([r for r in readings if r.signal.startswith(f"{equipment}/")])


@pytest.mark.parametrize("value", [2**53 - 1.0, 2.0**53, 2.0**53 + 2, -0.0, 0.1 + 0.2, 1e-9, 1e-10, 1.7976931348623157e308, 123456.789])
def test_floats_keep_every_bit(value: float) -> None:
    _, data = encode_part("a-1", block_of([Reading("a-1/x", 0, 0, value), Reading("a-1/x", 1, 0, 0.5)]))
    assert decode_part("a-1", data).value_f64.tobytes() == np.array([value, 0.5]).tobytes()


def test_scaled_floats_are_small() -> None:
    lots = np.random.default_rng(1)
    load = np.round(lots.normal(60, 5, 2000), 1).tolist()
    entry, _ = encode_part("a-1", block_of(Reading("a-1/x", i * 100_000, i * 100_000 + 400, value) for i, value in enumerate(load)))
    assert entry.bytes < 2000 * 2.5


def test_what_is_no_part_of_this_equipment_is_rejected() -> None:
    one = Reading("a-1/x", 0, 0, 1)
    for block in (block_of([]), block_of([one, Reading("b-2/x", 0, 0, 1)]), block_of([Reading("a-1/x", 0, 0, 1, status="\ud800")])):
        with pytest.raises(Rejected):
            encode_part("a-1", block)
    block = block_of([one])
    with pytest.raises(Rejected, match="rows"):
        encode_part("a-1", block.take(np.zeros(MAX_ROWS + 1, np.int64)))


def test_a_part_too_large_to_decode_is_not_made() -> None:
    texts = [chr(0x4E00 + i) * 2_000_000 for i in range(12)]
    with pytest.raises(Rejected, match="fewer rows"):
        encode_part("a-1", block_of(Reading("a-1/x", i, 0, text) for i, text in enumerate(texts)))


def sample() -> tuple[Block, bytes]:
    rows = [Reading("a-1/x", i // 2, i, value) for i, value in enumerate([1.5, 2.25, 0.1 + 0.2, -0.0])]
    rows += [Reading("a-1/y", i, i, i * 3) for i in range(4)] + [Reading("a-1/z", 5, 6, "文"), Reading("a-1/z", 7, 8, None, Quality.BAD, "Bad")]
    block = block_of(rows)
    return block, encode_part("a-1", block)[1]


def packed(body: bytes) -> bytes:
    return b"CJP1" + struct.pack("<I", len(body)) + zstandard.ZstdCompressor(level=3, write_content_size=True).compress(body)


@pytest.mark.parametrize("spoil", [
    lambda d: b"", lambda d: d[:-1], lambda d: d + b"\0", lambda d: d + d, lambda d: b"CJP2" + d[4:], lambda d: d[:4] + struct.pack("<I", 3) + d[8:],
    lambda d: d[:4] + struct.pack("<I", MAX_BODY + 1) + d[8:], lambda d: packed(b""), lambda d: packed(b"\xff\xff\xff\xff"),
    lambda d: packed(struct.pack("<I", 2) + b"{}"),
])
def test_spoiled_frames_are_rejected(spoil: object) -> None:
    with pytest.raises(Rejected):
        decode_part("a-1", spoil(sample()[1]))  # type: ignore[operator]


def test_a_bomb_is_rejected_before_it_goes_off() -> None:
    bomb = zstandard.ZstdCompressor(level=3).compress(bytes(2**27))
    for stated in (100, MAX_BODY, 2**27):
        with pytest.raises(Rejected):
            decode_part("a-1", b"CJP1" + struct.pack("<I", stated) + bomb)


@settings(deadline=None, max_examples=400)
@given(st.integers(0, 2**20), st.binary(min_size=1, max_size=3), st.integers(0, 3))
def test_a_changed_body_is_read_or_rejected_and_never_crashes(at: int, new: bytes, removed: int) -> None:
    _, data = sample()
    body = zstandard.ZstdDecompressor().decompress(data[8:])
    at %= len(body)
    try:
        block = decode_part("a-1", packed(body[:at] + new + body[at + removed :]))
    except Rejected:
        return
    # What is read can be written again: it is a real block.
    encode_part("a-1", block)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_rejected(noise: bytes) -> None:
    for data in (noise, b"CJP1" + noise, packed(noise)):
        with pytest.raises(Rejected):
            decode_part("a-1", data)
