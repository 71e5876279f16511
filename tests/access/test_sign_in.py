"""Signing in by a password or a link."""

import threading
from collections.abc import Iterator

import pytest

from server.access import passwords, users
from server.access.credentials import digest
from server.access.principals import Role
from server.access.sessions import make_sign_in_link
from server.access.sign_in import SignIn
from server.access.throttle import FREE_TRIES
from server.analysis.instants import DAY, HOUR, SECOND
from server.problems import Problem
from server.store import accounts
from server.store.database import Database
from tests.access.people import NOW, PASSWORDS, add_person


@pytest.fixture
def sign_in(database: Database) -> Iterator[SignIn]:
    sign_in = SignIn(database)
    yield sign_in
    sign_in.close()


def enter(sign_in: SignIn, name: str, password: str, *, address: str = "192.0.2.1", now_us: int = NOW) -> str:
    return sign_in.with_password(name, password, address=address, now_us=now_us, session_days=14)


def refused(sign_in: SignIn, name: str, password: str, *, address: str = "192.0.2.1") -> Problem:
    with pytest.raises(Problem) as caught:
        enter(sign_in, name, password, address=address)
    return caught.value


def person(database: Database, secret: str, now_us: int = NOW) -> str | None:
    with database.read() as connection:
        user = accounts.session_user(connection, digest(secret), now_us)
    return user.name if user else None


def test_alice_signs_in_for_the_days_set(database: Database, sign_in: SignIn) -> None:
    add_person(database, "Alice", Role.OPERATOR)
    secret = enter(sign_in, " alice ", PASSWORDS["Alice"])
    assert person(database, secret, NOW + 14 * DAY - 1) == "Alice"
    assert person(database, secret, NOW + 14 * DAY) is None


@pytest.mark.parametrize(
    ("name", "password"),
    [("Alice", "wrong password"), ("Charlie", PASSWORDS["Charlie"]), ("", ""), ("Alice", "x" * 5_000), ("A\0", "x")],
)
def test_the_refusal_does_not_tell_which_of_the_two_is_wrong(
    database: Database, sign_in: SignIn, name: str, password: str
) -> None:
    add_person(database, "Alice", Role.OPERATOR)
    problem = refused(sign_in, name, password)
    assert (problem.status, problem.detail) == (
        403,
        "name and password don't fit together, or the account is disabled",
    )


def test_an_unknown_name_costs_a_hash_all_the_same(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str | None] = []
    verify = passwords.verify_password

    def watched(password_hash: str | None, password: str) -> bool:
        checked.append(password_hash)
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "verify_password", watched)
    refused(sign_in, "Charlie", PASSWORDS["Charlie"])
    assert checked == [None]
    assert not verify(None, "nobody's")


def test_a_disabled_person_does_not_get_in(database: Database, sign_in: SignIn) -> None:
    add_person(database, "Bob", Role.VIEWER)
    with database.write() as connection:
        users.disable_user(connection, "Bob", NOW)
    assert refused(sign_in, "Bob", PASSWORDS["Bob"]).status == 403


def test_guessing_is_slowed_down_for_that_name_from_there(database: Database, sign_in: SignIn) -> None:
    add_person(database, "Alice", Role.OPERATOR)
    for _ in range(FREE_TRIES):
        refused(sign_in, "Alice", "a guess", address="2001:db8::1")
    problem = refused(sign_in, "Alice", PASSWORDS["Alice"], address="2001:db8::2")
    assert (problem.status, problem.headers) == (429, {"Retry-After": "1"})
    assert "try again in 1 s" in problem.detail
    enter(sign_in, "Alice", PASSWORDS["Alice"], address="192.0.2.9")
    enter(sign_in, "Alice", PASSWORDS["Alice"], address="2001:db8::2", now_us=NOW + SECOND)


def test_a_flood_of_sign_ins_is_turned_away(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(SignIn, "with_password", lambda *_, **__: str(release.wait(10)))

    def flood() -> None:
        for _ in range(100):
            sign_in.submit("a", "b", address="", now_us=NOW, session_days=1)

    try:
        with pytest.raises(Problem) as caught:
            flood()
        assert (caught.value.status, "Retry-After" in caught.value.headers) == (503, True)
    finally:
        release.set()


def test_a_password_is_kept_as_an_argon2id_hash_of_its_normal_form() -> None:
    kept = passwords.hash_password("caf\u00e9 au lait")
    assert kept.startswith("$argon2id$")
    assert passwords.verify_password(kept, "cafe\u0301 au lait")


@pytest.mark.parametrize("password", ["", "nine char", "x" * 1_025])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(Problem) as caught:
        passwords.hash_password(password)
    assert caught.value.status == 422


def link(database: Database, user_id: int) -> str:
    with database.write() as connection:
        return make_sign_in_link(connection, user_id, NOW, NOW + HOUR)


def test_a_link_signs_in_as_often_as_it_is_opened_till_it_expires(database: Database, sign_in: SignIn) -> None:
    key = link(database, add_person(database, "Bob", Role.VIEWER))
    for now_us in (NOW, NOW + HOUR - 1):
        assert person(database, sign_in.with_link(key, now_us=now_us, session_days=1)) == "Bob"
    with pytest.raises(Problem) as caught:
        sign_in.with_link(key, now_us=NOW + HOUR, session_days=1)
    assert caught.value.status == 403


def test_a_disabled_persons_link_is_dead(database: Database, sign_in: SignIn) -> None:
    key = link(database, add_person(database, "Bob", Role.VIEWER))
    with database.write() as connection:
        users.disable_user(connection, "Bob", NOW)
    with pytest.raises(Problem):
        sign_in.with_link(key, now_us=NOW, session_days=1)


def test_what_has_expired_does_not_pile_up(database: Database, sign_in: SignIn) -> None:
    key = link(database, add_person(database, "Bob", Role.VIEWER))
    sign_in.with_link(key, now_us=NOW, session_days=1)
    with database.write() as connection:
        accounts.drop_expired(connection, NOW + 2 * DAY)
        left = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()  # fixed names
            for table in ("sessions", "sign_in_links")
        ]
    assert left == [0, 0]
