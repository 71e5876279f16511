"""The simulated leaks are leaks and the healthy programs healthy even for a reader who only compares floors."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from server.demo.fleet import HISTORY, SimulatedHost
from tests.demo.conftest import ANCHOR
from tests.demo.readings import totals

Floors = NDArray[np.int64]

BEGAN = ANCHOR - HISTORY
STEP = timedelta(minutes=5)
QUARTER = 72
UNREAD = 2**60
CLEARLY = 5
UNTILS = [ANCHOR + timedelta(hours=hours) for hours in range(-132, 97, 7)]
STEADY = {
    ("NTBK01", "ntbackup.exe"),
    ("NTBK02", "bengine.exe"),
    ("NTBK03", "jobeng.exe"),
    ("NTWS14", "ntbackup.exe"),
    ("NTIIS01", "winlogon.exe"),
    ("RDS01", "svchost.exe[seclogon]"),
    ("k8s-node-03", "containerd-shim-runc-v2"),
    ("edge-02", "amazon-cloudwatch-agent"),
    ("db-04", "pgbouncer"),
}


def risen(series: Floors, until: datetime) -> bool:
    """The lowest count of the newest six hours lies clearly above every such floor of the seven days before."""
    end = (until - BEGAN) // STEP
    start = max(end % QUARTER, end - 28 * QUARTER)
    quarters = series[start:end].reshape(-1, QUARTER)
    floors = quarters.min(axis=1)
    # A few readings do not tell how low a quarter was.
    read = (quarters < UNREAD).sum(axis=1) > 0.8 * QUARTER
    return bool(read[-1] and read[:-1].any() and floors[-1] > floors[:-1][read[:-1]].max() + CLEARLY)


@pytest.fixture(scope="module")
def series(hosts: list[SimulatedHost]) -> dict[tuple[str, str], Floors]:
    return {(host.name, name): held for host in hosts for name, held in on_a_grid(host).items()}


def on_a_grid(host: SimulatedHost) -> dict[str, Floors]:
    grid: dict[str, Floors] = {}
    for name, held in totals(host, BEGAN, UNTILS[-1]).items():
        grid[name] = np.full((UNTILS[-1] - BEGAN) // STEP, UNREAD)
        grid[name][[(time - BEGAN) // STEP for time in held]] = list(held.values())
    return grid


def leaking(hosts: list[SimulatedHost]) -> set[tuple[str, str]]:
    return {(host.name, program.program) for host in hosts for program in host.programs if program.leaking}


def test_no_healthy_program_seems_to_leak_at_any_time(
    hosts: list[SimulatedHost], series: dict[tuple[str, str], Floors]
) -> None:
    leaks = leaking(hosts)
    wrong = [
        (*key, until) for key, held in series.items() if key not in leaks for until in UNTILS if risen(held, until)
    ]
    assert wrong == []


@pytest.mark.parametrize("key", sorted(STEADY))
def test_a_steady_leak_shows_at_any_time(key: tuple[str, str], series: dict[tuple[str, str], Floors]) -> None:
    assert [until for until in UNTILS if not risen(series[key], until)] == []


def test_a_few_programs_in_a_hundred_leak(hosts: list[SimulatedHost], series: dict[tuple[str, str], Floors]) -> None:
    assert leaking(hosts) >= STEADY
    assert 10 <= len(leaking(hosts)) <= 0.03 * len(series)
