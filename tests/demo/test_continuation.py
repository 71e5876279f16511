from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from server.demo.fleet import HISTORY, SimulatedHost, fleet, requests
from tests.demo.conftest import ANCHOR
from tests.demo.readings import Wire, snapshots

FLEET = fleet(ANCHOR)
STARTS = st.integers(0, 17 * 288)
CUTS = st.lists(st.integers(0, 3 * 86_400), min_size=3, max_size=5)


@settings(max_examples=100)
@given(host=st.sampled_from(FLEET), start=STARTS, cuts=CUTS, batch=st.integers(1, 400))
def test_stretches_join_without_a_seam_wherever_they_are_cut(
    host: SimulatedHost, start: int, cuts: list[int], batch: int
) -> None:
    began = ANCHOR - HISTORY - timedelta(days=1) + timedelta(minutes=5 * start)
    times = [began + timedelta(seconds=cut) for cut in sorted(cuts)]
    whole = list(snapshots(host, times[0], times[-1]))
    parts = [snapshot for since, until in pairwise(times) for snapshot in snapshots(host, since, until, batch=batch)]
    assert parts == whole


def test_live_snapshots_go_on_from_the_history(hosts: list[SimulatedHost]) -> None:
    for host in hosts:
        ends = [ANCHOR + timedelta(minutes=5 * step) for step in range(13)]
        live = [s for since, until in pairwise(ends) for s in snapshots(host, since, until)]
        assert live == list(snapshots(host, ends[0], ends[-1]))


def newest_day(host: SimulatedHost) -> list[Wire]:
    return list(requests(host, since=ANCHOR - timedelta(days=1), until=ANCHOR))


def test_the_same_seed_and_anchor_give_the_same_fleet() -> None:
    for one, other in zip(FLEET, fleet(ANCHOR + timedelta(seconds=299)), strict=True):
        assert newest_day(one) == newest_day(other)


def test_another_seed_gives_other_counts() -> None:
    other = fleet(ANCHOR, seed=7)[0]
    assert other.name == FLEET[0].name
    assert newest_day(other) != newest_day(FLEET[0])


def test_nothing_is_sent_for_no_time_and_before_the_beginning() -> None:
    for host in FLEET:
        assert list(requests(host, since=ANCHOR, until=ANCHOR)) == []
        assert list(requests(host, since=ANCHOR - timedelta(days=30), until=ANCHOR - HISTORY)) == []
