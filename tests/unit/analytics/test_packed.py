"""Components as columns: what crosses borders merges to the same bits as piece by piece, and what does not pack is refused in words."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.boundary import Episodes
from analytics.indicator import Components, merge_all
from analytics.packed import merge_packed, pack
from analytics.spells import Tally, spells_of, tally_of
from analytics.steps import Steps, cut
from workshop.errors import Rejected
from workshop.window import Window


def piece(start: int, end: int, equipment: str = "cnc-01") -> Components:
    return Components("availability", 2, equipment, 0, start, end, end - start, end - start, {})


ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(1, 2)), max_size=12)


@given(rows=ROWS, cuts=st.lists(st.integers(0, 12), max_size=4), keep=st.integers(1, 9), data=st.data())
def test_packed_spells_and_tallies_merge_to_the_same_bits(
    rows: list[tuple[int, int, int]], cuts: list[int], keep: int, data: st.DataObject,
) -> None:
    """Of crooked cuts: a spell goes on over a border, a border cuts a slot of a tally in two."""
    code = np.repeat([what - 1 for _, _, what in rows], [length for _, length, _ in rows]).astype(np.int64)
    steps = Steps(np.arange(len(code)), code)
    edges = sorted({0, 40, *(min(cut * 3, 40) for cut in cuts)})
    found = []
    for start, end in pairwise(edges):
        inner = [(moment, what) for moment, _, what in rows if start <= moment * 4 < end]
        border = {
            "spells": spells_of(cut([Window(start, end)], [steps]), Window(start, end), keep),
            "tally": tally_of(9, [moment * 4 // 9 for moment, _ in inner], [what for _, what in inner]),
        }
        found += [msgspec.structs.replace(piece(start, end, name), boundary=border) for name in ("cnc-01", "cnc-02")]
    assert merge_packed(pack(data.draw(st.permutations(found)))) == merge_all(found)


def test_what_cannot_be_packed_is_rejected_in_words() -> None:
    with pytest.raises(Rejected, match="no components"):
        pack([])
    with pytest.raises(Rejected, match="with the same boundaries"):
        pack([piece(0, 2), msgspec.structs.replace(piece(2, 3), boundary={"a": Episodes(1, None, 3)})])
    with pytest.raises(Rejected, match="different kinds or lengths"):
        pack([msgspec.structs.replace(piece(0, 2), boundary={"a": border}) for border in (Episodes(1, None, 3), Tally(9, ()))])


def test_components_without_values_pack_too() -> None:
    pieces = [piece(2, 3), piece(0, 2), piece(0, 1, "cnc-02")]
    assert merge_packed(pack(pieces)) == merge_all(pieces)
