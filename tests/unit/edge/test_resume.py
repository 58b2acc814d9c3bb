"""The gap rule."""

import pytest

from edge.known import REMEMBERED
from edge.resume import RESTART_REASON, STEP_REASON, Resume
from edge.source import Loss
from store.journal_tracks import Track
from workshop.batch import Gap
from workshop.block import Block, block_of
from workshop.reading import Reading

SECOND = 1_000_000
START = 1_795_000_000 * SECOND
A, B, LINK = "cnc-01/load", "cnc-01/parts", "cnc-01/link_state"


def block(*times: int, signal: str = A) -> Block:
    return block_of([Reading(signal, time_us, time_us, 1.0) for time_us in times])


def admitted(resume: Resume, *times: int, signal: str = A) -> tuple[list[int], list[Gap]]:
    rows, gaps = resume.admit(block(*times, signal=signal))
    return rows.source_time_us.tolist(), gaps


def begun(**positions: int) -> Resume:
    return Resume({f"cnc-01/{name}": at for name, at in positions.items()}, [A, B])


def test_a_signal_that_was_never_stored_has_no_gap() -> None:
    resume = begun()
    resume.lose(Loss((A,), "connection lost"))
    assert admitted(resume, 100, 90) == ([100, 90], [])


def test_a_loss_becomes_a_gap_at_the_first_new_reading() -> None:
    resume = begun()
    admitted(resume, 100)
    resume.lose(Loss((A,), "connection lost"))
    assert admitted(resume, 500, 600) == ([500, 600], [Gap((A,), 101, 500, "connection lost")])
    assert admitted(resume, 700, 650) == ([700, 650], []), "late rows are kept in normal mode"


def test_the_repeated_last_reading_proves_that_nothing_was_lost() -> None:
    resume = begun()
    admitted(resume, 90, 100)
    resume.lose(Loss((A,), "connection lost"))
    assert admitted(resume, 100) == ([], [])
    assert resume.repeated == 1
    assert admitted(resume, 500) == ([500], [])


def test_an_older_reading_proves_nothing() -> None:
    resume = begun()
    admitted(resume, 90, 100)
    resume.lose(Loss((A,), "connection lost"))
    assert admitted(resume, 90) == ([], [])
    assert admitted(resume, 500) == ([500], [Gap((A,), 101, 500, "connection lost")])


def test_a_reading_just_after_the_last_one_leaves_no_gap() -> None:
    resume = begun(load=101)
    resume.lose(Loss((A,), "x"))
    assert admitted(resume, 101) == ([101], [])


def test_after_a_start_repetitions_are_dropped_without_a_gap() -> None:
    resume = begun(load=101)
    assert admitted(resume, 99, 100, 300, 400) == ([300, 400], [])
    assert admitted(resume, 50) == ([50], []), "the mode has ended"


def test_after_a_start_a_loss_has_the_start_as_its_reason() -> None:
    resume = begun(load=101)
    resume.lose(Loss((A,), "connection lost"))
    assert admitted(resume, 300) == ([300], [Gap((A,), 101, 300, RESTART_REASON)])


def test_signals_with_the_same_range_share_a_gap() -> None:
    resume = begun(load=101, parts=101)
    resume.lose(Loss((A, B), "x"))
    rows, gaps = resume.admit(block_of([Reading(A, 300, 300, 1.0), Reading(B, 300, 300, 1), Reading(LINK, 1, 1, 1)]))
    assert len(rows) == 3 and gaps == [Gap((A, B), 101, 300, RESTART_REASON)]


def test_a_loss_since_a_known_time_is_declared_even_at_first_contact() -> None:
    resume = begun()
    resume.lose(Loss((A,), "first contact", since_us=50))
    assert admitted(resume, 300) == ([300], [Gap((A,), 50, 300, "first contact")])


def test_rows_in_one_block_never_lie_in_the_gap_that_it_ends() -> None:
    resume = begun(load=101)
    resume.lose(Loss((A,), "x"))
    assert admitted(resume, 500, 300, 50) == ([500, 300], [Gap((A,), 101, 300, RESTART_REASON)])


def test_a_clock_that_was_ahead_and_is_put_right_does_not_silence_the_signal() -> None:
    resume = begun(load=10_000_000_000)
    resume.lose(Loss((A,), "x"))
    reason = f"{RESTART_REASON}; {STEP_REASON}"
    tokens = [Gap((A,), 10_000_000_000, 10_000_000_001, reason), Gap((A,), 4_999, 5_000, reason)]
    assert admitted(resume, 5_000) == ([5_000], tokens), "there was a loss, and where it lies cannot be told"
    assert admitted(resume, 6_000) == ([6_000], [])
    resume.lose(Loss((A,), "x"))
    assert admitted(resume, 9_000) == ([9_000], [Gap((A,), 6_001, 9_000, "x")])


def test_declaring_at_the_end() -> None:
    resume = begun(load=101, parts=201)
    assert resume.declare([A, B, "cnc-09/load"], 201, "link down") == [Gap((A,), 101, 201, "link down")]
    assert admitted(resume, 150, 201) == ([201], []), "what is declared is not stored afterwards"


def test_edge_made_signals_are_not_subject_to_gaps() -> None:
    resume = begun()
    admitted(resume, 100, signal=LINK)
    resume.lose(Loss((LINK,), "x"))
    assert admitted(resume, 50, signal=LINK) == ([50], [])


