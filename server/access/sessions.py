"""Sessions of people: opened by a password or a sign-in link, ended by signing out, expiry or being disabled."""

from sqlalchemy import Connection

from server.access import credentials
from server.store import accounts


def open_session(connection: Connection, user_id: int, *, now_us: int, expires_us: int) -> str:
    """The secret of a new session, for its cookie. Sessions that have expired are dropped on the way."""
    accounts.drop_expired(connection, now_us)
    secret = credentials.new_secret()
    accounts.add_session(
        connection,
        secret_hash=credentials.digest(secret),
        user_id=user_id,
        now_us=now_us,
        expires_us=expires_us,
    )
    return secret


def close_session(connection: Connection, secret: str) -> None:
    accounts.end_session(connection, credentials.digest(secret))


def make_sign_in_link(connection: Connection, user_id: int, now_us: int, expires_us: int) -> str:
    """The secret of a link `/login?key=SECRET` that signs this person in, as often as it is opened, till it expires."""
    accounts.drop_expired(connection, now_us)
    secret = credentials.new_secret()
    accounts.add_sign_in_link(
        connection, secret_hash=credentials.digest(secret), user_id=user_id, expires_us=expires_us
    )
    return secret
