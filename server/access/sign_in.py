"""Signing in: a name and a password, or a link's key, against a new session."""

import ipaddress
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

from server.access import credentials, passwords
from server.access.names import name_key
from server.access.sessions import open_session
from server.access.throttle import Throttle
from server.analysis.instants import DAY, SECOND
from server.problems import Problem
from server.store import accounts
from server.store.database import Database

# argon2 takes 64 MiB and some 50 ms of the cores it gets: few at a time, and a flood is turned away, not queued
_AT_ONCE = 2
_WAITING = 16


class SignIn:
    """Opens sessions. Checking a password is slow by design and happens on few threads of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._throttle = Throttle()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sign-in")
        self._places = BoundedSemaphore(_AT_ONCE + _WAITING)

    def submit(self, name: str, password: str, *, address: str, now_us: int, session_days: int) -> Future[str]:
        """`with_password` on one of the threads; Problem 503 where too many wait already."""
        if not self._places.acquire(blocking=False):
            raise Problem(503, "too many people sign in right now; try again in a moment", headers={"Retry-After": "2"})
        future = self._pool.submit(
            self.with_password, name, password, address=address, now_us=now_us, session_days=session_days
        )
        future.add_done_callback(lambda _: self._places.release())
        return future

    def with_password(self, name: str, password: str, *, address: str, now_us: int, session_days: int) -> str:
        """The secret of a new session. Problem 403 if name and password don't fit, 429 after too many tries."""
        key = name_key(name.strip()[:256])
        tried = (key, _network(address))
        wait_us = self._throttle.begin(tried, now_us)
        if wait_us:
            seconds = -(-wait_us // SECOND)
            raise Problem(
                429,
                f"too many failed sign-ins for this name; try again in {_in_words(seconds)}",
                headers={"Retry-After": str(seconds)},
            )
        with self._database.read() as connection:
            user = accounts.user_by_key(connection, key)
        if not passwords.verify_password(user.password_hash if user else None, password) or user is None:
            raise _misfit()
        with self._database.write() as connection:
            # read again: while the hash was computed, the person may have got a new password or been disabled
            if user.disabled_us is not None or accounts.user_by_key(connection, key) != user:
                raise _misfit()
            self._throttle.succeed(tried)
            return open_session(connection, user.user_id, now_us=now_us, expires_us=now_us + session_days * DAY)

    def with_link(self, key: str, *, now_us: int, session_days: int) -> str:
        """The secret of a new session; Problem 403 if the link is unknown or has expired."""
        with self._database.read() as connection:
            user = accounts.link_user(connection, credentials.digest(key), now_us)
        if user is None:
            raise Problem(403, "this sign-in link is not valid, or no longer; sign in with your name and password")
        with self._database.write() as connection:
            return open_session(connection, user.user_id, now_us=now_us, expires_us=now_us + session_days * DAY)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _misfit() -> Problem:
    return Problem(403, "name and password don't fit together, or the account is disabled")


def _network(address: str) -> str:
    """What one attacker holds: an IPv4 address, or a /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)


def _in_words(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} min"
