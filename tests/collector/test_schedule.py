"""Readings bear times on a host's own grid of whole seconds, and never the same time twice, whatever the clock does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collector.schedule import Schedule, offset_of

NOON = 1795348800


def test_a_reading_on_the_grid_bears_the_time_of_the_grid() -> None:
    grid = NOON + offset_of("web-07", 60)
    assert Schedule("web-07", 60).stamp(grid + 0.3) == grid
    assert Schedule("web-07", 60).stamp(grid - 0.01) == grid


def test_the_first_reading_need_not_wait_for_the_grid_but_the_next_one_does() -> None:
    schedule = Schedule("web-07", 60)
    grid = NOON + offset_of("web-07", 60)
    assert schedule.stamp(grid + 20.7) == grid + 20
    assert schedule.stamp(grid + 30) is None
    assert abs(schedule.wait(grid + 30) - 30) < 1e-6
    assert schedule.stamp(grid + 60.1) == grid + 60


def test_hosts_are_spread_over_the_interval() -> None:
    assert len({offset_of(f"host-{number}", 60) for number in range(500)}) > 50
    assert offset_of("WEB-07", 60) == offset_of("web-07", 60)


def test_a_restart_within_the_same_second_waits_for_the_next() -> None:
    first = Schedule("web-07", 60)
    time = first.stamp(NOON + 0.2)
    assert time == NOON
    again = Schedule("web-07", 60, last=time, highest=time)
    assert again.stamp(NOON + 0.9) is None
    wait = again.wait(NOON + 0.9)
    assert abs(wait - 0.1) < 1e-6
    assert again.stamp(NOON + 1.0) == NOON + 1


def test_a_clock_set_back_moves_the_grid_so_that_no_time_comes_again() -> None:
    schedule = Schedule("web-07", 60)
    grid = NOON + offset_of("web-07", 60)
    before = {schedule.stamp(grid + 60 * number) for number in range(60)}
    assert schedule.stamp(grid + 1800.5) is None
    now, after = grid + 1800.5, set()
    for _ in range(60):
        now += schedule.wait(now)
        after.add(schedule.stamp(now))
    assert None not in after
    assert not before & after
    assert len(after) == 60


def test_a_clock_set_forward_or_a_machine_that_slept_is_back_on_the_grid_at_once() -> None:
    schedule = Schedule("web-07", 60)
    grid = NOON + offset_of("web-07", 60)
    schedule.stamp(grid)
    assert schedule.stamp(grid + 86400 + 17) is None
    assert abs(schedule.wait(grid + 86400 + 17) - 43) < 1e-6
    assert schedule.stamp(grid + 86460) == grid + 86460


@given(
    interval=st.sampled_from([10, 60, 300]),
    jumps=st.lists(st.integers(-90, 90) | st.integers(-100_000, 100_000), max_size=8),
)
def test_times_never_repeat_while_the_clock_is_set_at_will(interval: int, jumps: list[int]) -> None:
    now = float(NOON - NOON % interval + offset_of("web-07", interval))
    schedule = Schedule("web-07", interval)
    used: list[int] = []
    for jump in [0, *jumps]:
        now += jump
        for _ in range(4):
            time = schedule.stamp(now)
            if time is not None:
                assert abs(time - now) <= 1
                used.append(time)
            wait = schedule.wait(now)
            assert 0 < wait <= 2 * interval + 1
            now += wait
    assert len(used) == len(set(used))
    assert len(used) >= 3 * (1 + len(jumps))


def test_a_reading_each_second_is_a_reading_each_second() -> None:
    schedule = Schedule("web-07", 1)
    now, used = NOON + 0.4, []
    for _ in range(30):
        used.append(schedule.stamp(now))
        now += schedule.wait(now) + 0.003
    assert [after - before for before, after in pairwise(used) if before and after] == [1] * 29