def shifted(resume: Resume, offset_us: int, *received: int) -> tuple[list[int], list[Gap]]:
    """Rows of a device whose clock is ahead by `offset_us`; times as received, as are those that come back."""
    rows, gaps = resume.admit(block_of([Reading(A, at + offset_us, at, 1.0) for at in received]))
    back = [Gap(gap.signals, gap.from_us - offset_us, gap.to_us - offset_us, gap.reason) for gap in gaps]
    return rows.received_time_us.tolist(), back


@pytest.mark.parametrize("ahead_s", [-86_400, -120, -30, 0, 30, 120, 86_400])
def test_a_clock_that_is_wrong_but_even_changes_nothing(ahead_s: int) -> None:
    ahead_us = ahead_s * SECOND
    resume = begun()
    shifted(resume, ahead_us, START)
    resume.lose(Loss((A,), "connection lost"))
    assert shifted(resume, ahead_us, START + 10 * SECOND) == ([START + 10 * SECOND], [Gap((A,), START + 1, START + 10 * SECOND, "connection lost")])


@pytest.mark.parametrize("ahead_s", [-120, 0, 120])
def test_after_a_start_the_last_reading_of_a_wrong_clock_is_a_repetition(ahead_s: int) -> None:
    resume = begun(load=START + ahead_s * SECOND + 1)
    assert shifted(resume, ahead_s * SECOND, START) == ([], [])
    assert resume.repeated == 1


def test_a_clock_that_stepped_back_in_a_loss_leaves_gaps_by_both_clocks() -> None:
    resume = begun()
    admitted(resume, START)
    resume.lose(Loss((A,), "connection lost"))
    rows, gaps = shifted(resume, -120 * SECOND, START + 10 * SECOND)
    assert rows == [START + 10 * SECOND]
    new_us = START - 110 * SECOND
    reason = f"connection lost; {STEP_REASON}"
    assert [(gap.from_us + (-120 * SECOND), gap.to_us + (-120 * SECOND), gap.reason) for gap in gaps] == [
        (START + 1, START + 10 * SECOND, reason), (new_us - 10 * SECOND, new_us, reason),
    ]
    assert not resume.unresolved()


def test_after_a_step_back_a_loss_is_declared_by_the_new_clock() -> None:
    resume = begun()
    admitted(resume, START)
    assert shifted(resume, -120 * SECOND, START + SECOND, START + 2 * SECOND) == ([START + SECOND, START + 2 * SECOND], [])
    resume.lose(Loss((A,), "x"))
    assert shifted(resume, -120 * SECOND, START + 9 * SECOND) == ([START + 9 * SECOND], [Gap((A,), START + 2 * SECOND + 1, START + 9 * SECOND, "x")])


def test_a_late_row_of_a_declared_gap_is_not_stored() -> None:
    resume = begun()
    admitted(resume, 100)
    resume.lose(Loss((A,), "x"))
    admitted(resume, 500)
    assert admitted(resume, 300, 450, 600) == ([600], [])
    assert (resume.late, resume.repeated) == (2, 0)


def test_a_late_row_that_was_never_stored_is_kept_in_a_loss_too() -> None:
    resume = begun()
    admitted(resume, 100, 200)
    resume.lose(Loss((A,), "x"))
    assert admitted(resume, 150, 100) == ([150], []), "150 is new, 100 is not"
    assert resume.unresolved() == [A], "it says nothing of what followed 200"
    assert admitted(resume, 500) == ([500], [Gap((A,), 201, 500, "x")])


def test_a_gap_leaves_out_what_is_stored_in_it() -> None:
    """The clock was ahead for one reading: it lies where the next loss is."""
    resume = begun()
    admitted(resume, START)
    shifted(resume, 60 * SECOND, START + SECOND)
    admitted(resume, START + 2 * SECOND)
    resume.lose(Loss((A,), "x"))
    ahead_us = START + 61 * SECOND
    assert admitted(resume, START + 90 * SECOND) == ([START + 90 * SECOND], [
        Gap((A,), START + 2 * SECOND + 1, ahead_us, "x"), Gap((A,), ahead_us + 1, START + 90 * SECOND, "x"),
    ])


def test_at_the_end_a_clock_that_is_ahead_counts() -> None:
    resume = begun()
    shifted(resume, 120 * SECOND, START)
    (gap,) = resume.declare([A], START + 5 * SECOND, "link down")
    assert gap.from_us == START + 120 * SECOND + 1 and gap.to_us >= START + 125 * SECOND


def test_what_is_undone_has_not_happened() -> None:
    resume = begun(load=101)
    admitted(resume, 300)
    resume.settle()
    resume.lose(Loss((A, B), "x"))
    assert admitted(resume, 500, 600, 300)[1]
    resume.undo()
    assert not resume.unresolved() and resume.repeated == 0 and not resume.tracks()
    assert admitted(resume, 400) == ([400], [])
    assert resume.tracks()[A] == Track(401, 400, 0, 400)


def test_what_is_remembered_is_bounded() -> None:
    resume = begun()
    for at in range(0, 20 * REMEMBERED, 7):
        admitted(resume, START + at)
    known = resume._known[A]
    assert sum(map(len, known.recent)) <= 2 * REMEMBERED + 64
    resume.lose(Loss((A,), "x"))
    assert admitted(resume, START + 7 * (20 * REMEMBERED // 7))[0] == [], "the latest are remembered"
