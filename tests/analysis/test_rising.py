"""What rises evenly and what only seems to, and that it is told from the four weeks before it alone."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.analysis.rising import RISES, rises
from server.analysis.spans import filled

Floats = NDArray[np.float64]

DAY_H, FOUR_WEEKS_H = 24, 28 * 24
OLD = 1000.0  # hours since a process was born


def told(level: Floats, *, age: Floats | float = OLD) -> list[int]:
    """The hours at which the level of a program that is never restarted is told to rise."""
    series = level[np.newaxis]
    young = np.broadcast_to(age, series.shape)
    return np.flatnonzero(rises(series, young, np.zeros(series.shape))[0]).tolist()


def hours(days: float) -> Floats:
    return np.arange(days * DAY_H)


def noise(count: int, spread: float, seed: int = 3) -> Floats:
    return np.random.default_rng(seed).normal(0, spread, count)


def day(hour: Floats) -> Floats:
    return 100 + 100 * np.sin(hour / DAY_H * 2 * np.pi)


def test_an_even_rise_is_told_within_a_day_where_a_week_before_it_is_known() -> None:
    hour = hours(10)
    first = told(800 + 3.0 * np.maximum(hour - 168, 0) + noise(len(hour), 0.5))[0]
    assert 168 < first <= 168 + DAY_H


def test_an_even_rise_is_told_within_three_days_where_nothing_before_it_is_known() -> None:
    hour = hours(10)
    assert 36 < told(800 + 3.0 * hour + noise(len(hour), 0.5))[0] <= 72


def test_an_even_rise_under_a_daily_rhythm_is_told_by_whole_days() -> None:
    hour = hours(10)
    assert 36 < told(800 + day(hour) + 3.0 * hour + noise(len(hour), 0.5))[0] <= 96


def test_a_few_handles_a_day_on_a_calm_base_are_told_within_five_days() -> None:
    hour = hours(14)
    assert 168 < told(40 + np.floor(np.maximum(hour - 168, 0) / 4))[0] <= 168 + 5 * DAY_H


LIFE: dict[str, Callable[[Floats], Floats]] = {
    "a cache that fills in two days": lambda hour: -900 * np.expm1(-hour / 20),
    "one step": lambda hour: np.where(hour > 150, 400.0, 0.0),
    "steps days apart": lambda hour: 100.0 * (hour // 80),
    "a day's rhythm": day,
    "noise": lambda hour: noise(len(hour), 40),
    "a random walk that comes back": lambda hour: 50 * np.sin(hour / 40) + 30 * np.sin(hour / 17),
    "collections each two days": lambda hour: 20 * (hour % 46),
    "traffic that grows": lambda hour: day(hour) * (1 + hour / 100).clip(0, 3),
}


@pytest.mark.parametrize("how", list(LIFE))
def test_life_does_not_rise_evenly(how: str) -> None:
    hour = hours(14)
    assert told(800 + LIFE[how](hour) + noise(len(hour), 0.5)) == []


def test_a_rise_since_a_birth_is_not_told_before_it_is_two_days_old() -> None:
    hour = hours(4)
    assert told(800 + 3.0 * hour, age=hour)[0] >= 48


def levels(data: st.DataObject, count: int) -> Floats:
    """Counts along straight pieces, with noise, a rhythm and gaps."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    bends = np.sort(rng.integers(0, count, data.draw(st.integers(0, 4))))
    slopes = rng.choice([0.0, 0.0, 0.5, 3.0, 10.0, -1.0], len(bends) + 1)
    level = 500 + np.cumsum(slopes[np.searchsorted(bends, np.arange(count))])
    level += rng.normal(0, data.draw(st.sampled_from([0.0, 0.5, 5.0])), count).round()
    level += data.draw(st.sampled_from([0.0, 0.2])) * day(np.arange(float(count)))
    for _ in range(data.draw(st.integers(0, 2))):
        gap = int(rng.integers(0, count))
        level[gap : gap + int(rng.integers(1, 120))] = np.nan
    return level.round()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_told_depends_on_nothing_that_came_later(data: st.DataObject) -> None:
    series = filled(np.stack([levels(data, 300) for _ in range(4)]))
    young, births = np.full(series.shape, OLD), np.zeros(series.shape)
    whole = rises(series, young, births)
    until = data.draw(st.integers(1, 299))
    early = rises(series[:, :until], young[:, :until], births[:, :until])
    np.testing.assert_array_equal(early, whole[:, :until])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_is_told_depends_on_nothing_older_than_four_weeks(data: st.DataObject) -> None:
    count, dropped = FOUR_WEEKS_H + 200, data.draw(st.integers(1, 150))
    level = np.stack([levels(data, count) for _ in range(4)])
    young, births = np.full(level.shape, OLD), np.zeros(level.shape)
    whole = rises(filled(level), young, births)
    late = rises(filled(level[:, dropped:]), young[:, dropped:], births[:, dropped:])
    np.testing.assert_array_equal(late[:, FOUR_WEEKS_H:], whole[:, dropped + FOUR_WEEKS_H :])


def test_a_longer_rise_is_never_judged_by_more_than_six_days() -> None:
    assert max(rise.seen_h for rise in RISES) <= 144
