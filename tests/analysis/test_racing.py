"""Leaks of minutes: what is told from single snapshots, how soon, and what never is."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.analysis.frames import Frame, take
from server.analysis.instants import DAY, HOUR, MINUTE, SECOND
from server.analysis.racing import EACH, LOOK_BACK, Known, Race, races
from tests.analysis.traces import START, Floats, seconds, trace

RNG = np.random.default_rng(5)
DAYS_OF_CALM = {"a": Known(START - 10 * DAY, 40, 60)}


def found(frame: Frame, known: dict[str, Known] | None = None, from_us: int = 0) -> list[Race]:
    return races(frame, known or {}, from_us, fold=False)


def minutes_to(race: Race) -> float:
    return (race.detected_us - START) / MINUTE


@pytest.mark.parametrize("every_s", [1, 10, 60])
@pytest.mark.parametrize("known", [{}, DAYS_OF_CALM])
def test_thousands_a_second_are_told_with_five_minutes_of_data(every_s: int, known: dict[str, Known]) -> None:
    at = seconds(20, every_s)
    (race,) = found(trace(at, {"a": 50 + 3000 * at}, age_s=30 if not known else 1e6), known)
    assert minutes_to(race) <= 5
    assert race.rate_per_hour == pytest.approx(3000 * 3600, rel=0.02)
    assert race.why == ("record" if known else "constant")


def test_a_leak_is_told_before_its_limit_however_fast() -> None:
    at = seconds(40, 5)
    (race,) = found(trace(at, {"a": np.minimum(20 + 0.8 * at, 1024)}, limit=1024))
    assert race.why == "limit"
    assert race.to_handles < 0.7 * 1024
    assert race.from_us < race.detected_us
    assert race.from_handles < race.to_handles


def test_one_that_stands_at_its_limit_is_told_after_some_twenty_minutes() -> None:
    at = seconds(30)
    (race,) = found(trace(at, {"a": np.minimum(20 + 50 * at, 1024)}, limit=1024))
    assert race.why == "pinned"
    assert minutes_to(race) <= 20
    assert race.started_us <= START + 30 * SECOND


@pytest.mark.parametrize(("every_s", "first_at_s"), [(10, 0), (10, 7), (60, 0), (30, 20)])
def test_one_that_is_full_between_two_snapshots_is_told_with_five_minutes_of_data(
    every_s: int, first_at_s: int
) -> None:
    at = seconds(20, every_s)
    life = np.where(at < first_at_s + every_s, 12, 1024)
    (race,) = found(trace(at, {"a": life}, limit=1024, age_s=1e6))
    assert race.why == "pinned"
    assert minutes_to(race) - (first_at_s + every_s) / 60 <= 5.5
    assert race.full_us is not None
    assert 0 <= race.full_us - START - at[life == 1024][0] * SECOND <= EACH
    assert race.started_from_us <= race.started_us <= race.full_us


def test_one_that_was_full_when_it_was_first_seen_is_told_with_five_minutes_of_data() -> None:
    at = seconds(20, 60)
    (race,) = found(trace(at, {"a": np.where(at < 120, np.nan, 64.0), "b": np.full(len(at), 9.0)}, limit=64, age_s=115))
    assert race.why == "pinned"
    assert minutes_to(race) <= 2 + 5
    assert START - 115 * SECOND <= race.started_us <= START + 120 * SECOND
    assert race.rate_per_hour > 0


@pytest.mark.parametrize("life", [np.full(73, 1010.0), np.where(seconds(12) < 600, 1009.0, 1023)])
def test_one_that_always_stood_near_its_limit_is_not_told_within_minutes(life: Floats) -> None:
    at = seconds(12)
    before = {"a": Known(START - 10 * DAY, 990, 1023)}
    assert found(trace(at, {"a": life}, limit=1024, age_s=1e6), before) == []
    assert found(trace(at, {"a": life}, limit=1024, age_s=1e6)) == []


def test_a_start_that_fills_it_as_each_before_is_not_told_within_minutes() -> None:
    at = seconds(12)
    frame = trace(at, {"a": np.minimum(10 + 10 * at, 1024)}, limit=1024)
    assert found(frame, {"a": Known(START - 10 * DAY, 10, 1024)}) == []


@pytest.mark.parametrize("base", [3.0, 60.0])
@pytest.mark.parametrize("every_s", [10, 60])
def test_a_young_one_began_between_its_birth_and_its_first_growth(base: float, every_s: int) -> None:
    at = seconds(30, every_s)
    (race,) = found(trace(at, {"a": base + 2 * np.maximum(at - 40, 0)}, limit=4096, age_s=25))
    assert START - 25 * SECOND <= race.started_from_us <= race.started_us <= race.started_to_us
    assert race.started_from_us < race.started_to_us
    assert abs(race.started_us - START - 40 * SECOND) <= max(every_s, 30) * SECOND
    assert race.started_from_us - 15 * SECOND <= START + 40 * SECOND <= race.started_to_us + every_s * SECOND


def test_what_is_far_above_all_that_was_known_is_told_without_a_limit() -> None:
    at = seconds(90, 60)
    life = 50 + np.maximum(at - 600, 0) * 0.5
    (race,) = found(trace(at, {"a": life}, age_s=10 * 86_400), DAYS_OF_CALM)
    assert race.why == "record"
    assert abs(race.started_us - START - 600 * SECOND) <= 90 * SECOND
    assert race.rate_per_hour == pytest.approx(1800, rel=0.05)
    assert race.low_rate <= race.rate_per_hour <= race.high_rate


def test_the_type_that_grows_is_named() -> None:
    at = seconds(40, 5)
    frame = trace(
        at,
        {"a": 200 + 0.5 * at},
        limit=1024,
        types=lambda _, count: {"file": 150, "socket": count - 150},
    )
    (race,) = found(frame)
    assert race.type == "socket"


def sawtooth(at: Floats, period_s: float, height: float) -> Floats:
    return 100 + height * (at % period_s) / period_s


LONG = seconds(6 * 60, 15)
HEALTHY = {
    "a constant": np.full(len(LONG), 40.0),
    "noise": RNG.normal(500, 60, len(LONG)).round(),
    "a warm-up": 30 + (700 * -np.expm1(-LONG / 900)).round(),
    "a slow cache": 30 + (4000 * -np.expm1(-LONG / 9000)).round(),
    "a pool that steps": 20 + 100 * np.floor(LONG / 3600),
    "collections of minutes": sawtooth(LONG, 400, 300),
    "collections of an hour": sawtooth(LONG, 3000, 280),
    "a ramp of load that stays": 30 + np.minimum(LONG / 2, 400),
    "a storm that drains": 30 + 500 * np.exp(-np.maximum(LONG - 3000, 0) / 2000) * (LONG > 3000),
    "a job that climbs and exits": np.where((LONG > 2000) & (LONG < 5000), 10 + (LONG - 2000) / 10, np.nan),
    "a job of requests": 30 + np.where((LONG > 2000) & (LONG < 4400), (LONG - 2000) / 5, 0).round(),
    "a working day": 300 + LONG / 72,
    "a spike": 30 + 900 * (np.abs(LONG - 6000) < 60),
}


@pytest.mark.parametrize("how", list(HEALTHY))
@pytest.mark.parametrize("limit", [None, 1024, 65_536])
def test_life_is_no_race(how: str, limit: int | None) -> None:
    if limit is not None and np.nanmax(HEALTHY[how]) > 0.9 * limit:
        limit = 8192
    for step in (1, 4, 20):
        frame = trace(LONG[::step], {"a": HEALTHY[how][::step]}, limit=limit)
        assert found(frame) == []
        assert found(frame, DAYS_OF_CALM) == []


def test_a_start_like_those_before_is_none() -> None:
    at = seconds(60, 5)
    frame = trace(at, {"a": np.minimum(50 + at, 900)}, limit=1024)
    assert found(frame, {"a": Known(START - 10 * DAY, 50, 910)}) == []


def test_growth_at_a_snapshot_each_five_minutes_is_told_by_the_limit() -> None:
    at = seconds(300, 300)
    life = np.minimum(60 + np.maximum(at - 1800, 0) / 3, 4096)
    (race,) = found(trace(at, {"a": life}, limit=4096, age_s=1e6), DAYS_OF_CALM)
    assert race.to_handles < 0.9 * 4096


def test_an_age_that_is_not_told_is_that_since_it_was_first_seen() -> None:
    at = seconds(60, 5)
    life = np.where(at < 300, np.nan, 50 + 20 * (at - 300))
    frame = trace(at, {"a": life, "b": np.full(len(at), 40.0)})
    frame.processes = [key._replace(started_us=None) for key in frame.processes]
    (race,) = found(frame)
    assert race.why == "constant"


def test_an_old_process_of_a_host_that_is_new_is_told_too() -> None:
    at = seconds(60, 5)
    (race,) = found(trace(at, {"a": 50 + 20.0 * at}, age_s=1e7))
    assert race.why == "constant"
    assert race.detected_us - START <= 10 * MINUTE


@st.composite
def lives(draw: st.DrawFn) -> Floats:
    at = seconds(330, 30)
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    begin, rate = draw(st.integers(0, 15_000)), draw(st.sampled_from([0.03, 0.1, 0.5, 3.0]))
    life = 40 + rate * np.maximum(at - begin, 0) + rng.normal(0, draw(st.sampled_from([0, 1, 8])), len(at))
    return np.asarray(np.minimum(life.round().clip(0), draw(st.sampled_from([800, 5000, 60_000]))), np.float64)


@settings(max_examples=40, deadline=None)
@given(life=lives(), cuts=st.lists(st.integers(1, 600), max_size=4), gap=st.integers(0, 600))
def test_what_is_said_does_not_depend_on_where_frames_begin_or_end(life: Floats, cuts: list[int], gap: int) -> None:
    at = seconds(330, 30)
    kept = np.setdiff1d(np.arange(len(at)), np.arange(gap, gap + 17))
    frame = trace(at, {"a": life}, limit=1024 if life.max() <= 1024 else None)
    frame = take(frame, kept)
    whole = found(frame)
    bounds = sorted({0, len(kept), *cuts})
    bounds = [bound for bound in bounds if bound <= len(kept)]
    said: list[Race] = []
    for first, last in pairwise(bounds):
        since = int(frame.times[first])
        begin = int(np.searchsorted(frame.times, since - LOOK_BACK - (first % 3) * HOUR // 2))
        part = take(frame, np.arange(begin, last))
        before = frame.handles.last[0, :begin]
        known = {"a": Known(int(frame.times[0]), int(before.min()), int(before.max()))} if begin else {}
        said += found(part, known, since)
        if said:
            break
    assert said == whole


@pytest.mark.parametrize("minutes", [5, 10, 20, 40, 60])
@pytest.mark.parametrize("took", [400, 1200, 2400])
@pytest.mark.parametrize("every_s", [10, 60])
def test_a_start_that_warms_up_for_an_hour_at_most_and_stands_is_none(minutes: float, took: int, every_s: int) -> None:
    at = seconds(170, every_s)
    life = 20 + np.minimum(at / (minutes * 60), 1) * took
    assert found(trace(at, {"a": life}, age_s=5)) == []
    assert found(trace(at, {"a": life}, age_s=5, limit=65_536)) == []


@pytest.mark.parametrize(("rate", "within"), [(3000 * 3600, 5.5), (60_000, 6.5), (12_000, 20), (3000, 77)])
@pytest.mark.parametrize("every_s", [10, 60])
def test_one_of_which_nothing_is_known_is_told_the_sooner_the_faster_it_grows(
    rate: float, within: float, every_s: int
) -> None:
    at = seconds(240, every_s)
    (race,) = found(trace(at, {"a": 30 + at * rate / 3600}, age_s=5))
    assert minutes_to(race) <= within


def test_a_job_that_climbs_for_hours_when_first_seen_is_left_to_the_rules_of_days() -> None:
    at = seconds(240, 60)
    assert found(trace(at, {"a": 60 + at * 500 / 3600}, age_s=5)) == []


@pytest.mark.parametrize("days", [1, 2, 3, 9])
@pytest.mark.parametrize("every_s", [10, 60, 300])
def test_one_that_leaves_a_calm_level_is_told_within_some_three_hours(days: int, every_s: int) -> None:
    at = seconds(240, every_s)
    life = 400 + np.maximum(at - 600, 0) * 384 / 3600
    (race,) = found(trace(at, {"a": life}, age_s=1e6), {"a": Known(START - days * DAY, 395, 406)})
    assert minutes_to(race) <= 180
    assert race.rate_per_hour == pytest.approx(384, rel=0.05)


def test_one_that_always_moves_as_much_is_not_told_for_it() -> None:
    at = seconds(240, 60)
    life = 400 + np.maximum(at - 600, 0) * 384 / 3600
    assert found(trace(at, {"a": life}, age_s=1e6), {"a": Known(START - 3 * DAY, 300, 500)}) == []
