"""Bearer tokens and session cookies become principals."""

from collections.abc import Iterator

import pytest
from sqlalchemy import event

from server.access import users
from server.access.authentication import CACHE_LIFE, Authenticator
from server.access.principals import Role, Scope
from server.access.sessions import close_session, open_session
from server.access.tokens import find_live
from server.analysis.instants import DAY, MINUTE, SECOND
from server.problems import Problem
from server.store import accounts
from server.store.database import Database
from tests.access.people import NOW, add_person, token


@pytest.fixture
def authenticator(database: Database) -> Iterator[Authenticator]:
    authenticator = Authenticator(database)
    yield authenticator
    authenticator.close()


def refusal(authenticator: Authenticator, header: str | None, now_us: int = NOW) -> Problem:
    with pytest.raises(Problem) as caught:
        authenticator.of_bearer(header, now_us)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
    return caught.value


def revoke(database: Database, name: str) -> None:
    with database.write() as connection:
        accounts.revoke_token(connection, find_live(connection, name, NOW).token_id, NOW)


def last_used(database: Database, name: str) -> int | None:
    with database.read() as connection:
        return accounts.tokens_named(connection, name)[0].last_used_us


def test_a_host_token_speaks_for_its_host_in_any_case(database: Database, authenticator: Authenticator) -> None:
    secret = token(database, Scope.HOST, host_name="NTBK01")
    who = authenticator.of_bearer(f"Bearer {secret}", NOW)
    assert (who.kind, who.scope, who.host_key) == ("token", "host", "ntbk01")
    assert who.csrf_token is None


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer hw_nobody", "hw_nobody"])
def test_what_is_no_token_is_refused(authenticator: Authenticator, header: str | None) -> None:
    assert "token" in refusal(authenticator, header).detail.lower()


def test_only_the_digest_of_a_token_is_stored(database: Database) -> None:
    secret = token(database, Scope.READ)
    with database.read() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM tokens").one()
    assert not any(secret in str(value) for value in stored)


def test_an_expired_token_is_refused_even_from_memory(database: Database, authenticator: Authenticator) -> None:
    header = f"Bearer {token(database, Scope.READ, expires_us=NOW + SECOND)}"
    authenticator.of_bearer(header, NOW)
    assert "expired" in refusal(authenticator, header, NOW + SECOND).detail
    assert authenticator.remembered(header, NOW + SECOND) is None


def test_a_revoked_token_is_refused_at_once_when_forgotten(database: Database, authenticator: Authenticator) -> None:
    header = f"Bearer {token(database, Scope.READ, name='grafana')}"
    authenticator.of_bearer(header, NOW)
    revoke(database, "grafana")
    authenticator.forget()
    assert "revoked" in refusal(authenticator, header).detail


def test_a_token_revoked_elsewhere_is_refused_within_seconds(database: Database, authenticator: Authenticator) -> None:
    header = f"Bearer {token(database, Scope.READ, name='grafana')}"
    authenticator.of_bearer(header, NOW)
    revoke(database, "grafana")
    refusal(authenticator, header, NOW + CACHE_LIFE)


def test_a_revocation_during_the_look_up_is_not_remembered_over(
    database: Database, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = f"Bearer {token(database, Scope.READ)}"
    read = accounts.token_by_hash

    def read_then_forget(*arguments: object) -> object:
        found = read(*arguments)  # type: ignore[arg-type]
        authenticator.forget()
        return found

    monkeypatch.setattr(accounts, "token_by_hash", read_then_forget)
    authenticator.of_bearer(header, NOW)
    assert authenticator.remembered(header, NOW) is None


def test_a_token_seen_lately_costs_no_statement(database: Database, authenticator: Authenticator) -> None:
    header = f"Bearer {token(database, Scope.RELAY)}"
    first = authenticator.of_bearer(header, NOW)
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *found: statements.append(str(found[2])))
    assert authenticator.of_bearer(header, NOW + 4 * SECOND) is first
    assert authenticator.remembered(header, NOW + 4 * SECOND) is first
    assert statements == []


