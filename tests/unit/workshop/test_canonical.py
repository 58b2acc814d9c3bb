"""Canonical JSON: the examples of RFC 8785, and values that have no canonical form."""

from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from workshop.canonical import LARGEST_INTEGER, canonical_json, sha256_hex


class Thing(msgspec.Struct):
    b: int
    a: tuple[str, ...] = ()


def test_the_examples_of_rfc_8785() -> None:
    numbers = [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001]
    value = {"numbers": numbers, "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "literals": [None, True, False]}
    assert canonical_json(value) == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    ).encode()
    # 3.2.3: keys are sorted by UTF-16 code units, not by code points.
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(msgspec.json.decode(canonical_json(keys)).values()) == [2, 4, 6, 7, 1, 5, 3]


def test_defaults_are_filled_in() -> None:
    assert canonical_json(Thing(1)) == b'{"a":[],"b":1}' == canonical_json({"b": 1, "a": []})


@pytest.mark.parametrize("value", [LARGEST_INTEGER + 1, -LARGEST_INTEGER - 1, float("nan"), float("inf"), "\ud800"])
def test_what_has_no_canonical_form_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        canonical_json({"value": value})
    assert canonical_json([LARGEST_INTEGER, -LARGEST_INTEGER]) == b"[9007199254740991,-9007199254740991]"


def test_the_digest_is_lower_case_hexadecimal() -> None:
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


LEAVES = st.none() | st.booleans() | st.integers(min_value=-(2**60), max_value=2**60) | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_the_quick_way_gives_the_librarys_bytes_or_refuses_as_it_does(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except ValueError:
        with pytest.raises(ValueError, match=r"\S"):
            canonical_json(value)
    else:
        assert canonical_json(value) == expected


@given(st.dictionaries(st.text(st.characters(max_codepoint=0x7F)), st.text() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)))
def test_the_quick_way_sorts_and_escapes_alike(value: dict[str, Any]) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)
