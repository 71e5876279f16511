"""All SQL on people, their sessions and sign-in links, and tokens. Secrets come in as digests; nothing commits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, func, insert, or_, select, update

from server.store.database import upsert
from server.store.tables import LIVE_HOST_TOKEN, sessions, sign_in_links, tokens, users


@dataclass(frozen=True, slots=True)
class User:
    user_id: int
    name: str
    role: str
    password_hash: str
    created_us: int
    disabled_us: int | None


@dataclass(frozen=True, slots=True)
class Token:
    token_id: int
    name: str
    scope: str
    host_key: str | None
    created_us: int
    created_by: str | None
    expires_us: int | None
    last_used_us: int | None
    revoked_us: int | None

    def is_live(self, now_us: int) -> bool:
        return self.revoked_us is None and (self.expires_us is None or now_us < self.expires_us)


_USER = tuple(users.c[name] for name in User.__slots__)
_TOKEN = tuple(tokens.c[name] for name in Token.__slots__)

# --- people ------------------------------------------------------------------------------------------------------


def add_user(
    connection: Connection, *, name: str, name_key: str, role: str, password_hash: str, now_us: int
) -> int | None:
    """The new user's id, or None where the name is taken."""
    new = upsert(connection, users).values(
        name=name, name_key=name_key, role=role, password_hash=password_hash, created_us=now_us
    )
    user_id: int | None = connection.scalar(new.on_conflict_do_nothing().returning(users.c.user_id))
    return user_id


def user_by_key(connection: Connection, name_key: str) -> User | None:
    return _maybe_user(connection.execute(select(*_USER).where(users.c.name_key == name_key)).first())


def all_users(connection: Connection) -> list[User]:
    return [User(*row) for row in connection.execute(select(*_USER).order_by(users.c.name_key))]


def set_disabled(connection: Connection, user_id: int, disabled_us: int | None) -> None:
    connection.execute(update(users).where(users.c.user_id == user_id).values(disabled_us=disabled_us))


def set_password_hash(connection: Connection, user_id: int, password_hash: str) -> None:
    connection.execute(update(users).where(users.c.user_id == user_id).values(password_hash=password_hash))


# --- sessions and sign-in links ----------------------------------------------------------------------------------


def add_session(connection: Connection, *, secret_hash: str, user_id: int, now_us: int, expires_us: int) -> None:
    connection.execute(
        insert(sessions).values(secret_hash=secret_hash, user_id=user_id, created_us=now_us, expires_us=expires_us)
    )


def session_user(connection: Connection, secret_hash: str, now_us: int) -> User | None:
    """Whose session it is, unless it has expired or the person is disabled."""
    found = select(*_USER).where(
        sessions.c.secret_hash == secret_hash,
        sessions.c.expires_us > now_us,
        users.c.user_id == sessions.c.user_id,
        users.c.disabled_us.is_(None),
    )
    return _maybe_user(connection.execute(found).first())


def end_session(connection: Connection, secret_hash: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.secret_hash == secret_hash))


def add_sign_in_link(connection: Connection, *, secret_hash: str, user_id: int, expires_us: int) -> None:
    connection.execute(insert(sign_in_links).values(secret_hash=secret_hash, user_id=user_id, expires_us=expires_us))


def link_user(connection: Connection, secret_hash: str, now_us: int) -> User | None:
    """Whom a sign-in link signs in, unless it has expired or the person is disabled."""
    found = select(*_USER).where(
        sign_in_links.c.secret_hash == secret_hash,
        sign_in_links.c.expires_us > now_us,
        users.c.user_id == sign_in_links.c.user_id,
        users.c.disabled_us.is_(None),
    )
    return _maybe_user(connection.execute(found).first())


def end_all_of(connection: Connection, user_id: int) -> None:
    """Drop every session and sign-in link of a person."""
    for table in (sessions, sign_in_links):
        connection.execute(delete(table).where(table.c.user_id == user_id))


