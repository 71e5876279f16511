"""The corpus is the same for a seed, lays out frames as pushes would, and labels what is in them."""

import numpy as np
import pytest

from bench.detection.corpus import LabelledHost, build
from bench.detection.healthy import HEALTHY
from bench.detection.leaking import LEAKING, Behaviour
from bench.detection.life import Setting
from bench.detection.shapes import Clock
from server.analysis.frames import ABSENT, UNKNOWN

CLOCK = Clock(start_us=1_767_571_200_000_000, zone_h=9)
HOURS = np.arange(0, 14 * 24, 0.25)


def setting(seed: int) -> Setting:
    uptimes = ((-300.0, 100.0), (100.1, 400.0))
    return Setting(np.random.default_rng(seed), CLOCK, HOURS, "linux", uptimes, types_told=True)


@pytest.fixture(scope="module")
def hosts() -> list[LabelledHost]:
    return build(5, hosts=12, days=5)


def test_a_seed_gives_the_same_hosts_however_many_are_asked_for(hosts: list[LabelledHost]) -> None:
    for one, again in zip(build(5, hosts=3, days=5), hosts, strict=False):
        assert one.labels == again.labels
        assert (one.frame.handles.last == again.frame.handles.last).all()


def test_times_ascend_and_every_program_has_one_label(hosts: list[LabelledHost]) -> None:
    for host in hosts:
        assert (np.diff(host.frame.times) > 0).all()
        assert {key.program for key in host.frame.processes} == {label.program for label in host.labels}


def test_no_process_holds_more_than_its_limit(hosts: list[LabelledHost]) -> None:
    for host in hosts:
        limited = (host.frame.limits != UNKNOWN) & (host.frame.handles.last != ABSENT)
        assert (host.frame.handles.last[limited] <= host.frame.limits[limited]).all()


def test_types_never_sum_to_more_than_the_handles(hosts: list[LabelledHost]) -> None:
    for host in hosts:
        sums = np.zeros_like(host.frame.handles.last)
        for (row, _), counts in zip(host.frame.type_rows, host.frame.types.last, strict=True):
            sums[row] += counts.clip(0)
        known = host.frame.handles.last >= 0
        assert (sums[known] <= host.frame.handles.last[known]).all()


@pytest.mark.parametrize("behaviour", list(LEAKING))
def test_a_leak_grows_at_its_labelled_rate(behaviour: Behaviour) -> None:
    for seed in range(4):
        life = behaviour(setting(seed))
        assert life.leak is not None
        stops = (HOURS[-1], life.leak.cured, life.leak.at_limit)
        until = min(moment for moment in stops if moment is not None)
        grown = np.diff(life.leak.growth.at(np.array([life.leak.onset - 1e-6, until])))[0]
        assert grown > 10
        assert life.leak.rate(HOURS[-1]) == pytest.approx(grown / (until - life.leak.onset))
        assert any(life.leak.type in one.counts for one in life.instances)


@pytest.mark.parametrize("behaviour", list(HEALTHY))
def test_a_healthy_program_has_no_leak_and_some_handles(behaviour: Behaviour) -> None:
    for seed in range(4):
        life = behaviour(setting(seed))
        assert life.leak is None
        assert max(int(one.total.max()) for one in life.instances) > 0


def test_an_hour_of_the_day_is_found_at_the_host_s_own_time() -> None:
    nights = CLOCK.occasions(2.0, (0.0, 72.0))
    assert len(nights) == 3
    assert CLOCK.hour(nights) == pytest.approx([2.0, 2.0, 2.0])
