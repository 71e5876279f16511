"""The second corpus is the same for a seed, and its labels say what is in its frames."""

import numpy as np
import pytest

from bench.detection.other import leaks
from bench.detection.other.fleet import each
from bench.detection.other.leaks import LEAKS
from bench.detection.other.scene import Floats, Ordinary, Process, Rhythm, Scene
from server.analysis.frames import ABSENT, UNKNOWN
from server.analysis.instants import HOUR
from server.evaluation.labels import LabelledHost

HOURS = np.arange(0, 15 * 24, 0.25)


@pytest.fixture(scope="module")
def hosts() -> list[LabelledHost]:
    return list(each(4, hosts=14, days=6))


def scene(seed: int) -> Scene:
    rng = np.random.default_rng(seed)
    return Scene(rng, HOURS, 30.0, ((-900.0, 200.0), (200.2, 400.0)), "linux", told=True)


def still(one: Scene, base: float, calm: float = 0.3) -> Ordinary:
    return Ordinary(np.zeros(len(one.hours)), Rhythm.draw(one.rng))


def no_walk(one: Scene, sigma: float, memory_h: float) -> Floats:
    return np.zeros(len(one.hours))


def test_a_seed_gives_the_same_hosts_however_many_are_asked_for(hosts: list[LabelledHost]) -> None:
    for again, host in zip(each(4, hosts=3, days=6), hosts, strict=False):
        assert again.labels == host.labels
        assert (again.frame.times == host.frame.times).all()
        assert (again.frame.handles.last == host.frame.handles.last).all()


def test_every_program_has_one_label_and_times_ascend(hosts: list[LabelledHost]) -> None:
    for host in hosts:
        assert (np.diff(host.frame.times) > 0).all()
        names = [label.program for label in host.labels]
        assert sorted(names) == sorted({key.program for key in host.frame.processes})


def test_types_add_up_to_no_more_than_the_handles_and_these_to_no_more_than_the_limit(
    hosts: list[LabelledHost],
) -> None:
    for host in hosts:
        handles, limits = host.frame.handles.last, host.frame.limits
        sums = np.zeros_like(handles)
        for (row, _), counts in zip(host.frame.type_rows, host.frame.types.last, strict=True):
            sums[row] += counts.clip(0)
        known = handles >= 0
        assert (sums[known] <= handles[known]).all()
        limited = (limits != UNKNOWN) & (handles != ABSENT)
        assert (handles[limited] <= limits[limited]).all()


def grown(process: Process, kind: str, since: float) -> float:
    counts = process.counts[kind][HOURS[process.columns] >= since]
    return float(counts[-1] - counts[0]) if len(counts) else 0.0


@pytest.mark.parametrize("behaviour", list(LEAKS))
def test_a_leak_grows_at_its_labelled_rate(behaviour: leaks.Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a life that does not move; what is taken between a process's birth and its first snapshot is not seen."""
    monkeypatch.setattr(leaks, "ordinary", still)
    monkeypatch.setattr(leaks, "wandering", no_walk)
    for seed in range(5):
        story = behaviour(scene(seed))
        assert story.leak is not None
        kind, onset = story.leak.kind, story.leak.onset
        at_end = min(HOURS[-1], story.leak.cured or np.inf)
        taken = story.leak.growth(np.array([max(onset - 1e-6, 0.0), at_end]))
        expected = float(taken[1] - taken[0])
        seen = sum(grown(process, kind, onset - 0.3) for process in story.processes)
        unseen = 0.5 * story.leak.rate(HOURS[-1]) * len(story.processes)
        assert seen == pytest.approx(expected, rel=0.06, abs=2 * len(story.processes) + unseen)
        assert story.leak.rate(HOURS[-1]) == pytest.approx(
            float(story.leak.growth(np.array([at_end]))[0]) / (at_end - onset), rel=1e-6
        )


def test_what_is_said_to_stand_at_its_limit_stands_there(hosts: list[LabelledHost]) -> None:
    stands = 0
    for host in each(5, hosts=40, days=8):
        for label in host.labels:
            if label.at_limit_us is None or (np.diff(host.order) < 0).any():
                continue
            rows = [row for row, key in enumerate(host.frame.processes) if key.program == label.program]
            at = (host.frame.times >= label.at_limit_us) & (host.frame.times < label.at_limit_us + HOUR)
            full = (host.frame.handles.last[rows] == host.frame.limits[rows])[:, at] & (
                host.frame.limits[rows][:, at] != UNKNOWN
            )
            stands += 1
            assert full.any(axis=0).all()
    assert stands
