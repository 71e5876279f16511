"""What a nightly job leaves behind, told after two or three like nights, and what only looks like it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.analysis.nightly import jumps, nights
from tests.analysis.lives import HOURS, Counts, noisy

ONSET = 5 * 24 + 2
OF_DAY = np.asarray(HOURS % 24, float)
OFFICE = 300.0 * ((OF_DAY > 7) & (OF_DAY < 18))
OLD = np.asarray(500.0 + HOURS, np.float64)[np.newaxis, :]
NIGHTS = np.floor(np.maximum(HOURS - ONSET + 24, 0) / 24)  # of the leak, so far


def first(life: Counts) -> int | None:
    """Hours from the onset until it is told."""
    told = np.flatnonzero(nights(life[np.newaxis, :], OLD)[0] > 0)
    return int(told[0]) - ONSET if len(told) else None


LEAKING = {
    "calm": noisy(800, 1) + NIGHTS * 25,
    "noisy": noisy(800, 6) + NIGHTS * 60,
    "of unlike nights": noisy(300, 1) + np.array([0, 90, 150, 270, 340, 420, 540, 600, 700, 750])[NIGHTS.astype(int)],
    "over hours": noisy(500, 1) + 80 * (NIGHTS - 1 + np.clip(np.mod(HOURS - ONSET, 24) / 4, 0, 1)).clip(0),
}


@pytest.mark.parametrize("how", list(LEAKING))
def test_two_or_three_like_nights_are_told(how: str) -> None:
    after = first(LEAKING[how])
    assert after is not None
    assert 24 <= after <= 54


SINCE = np.maximum(HOURS - ONSET, 0)
HEALTHY = {
    "a clean job": noisy(800, 1) + 300 * (np.mod(HOURS - ONSET, 24) < 4),
    "one step": noisy(800, 1) + 200.0 * (HOURS >= ONSET),
    "two steps at other times of day": noisy(800, 1) + 200.0 * (HOURS >= ONSET) + 210.0 * (HOURS >= ONSET + 33),
    "two steps about a day apart": noisy(800, 1) + 200.0 * (HOURS >= ONSET) + 210.0 * (HOURS >= ONSET + 26),
    "two unlike steps": noisy(800, 1) + 200.0 * (HOURS >= ONSET) + 40.0 * (HOURS >= ONSET + 24),
    "a rhythm": noisy(800, 1) + OFFICE,
    "a cache": noisy(800, 1) + 900 * -np.expm1(-SINCE / 12),
    "a job whose handles are given back by noon": noisy(800, 1) + 300.0 * (np.mod(HOURS - ONSET, 24) < 11),
    "a week's steps that are given back": noisy(800, 1) + 100.0 * (np.mod(HOURS - 2, 168) // 24).clip(0, 4),
    "noise": noisy(500, 60),
}


def test_two_very_like_nights_are_told_in_a_short_history() -> None:
    life, old = LEAKING["calm"][np.newaxis, ONSET - 10 :], OLD[:, ONSET - 10 :]
    told = np.flatnonzero(nights(life, old)[0])
    assert told[0] <= 10 + 24 + 4


@pytest.mark.parametrize("how", [how for how in HEALTHY if not how.startswith("a week")])
def test_life_is_not_told(how: str) -> None:
    assert first(HEALTHY[how]) is None


def test_what_was_as_high_last_week_is_not_told() -> None:
    assert not nights(HEALTHY["a week's steps that are given back"][np.newaxis, 10:], OLD[:, 10:])[0, 170:].any()


def test_a_process_younger_than_the_jumps_is_not_told() -> None:
    young = np.asarray(np.mod(HOURS, 24), float)[np.newaxis, :]
    assert not nights(LEAKING["calm"][np.newaxis, :], young).any()


def test_the_jumps_can_be_named() -> None:
    life = LEAKING["calm"]
    over = nights(life[np.newaxis, :], OLD)[0]
    hour = int(np.flatnonzero(over)[0])
    told = jumps(life, hour, int(over[hour]))
    assert [one.last for one in told] == [ONSET, ONSET + 24]
    assert [one.size for one in told] == pytest.approx([25, 25], abs=5)


@given(hour=st.integers(48, len(HOURS) - 1), how=st.sampled_from(sorted(LEAKING) + sorted(HEALTHY)))
def test_what_is_said_of_an_hour_depends_on_no_later_one(hour: int, how: str) -> None:
    life = {**LEAKING, **HEALTHY}[how][np.newaxis, :]
    whole = nights(life, OLD)
    np.testing.assert_array_equal(nights(life[:, : hour + 1], OLD[:, : hour + 1]), whole[:, : hour + 1])


def test_jumps_before_those_that_told_it_are_named_too() -> None:
    told = jumps(LEAKING["calm"], ONSET + 5 * 24 + 4, 48)
    assert [one.first for one in told] == [ONSET - 1 + 24 * night for night in range(6)]


def test_jumps_are_named_across_a_weekend_without_one() -> None:
    life = noisy(800, 1) + 25 * np.where(NIGHTS < 3, NIGHTS, np.maximum(NIGHTS - 2, 2))
    told = jumps(life, ONSET + 6 * 24 + 4, 48)
    assert [one.first + 1 - ONSET for one in told] == [0, 24, 4 * 24, 5 * 24, 6 * 24]
