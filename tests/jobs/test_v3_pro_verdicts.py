"""What judging says of a host with V3 Pro over its life: exposed, present, leaking, cleared."""

from typing import Any

import pytest

from server.analysis.instants import MINUTE
from server.analysis.signatures import Match
from server.store import judgements
from server.store.database import Database
from tests.pushing import NT, START_US, V3_PRO, Wire, body, hooked, host_row, judged, process, push, snapshot, when

INSTALLED = {"software": [V3_PRO]}


def send(database: Database, *snapshots: Wire, os: Any = NT, **more: Any) -> Match | None:
    push(database, body(*snapshots, os=os, **more), now=1_000_000)
    return verdict(database)


def verdict(database: Database) -> Match | None:
    judged(database)
    with database.read() as connection:
        return judgements.matches_of(connection, host_row(database).host_id).get("v3-pro")


def growth(first: int, last: int, *, each: int = 5) -> list[Wire]:
    return [hooked(minute, 10 + minute * 6) for minute in range(first, last + 1, each)]


def flat(first: int, last: int, count: int = 50) -> list[Wire]:
    return [hooked(minute, count) for minute in range(first, last + 1, 5)]


def test_growth_over_40_minutes_is_leaking(database: Database) -> None:
    match = send(database, *growth(0, 40))
    assert match is not None
    assert (match.level, match.program, match.pid, match.handles) == ("leaking", "ntbackup.exe", 187, 250)
    assert match.rate_per_hour == pytest.approx(360, rel=0.1)
    assert (match.first_seen_us, match.last_seen_us) == (START_US, START_US + 40 * MINUTE)


def test_a_flat_count_is_present(database: Database) -> None:
    match = send(database, *flat(0, 40))
    assert match is not None
    assert (match.level, match.handles, match.applies_to) == ("present", 50, True)


def test_one_handle_is_nothing(database: Database) -> None:
    assert send(database, *flat(0, 40, count=1)) is None


def test_the_software_alone_is_exposed(database: Database) -> None:
    match = send(database, snapshot(0, process("ntbackup.exe")), inventory=INSTALLED)
    assert match is not None
    assert (match.level, match.first_seen_us) == ("exposed", None)
    assert match.software is not None
    assert match.software.version == "5.0"


def test_a_host_outside_the_list_is_marked(database: Database) -> None:
    match = send(database, *flat(0, 5), os={**NT, "version": "5.0.2195", "name": "Windows 2000 Server"})
    assert match is not None
    assert (match.level, match.applies_to) == ("present", False)


def test_a_cure_is_cleared_with_what_changed(database: Database) -> None:
    send(database, *growth(0, 40), inventory=INSTALLED)
    restarted = {**process("ntbackup.exe", pid=9, handles=60, objects=[]), "started_at": when(50)}
    match = send(database, snapshot(60, restarted), inventory={"software": []})
    assert match is not None
    assert (match.level, match.handles, match.last_seen_us) == ("cleared", 0, START_US + 40 * MINUTE)
    assert match.changed == "V3 Pro 2000 Deluxe 5.0 removed; ntbackup.exe (pid 187) ended"


@pytest.mark.parametrize("in_time", [True, False])
def test_what_changed_does_not_depend_on_when_it_was_judged(database: Database, in_time: bool) -> None:
    """Updated, then removed, while nobody judged: what was installed when the handles showed is still known."""
    updated = {"software": [{**V3_PRO, "version": "5.1"}]}
    restarted = {**process("ntbackup.exe", pid=9, handles=60, objects=[]), "started_at": when(50)}
    sent = [
        body(*growth(0, 40), os=NT, inventory=INSTALLED),
        body(hooked(45, 280), os=NT, inventory=updated),
        body(snapshot(60, restarted), os=NT, inventory={"software": []}),
    ]
    for one in sent:
        push(database, one, now=1_000_000)
        if in_time:
            judged(database)
    match = verdict(database)
    assert match is not None
    assert (match.level, match.last_seen_us) == ("cleared", START_US + 45 * MINUTE)
    assert match.changed is not None
    assert "removed" in match.changed
    assert "5.1" in match.changed
    with database.read() as connection:
        assert judgements.former_inventories(connection, host_row(database).host_id) == []


def test_the_same_inventory_again_is_no_change(database: Database) -> None:
    for minute in (0, 5):
        push(database, body(snapshot(minute), inventory=INSTALLED), now=1_000_000)
    with database.read() as connection:
        assert judgements.former_inventories(connection, host_row(database).host_id) == []


def test_objects_not_looked_at_clear_nothing(database: Database) -> None:
    send(database, *growth(0, 40))
    match = send(database, snapshot(60, process("ntbackup.exe", pid=187)))
    assert match is not None
    assert (match.level, match.handles) == ("leaking", 250)


@pytest.mark.parametrize("hours", [23.5, 24, 30, 60])
def test_a_verdict_stays_until_it_is_looked_at_again(database: Database, hours: float) -> None:
    """Of an NT machine names are asked for seldom: the look of the day before yesterday must not half count."""
    send(database, *growth(0, 40), snapshot(41, process("ntbackup.exe", pid=187)))
    in_time = None
    for minute in range(100, round(hours * 60), 120):
        in_time = send(database, snapshot(minute, process("ntbackup.exe", pid=187)))
    assert in_time is not None
    assert (in_time.level, in_time.handles) == ("leaking", 250)


@pytest.mark.parametrize("batch", [1, 3, 100])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("between", [1, 19 * 60, 40 * 60])
def test_the_verdict_does_not_depend_on_when_history_came(
    database: Database, batch: int, backwards: bool, between: int
) -> None:
    looks = [*growth(0, 40, each=10), *growth(between + 40, between + 80, each=10)]
    seen = [*looks, *(snapshot(between + 100 + 90 * i, process("ntbackup.exe", pid=187)) for i in range(6))]
    ordered = seen[::-1] if backwards else seen
    for at in range(0, len(ordered), batch):
        match = send(database, *ordered[at : at + batch])
    assert match is not None
    assert (match.level, match.first_seen_us) == ("leaking", START_US)
    assert (match.last_seen_us, match.peak) == (START_US + (between + 80) * MINUTE, 10 + (between + 80) * 6)


def test_a_late_look_brings_a_verdict_forward_in_time(database: Database) -> None:
    send(database, *flat(600, 640))
    match = send(database, *flat(0, 10))
    assert match is not None
    assert (match.first_seen_us, match.last_seen_us) == (START_US, START_US + 640 * MINUTE)


def test_programs_to_look_at_are_told(database: Database) -> None:
    send(database, *growth(0, 40), inventory=INSTALLED)
    assert push(database, body(hooked(45, 300), os=NT), now=1_000_000).advice == ["ntbackup.exe"]
