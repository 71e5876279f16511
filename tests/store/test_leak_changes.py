"""What people make of a leak: who may say what, what is kept of it, and what it does to the numbers of its host."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from server.analysis.instants import DAY, HOUR
from server.problems import Problem
from server.store import leaks as store
from server.store.database import Database
from server.store.fleet import find_host
from server.store.leaks import MOST_ACTIONS, actions_of, change_leak, find_leak, log_of
from server.store.tables import leaks
from tests.store.leaking import NOW, a_leak, add_host, add_leaks


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        add_host(connection, 1, "web-01")
        add_leaks(
            connection,
            a_leak(1, 1, rate_per_hour=10.0),
            a_leak(1, 2, state="resolved", resolved_us=NOW - 2 * HOUR, at_limit_us=NOW - 5 * HOUR),
            a_leak(1, 3, standing=False),
        )
        yield connection


def changed(connection: Connection, leak_no: int = 1, *, now_us: int = NOW, **changes: Any) -> Any:
    return change_leak(connection, 1, leak_no, changes, by="Ann", now_us=now_us)


def actions(connection: Connection, leak_no: int = 1) -> list[dict[str, Any]]:
    return [action.changes for action in actions_of(connection, 1, leak_no)]


def triage(connection: Connection, now_us: int = NOW) -> str:
    return str(find_leak(connection, 1, 1, now_us=now_us).triage_now)


def test_a_change_is_noted_with_who_and_when(connection: Connection) -> None:
    row = changed(connection, triage="acknowledged", assignee=" Bob ", note="a\0b")
    assert (row.triage_now, row.assignee, row.note) == ("acknowledged", "Bob", "a\ufffdb")
    (action,) = actions_of(connection, 1, 1)
    assert (action.at_us, action.by) == (NOW, "Ann")
    assert action.changes == {"triage": "acknowledged", "assignee": "Bob", "note": "a\ufffdb"}


def test_what_changes_nothing_is_not_noted(connection: Connection) -> None:
    changed(connection, assignee="Bob")
    changed(connection, assignee="Bob", triage="new", note="", state="leaking")
    assert actions(connection) == [{"assignee": "Bob"}]


def test_an_empty_text_takes_the_old_one_away(connection: Connection) -> None:
    changed(connection, assignee="Bob", note="x")
    row = changed(connection, assignee="", note=None)
    assert (row.assignee, row.note) == (None, None)


def test_muted_until_a_time(connection: Connection) -> None:
    changed(connection, triage="muted", muted_until_us=NOW + DAY)
    assert (triage(connection), triage(connection, NOW + DAY)) == ("muted", "new")
    assert actions(connection) == [{"triage": "muted", "muted_until": "2024-10-05T00:00:00Z"}]


def test_muted_until_it_grows_faster(connection: Connection) -> None:
    changed(connection, muted_rate=12.0)
    assert triage(connection) == "muted"
    connection.execute(leaks.update().values(rate_per_hour=12.5))
    assert triage(connection) == "new"


def test_muting_anew_forgets_the_former_bounds(connection: Connection) -> None:
    changed(connection, muted_until_us=NOW + DAY, muted_rate=99.0)
    row = changed(connection, now_us=NOW + 2 * DAY, triage="muted")
    assert (row.triage_now, row.muted_until_us, row.muted_rate) == ("muted", None, None)


def test_one_bound_changes_and_the_other_stays(connection: Connection) -> None:
    changed(connection, muted_until_us=NOW + DAY, muted_rate=99.0)
    row = changed(connection, muted_until_us=NOW + 2 * DAY)
    assert (row.muted_until_us, row.muted_rate) == (NOW + 2 * DAY, 99.0)


def test_to_unmute_forgets_the_bounds(connection: Connection) -> None:
    changed(connection, muted_until_us=NOW + DAY)
    row = changed(connection, triage="new")
    assert (row.triage, row.muted_until_us) == ("new", None)
    assert actions(connection)[-1] == {"triage": "new", "muted_until": None}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"triage": "seen"}, "triage"),
        ({"triage": "acknowledged", "muted_until_us": NOW + 1}, "triage"),
        ({"muted_until_us": NOW}, "muted_until"),
        ({"muted_rate": -1.0}, "muted_above_rate_per_hour"),
        ({"muted_rate": float("nan")}, "muted_above_rate_per_hour"),
        ({"muted_rate": float("inf")}, "muted_above_rate_per_hour"),
        ({"note": "x" * 4_097}, "note"),
        ({"assignee": "x" * 201}, "assignee"),
        ({"state": "gone"}, "state"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_done(connection: Connection, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(Problem) as refused:
        changed(connection, **changes)
    assert (refused.value.status, refused.value.errors[0].path) == (422, path)
    assert actions(connection) == []


def test_a_person_resolves_as_of_the_newest_snapshot(connection: Connection) -> None:
    assert find_host(connection, "web-01").leaks == 1
    row = changed(connection, state="resolved")
    assert (row.state, row.resolved_us, row.closed_us, row.closed_by) == ("resolved", NOW - HOUR, NOW - HOUR, "Ann")
    assert find_host(connection, "web-01").leaks == 0


def test_a_person_opens_what_a_person_resolved(connection: Connection) -> None:
    changed(connection, state="resolved")
    row = changed(connection, state="leaking")
    assert (row.state, row.resolved_us, row.closed_us, row.closed_by) == ("leaking", None, None, None)
    assert find_host(connection, "web-01").leaks == 1
    assert actions(connection) == [{"state": "resolved"}, {"state": "leaking"}]


def test_what_ended_by_itself_is_not_opened(connection: Connection) -> None:
    with pytest.raises(Problem) as refused:
        changed(connection, 2, state="leaking")
    assert refused.value.status == 409


def test_what_late_data_undid_can_not_be_changed(connection: Connection) -> None:
    assert changed(connection, 3, triage="muted") is None
    assert change_leak(connection, 9, 1, {"triage": "muted"}, by="Ann", now_us=NOW) is None


def test_actions_are_bounded(connection: Connection) -> None:
    for i in range(MOST_ACTIONS + 3):
        changed(connection, note=str(i))
    found = actions(connection)
    assert (len(found), found[0], found[-1]) == (MOST_ACTIONS, {"note": "3"}, {"note": str(MOST_ACTIONS + 2)})


def test_the_log_merges_what_was_seen_and_what_was_done(connection: Connection) -> None:
    changed(connection, 2, triage="acknowledged")
    row = find_leak(connection, 1, 2, now_us=NOW)
    log = log_of(row, actions_of(connection, 1, 2))
    assert [entry.kind for entry in log] == ["started", "detected", "at_limit", "resolved", "changed"]


def test_what_a_person_resolved_is_told_once(connection: Connection) -> None:
    row = changed(connection, state="resolved")
    log = log_of(row, actions_of(connection, 1, 1))
    assert [(entry.kind, entry.by) for entry in log] == [("started", None), ("detected", None), ("changed", "Ann")]


def test_the_others_of_its_group(connection: Connection) -> None:
    add_host(connection, 2, "web-02")
    add_leaks(connection, a_leak(2, 1), a_leak(2, 2), a_leak(2, 3, type="file"), a_leak(2, 4, object="x"), a_leak(1, 4))
    assert store.related_to(connection, find_leak(connection, 1, 1, now_us=NOW)) == (3, 1)


def test_what_a_person_resolved_and_grows_on_is_told_to_have_returned(connection: Connection) -> None:
    changed(connection, state="resolved")
    open_again = {"state": "leaking", "resolved_us": None, "closed_us": None, "closed_by": None}
    connection.execute(leaks.update().values(phase="returned", **open_again))
    store.note_return(connection, 1, 1, at_us=NOW + HOUR)
    log = log_of(find_leak(connection, 1, 1, now_us=NOW), actions_of(connection, 1, 1))
    assert [entry.kind for entry in log] == ["started", "detected", "changed", "returned"]


def test_a_leak_that_is_a_return_is_told_so_once(connection: Connection) -> None:
    add_leaks(connection, a_leak(1, 9, phase="returned"))
    changed(connection, 9, note="again")
    log = log_of(find_leak(connection, 1, 9, now_us=NOW), actions_of(connection, 1, 9))
    assert [entry.kind for entry in log] == ["started", "returned", "changed"]
