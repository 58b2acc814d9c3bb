"""A proposed change is applied exactly, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chejian.patches import patched
from edge.discovery.texts import difference
from workshop.errors import ConfigError

LINES = st.lists(st.sampled_from(["a\n", "b\n", "[x]\n", "\n", "-z\n", "+q\n", "@@\n", "\\n\n"]), max_size=30).map("".join)


@given(LINES, LINES, st.booleans())
def test_what_was_compared_is_what_comes_out(before: str, after: str, is_cut: bool) -> None:
    before = before.rstrip("\n") if is_cut else before
    change = difference(before, after, "f")
    if change:
        assert patched(before, change, "f") == after


@given(LINES, LINES, LINES)
def test_another_file_is_refused_or_changed_only_where_it_agrees(before: str, after: str, other: str) -> None:
    change = difference(before, after, "f")
    try:
        out = patched(other, change, "f")
    except ConfigError:
        return
    assert len(out.splitlines()) - len(other.splitlines()) == len(after.splitlines()) - len(before.splitlines())


@pytest.mark.parametrize("change", ["", "nonsense\n", "--- f\n+++ f\n"])
def test_what_is_no_diff(change: str) -> None:
    with pytest.raises(ConfigError, match="not a unified diff"):
        patched("a\n", change, "edge.toml")


def test_a_file_that_has_changed_since() -> None:
    change = difference("a\nb\nc\n", "a\nB\nc\n", "edge.toml")
    with pytest.raises(ConfigError, match=r"edge\.toml: line 2 is not the one of line 5 of the diff; run chejian edge discover again"):
        patched("a\nx\nc\n", change, "edge.toml")
