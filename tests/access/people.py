"""Alice runs the fleet, Bob may look, Charlie has no account."""

from server.access.principals import Role, Scope
from server.access.tokens import create_token
from server.access.users import create_user
from server.analysis.instants import DAY
from server.store.database import Database

NOW = 20_000 * DAY
PASSWORDS = {"Alice": "correct horse", "Bob": "battery staple", "Charlie": "let me in please"}


def add_person(database: Database, name: str, role: Role) -> int:
    with database.write() as connection:
        return create_user(connection, name=name, role=role, password=PASSWORDS[name], now_us=NOW)


def token(
    database: Database,
    scope: Scope,
    *,
    name: str = "a token",
    host_name: str | None = None,
    expires_us: int | None = None,
) -> str:
    with database.write() as connection:
        return create_token(connection, name=name, scope=scope, now_us=NOW, host_name=host_name, expires_us=expires_us)
