"""Generations: how much of an old history a restored log must still show, and what is refused."""

import pytest

from store.control_kinds import Restore
from store.generations import check_restores, reach
from workshop.errors import Rejected


def restored(generation: int, data_size: int, control_size: int) -> Restore:
    return Restore(generation, data_size, "0" * 64, control_size, "0" * 64, (), 0, "disk")


# A log that reached 500, was restored at 300, grew to 900, was restored at 250, and once more at 800.
RESTORES = [restored(2, 300, 30), restored(3, 250, 40), restored(4, 800, 90)]


@pytest.mark.parametrize(("generation", "data", "control"), [(1, 250, 30), (2, 250, 40), (3, 800, 90), (4, None, None)])
def test_of_each_generation_the_least_later_restore_is_left(generation: int, data: int | None, control: int | None) -> None:
    assert reach("data", generation, RESTORES) == data and reach("control", generation, RESTORES) == control


def test_a_generation_that_no_restore_has_opened_is_refused() -> None:
    for generation in (0, 5):
        with pytest.raises(Rejected, match="a restore is hidden"):
            reach("data", generation, RESTORES)
    with pytest.raises(Rejected, match="a restore is hidden"):
        reach("control", 2, [])
    assert reach("data", 1, []) is None


def test_restores_follow_from_each_other() -> None:
    check_restores([(30, RESTORES[0]), (40, RESTORES[1])])
    with pytest.raises(Rejected, match="expected 2"):
        check_restores([(40, RESTORES[1])])
    with pytest.raises(Rejected, match="entries stand between"):
        check_restores([(31, RESTORES[0])])
