"""Programs that are restarted again and again: those that climb in each of their lives, and those that only warm up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.analysis.recycled import recycled
from tests.analysis.lives import DAYS, HOURS, Counts, noisy

EACH_DAY = tuple(range(20, DAYS * 24, 24))
AT_RANDOM = tuple(np.cumsum(np.random.default_rng(3).integers(9, 40, 30))[:12].tolist())
OF_DAY = np.asarray(HOURS % 24, float)


def age(cuts: tuple[int, ...]) -> Counts:
    return np.array([hour - max([cut for cut in cuts if cut <= hour], default=-50) for hour in HOURS], float)


def births(cuts: tuple[int, ...]) -> Counts:
    return np.isin(HOURS, cuts).astype(np.float64)


def first(life: Counts, cuts: tuple[int, ...]) -> int | None:
    told = np.flatnonzero(recycled(life[np.newaxis, :], births(cuts)[np.newaxis, :])[0])
    return int(told[0]) if len(told) else None


@pytest.mark.parametrize("cuts", [EACH_DAY, AT_RANDOM])
def test_a_climb_in_each_life_is_told_by_the_fourth(cuts: tuple[int, ...]) -> None:
    told = first(noisy(300, 0.7) + 4 * age(cuts), cuts)
    assert told is not None
    assert cuts[1] < told < cuts[4]


HEALTHY = {
    "warms up": noisy(300, 2) + 200 * -np.expm1(-age(EACH_DAY) / 2),
    "warms up slowly": noisy(300, 2) + 200 * -np.expm1(-age(EACH_DAY) / 10),
    "stays": noisy(300, 2),
    "follows the day": noisy(300, 2) + 100 * np.sin(OF_DAY / 24 * 2 * np.pi),
    "is noisy": noisy(300, 40),
    "lives unlike lives": noisy(300, 2) + age(EACH_DAY) * np.repeat(np.tile([1.0, 12.0], DAYS), 24)[4 : 4 + len(HOURS)],
}


@pytest.mark.parametrize("how", list(HEALTHY))
def test_what_only_warms_up_or_wanders_is_not_told(how: str) -> None:
    assert first(HEALTHY[how], EACH_DAY) is None


def test_a_working_day_is_no_climb() -> None:
    """It is there from morning to evening alone."""
    cuts = tuple(range(8, DAYS * 24, 24))
    life = np.where((OF_DAY >= 8) & (OF_DAY < 18), 100 + 30 * age(cuts), np.nan)
    assert first(life, cuts) is None


@given(hour=st.integers(30, len(HOURS) - 1), every=st.integers(8, 60), rate=st.floats(0, 20))
def test_what_is_said_of_an_hour_depends_on_no_later_one(hour: int, every: int, rate: float) -> None:
    cuts = tuple(range(5, len(HOURS), every))
    held, born = (noisy(300, 2) + rate * age(cuts))[np.newaxis, :], births(cuts)[np.newaxis, :]
    np.testing.assert_array_equal(
        recycled(held[:, : hour + 1], born[:, : hour + 1]), recycled(held, born)[:, : hour + 1]
    )
