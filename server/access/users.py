"""People who sign in: created, listed, disabled, given a new password."""

from sqlalchemy import Connection

from server.access import passwords
from server.access.names import checked_label, name_key
from server.access.principals import Role
from server.problems import Problem
from server.store import accounts
from server.store.accounts import User


def create_user(connection: Connection, *, name: str, role: Role, password: str, now_us: int) -> int:
    """The new person's id; Problem 422 for a name or password that can't be used, 409 for a name that is taken."""
    name = checked_label(name)
    require_free(connection, name)
    user_id = accounts.add_user(
        connection,
        name=name,
        name_key=name_key(name),
        role=role,
        password_hash=passwords.hash_password(password),
        now_us=now_us,
    )
    if user_id is None:
        raise _taken(name)
    return user_id


def require_free(connection: Connection, name: str) -> None:
    """Problem 409 for a name that is taken, 422 for one that can't be used."""
    user = accounts.user_by_key(connection, name_key(checked_label(name)))
    if user is not None:
        raise _taken(user.name)


def find_user(connection: Connection, name: str) -> User:
    """The person of that name, in whatever case; Problem 404 if there is none."""
    user = accounts.user_by_key(connection, name_key(name.strip()))
    if user is None:
        raise Problem(404, f"there is no user {name!r}; `handlewatch user list` shows them")
    return user


def disable_user(connection: Connection, name: str, now_us: int) -> User:
    """Shut a person out: no sign-in any more, and every session ends at once."""
    user = find_user(connection, name)
    accounts.set_disabled(connection, user.user_id, now_us)
    accounts.end_all_of(connection, user.user_id)
    return user


def enable_user(connection: Connection, name: str) -> User:
    user = find_user(connection, name)
    accounts.set_disabled(connection, user.user_id, None)
    return user


def change_password(connection: Connection, name: str, password: str) -> User:
    """Set a new password; whoever is signed in with the old one no longer is."""
    user = find_user(connection, name)
    accounts.set_password_hash(connection, user.user_id, passwords.hash_password(password))
    accounts.end_all_of(connection, user.user_id)
    return user


def _taken(name: str) -> Problem:
    return Problem(
        409,
        f"there is a user {name} already; choose another name, or see `handlewatch user password` and "
        "`handlewatch user enable`",
    )
