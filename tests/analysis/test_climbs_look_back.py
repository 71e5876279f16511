"""What the climbing rules say of an hour depends on no later one, for whole floors of lives of all kinds."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.analysis.climbing import climbs
from server.analysis.floors import Floors, floors
from tests.analysis.lives import DAYS, HOURS, frame_of, noisy

CUTS = tuple(range(20, DAYS * 24, 24))
NIGHTS = np.floor(np.maximum(HOURS - 100, 0) / 24)
AGE = np.array([hour - max([cut for cut in CUTS if cut <= hour], default=-50) for hour in HOURS], float)
STAYING = {
    "by night": noisy(800, 1) + NIGHTS * 30,
    "steadily": noisy(500, 2) + np.maximum(HOURS - 90, 0),
    "rhythm": noisy(500, 2) + 200 * np.sin(HOURS / 12 * np.pi).round(),
    "limit": np.minimum(noisy(200, 1) + 300 * np.maximum(HOURS - 100, 0), 4096),
}
RESTARTED = {"each life": noisy(300, 0.7) + 4 * AGE, "warm-up": noisy(300, 1) + 90 * -np.expm1(-AGE / 2)}


def until(known: Floors, hours: int) -> Floors:
    """As if nothing were known of later hours."""
    cut: dict[str, Any] = {
        field.name: value[..., :hours]
        for field in fields(known)
        for value in [getattr(known, field.name)]
        if isinstance(value, np.ndarray) and value.shape[-1] == len(known.hours) and field.name != "limit"
    }
    return replace(known, **cut)


@pytest.fixture(scope="module", params=[False, True])
def known(request: pytest.FixtureRequest) -> Floors:
    return floors(frame_of(RESTARTED, restarts=CUTS) if request.param else frame_of(STAYING, limit=4096), fold=False)


@settings(max_examples=12, deadline=None)
@given(hours=st.integers(30, len(HOURS)))
def test_later_hours_change_nothing(known: Floors, hours: int) -> None:
    whole = climbs(known).over
    assert whole.any()
    np.testing.assert_array_equal(climbs(until(known, hours)).over, whole[:, :hours])


@settings(max_examples=12, deadline=None)
@given(since=st.integers(0, len(HOURS) - 1))
def test_hours_that_are_not_asked_for_change_nothing(known: Floors, since: int) -> None:
    whole, asked = climbs(known), climbs(known, since)
    np.testing.assert_array_equal(asked.over[:, since:], whole.over[:, since:])
    np.testing.assert_array_equal(asked.by[:, since:], np.where(whole.over > 0, whole.by, asked.by)[:, since:])
