"""The gap rule."""

from hypothesis import given
from hypothesis import strategies as st

from edge.resume import RESTART_REASON, Resume
from edge.source import Loss
from workshop.batch import Gap
from workshop.block import Block, block_of
from workshop.reading import Reading

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
    assert admitted(resume, 5_000) == ([5_000], [])


def test_declaring_at_the_end() -> None:
    resume = begun(load=101, parts=201)
    assert resume.declare([A, B, "cnc-09/load"], 201, "link down") == [Gap((A,), 101, 201, "link down")]
    assert admitted(resume, 150, 201) == ([201], []), "what is declared is not stored afterwards"


def test_edge_made_signals_are_not_subject_to_gaps() -> None:
    resume = begun()
    admitted(resume, 100, signal=LINK)
    resume.lose(Loss((LINK,), "x"))
    assert admitted(resume, 50, signal=LINK) == ([50], [])


@given(st.lists(st.sampled_from(["row", "drop", "lose", "restart", "repeat"]), max_size=60))
def test_stored_and_declared_are_everything_and_disjoint(steps: list[str]) -> None:
    """Readings come one per 10 µs; some never arrive, and then a loss or a restart is noticed before the next that does."""
    resume, time_us, emitted, stored, gaps, unsure = begun(), 1_000, [], [], [], False
    for step in steps:
        time_us += 10
        if step == "restart":
            resume = Resume({A: max([*(t + 1 for t in stored), *(gap.to_us for gap in gaps)])} if stored else {}, [A, B])
            if unsure:
                resume.lose(Loss((A,), "x"))
        elif step == "lose":
            resume.lose(Loss((A,), "x"))
        elif step == "drop" and stored:
            emitted.append(time_us)
            unsure = True
            resume.lose(Loss((A,), "x"))
        elif step in ("row", "repeat"):
            times = [time_us] if step == "row" else []
            emitted += times
            again = stored[-1:] if step == "repeat" and unsure is False and A in resume.unresolved() else []
            rows, ended = admitted(resume, *again, *times)
            stored += rows
            gaps += ended
            unsure = unsure and not rows
    closing = resume.declare(resume.unresolved(), time_us + 1, "end")
    missing = [t for t in emitted if t not in stored and not any(gap.from_us <= t < gap.to_us for gap in [*gaps, *closing])]
    assert not missing
    assert not [t for t in stored if any(gap.from_us <= t < gap.to_us for gap in [*gaps, *closing])]
    assert len(set(stored)) == len(stored)