def drop_expired(connection: Connection, now_us: int) -> None:
    """Drop the sessions and sign-in links that no longer count."""
    for table in (sessions, sign_in_links):
        connection.execute(delete(table).where(table.c.expires_us <= now_us))


# --- tokens ------------------------------------------------------------------------------------------------------


def add_token(
    connection: Connection,
    *,
    name: str,
    scope: str,
    host_key: str | None,
    secret_hash: str,
    now_us: int,
    expires_us: int | None,
    created_by: str | None,
) -> int | None:
    """The new token's id, or None where the host has one that is not revoked."""
    new = upsert(connection, tokens).values(
        name=name,
        scope=scope,
        host_key=host_key,
        secret_hash=secret_hash,
        created_us=now_us,
        created_by=created_by,
        expires_us=expires_us,
    )
    unless_taken = new.on_conflict_do_nothing(index_elements=[tokens.c.host_key], index_where=LIVE_HOST_TOKEN)
    token_id: int | None = connection.scalar(unless_taken.returning(tokens.c.token_id))
    return token_id


def token_by_hash(connection: Connection, secret_hash: str) -> Token | None:
    return _maybe_token(connection.execute(select(*_TOKEN).where(tokens.c.secret_hash == secret_hash)).first())


def token_by_id(connection: Connection, token_id: int) -> Token | None:
    return _maybe_token(connection.execute(select(*_TOKEN).where(tokens.c.token_id == token_id)).first())


def tokens_named(connection: Connection, name: str) -> list[Token]:
    found = select(*_TOKEN).where(tokens.c.name == name).order_by(tokens.c.token_id)
    return [Token(*row) for row in connection.execute(found)]


def live_tokens_of_host(connection: Connection, host_key: str, now_us: int) -> list[Token]:
    found = select(*_TOKEN).where(tokens.c.scope == "host", tokens.c.host_key == host_key, _live(now_us))
    return [Token(*row) for row in connection.execute(found)]


def all_tokens(connection: Connection) -> list[Token]:
    return [Token(*row) for row in connection.execute(select(*_TOKEN).order_by(tokens.c.token_id))]


def count_revoked(connection: Connection) -> int:
    """How many tokens were ever revoked: none is dropped, so that a new one shows."""
    return connection.scalar(select(func.count(tokens.c.revoked_us))) or 0


def revoke_token(connection: Connection, token_id: int, now_us: int) -> None:
    connection.execute(
        update(tokens).where(tokens.c.token_id == token_id, tokens.c.revoked_us.is_(None)).values(revoked_us=now_us)
    )


def revoke_host_tokens(connection: Connection, host_key: str, now_us: int, *, only_expired: bool = False) -> int:
    """Revoke a host's tokens, or those that have expired; how many there were."""
    chosen = [tokens.c.scope == "host", tokens.c.host_key == host_key, tokens.c.revoked_us.is_(None)]
    if only_expired:
        chosen.append(tokens.c.expires_us <= now_us)
    return connection.execute(update(tokens).where(*chosen).values(revoked_us=now_us)).rowcount


def note_uses(connection: Connection, uses: Mapping[int, int]) -> None:
    """Write when tokens (by id) were last used, never moving one back."""
    seen = tokens.c.last_used_us
    change = (
        update(tokens)
        .where(tokens.c.token_id == bindparam("token"), or_(seen.is_(None), seen < bindparam("used")))
        .values(last_used_us=bindparam("used"))
    )
    # in one order everywhere, so that two servers that note the same tokens cannot deadlock
    rows = [{"token": token_id, "used": uses[token_id]} for token_id in sorted(uses)]
    if rows:
        connection.execute(change, rows)


def _live(now_us: int) -> ColumnElement[bool]:
    return and_(tokens.c.revoked_us.is_(None), or_(tokens.c.expires_us.is_(None), tokens.c.expires_us > now_us))


def _maybe_user(row: Row[*tuple[Any, ...]] | None) -> User | None:
    return None if row is None else User(*row)


def _maybe_token(row: Row[*tuple[Any, ...]] | None) -> Token | None:
    return None if row is None else Token(*row)
