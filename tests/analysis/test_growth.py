"""A count grows when its floor rises above every floor before it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.analysis.growth import growing, growing_rows, rate_per_hour
from server.analysis.instants import DAY, HOUR, MINUTE

Ints = NDArray[np.int64]


def every_minutes(step: int, hours: float) -> Ints:
    return np.arange(0, int(hours * HOUR) + 1, step * MINUTE, dtype=np.int64)


def counts_of(times: Ints, *, per_hour: int, base: int = 100) -> Ints:
    return base + times * per_hour // HOUR


def test_a_steady_leak_grows() -> None:
    times = every_minutes(5, 24)
    assert growing(times, counts_of(times, per_hour=2))


def test_a_flat_count_does_not() -> None:
    times = every_minutes(5, 24)
    assert not growing(times, counts_of(times, per_hour=0))


def test_a_falling_count_does_not() -> None:
    times = every_minutes(5, 24)
    assert not growing(times, counts_of(times, per_hour=-2))


def test_no_reading_is_no_growth() -> None:
    empty = np.array([], dtype=np.int64)
    assert not growing(empty, empty)
    assert not growing(np.array([5]), np.array([7]))
    assert rate_per_hour(empty, empty) is None


def test_less_than_half_an_hour_is_no_growth() -> None:
    times = every_minutes(1, 0.5)
    assert growing(times, counts_of(times, per_hour=600))
    assert not growing(times[:-1], counts_of(times[:-1], per_hour=600))


def test_a_spike_in_the_newest_quarter_is_no_growth() -> None:
    times = every_minutes(5, 24)
    counts = np.full(len(times), 100)
    counts[-3:] = 5000
    assert not growing(times, counts)


def test_a_sawtooth_that_returns_to_its_base_is_no_growth() -> None:
    times = every_minutes(5, 24)
    assert not growing(times, 100 + np.arange(len(times)) % 30)


def test_a_step_before_the_newest_quarter_is_growth_for_as_long_as_it_is_new() -> None:
    times = every_minutes(5, 48)
    assert growing(times[: 24 * 12 + 1], np.where(times < 17 * HOUR, 3, 90)[: 24 * 12 + 1])
    assert not growing(times, np.where(times < 17 * HOUR, 3, 90))


def test_counts_not_known_are_left_out() -> None:
    times = every_minutes(5, 24)
    counts = counts_of(times, per_hour=2)
    counts[::3] = -1
    counts[-20:] = -1
    assert growing(times, counts)


def test_the_rise_can_be_asked_to_be_larger() -> None:
    times = every_minutes(5, 24)
    counts = counts_of(times, per_hour=1)
    assert growing(times, counts, least_rise=4)
    assert not growing(times, counts, least_rise=6)


def test_a_daily_rhythm_is_growth_within_a_day_alone_and_not_against_the_days_before() -> None:
    times = every_minutes(5, 7 * 24 + 17)
    counts = 500 + (200 * np.sin(2 * np.pi * (times / DAY - 0.25))).astype(np.int64)
    assert growing(times, counts)
    assert not growing(times, counts, history=True)


def test_a_leak_under_a_daily_rhythm_grows_against_the_days_before() -> None:
    times = every_minutes(5, 7 * 24 + 17)
    rhythm = 500 + (200 * np.sin(2 * np.pi * (times / DAY - 0.25))).astype(np.int64)
    assert growing(times, rhythm + times * 10 // HOUR, history=True)


def test_what_is_older_than_the_window_does_not_matter_without_history() -> None:
    times = every_minutes(5, 48)
    counts = np.where(times < 20 * HOUR, 9000, counts_of(times, per_hour=3))
    assert growing(times, counts)
    assert not growing(times, counts, history=True)


READINGS = st.integers(0, 60).flatmap(
    lambda size: st.tuples(
        st.lists(st.integers(1, 5 * HOUR), min_size=size, max_size=size),
        st.lists(st.lists(st.integers(-2, 40), min_size=size, max_size=size), max_size=5),
    )
)


@settings(max_examples=300)
@given(READINGS, st.booleans(), st.integers(0, 3))
def test_rows_are_judged_as_each_alone(
    readings: tuple[list[int], list[list[int]]], history: bool, least_rise: int
) -> None:
    times = np.cumsum(np.array(readings[0], dtype=np.int64))
    matrix = np.array(readings[1], dtype=np.int64).reshape(len(readings[1]), len(times))
    options: dict[str, Any] = {"history": history, "least_rise": least_rise}
    alone = [growing(times, row, **options) for row in matrix]
    assert growing_rows(times, matrix, **options).tolist() == alone


@given(st.lists(st.integers(1, HOUR), min_size=2, max_size=80), st.integers(0, 10**15))
def test_growth_does_not_depend_on_when_it_was(steps: list[int], shift: int) -> None:
    times = np.cumsum(np.array(steps, dtype=np.int64))
    counts = (times // MINUTE) % 977
    assert growing(times, counts) == growing(times + shift, counts)


@pytest.mark.parametrize("per_hour", [-30, 1, 7, 60, 350, 100_000])
@pytest.mark.parametrize("hours", [0.5, 3, 24])
def test_a_steady_leak_has_its_own_rate(per_hour: int, hours: float) -> None:
    times = every_minutes(1, hours)
    rate = rate_per_hour(times, counts_of(times, per_hour=per_hour, base=10**6))
    assert rate == pytest.approx(per_hour, rel=0.005, abs=2 / hours)


def test_a_leak_that_is_whole_at_each_reading_has_its_rate_exactly() -> None:
    times = every_minutes(5, 24)
    assert rate_per_hour(times, counts_of(times, per_hour=12)) == 12.0


def test_spikes_do_not_move_the_rate() -> None:
    times = every_minutes(5, 24)
    counts = counts_of(times, per_hour=12)
    counts[7::11] += 4000
    assert rate_per_hour(times, counts) == pytest.approx(12, rel=0.02)


def test_growth_in_one_job_a_night_has_its_average_rate() -> None:
    times = every_minutes(5, 24)
    counts = np.interp(times, [0, 10 * HOUR, 12 * HOUR, 24 * HOUR], [100, 100, 340, 340]).astype(np.int64)
    assert rate_per_hour(times, counts) == pytest.approx(240 / 18, rel=0.02)


def test_too_short_a_span_has_no_rate() -> None:
    times = every_minutes(1, 0.5)
    counts = counts_of(times, per_hour=600)
    assert rate_per_hour(times[:-1], counts[:-1]) is None
    assert rate_per_hour(times, np.where(times > 10 * MINUTE, -1, counts)) is None
