"""A push in which nothing happened is judged by itself, and what is recorded is what all of the history would tell."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from server.jobs.judging import judge_calm, judge_wholly
from server.store.calm import read_calm
from server.store.database import Database
from server.store.tables import calm, events, host_state, leaks, matches
from server.store.verdicts import whole_leaks
from tests.jobs.test_any_order import forget_all
from tests.pushing import NT, V3_PRO, Wire, body, catalogue, compacted, host_row, judged, process, push, snapshot, when

BOTH = "sieved", "whole"
OWN = {"host_id", "name", "name_key", "created_us", "claimed_until_us", "judged_us", "judged_handles"}


def outcome(database: Database, host: str) -> dict[str, Any]:
    host_id = host_row(database, host).host_id
    found = {}
    with database.read() as connection:
        for name, query in {
            "state": select(host_state).where(host_state.c.host_id == host_id),
            "events": select(events).where(events.c.host_id == host_id).order_by(events.c.time_us, events.c.key),
            "leaks": whole_leaks().where(leaks.c.host_id == host_id).order_by(leaks.c.leak_no),
            "matches": select(matches).where(matches.c.host_id == host_id),
        }.items():
            rows = connection.execute(query).mappings().all()
            found[name] = [{key: value for key, value in row.items() if key not in OWN} for row in rows]
    return found


def sift(database: Database) -> bool:
    """Judge both hosts, one with the sieve; whether it held."""
    ids = {host: host_row(database, host).host_id for host in BOTH}
    held = judge_calm(database, ids["sieved"], catalogue())
    if not held:
        judge_wholly(database, ids["sieved"], catalogue())
    judge_wholly(database, ids["whole"], catalogue())
    assert outcome(database, "sieved") == outcome(database, "whole")
    return held


def told(database: Database, *snapshots: Wire, **more: Any) -> None:
    said = {"collector": {"interval_s": 300}, **more}
    for host in BOTH:
        push(database, body(*snapshots, host=host, **said), now=100_000)


def still(minute: int, *others: Wire, java: int = 500) -> Wire:
    return snapshot(
        minute,
        process("java", pid=1, handles=java + minute % 7, limit=65_536, types={"file": 90, "socket": java - 80}),
        process("denied", pid=2, handles=None),
        *others,
    )


def settled(database: Database, *, until: int = 600, **more: Any) -> None:
    told(database, *(still(minute) for minute in range(0, until, 5)), **more)
    assert not sift(database)


def test_still_snapshots_pass_the_sieve_but_at_the_end_of_three_hours(database: Database) -> None:
    settled(database)
    passed = {}
    for minute in range(600, 800, 5):
        told(database, still(minute))
        passed[minute] = sift(database)
    assert [minute for minute, held in passed.items() if not held] == [720]


def test_several_pushes_pass_it_together(database: Database) -> None:
    settled(database)
    for minute in (600, 605, 610):
        told(database, still(minute))
    assert sift(database)


HAPPENINGS: dict[str, tuple[Wire, ...]] = {
    "a process comes": (still(600, process("new", pid=9)),),
    "one goes": (snapshot(600, process("java", pid=1, handles=500)),),
    "a limit moves": (
        snapshot(600, process("java", pid=1, handles=500, limit=1024), process("denied", pid=2, handles=None)),
    ),
    "a silence": (still(630),),
    "what was read is denied": (snapshot(600, process("java", pid=1, handles=None), *still(600)["processes"][1:]),),
    "it runs into its limit": (still(600, java=30_000),),
    "it doubles": (still(600, java=1_100),),
    "one is late": (still(601), still(3)),
}


@pytest.mark.parametrize("name", HAPPENINGS)
def test_what_happens_does_not_pass_it(database: Database, name: str) -> None:
    settled(database)
    told(database, *HAPPENINGS[name])
    assert not sift(database)


def test_other_software_does_not_pass_it(database: Database) -> None:
    settled(database, os=NT)
    for minute, passes in ((600, False), (605, False), (610, True)):  # a verdict is to stand once it is found again
        told(database, still(minute), os=NT, **({"inventory": {"software": [V3_PRO]}} if minute == 600 else {}))
        assert sift(database) == passes


def test_objects_do_not_pass_it(database: Database) -> None:
    settled(database)
    objects = [{"type": "socket", "name": "tcp", "count": 9}]
    told(database, still(600, process("looked", pid=5, objects=objects)))
    assert not sift(database)


def test_a_slow_leak_passes_it_with_what_it_holds_now(database: Database) -> None:
    told(database, *(still(minute, java=400 + minute // 12) for minute in range(0, 6 * 1440, 15)))
    assert not sift(database)
    assert host_row(database, "sieved").leaks == 1
    held = []
    for minute in range(6 * 1440, 6 * 1440 + 60, 5):
        told(database, still(minute, java=400 + minute // 12))
        held.append(sift(database))
        (leak,) = outcome(database, "sieved")["leaks"]
        assert leak["last_seen_us"] == host_row(database, "sieved").shown_us
    assert sum(held) >= 10


def test_a_forgotten_host_leaves_nothing(database: Database) -> None:
    settled(database)
    with database.read() as connection:
        assert read_calm(connection, host_row(database, "sieved").host_id) is not None
    forget_all(database)
    with database.read() as connection:
        assert connection.execute(select(calm)).all() == []


class Fleet:
    """A host to which things happen now and then."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.minute = 0
        self.lives = {f"program-{at}": 100 + at for at in range(5)}
        self.counts = {name: self.random.choice([20, 300, 900]) for name in self.lives}
        self.limit = 1024
        self.gone: dict[str, int] = {}
        self.interval_s = 300
        self.inventory = 0

    def snapshot(self) -> Wire:
        self.minute += 5
        if self.random.random() < 0.15:
            self.happen(self.random.choice(["gap", "restart", "limit", "rise", "fall", "cron", "boot", "gone", "back"]))
        found = []
        for name, pid in self.lives.items():
            leak = self.minute // 10 if name == "program-4" else 0
            count = min(self.counts[name] + leak + self.random.randrange(4), self.limit)
            more = {"types": {"file": count // 2, "socket": count - count // 2}} if pid % 2 else {}
            found.append(process(name, pid=pid, handles=count, limit=self.limit, **more))
        if self.random.random() < 0.1:
            found[0]["handles"] = None
        if self.random.random() < 0.02:
            found[1]["objects"] = [{"type": "file", "name": "/tmp/x", "count": 40}]
        return snapshot(self.minute, *found)

    def happen(self, what: str) -> None:
        name = self.random.choice(list(self.lives))
        match what:
            case "gap":
                self.minute += self.random.choice([10, 15, 20, 200, 900])
            case "restart":
                self.lives[name] += 1000
                self.counts[name] = 30
            case "limit":
                self.limit = self.random.choice([1024, 4096])
            case "rise":
                self.counts[name] += self.random.choice([30, 100, 300])
            case "fall":
                self.counts[name] //= 2
            case "cron":
                self.lives["cron"] = 5_000 + self.minute
                self.counts["cron"] = 5
            case "gone" if len(self.lives) > 2:
                self.gone[name] = self.lives.pop(name)
            case "back" if self.gone:
                name, pid = self.gone.popitem()
                self.lives[name] = pid + self.random.choice([0, 1000])


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6))
def test_what_is_recorded_is_the_same(database: Database, seed: int) -> None:
    forget_all(database)
    fleet = Fleet(seed)
    told(database, *(fleet.snapshot() for _ in range(fleet.random.choice([80, 300]))))
    sift(database)
    for _ in range(40):
        sent = [fleet.snapshot() for _ in range(fleet.random.choice([1, 1, 1, 2, 5]))]
        if fleet.random.random() < 0.05:
            sent = [*sent[::-1], snapshot(fleet.minute - fleet.random.randrange(2, 400))]
        more: dict[str, Any] = {}
        if fleet.random.random() < 0.05:
            more["inventory"] = {"software": [{"name": "thing", "version": str(fleet.minute)}]}
        if fleet.random.random() < 0.03:
            more["sent_at"] = when(100_000 + fleet.random.choice([0, 40]))
        told(database, *sent, **more)
        if fleet.random.random() < 0.9:
            sift(database)
        if fleet.random.random() < 0.05:
            for host in BOTH:
                compacted(database, host)
    for host in BOTH:
        judged(database, host)
    assert outcome(database, "sieved") == outcome(database, "whole")
