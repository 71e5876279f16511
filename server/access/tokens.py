"""Tokens of machines and scripts: made, listed, revoked. The secret is told once and only its digest is kept."""

from sqlalchemy import Connection

from server.access import credentials
from server.access.names import checked_host, checked_label, name_key
from server.access.principals import Scope
from server.problems import Problem
from server.store import accounts
from server.store.accounts import Token


def create_token(
    connection: Connection,
    *,
    name: str,
    scope: Scope,
    now_us: int,
    host_name: str | None = None,
    expires_us: int | None = None,
    created_by: str | None = None,
) -> str:
    """The new token, told this once. Problem 422 for a name that can't be used, or unless a `host` token, and no
    other, names its host; 409 where that host has a live token."""
    name = checked_label(name)
    if scope is Scope.HOST:
        if host_name is None:
            raise Problem(422, "a host token is bound to one host: name it")
        return create_host_token(
            connection, name=name, host_name=host_name, now_us=now_us, expires_us=expires_us, created_by=created_by
        )
    if host_name is not None:
        raise Problem(422, f"only host tokens are bound to a host; {scope} tokens are not")
    secret = credentials.new_token()
    accounts.add_token(
        connection,
        name=name,
        scope=scope,
        host_key=None,
        secret_hash=credentials.digest(secret),
        now_us=now_us,
        expires_us=expires_us,
        created_by=created_by,
    )
    return secret


def create_host_token(
    connection: Connection,
    *,
    name: str,
    host_name: str,
    now_us: int,
    expires_us: int | None = None,
    created_by: str | None = None,
) -> str:
    """The new token of one host. Problem 409 where it has a live one, however many ask at once."""
    host_key = name_key(checked_host(host_name))
    # an expired token speaks for nobody, so it must not stand in the way
    accounts.revoke_host_tokens(connection, host_key, now_us, only_expired=True)
    secret = credentials.new_token()
    token_id = accounts.add_token(
        connection,
        name=name,
        scope=Scope.HOST,
        host_key=host_key,
        secret_hash=credentials.digest(secret),
        now_us=now_us,
        expires_us=expires_us,
        created_by=created_by,
    )
    if token_id is None:
        raise Problem(409, _taken(connection, host_key, now_us))
    return secret


def find_live(connection: Connection, name_or_id: str, now_us: int) -> Token:
    """The live token with this id, else the one of this name; Problem 404 if there is none, 409 if several live
    tokens have the name."""
    by_id = None
    if name_or_id.isascii() and name_or_id.isdigit() and len(name_or_id) < 10:
        by_id = accounts.token_by_id(connection, int(name_or_id))
        if by_id is not None and by_id.is_live(now_us):
            return by_id
    named = accounts.tokens_named(connection, name_or_id) if name_or_id.isprintable() else []
    live = [token for token in named if token.is_live(now_us)]
    if len(live) > 1:
        listed = ", ".join(f"{token.token_id} ({token.scope})" for token in live)
        raise Problem(409, f"{len(live)} tokens are called {name_or_id!r}; give the id of one of them: {listed}")
    if live:
        return live[0]
    if named or by_id is not None:
        raise Problem(404, f"the token {name_or_id!r} is revoked or has expired already")
    raise Problem(404, f"there is no token {name_or_id!r}; `handlewatch token list` shows them")


def _taken(connection: Connection, host_key: str, now_us: int) -> str:
    live = accounts.live_tokens_of_host(connection, host_key, now_us)
    which = f" (number {live[0].token_id})" if live else ""
    return (
        f"this host has a live token{which}. Keep using it; if it is lost, an admin runs "
        "`handlewatch token allow HOST` on the server: that revokes it, and the host may have a new one"
    )
