"""Tries of a password are slowed down."""

from server.access.throttle import FREE_TRIES, LONGEST_WAIT, Throttle
from server.analysis.instants import SECOND

ALICE = ("alice", "192.0.2.1")


def spent() -> Throttle:
    throttle = Throttle()
    for _ in range(FREE_TRIES):
        assert throttle.begin(ALICE, 0) == 0
    return throttle


def test_after_the_free_tries_each_failure_doubles_the_wait() -> None:
    throttle, now = spent(), 0
    waits = []
    for _ in range(4):
        waits.append(throttle.begin(ALICE, now))
        now += waits[-1]
        assert throttle.begin(ALICE, now) == 0
    assert waits == [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND]


def test_a_try_refused_does_not_make_the_wait_longer() -> None:
    throttle = spent()
    assert throttle.begin(ALICE, 1) == throttle.begin(ALICE, 1) == SECOND - 1


def test_another_name_and_another_address_are_not_held_up() -> None:
    throttle = spent()
    assert throttle.begin(("bob", "192.0.2.1"), 0) == 0
    assert throttle.begin(("alice", "192.0.2.2"), 0) == 0


def test_a_success_and_a_long_pause_forgive() -> None:
    throttle = spent()
    throttle.succeed(ALICE)
    assert throttle.begin(ALICE, 0) == 0
    assert spent().begin(ALICE, LONGEST_WAIT) == 0


def test_the_wait_has_an_end() -> None:
    throttle, now = spent(), 0
    for _ in range(40):
        wait = throttle.begin(ALICE, now)
        assert wait <= LONGEST_WAIT
        now += wait
        throttle.begin(ALICE, now)


def test_the_table_is_bounded_and_the_longest_unused_gives_way() -> None:
    throttle = Throttle(size=2)
    for name in ("alice", "bob", "alice", "charlie"):
        throttle.begin(name, 0)
    assert len(throttle) == 2
    for _ in range(FREE_TRIES - 2):
        assert throttle.begin("alice", 0) == 0
    assert throttle.begin("alice", 0) > 0
