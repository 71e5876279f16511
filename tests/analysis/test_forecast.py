"""When a limit will be reached: a range that holds, and no promise where none can be given."""

import numpy as np
import pytest
from numpy.typing import NDArray

from server.analysis.forecast import Forecast, forecast
from server.analysis.instants import DAY, HOUR

Floats = NDArray[np.float64]

START = 20_300 * DAY
HOURS = np.arange(240)
RNG = np.random.default_rng(11)
NOISE = RNG.normal(0, 6, len(HOURS)).round()

GROWING = {
    "a line": 100 + 5.0 * HOURS,
    "a line under noise": 100 + 5.0 * HOURS + NOISE,
    "a night's job": 100 + 120.0 * (HOURS // 24),
    "more by day": 100 + 5.0 * HOURS + 30 * np.sin(HOURS / 24 * 2 * np.pi),
    "stairs": 100 + 40.0 * (HOURS // 8),
}


def told(counts: Floats, hours: int, limit: float | None, count: float | None = None) -> Forecast:
    live = float(counts[hours]) if count is None else count
    return forecast(START + HOURS[:hours] * HOUR, counts[:hours], limit, now_us=START + hours * HOUR, now_count=live)


@pytest.mark.parametrize("how", list(GROWING))
@pytest.mark.parametrize("hours", [80, 120, 180])
def test_the_limit_is_reached_within_the_range(how: str, hours: int) -> None:
    life = GROWING[how]
    limit = 1150.0
    reached = START + int(np.argmax(life >= limit)) * HOUR
    said = told(life, hours, limit)
    assert said.exhausted_us is not None
    assert said.earliest_us is not None
    assert said.latest_us is not None
    assert said.earliest_us <= reached <= said.latest_us
    assert said.earliest_us <= said.exhausted_us <= said.latest_us
    assert abs(said.exhausted_us - reached) <= 0.25 * (reached - START - hours * HOUR)
    assert said.rate_low <= 5.0 <= said.rate_high


def test_the_steadier_the_line_the_narrower_the_range() -> None:
    def width(said: Forecast) -> int:
        assert said.latest_us is not None
        assert said.earliest_us is not None
        return said.latest_us - said.earliest_us

    assert width(told(GROWING["a line"], 100, 1200)) < width(told(GROWING["a night's job"], 100, 1200))


def test_a_leak_that_quickens_is_told_by_its_newest_pace() -> None:
    life = 100 + HOURS**2 / 40.0
    said = told(life, 160, 1340.0)
    reached = START + int(np.argmax(life >= 1340)) * HOUR
    assert said.exhausted_us is not None
    assert said.earliest_us is not None
    assert said.earliest_us <= reached <= said.exhausted_us
    straight = START + 160 * HOUR + int((1340 - life[160]) / said.rate * HOUR)
    assert said.exhausted_us - reached <= 0.5 * (straight - reached)


@pytest.mark.parametrize(
    ("life", "limit", "doubt"),
    [
        (GROWING["a line"], None, "no limit"),
        (GROWING["a line"], np.inf, "no limit"),
        (GROWING["a line"], 1e7, "too far"),
        (np.minimum(GROWING["a line"], 400.0), 1200.0, "slackened"),
        (400 - 1.0 * HOURS, 1200.0, "slackened"),
        (400 + 40 * NOISE + 0.5 * HOURS, 2000.0, "poor fit"),
    ],
)
def test_no_time_is_told_where_none_can_be(life: Floats, limit: float | None, doubt: str) -> None:
    said = told(life, 200, limit)
    assert said.doubt == doubt
    assert said.exhausted_us is said.earliest_us is said.latest_us is None


def test_at_the_limit_it_is_now() -> None:
    said = told(np.minimum(GROWING["a line"], 1000.0), 220, 1000.0)
    now = START + 220 * HOUR
    assert (said.earliest_us, said.exhausted_us, said.latest_us) == (now, now, now)


def test_a_live_count_above_the_line_brings_the_earliest_nearer() -> None:
    calm, live = told(GROWING["a line"], 150, 1200), told(GROWING["a line"], 150, 1200, count=1100)
    assert calm.earliest_us is not None
    assert live.earliest_us is not None
    assert live.earliest_us < calm.earliest_us
    assert live.exhausted_us == calm.exhausted_us


def test_few_points_tell_a_rate_and_no_time() -> None:
    said = told(GROWING["a line"], 3, 1200)
    assert said.rate == pytest.approx(5)
    assert said.doubt == "too little"


def test_hours_that_are_not_known_are_left_out() -> None:
    life = GROWING["a line"].copy()
    life[20:60] = np.nan
    assert told(life, 150, 1200).rate == pytest.approx(5)


def test_seconds_do_as_well_as_hours() -> None:
    at = START + np.arange(60) * HOUR // 360
    said = forecast(at, np.arange(10.0, 1210.0, 20.0), 4096, now_us=int(at[-1]), now_count=1190)
    assert said.rate == pytest.approx(20 * 360)
    assert said.exhausted_us is not None
    assert said.exhausted_us - int(at[-1]) == pytest.approx((4096 - 1190) / 7200 * HOUR, rel=0.02)
