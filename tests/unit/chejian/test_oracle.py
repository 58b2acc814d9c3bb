"""The demo's account: each way in which it can be wrong is found."""

from chejian.demo.oracle import balance
from workshop.batch import Gap
from workshop.block import block_of
from workshop.reading import Reading, Value

SIGNAL = "cnc-01/spindle_load"


def account(emitted: list[tuple[int, Value]], stored: list[tuple[int, Value]], gaps: list[tuple[int, int]]):  # type: ignore[no-untyped-def]
    return balance(
        [(SIGNAL, time_us, value) for time_us, value in emitted],
        [block_of([Reading(SIGNAL, time_us, time_us, value) for time_us, value in stored])],
        [Gap((SIGNAL,), start, end, "test") for start, end in gaps],
        {SIGNAL},
    )


def test_stored_and_gaps_make_up_the_emitted() -> None:
    result = account([(1, 1.0), (2, 2.0), (3, 3.0)], [(1, 1.0), (3, 3.0)], [(2, 3)])
    assert result.holds
    assert (result.emitted, result.stored, result.in_gaps) == (3, 2, 1)


def test_a_reading_that_vanished_is_lost() -> None:
    result = account([(1, 1.0), (2, 2.0)], [(1, 1.0)], [])
    assert not result.holds
    assert result.lost == [(SIGNAL, 2)]


def test_the_end_of_a_gap_is_outside() -> None:
    assert account([(1, 1.0), (2, 2.0)], [(1, 1.0)], [(1, 2)]).lost == [(SIGNAL, 2)]


def test_stored_and_declared_lost_is_a_contradiction() -> None:
    assert account([(1, 1.0)], [(1, 1.0)], [(0, 5)]).both == [(SIGNAL, 1)]


def test_another_type_or_sign_of_the_same_number_is_altered() -> None:
    assert account([(1, 1)], [(1, 1.0)], []).altered == [(SIGNAL, 1)]
    assert account([(1, 0.0)], [(1, -0.0)], []).altered == [(SIGNAL, 1)]


def test_doubles_and_inventions_are_found() -> None:
    assert account([(1, 1.0)], [(1, 1.0), (1, 1.0)], []).doubled == [(SIGNAL, 1)]
    assert account([], [(1, 1.0)], []).unknown == [(SIGNAL, 1)]


def test_signals_that_nobody_offered_are_not_counted() -> None:
    link = block_of([Reading("cnc-01/link_state", 1, 1, 1)])
    assert balance([], [link], [], {SIGNAL}).holds
