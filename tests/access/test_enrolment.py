"""A machine with an `enroll` token gets a token of its own, once."""

import threading

import pytest

from server.access import enrolment
from server.access.authentication import Authenticator
from server.access.principals import Principal, Scope
from server.analysis.instants import SECOND
from server.problems import Problem
from server.store.database import Database
from tests.access.people import NOW, token

ENROLLER = Principal(kind="token", name="rollout", scope="enroll", token_id=1)


def enroll(database: Database, host_name: str, *, who: Principal = ENROLLER, now_us: int = NOW) -> str:
    with database.write() as connection:
        return enrolment.enroll(connection, who, host_name, now_us)


def refused(database: Database, host_name: str, *, who: Principal = ENROLLER) -> Problem:
    with pytest.raises(Problem) as caught:
        enroll(database, host_name, who=who)
    return caught.value


def test_the_new_token_speaks_for_that_host_alone(database: Database) -> None:
    secret = enroll(database, "NTBK01")
    who = Authenticator(database).of_bearer(f"Bearer {secret}", NOW)
    assert who.may_push_for("ntbk01")
    assert not who.may_push_for("ntbk02")
    assert not who.may_enroll()


@pytest.mark.parametrize("scope", ["host", "relay", "read", "viewer", "operator"])
def test_only_enroll_and_admin_enrol(database: Database, scope: str) -> None:
    assert refused(database, "NTBK01", who=Principal(kind="token", name="t", scope=scope)).status == 403


def test_an_admin_token_enrols(database: Database) -> None:
    assert enroll(database, "NTBK01", who=Principal(kind="token", name="t", scope="admin")).startswith("hw_")


@pytest.mark.parametrize("again", ["NTBK01", "ntbk01"])
def test_a_host_with_a_live_token_is_told_what_to_do(database: Database, again: str) -> None:
    enroll(database, "NTBK01")
    problem = refused(database, again)
    assert problem.status == 409
    assert "handlewatch token allow " in problem.detail


def test_another_host_is_free_to_enrol(database: Database) -> None:
    assert enroll(database, "NTBK01") != enroll(database, "NTBK02")


def test_an_admin_allows_it_anew(database: Database) -> None:
    enroll(database, "NTBK01")
    with database.write() as connection:
        assert enrolment.allow_again(connection, "ntbk01", NOW) == 1
    enroll(database, "NTBK01")


def test_an_expired_token_does_not_stand_in_the_way(database: Database) -> None:
    token(database, Scope.HOST, host_name="NTBK01", expires_us=NOW + SECOND)
    assert refused(database, "NTBK01").status == 409
    enroll(database, "NTBK01", now_us=NOW + SECOND)


def test_of_many_enrolments_at_once_exactly_one_wins(database: Database) -> None:
    start = threading.Barrier(8)
    won: list[str] = []
    lost: list[int] = []

    def race() -> None:
        start.wait(10)
        try:
            won.append(enroll(database, "NTBK01"))
        except Problem as problem:
            lost.append(problem.status)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(won), lost) == (1, [409] * 7)


@pytest.mark.parametrize("name", ["", " \t", "x" * 1_025, "a\0b", "\ud800", "\U0001f600" * 600])
def test_a_name_that_cannot_be_kept_is_refused(database: Database, name: str) -> None:
    problem = refused(database, name)
    assert (problem.status, problem.errors[0].path) == (422, "host")


@pytest.mark.parametrize("name", ["x" * 1_024, "Büro-Straße", "a b\tc"])
def test_any_other_name_is_taken_as_it_is(database: Database, name: str) -> None:
    enroll(database, name)
