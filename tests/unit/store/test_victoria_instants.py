"""An instant means the same millisecond to a VictoriaMetrics that cuts fractions and to one that rounds them (vmselect 1.131)."""

from hypothesis import given
from hypothesis import strategies as st

from store.victoria_server import instant


@given(st.integers(0, 4 * 10**12))
def test_cut_or_rounded_it_is_the_same_millisecond(time_ms: int) -> None:
    asked = float(instant(time_ms)) * 1000
    assert (int(asked), round(asked)) == (time_ms, time_ms)
