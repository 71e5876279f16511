"""The commands `handlewatch token …` and `handlewatch user …`."""

import getpass
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from server.access import enrolment, tokens, users
from server.access.principals import Role, Scope
from server.analysis.instants import DAY, from_us
from server.problems import Problem
from server.settings import SettingsError, load_settings
from server.store import accounts, schema
from server.store.accounts import Token
from server.store.database import Database

token_app = typer.Typer(help="Tokens of machines and scripts.", no_args_is_help=True)
user_app = typer.Typer(help="People who sign in.", no_args_is_help=True)

_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


@token_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What to call it, for people.")],
    scope: Annotated[Scope, typer.Option(help="What it is for.")],
    bind: Annotated[str | None, typer.Option(metavar="HOST", help="The host that a host token speaks for.")] = None,
    expires: Annotated[int | None, typer.Option(metavar="DAYS", min=1, max=36_500, help="Days it is good for.")] = None,
) -> None:
    """Make a token and print it, alone, on standard output. It is shown this once."""
    if (scope is Scope.HOST) != (bind is not None):
        _fail("--scope host needs --bind HOST" if bind is None else f"--bind goes with --scope host, not {scope}")
    now_us = _now_us()
    with _writing() as connection:
        secret = tokens.create_token(
            connection,
            name=name,
            scope=scope,
            now_us=now_us,
            host_name=bind,
            expires_us=None if expires is None else now_us + expires * DAY,
            created_by="command line",
        )
    typer.echo("This is the only time the token is shown; only its hash is kept.", err=True)
    typer.echo(secret)


@token_app.command("list")
def list_tokens(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are revoked or have expired.")] = False,
) -> None:
    """List the tokens; never the secrets, which nobody keeps."""
    now_us = _now_us()
    with _reading() as connection:
        found = accounts.all_tokens(connection)
    rows = [
        (
            str(token.token_id),
            token.name,
            token.scope,
            token.host_key or "",
            _moment(token.created_us),
            token.created_by or "",
            _moment(token.last_used_us) or "never",
            _moment(token.expires_us) or "never",
            _state(token, now_us),
        )
        for token in found
        if everything or token.is_live(now_us)
    ]
    _show(("id", "name", "scope", "host", "created", "by", "last used", "expires", "state"), rows)


@token_app.command("revoke")
def revoke_token(name: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id or its name.")]) -> None:
    """Revoke a token. Servers that run take it for a few seconds more."""
    now_us = _now_us()
    with _writing() as connection:
        token = tokens.find_live(connection, name, now_us)
        accounts.revoke_token(connection, token.token_id, now_us)
    typer.echo(f"Revoked token {token.token_id} ({_shown(token.name)}, {token.scope}).", err=True)


@token_app.command("allow")
def allow_again(host: Annotated[str, typer.Argument(metavar="HOST", help="The host's name.")]) -> None:
    """Let a host that has lost its token enrol anew; the token that it had is revoked."""
    with _writing() as connection:
        revoked = enrolment.allow_again(connection, host, _now_us())
    if not revoked:
        _fail(f"{host} has no token, so it may enrol already; `handlewatch token list` shows the hosts that have one")
    typer.echo(f"{_shown(host)} may enrol again; its former token is revoked.", err=True)


@user_app.command("create")
def create_user(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[Role, typer.Option(help="viewer reads, operator also writes, admin also manages access.")],
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Create a person; asks for the password unless it comes on standard input."""
    with _reading() as connection:
        users.require_free(connection, name)  # before anybody thinks of a password
    password = _password(from_stdin=password_stdin)
    with _writing() as connection:
        users.create_user(connection, name=name, role=role, password=password, now_us=_now_us())
    typer.echo(f"Created {_shown(name.strip())} as {role}.", err=True)


@user_app.command("list")
def list_users() -> None:
    """List the people who may sign in, and those who no longer may."""
    with _reading() as connection:
        found = accounts.all_users(connection)
    rows = [
        (user.name, user.role, _moment(user.created_us), "active" if user.disabled_us is None else "disabled")
        for user in found
    ]
    _show(("name", "role", "created", "state"), rows)


@user_app.command("disable")
def disable_user(name: str) -> None:
    """Shut a person out; whoever is signed in under that name is out at once."""
    with _writing() as connection:
        user = users.disable_user(connection, name, _now_us())
    typer.echo(f"Disabled {_shown(user.name)} and ended every session.", err=True)


@user_app.command("enable")
def enable_user(name: str) -> None:
    """Let a disabled person sign in again, with the old password."""
    with _writing() as connection:
        user = users.enable_user(connection, name)
    typer.echo(f"Enabled {_shown(user.name)}.", err=True)


@user_app.command("password")
def change_password(
    name: str,
    password_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
) -> None:
    """Give a person a new password; sessions opened with the old one end."""
    with _reading() as connection:
        users.find_user(connection, name)
    password = _password(from_stdin=password_stdin)
    with _writing() as connection:
        user = users.change_password(connection, name, password)
    typer.echo(f"Changed the password of {_shown(user.name)} and ended every session.", err=True)


# --- around every command ----------------------------------------------------------------------------------------


@contextmanager
def _database() -> Iterator[Database]:
    """The database that the settings name; whatever goes wrong ends the command with one sentence."""
    try:
        settings = load_settings(os.environ, Path("handlewatch.toml"))
    except SettingsError as error:
        _fail(str(error))
    database = Database(settings.database_url)
    try:
        if database.dialect == "sqlite" and not Path(database.url.database or "").is_file():
            _fail(f"there is no database at {database.url.database} yet: run `handlewatch db upgrade` first")
        with database.read() as connection:
            if not schema.is_current(connection):
                _fail("the database has no schema yet or an old one: run `handlewatch db upgrade` first")
        yield database
    except DatabaseError as error:
        _fail(f"the database can't be used: {' '.join(str(error.orig).split())}")
    except Problem as problem:
        _fail(problem.detail)
    finally:
        database.close()


@contextmanager
def _reading() -> Iterator[Connection]:
    with _database() as database, database.read() as connection:
        yield connection


@contextmanager
def _writing() -> Iterator[Connection]:
    with _database() as database, database.write() as connection:
        yield connection


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"Error: {_shown(sentence)}", err=True)
    raise typer.Exit(1)


def _now_us() -> int:
    return time.time_ns() // 1000


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        # a line break at the end comes from echo or an editor, not from the person
        try:
            return sys.stdin.readline().rstrip("\r\n")
        except UnicodeDecodeError:
            _fail("the password on standard input is not UTF-8")
    if not sys.stdin.isatty():
        _fail("there is no terminal to ask for the password on; give it with --password-stdin")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        _fail("the two passwords differ; nothing was changed")
    return password


def _state(token: Token, now_us: int) -> str:
    if token.revoked_us is not None:
        return "revoked"
    return "live" if token.is_live(now_us) else "expired"


def _moment(moment_us: int | None) -> str:
    return "" if moment_us is None else f"{from_us(moment_us):%Y-%m-%d %H:%M} UTC"


def _show(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_shown(cell)) for cell in row))
    # a pipe has no width: nothing may be cut or folded there
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    console.print(table)


def _shown(text: str) -> str:
    """Names may come from machines: what would steer the terminal is not passed on to it."""
    return _UNSHOWN.sub("\ufffd", text)
