"""What a host says of itself and of what it runs holds as of its newest snapshot, and never replaces newer words."""

from typing import Any

from server.store import judgements
from server.store.database import Database
from tests.pushing import NT, body, host_row, push, snapshot, when


def software(database: Database, kind: str = "software") -> list[str]:
    with database.read() as connection:
        return [item.name for item in judgements.inventory_of(connection, host_row(database).host_id)[kind]]


def listing(*names: str, **more: Any) -> dict[str, Any]:
    return {"software": [{"name": name} for name in names], **more}


def labels(value: str) -> dict[str, Any]:
    return {"labels": {"site": value}}


def test_newer_facts_replace_older_ones(database: Database) -> None:
    push(database, body(snapshot(0), about=labels("old")))
    push(database, body(snapshot(1), about=labels("new"), os=NT))
    row = host_row(database)
    assert (row.labels, row.os_name, row.service_pack) == ({"site": "new"}, "Windows NT Server", "6a")


def test_older_facts_never_replace_newer_ones(database: Database) -> None:
    push(database, body(snapshot(5), about=labels("new"), os=NT))
    push(database, body(snapshot(1), about=labels("old")))
    row = host_row(database)
    assert (row.labels, row.os_family) == ({"site": "new"}, "windows")


def test_facts_are_those_of_the_newest_snapshot_of_the_push(database: Database) -> None:
    push(database, body(snapshot(5), about=labels("five")))
    push(database, body(snapshot(9), snapshot(1), about=labels("nine")))
    push(database, body(snapshot(7), snapshot(2), about=labels("seven")))
    assert host_row(database).labels == {"site": "nine"}


def test_a_repeated_push_brings_no_old_facts_back(database: Database) -> None:
    push(database, body(snapshot(1), about=labels("one")))
    push(database, body(snapshot(2), about=labels("two")))
    push(database, body(snapshot(1), about=labels("one")))
    assert host_row(database).labels == {"site": "two"}


def test_what_is_left_out_is_no_longer_said(database: Database) -> None:
    push(database, body(snapshot(0), about={**labels("x"), "booted_at": when(-9)}, collector={"interval_s": 60}))
    push(database, body(snapshot(1)))
    row = host_row(database)
    assert (row.labels, row.booted_us, row.interval_s) == ({}, None, None)


def test_the_counts_in_lists_are_of_the_newest_snapshot(database: Database) -> None:
    push(database, body(snapshot(9, coverage={"processes": 31, "denied": 2})))
    push(database, body(snapshot(1, coverage={"processes": 5, "denied": 1})))
    row = host_row(database)
    assert (row.handles, row.processes, row.denied) == (10, 31, 2)


def test_a_list_given_replaces_the_former_whole(database: Database) -> None:
    push(database, body(snapshot(0), inventory=listing("a", "b", services=[{"name": "s"}])))
    push(database, body(snapshot(1), inventory=listing("c")))
    assert (software(database), software(database, "services")) == (["c"], ["s"])


def test_an_empty_list_clears(database: Database) -> None:
    push(database, body(snapshot(0), inventory=listing("a", services=[{"name": "s"}])))
    push(database, body(snapshot(1), inventory={"services": []}))
    assert (software(database), software(database, "services")) == (["a"], [])


def test_an_older_inventory_never_replaces_a_newer_one(database: Database) -> None:
    push(database, body(snapshot(5), inventory=listing("new")))
    push(database, body(snapshot(1), inventory=listing("old")))
    assert software(database) == ["new"]


def test_a_push_without_inventory_leaves_it(database: Database) -> None:
    push(database, body(snapshot(0), inventory=listing("a")))
    push(database, body(snapshot(1)))
    assert software(database) == ["a"]


def test_the_time_of_an_inventory_overrides(database: Database) -> None:
    push(database, body(snapshot(1), inventory=listing("newest", time=when(90))), now=100)
    push(database, body(snapshot(60), inventory=listing("later sent")))
    assert software(database) == ["newest"]
    push(database, body(snapshot(120), inventory=listing("of long ago", time=when(-600))))
    assert software(database) == ["newest"]
    push(database, body(snapshot(121), inventory=listing("of now")))
    assert software(database) == ["of now"]


def test_an_inventory_comes_without_snapshots_too(database: Database) -> None:
    push(database, body(snapshot(0), inventory=listing("a")))
    push(database, body(inventory=listing("b", time=when(1))))
    push(database, body(inventory=listing("c", time=when(-1))))
    assert software(database) == ["b"]


def test_long_names_in_other_scripts_are_kept(database: Database) -> None:
    long = "漢" * 1_024
    about = {"labels": {long: long, "b": long}}
    push(database, body(snapshot(0), host="漢字😀" * 100, about=about, inventory=listing(long)))
    row = host_row(database, "漢字😀" * 100)
    assert row.labels == {long: long, "b": long}


def test_an_inventory_from_the_future_keeps_out_no_later_one(database: Database) -> None:
    far = {**listing("far"), "time": "9999-01-01T00:00:00Z"}
    push(database, body(snapshot(0), inventory=far, sent_at=when(0)))
    push(database, body(snapshot(10), inventory=listing("now"), sent_at=when(10)), now=10)
    assert software(database) == ["now"]
