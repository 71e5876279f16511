"""Alice runs the fleet, Bob may look, Charlie has no account."""

import argon2

from server.access.principals import Role, Scope
from server.access.tokens import create_token
from server.analysis.instants import DAY
from server.store import accounts
from server.store.database import Database

NOW = 20_000 * DAY
PASSWORDS = {"Alice": "correct horse", "Bob": "battery staple", "Charlie": "let me in please"}

# a hash carries its own parameters, so the real check takes these too, only faster
_CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def add_person(database: Database, name: str, role: Role) -> int:
    with database.write() as connection:
        user_id = accounts.add_user(
            connection,
            name=name,
            name_key=name.casefold(),
            role=role,
            password_hash=_CHEAP.hash(PASSWORDS[name]),
            now_us=NOW,
        )
    assert user_id is not None
    return user_id


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
