"""Who may what in the demo: its own user, whom a link signs in, and the token of this machine's collector."""

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection

from server.access import tokens, users
from server.access.names import name_key
from server.access.principals import Role, Scope
from server.access.sessions import make_sign_in_link
from server.analysis.instants import DAY
from server.store import accounts
from server.store.database import Database

USER = "demo"
TOKEN = "demo: this machine"  # noqa: S105  # its name


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets of one run; the next one makes its own."""

    sign_in: str
    collector: str


def make_keys(database: Database, *, machine: str, link_days: int, now_us: int) -> Keys:
    """The user is made the first time; a token that an earlier run gave this machine is revoked."""
    with database.write() as connection:
        accounts.revoke_host_tokens(connection, name_key(machine), now_us)
        return Keys(
            sign_in=make_sign_in_link(connection, _user(connection, now_us), now_us, now_us + link_days * DAY),
            collector=tokens.create_token(connection, name=TOKEN, scope=Scope.HOST, host_name=machine, now_us=now_us),
        )


def _user(connection: Connection, now_us: int) -> int:
    """The demo's user. Nobody needs the password: it can be set with `handlewatch user password`."""
    known = accounts.user_by_key(connection, name_key(USER))
    if known is None:
        password = secrets.token_urlsafe(24)
        return users.create_user(connection, name=USER, role=Role.ADMIN, password=password, now_us=now_us)
    if known.disabled_us is not None:
        users.enable_user(connection, USER)
    return known.user_id
