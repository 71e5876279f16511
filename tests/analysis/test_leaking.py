"""What is a leak and what is life: one hand-made life per behaviour, and what is said of a leak."""

import numpy as np
import pytest

from server.analysis.floors import floors
from server.analysis.frames import take
from server.analysis.instants import DAY, HOUR
from server.analysis.leaking import Leak, leaks
from tests.analysis.lives import DAYS, HOURS, START, Counts, frame_of, noisy

ONSET = 5 * 24
GROWTH = np.maximum(HOURS - ONSET, 0).astype(float)
OF_DAY = np.asarray(HOURS % 24, float)


def found(*lives: Counts, restarts: tuple[int, ...] = (), types: dict[str, Counts] | None = None) -> list[Leak]:
    told = {"a": types} if types else None
    return leaks(floors(frame_of({"a": lives}, restarts=restarts, types=told), fold=False))


def since(cuts: tuple[int, ...]) -> Counts:
    """Hours since the last of these."""
    return np.array([hour - max([cut for cut in cuts if cut <= hour], default=-100) for hour in HOURS], float)


EACH_DAY = tuple(range(20, DAYS * 24, 24))

LEAKING = {
    "slowly": noisy(800) + 0.5 * GROWTH.round(),
    "under a daily rhythm": noisy(800) + 300 * np.sin(OF_DAY / 24 * 2 * np.pi).round() + 2 * GROWTH,
    "in stairs": noisy(800) + np.floor(GROWTH / 8) * 30,
    "by night": noisy(800) + np.floor(GROWTH / 24) * 25,
}

HEALTHY = {
    "constant": np.full(len(HOURS), 40.0),
    "noise": noisy(500, 40),
    "a daily rhythm": noisy(800) + 300 * np.sin(OF_DAY / 24 * 2 * np.pi).round(),
    "one step": noisy(300) + 200 * (HOURS > 150),
    "collections": noisy(300) + 10 * (HOURS % 30),
    "a clean nightly job": noisy(300) + 500 * (OF_DAY < 4),
    "a cache that fills": noisy(300) + 900 * -np.expm1(-GROWTH / 8),
    "a working day": np.where((OF_DAY > 8) & (OF_DAY < 18), 100 + 30 * OF_DAY, np.nan),
    "a rare spike": noisy(300) + 50_000 * (HOURS == 200),
}


@pytest.mark.parametrize("how", list(LEAKING))
def test_a_leak_is_found_with_its_beginning_and_its_rate(how: str) -> None:
    (leak,) = found(LEAKING[how])
    true = (LEAKING[how][-24:].mean() - LEAKING[how][:24].mean()) / (len(HOURS) - ONSET)
    assert leak.rate_per_hour == pytest.approx(true, rel=0.15)
    assert abs(leak.started_us - START - ONSET * HOUR) <= 24 * HOUR
    assert START + ONSET * HOUR < leak.detected_us <= START + (ONSET + 5 * 24) * HOUR
    assert leak.resolved_us is None


@pytest.mark.parametrize("how", list(HEALTHY))
def test_life_is_no_leak(how: str) -> None:
    assert found(HEALTHY[how]) == []


def test_a_leak_across_restarts_is_one_leak() -> None:
    (leak,) = found(noisy(300) + 6 * since(EACH_DAY), restarts=EACH_DAY)
    assert leak.rate_per_hour == pytest.approx(6, rel=0.15)
    assert leak.resolved_us is None


def test_a_warm_up_after_each_restart_is_none() -> None:
    assert found(noisy(300) + 400 * -np.expm1(-since(EACH_DAY) / 2), restarts=EACH_DAY) == []


def test_one_of_several_processes_is_enough() -> None:
    calm = [noisy(900, 90, seed) for seed in range(2, 5)]
    (leak,) = found(*calm, noisy(400) + 2 * GROWTH)
    assert leak.rate_per_hour == pytest.approx(2, rel=0.15)


def test_workers_that_age_and_are_replaced_are_none() -> None:
    births = [range(5, 300, 75), range(30, 300, 80), range(50, 300, 90)]
    workers = [
        np.where((since(tuple(born)) < 70) & (born[0] <= HOURS), noisy(300, 1) + 2 * since(tuple(born)), np.nan)
        for born in births
    ]
    assert found(np.full(len(HOURS), 90.0), *workers) == []


def test_the_type_that_grows_is_named() -> None:
    (leak,) = found(noisy(900) + 2 * GROWTH, types={"Event": noisy(200) + 2 * GROWTH, "File": noisy(700)})
    assert leak.type == "Event"


def test_a_type_leaks_under_a_total_that_says_nothing() -> None:
    event, file = noisy(200) + 2 * GROWTH, noisy(1500) - 3 * GROWTH
    (leak,) = found(event + file, types={"Event": event, "File": file})
    assert leak.type == "Event"
    assert leak.rate_per_hour == pytest.approx(2, rel=0.1)


def test_a_cured_leak_is_resolved_once_and_stays_so() -> None:
    cure = 10 * 24
    life = np.where(cure > HOURS, noisy(300) + 5 * HOURS, noisy(300))
    (leak,) = found(life, restarts=(cure,))
    assert leak.resolved_us is not None
    assert 0 <= leak.resolved_us - START - cure * HOUR <= 4 * DAY


def test_a_program_that_runs_into_its_limit_is_told_before_it_is_there() -> None:
    life = np.minimum(noisy(200) + 300 * np.maximum(HOURS - 100, 0), 4096)
    (leak,) = leaks(floors(frame_of({"a": life}, limit=4096), fold=False))
    assert leak.detected_us <= START + 104 * HOUR
    assert leak.resolved_us is None
    assert leak.rate_per_hour == pytest.approx(300, rel=0.15)


def test_standing_at_the_limit_is_a_leak_and_standing_near_it_is_none() -> None:
    near = noisy(3700, 10)
    assert leaks(floors(frame_of({"a": near}, limit=4096), fold=False)) == []
    (leak,) = leaks(floors(frame_of({"a": np.full(len(HOURS), 4096.0)}, limit=4096), fold=False))
    assert leak.resolved_us is None


@pytest.mark.parametrize("hours", [130, 200, 250, 330])
def test_what_was_said_does_not_depend_on_what_came_later(hours: int) -> None:
    lives = {**LEAKING, **HEALTHY, "restarted": noisy(300) + 6 * since(EACH_DAY)}
    frame = frame_of(lives, restarts=EACH_DAY[3:])
    whole = leaks(floors(frame, fold=False))
    early = leaks(floors(take(frame, np.arange(hours)), fold=False))
    end = START + (hours - 1) * HOUR
    assert {(one.program, one.detected_us) for one in early} == {
        (one.program, one.detected_us) for one in whole if one.detected_us <= end
    }


def test_of_less_than_an_hour_nothing_is_said() -> None:
    frame = frame_of({"a": noisy(300)})
    assert leaks(floors(take(frame, np.arange(1)), fold=False)) == []


def test_a_leak_that_stood_at_its_limit_is_not_over_when_it_begins_anew() -> None:
    life = 24 * 12
    grown = 300 + 12 * GROWTH
    before = np.minimum(grown, 1024)
    after = 300 + 12 * np.maximum(HOURS - life, 0)
    counts = np.where(life > HOURS, before, after).astype(float)
    frame = frame_of({"a": counts}, restarts=(life,), limit=1024)
    (leak,) = leaks(floors(frame, fold=False))
    assert leak.resolved_us is None
