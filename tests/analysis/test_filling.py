"""Running into a limit, standing at it and standing near it."""

import numpy as np
import pytest

from server.analysis.filling import NEAR_H, fills, near_limit
from server.analysis.floors import Floats

HOURS = np.arange(200)
LIMIT = 4096.0
RNG = np.random.default_rng(2)


def first(life: Floats, *, limit: float = LIMIT, age: float = 500) -> int | None:
    """The first hour at which something is said."""
    young = np.full((1, len(life)), age)
    said = fills(life[np.newaxis], life[np.newaxis], np.array([limit]), young)[0]
    return int((said > 0).argmax()) if said.any() else None


def climbing(rate: float, since: int = 100) -> Floats:
    return np.asarray(np.minimum(200 + rate * np.maximum(HOURS - since, 0), LIMIT), np.float64)


@pytest.mark.parametrize(("rate", "within"), [(600, 4), (300, 4), (150, 18), (60, 45)])
def test_a_straight_climb_is_told_before_the_limit(rate: float, within: int) -> None:
    hour = first(climbing(rate))
    assert hour is not None
    assert hour <= 100 + within
    assert climbing(rate)[hour] < LIMIT


def test_hours_without_snapshots_within_a_climb_hide_it_for_a_while_alone() -> None:
    life = climbing(150)
    life[104:109] = np.nan
    hour = first(life)
    assert hour is not None
    assert life[hour] < LIMIT


def test_what_stands_at_its_limit_from_the_first_hour_on_is_told() -> None:
    assert first(np.full(40, LIMIT)) == 5
    assert first(np.full(40, 0.99 * LIMIT)) == 5


HEALTHY = {
    "near the limit": np.full(len(HOURS), 0.9 * LIMIT),
    "noise near the limit": 0.9 * LIMIT + RNG.normal(0, 30, len(HOURS)),
    "a cache that fills": 200 + 3000 * -np.expm1(-np.maximum(HOURS - 100, 0) / 10),
    "a step": 200 + 3000.0 * (HOURS > 100),
    "days": 1500 + 1300 * np.sin(HOURS / 24 * 2 * np.pi),
    "collections": 300 + 130.0 * (HOURS % 20),
    "a limit reached for an hour": np.where(HOURS == 100, LIMIT, 300.0),
}


@pytest.mark.parametrize("how", list(HEALTHY))
def test_life_below_the_limit_is_none(how: str) -> None:
    assert first(HEALTHY[how]) is None


def test_without_a_limit_nothing_runs_into_one() -> None:
    assert first(climbing(600), limit=np.inf) is None


def test_a_young_process_is_left_to_warm_up() -> None:
    assert first(climbing(600)[:108], age=3) is None


def test_what_is_said_at_an_hour_does_not_depend_on_later_ones() -> None:
    lives = np.stack([climbing(300), climbing(60), HEALTHY["days"], np.full(len(HOURS), LIMIT)])
    young = np.full(lives.shape, 500.0)
    limit = np.full(len(lives), LIMIT)
    whole = fills(lives, lives, limit, young)
    for hours in (60, 110, 140):
        part = fills(lives[:, :hours], lives[:, :hours], limit, young[:, :hours])
        assert (part == whole[:, :hours]).all()


def test_standing_near_the_limit_is_told_by_the_least_and_since_when() -> None:
    life = np.where(HOURS < 150, 1000.0, 0.9 * LIMIT)
    life[160] = 0.85 * LIMIT
    near = near_limit(life, LIMIT)
    assert near is not None
    assert near.hours == 50
    assert near.share == pytest.approx(0.85)


def test_a_moment_near_the_limit_is_not_told() -> None:
    life = np.full(len(HOURS), 1000.0)
    life[-NEAR_H + 1 :] = LIMIT
    assert near_limit(life, LIMIT) is None
    assert near_limit(np.full(4, LIMIT), LIMIT) is None
    assert near_limit(life, np.inf) is None
