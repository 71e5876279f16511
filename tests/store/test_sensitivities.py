"""Which programs are judged in another way: what may be set, and what is set anew."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from server.analysis.sensitivity import level_for
from server.problems import Problem
from server.store.database import Database
from server.store.sensitivities import MOST, add_sensitivity, remove_sensitivity, sensitivities, sensitivity_rows
from tests.access.people import NOW


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


def added(connection: Connection, program: str, level: str = "quiet", label: tuple[str, str] | None = None) -> int:
    row = add_sensitivity(connection, program, label, level, by="Ann", now_us=NOW)
    return int(row.sensitivity_id)


def test_what_is_set_holds(connection: Connection) -> None:
    added(connection, "backup*")
    added(connection, "java", "high", ("role", "build"))
    rows = sensitivities(connection)
    assert level_for(rows, "Backup.exe", {}) == "quiet"
    assert [level_for(rows, "java", labels) for labels in ({}, {"role": "build"})] == ["normal", "high"]
    assert [(row.created_by, row.created_us) for row in sensitivity_rows(connection)] == [("Ann", NOW)] * 2


def test_the_same_is_set_anew(connection: Connection) -> None:
    added(connection, "java")
    added(connection, "java", "low", ("a", "b"))
    added(connection, " JAVA ", "high")
    found = {(row.program, row.label, row.level) for row in sensitivities(connection)}
    assert found == {("java", ("a", "b"), "low"), ("JAVA", None, "high")}


def test_one_is_removed_once(connection: Connection) -> None:
    number = added(connection, "java")
    assert [remove_sensitivity(connection, number) for _ in range(2)] == [True, False]
    assert sensitivities(connection) == []


@pytest.mark.parametrize(
    ("program", "level", "label", "path"),
    [
        ("", "quiet", None, "program"),
        (" ", "quiet", None, "program"),
        ("x" * 201, "quiet", None, "program"),
        ("java", "loud", None, "level"),
        ("java", "quiet", ("", "x"), "label"),
        ("java", "quiet", ("x", "x" * 1_025), "label"),
    ],
)
def test_a_bad_value_is_named(
    connection: Connection, program: str, level: str, label: tuple[str, str] | None, path: str
) -> None:
    with pytest.raises(Problem) as refused:
        added(connection, program, level, label)
    assert (refused.value.status, refused.value.errors[0].path) == (422, path)


def test_there_may_be_so_many(connection: Connection) -> None:
    for i in range(MOST):
        added(connection, f"program-{i}")
    added(connection, "program-0", "high")
    with pytest.raises(Problem) as refused:
        added(connection, "one more")
    assert refused.value.status == 409
