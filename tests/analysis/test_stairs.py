"""Climbs by stairs at any times of day, and steps, jobs and caches that look like them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.analysis.stairs import stairs
from tests.analysis.lives import HOURS, Counts, noisy

ONSET = 5 * 24
OLD = np.asarray(500.0 + HOURS, np.float64)[np.newaxis, :]
SINCE = np.maximum(HOURS - ONSET, 0).astype(np.float64)
AT_RANDOM = ONSET + np.cumsum(np.random.default_rng(5).exponential(6, 60))

LEAKING = {
    "by the clock": noisy(300, 0.5) + 40 * np.floor(SINCE / 6),
    "at random": noisy(300, 0.5) + 40.0 * np.searchsorted(AT_RANDOM, HOURS),
}
HEALTHY = {
    "one step": noisy(300, 1) + 200.0 * (HOURS >= ONSET),
    "two steps": noisy(300, 1) + 200.0 * (HOURS >= ONSET) + 150.0 * (HOURS >= ONSET + 20),
    "noise": noisy(300, 30),
    "jobs that give back": noisy(300, 1) + 100.0 * (np.mod(HOURS, 8) < 3),
    "a rhythm": noisy(300, 1) + 200 * np.sin(HOURS / 12 * np.pi),
    "a pool that fills": noisy(300, 0.5) + 20 * np.floor(15 * -np.expm1(-SINCE / 5)),
}


def first(life: Counts) -> int | None:
    told = np.flatnonzero(stairs(life[np.newaxis, :], OLD)[0])
    return int(told[0]) - ONSET if len(told) else None


@pytest.mark.parametrize("how", list(LEAKING))
def test_stairs_are_told_within_a_day_and_a_half(how: str) -> None:
    after = first(LEAKING[how])
    assert after is not None
    assert 10 < after <= 40


@pytest.mark.parametrize("how", list(HEALTHY))
def test_what_is_given_back_or_ends_is_not_told(how: str) -> None:
    assert first(HEALTHY[how]) is None


def test_a_young_process_is_not_told() -> None:
    assert not stairs(LEAKING["by the clock"][np.newaxis, :], np.clip(OLD - 500 - ONSET, 0, 40)).any()


@given(hour=st.integers(48, len(HOURS) - 1), how=st.sampled_from(sorted(LEAKING) + sorted(HEALTHY)))
def test_what_is_said_of_an_hour_depends_on_no_later_one(hour: int, how: str) -> None:
    life = {**LEAKING, **HEALTHY}[how][np.newaxis, :]
    np.testing.assert_array_equal(stairs(life[:, : hour + 1], OLD[:, : hour + 1]), stairs(life, OLD)[:, : hour + 1])
