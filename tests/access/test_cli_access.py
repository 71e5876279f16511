"""The commands `handlewatch token …` and `handlewatch user …`."""

import getpass
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner, Result

from server import cli_access
from server.access.authentication import Authenticator
from server.access.passwords import verify_password
from server.access.principals import Scope
from server.analysis.instants import DAY
from server.problems import Problem
from server.store import accounts
from server.store.database import Database
from tests.access.people import NOW, token

Command = Callable[..., Result]


@pytest.fixture
def handlewatch(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command against the test's database."""
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli_access, "_now_us", lambda: NOW)
    app = typer.Typer()
    app.add_typer(cli_access.token_app, name="token")
    app.add_typer(cli_access.user_app, name="user")

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(app, list(arguments), input=stdin)

    return run


def failure(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    return result.stderr


def test_a_token_is_alone_on_standard_output_and_works(handlewatch: Command, database: Database) -> None:
    result = handlewatch("token", "create", "rollout", "--scope", "enroll")
    assert result.exit_code == 0
    assert "only time" in result.stderr
    who = Authenticator(database).of_bearer(f"Bearer {result.stdout.removesuffix(chr(10))}", NOW)
    assert (who.name, who.scope) == ("rollout", "enroll")


def test_a_host_token_is_bound_and_may_expire(handlewatch: Command, database: Database) -> None:
    result = handlewatch("token", "create", "nt", "--scope", "host", "--bind", "NTBK01", "--expires", "2")
    header, authenticator = f"Bearer {result.stdout.strip()}", Authenticator(database)
    assert authenticator.of_bearer(header, NOW + 2 * DAY - 1).may_push_for("ntbk01")
    with pytest.raises(Problem):
        authenticator.of_bearer(header, NOW + 2 * DAY)


def test_a_host_token_needs_a_host_and_no_other_takes_one(handlewatch: Command) -> None:
    assert "needs --bind HOST" in failure(handlewatch("token", "create", "t", "--scope", "host"))
    assert "not read" in failure(handlewatch("token", "create", "t", "--scope", "read", "--bind", "NTBK01"))


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201])
def test_a_token_needs_a_name_that_can_be_shown(handlewatch: Command, name: str) -> None:
    assert "the name" in failure(handlewatch("token", "create", name, "--scope", "read"))


def test_a_second_token_for_a_host_says_what_to_do(handlewatch: Command, database: Database) -> None:
    token(database, Scope.HOST, host_name="NTBK01")
    said = failure(handlewatch("token", "create", "again", "--scope", "host", "--bind", "ntbk01"))
    assert "(number 1)" in said
    assert "handlewatch token allow " in said


def test_the_list_shows_live_tokens_and_no_secret(handlewatch: Command, database: Database) -> None:
    secret = token(database, Scope.HOST, name="backup", host_name="NTBK01")
    token(database, Scope.READ, name="old", expires_us=NOW)
    listed = handlewatch("token", "list").stdout
    assert {"backup", "host", "ntbk01", "live"} <= set(listed.split())
    assert "old" not in listed
    assert secret not in listed
    assert "expired" in handlewatch("token", "list", "--all").stdout


def test_a_name_cannot_steer_the_terminal(handlewatch: Command, database: Database) -> None:
    with database.write() as connection:
        accounts.add_token(
            connection,
            name="\x1b[31m[bold]evil",
            scope="host",
            host_key="evil",
            secret_hash="0",
            now_us=NOW,
            expires_us=None,
            created_by=None,
        )
    listed = handlewatch("token", "list").stdout
    assert "\x1b" not in listed
    assert "[bold]evil" in listed


@pytest.mark.parametrize("name", ["grafana", "1"])
def test_a_token_is_revoked_by_name_or_id(handlewatch: Command, database: Database, name: str) -> None:
    secret = token(database, Scope.READ, name="grafana")
    assert "Revoked token 1 (grafana, read)" in handlewatch("token", "revoke", name).stderr
    with pytest.raises(Problem):
        Authenticator(database).of_bearer(f"Bearer {secret}", NOW)
    assert "already" in failure(handlewatch("token", "revoke", name))


def test_a_name_that_several_tokens_have_revokes_none(handlewatch: Command, database: Database) -> None:
    for _ in range(2):
        token(database, Scope.READ, name="grafana")
    assert "the id of one of them: 1 (read), 2 (read)" in failure(handlewatch("token", "revoke", "grafana"))
    assert handlewatch("token", "revoke", "1").exit_code == 0
    assert handlewatch("token", "revoke", "grafana").exit_code == 0


def test_a_number_is_an_id_before_it_is_a_name(handlewatch: Command, database: Database) -> None:
    for name in ("2", "grafana"):
        token(database, Scope.READ, name=name)
    for revoked in ("token 2 (grafana", "token 1 (2"):
        assert revoked in handlewatch("token", "revoke", "2").stderr


