"""The rules of a Prometheus user see what they claim to see, and their thresholds are the best there are."""

import numpy as np
import pytest

from bench.detection.baselines import (
    Fleet,
    Signal,
    best_threshold,
    derivative,
    held,
    hourly,
    increase,
    mann_kendall,
    prediction,
    records,
    run,
)
from bench.detection.corpus import Label, build
from server.analysis.instants import DAY, HOUR

WEEK_H = 168
NONE = float("nan")


def fleet(limit: float = NONE) -> Fleet:
    """One program that grows by two an hour from the third day on, one that does not."""
    grown = np.maximum(np.arange(WEEK_H) - 48, 0) * 2.0 + 100
    flat = np.full(WEEK_H, 100.0)
    flat[60:70] = np.nan
    labels = [Label("a", "steady", True, onset_us=2 * DAY, rate_per_hour=2.0), Label("b", "constant", False)]
    return Fleet(
        ["h", "h"],
        labels,
        np.zeros(2, np.int64),
        np.array([grown, flat], np.float32),
        np.array([limit, limit], np.float32),
        np.array([48, NONE], np.float32),
        np.array([np.inf, np.inf], np.float32),
    )


def test_increase_and_slopes_are_those_of_the_line() -> None:
    assert increase(fleet(), 24).strength[0, -1] == pytest.approx(48)
    assert derivative(fleet(), 24).slope[:, -1] == pytest.approx([2.0, 0.0], abs=1e-4)
    assert mann_kendall(fleet(), 24, step=1)[0].slope[:, -1] == pytest.approx([2.0, 0.0])


def test_prediction_tells_how_soon_the_limit_is_reached() -> None:
    assert 1 / prediction(fleet(limit=438.0), 6).strength[0, -1] == pytest.approx(50, rel=1e-3)


def test_a_rule_that_must_hold_is_as_strong_as_its_weakest_hour() -> None:
    strength = np.array([[1, 2, 3, np.nan, 1, 4, 5, 6]], np.float32)
    assert held(strength, 3)[0, [2, 6, 7]].tolist() == [1.0, 1.0, 4.0]
    assert np.isinf(held(strength, 3)[0, 1])


def test_the_best_threshold_parts_the_leak_from_the_rest() -> None:
    signal = derivative(fleet(), 24)
    threshold, f1 = best_threshold(fleet(), signal.strength)
    assert f1 == 1.0
    (record,) = records(fleet(), signal, threshold)
    assert (record.program, record.state) == ("a", "leaking")
    assert record.detected_at > 48 * HOUR


def test_an_alarm_closes_after_a_quiet_day() -> None:
    strength = np.zeros((2, WEEK_H), np.float32)
    strength[0, [60, 70, 120]] = 1
    found = list(records(fleet(), Signal(strength, strength), 0.5))
    assert [record.state for record in found] == ["resolved", "resolved"]


def test_every_rule_runs_on_a_drawn_corpus() -> None:
    assert len(dict(run(hourly(build(2, hosts=3, days=8))))) == 7