def test_the_memory_of_tokens_is_bounded(
    database: Database, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.access.authentication.CACHE_SIZE", 3)
    for number in range(8):
        authenticator.of_bearer(f"Bearer {token(database, Scope.READ, name=str(number))}", NOW)
    assert len(authenticator._known) <= 3


def test_uses_are_written_once_a_minute_at_most(database: Database, authenticator: Authenticator) -> None:
    header = f"Bearer {token(database, Scope.READ, name='grafana')}"
    authenticator.of_bearer(header, NOW)
    authenticator.write_uses()
    authenticator.of_bearer(header, NOW + 30 * SECOND)
    authenticator.write_uses()
    assert last_used(database, "grafana") == NOW
    authenticator.of_bearer(header, NOW + MINUTE)
    authenticator.close()  # waits for the thread that writes
    assert last_used(database, "grafana") == NOW + MINUTE


def test_an_older_use_does_not_move_a_newer_one_back(database: Database, authenticator: Authenticator) -> None:
    token(database, Scope.READ, name="grafana")
    with database.write() as connection:
        found = find_live(connection, "grafana", NOW)
        accounts.note_uses(connection, {found.token_id: NOW + 5})
        accounts.note_uses(connection, {found.token_id: NOW})
    assert last_used(database, "grafana") == NOW + 5


def session(database: Database, user_id: int, expires_us: int = NOW + DAY) -> str:
    with database.write() as connection:
        return open_session(connection, user_id, now_us=NOW, expires_us=expires_us)


def test_a_session_is_its_persons_until_it_expires(database: Database, authenticator: Authenticator) -> None:
    cookie = session(database, add_person(database, "Bob", Role.VIEWER))
    who = authenticator.of_session(cookie, NOW)
    assert who is not None
    assert (who.kind, who.name, who.scope) == ("session", "Bob", "viewer")
    assert authenticator.of_session(cookie, NOW + DAY) is None


@pytest.mark.parametrize("cookie", [None, "", "nobody's", "\ud800"])
def test_a_cookie_that_is_no_session_is_nobody(authenticator: Authenticator, cookie: str | None) -> None:
    assert authenticator.of_session(cookie, NOW) is None


def test_the_csrf_token_differs_by_session_and_is_not_the_secret(
    database: Database, authenticator: Authenticator
) -> None:
    alice = add_person(database, "Alice", Role.OPERATOR)
    cookies = [session(database, alice), session(database, alice)]
    found = [who.csrf_token for cookie in cookies if (who := authenticator.of_session(cookie, NOW))]
    assert len({*found, *cookies}) == 4


def test_a_disabled_persons_sessions_end_at_once(database: Database, authenticator: Authenticator) -> None:
    cookie = session(database, add_person(database, "Bob", Role.VIEWER))
    with database.write() as connection:
        users.disable_user(connection, "bob", NOW)
    assert authenticator.of_session(cookie, NOW) is None
    with database.write() as connection:
        users.enable_user(connection, "bob")
    assert authenticator.of_session(cookie, NOW) is None


def test_a_new_password_ends_the_old_sessions(database: Database, authenticator: Authenticator) -> None:
    cookie = session(database, add_person(database, "Bob", Role.VIEWER))
    with database.write() as connection:
        users.change_password(connection, "Bob", "another one, longer")
    assert authenticator.of_session(cookie, NOW) is None


def test_a_closed_session_is_gone_and_others_stay(database: Database, authenticator: Authenticator) -> None:
    bob = add_person(database, "Bob", Role.VIEWER)
    closed, kept = session(database, bob), session(database, bob)
    with database.write() as connection:
        close_session(connection, closed)
    assert authenticator.of_session(closed, NOW) is None
    assert authenticator.of_session(kept, NOW) is not None