def test_an_unknown_token_is_an_error(handlewatch: Command) -> None:
    for name in ("nobody", "7", "99999999999999999999"):
        assert "there is no token" in failure(handlewatch("token", "revoke", name))


def test_a_person_is_created_with_a_password_from_standard_input(handlewatch: Command, database: Database) -> None:
    result = handlewatch("user", "create", "Alice", "--role", "operator", "--password-stdin", stdin="correct horse\n")
    assert (result.exit_code, result.stdout) == (0, "")
    with database.read() as connection:
        alice = accounts.user_by_key(connection, "alice")
    assert alice is not None
    assert (alice.name, alice.role) == ("Alice", "operator")
    assert verify_password(alice.password_hash, "correct horse")


def test_a_short_password_and_a_taken_name_are_refused(handlewatch: Command) -> None:
    create = ("user", "create", "Bob", "--role", "viewer", "--password-stdin")
    assert "10 characters" in failure(handlewatch(*create, stdin="short\n"))
    assert "10 characters" in failure(handlewatch(*create, stdin=""))
    handlewatch(*create, stdin="battery staple\n")
    assert "there is a user Bob" in failure(handlewatch("user", "create", "BOB", *create[3:], stdin="battery staple\n"))


def test_a_role_that_does_not_exist_is_refused(handlewatch: Command) -> None:
    result = handlewatch("user", "create", "Bob", "--role", "king", "--password-stdin", stdin="battery staple\n")
    assert result.exit_code == 2
    assert "viewer" in result.stderr


@pytest.mark.parametrize(("second", "created"), [("battery staple", True), ("battery stable", False)])
def test_the_password_is_asked_for_twice(
    database: Database, handlewatch: Command, monkeypatch: pytest.MonkeyPatch, second: str, created: bool
) -> None:
    answers = iter(["battery staple", second])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    monkeypatch.setattr(cli_access, "sys", Terminal)
    result = handlewatch("user", "create", "Bob", "--role", "viewer")
    assert ("differ" in result.stderr) is not created
    with database.read() as connection:
        assert bool(accounts.all_users(connection)) is created


class Terminal:
    """`sys` with somebody in front of it."""

    class stdin:
        @staticmethod
        def isatty() -> bool:
            return True

    stdout = sys.stdout


def test_without_a_terminal_it_says_how_to_give_the_password(handlewatch: Command) -> None:
    assert "--password-stdin" in failure(handlewatch("user", "create", "Bob", "--role", "viewer"))


def test_a_person_is_listed_disabled_enabled_and_given_a_password(handlewatch: Command) -> None:
    handlewatch("user", "create", "Bob", "--role", "viewer", "--password-stdin", stdin="battery staple\n")
    assert handlewatch("user", "disable", "bob").exit_code == 0
    assert {"Bob", "viewer", "disabled"} <= set(handlewatch("user", "list").stdout.split())
    assert handlewatch("user", "enable", "bob").exit_code == 0
    assert "active" in handlewatch("user", "list").stdout
    assert handlewatch("user", "password", "bob", "--password-stdin", stdin="staple battery\n").exit_code == 0
    assert "there is no user" in failure(handlewatch("user", "disable", "Charlie"))


def test_a_database_without_the_schema_says_to_upgrade(
    handlewatch: Command, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert "run `handlewatch db upgrade`" in failure(handlewatch("token", "list"))
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    assert "run `handlewatch db upgrade`" in failure(handlewatch("user", "list"))
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "mysql://x"])
def test_a_database_that_cannot_be_reached_is_one_sentence(
    handlewatch: Command, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", url)
    assert "can't be used" in failure(handlewatch("token", "list"))


def test_a_file_that_is_no_database_is_one_sentence(
    handlewatch: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rubbish.db").write_bytes(b"x" * 5_000)
    monkeypatch.setenv("HANDLEWATCH_DATABASE_URL", f"sqlite:///{tmp_path}/rubbish.db")
    assert "can't be used" in failure(handlewatch("token", "list"))


def test_a_host_that_lost_its_token_is_allowed_another(handlewatch: Command, database: Database) -> None:
    assert handlewatch("token", "create", "first", "--scope", "host", "--bind", "NTBK01").exit_code == 0
    assert "token list" in failure(handlewatch("token", "allow", "other-host"))
    assert handlewatch("token", "allow", "ntbk01").exit_code == 0
    with database.read() as connection:
        assert accounts.live_tokens_of_host(connection, "ntbk01", NOW) == []
    assert handlewatch("token", "create", "second", "--scope", "host", "--bind", "NTBK01").exit_code == 0
