"""Scores: what counts as found, as a false alarm, as late, and as exact."""

import math
from dataclasses import dataclass, field

import pytest

from server.analysis.instants import DAY, HOUR
from server.evaluation.labels import Label
from server.evaluation.scoring import Record, quantile, score

LEAK = Label("a.exe", "steady", True, onset_us=2 * DAY, rate_per_hour=10.0, type="Event")
FINE = Label("b.exe", "calm", False)


@dataclass
class Host:
    name: str = "H1"
    first_us: int = 0
    last_us: int = 14 * DAY
    labels: list[Label] = field(default_factory=lambda: [LEAK, FINE])


def alarm(program: str = "A.exe", at: int = 3 * DAY, state: str = "leaking") -> Record:
    return Record("h1", program, at, "Event", state, started_at=2 * DAY + HOUR, rate_per_hour=11.0)


def test_a_true_alarm_is_measured() -> None:
    report = score([Host()], [alarm()])
    assert (report.f1, report.false_alarms_per_host_week) == (1.0, 0.0)
    assert report.delay(0.5) == 24.0
    assert report.rate_error == pytest.approx(0.1)
    assert report.onset_error_h == 1.0
    assert (report.type_share, report.lasting_open_share) == (1.0, 1.0)


def test_an_alarm_before_the_onset_is_false_and_finds_nothing() -> None:
    report = score([Host()], [alarm(at=DAY)])
    assert (report.recall, report.precision) == (0.0, 0.0)
    assert report.false_alarms_per_host_week == 0.5
    assert math.isinf(report.delay(0.5))


def test_each_alarm_on_a_healthy_program_is_false() -> None:
    report = score([Host()], [alarm(), alarm("b.exe"), alarm("b.exe", at=5 * DAY)])
    assert report.precision == 0.5
    assert report.false_alarms_per_host_week == 1.0


def test_a_cured_leak_must_be_resolved_and_stay_so() -> None:
    cured = Label("a.exe", "cured", True, onset_us=2 * DAY, rate_per_hour=10.0, cured_us=6 * DAY)
    host = Host(labels=[cured])
    assert score([host], [alarm(state="resolved")]).cured_resolved_share == 1.0
    again = score([host], [alarm(), alarm(at=10 * DAY)])
    assert again.cured_resolved_share == 0.0
    assert len(again.false_alarms) == 1


def test_a_missed_leak_that_reached_its_limit_was_not_told_before() -> None:
    full = Label("a.exe", "to_the_limit", True, onset_us=2 * DAY, rate_per_hour=10.0, at_limit_us=6 * DAY)
    assert score([Host(labels=[full])], []).before_limit_share == 0.0
    assert score([Host(labels=[full])], [alarm()]).before_limit_share == 1.0


def test_a_leak_older_than_the_history_counts_from_its_first_snapshot() -> None:
    old = Label("a.exe", "steady", True, onset_us=-20 * DAY, rate_per_hour=10.0)
    report = score([Host(labels=[old])], [Record("h1", "a.exe", DAY, started_at=0)])
    assert (report.delay(0.5), report.onset_error_h) == (24.0, 0.0)


def test_a_quantile_takes_misses_as_the_worst_of_values() -> None:
    assert quantile([3.0, math.inf, 1.0], 0.5) == 3.0
    assert math.isinf(quantile([3.0, math.inf, 1.0], 0.9))
