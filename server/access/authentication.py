"""Who sent a request: a bearer token or a session's cookie, turned into a principal."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from server.access import credentials
from server.access.principals import Principal
from server.access.sign_in import SignIn
from server.analysis.instants import MINUTE, SECOND, rfc3339
from server.problems import Problem
from server.store import accounts
from server.store.accounts import Token
from server.store.database import Database

_log = logging.getLogger(__name__)

CACHE_LIFE = 5 * SECOND  # within which it is asked whether any token was revoked
CACHE_SIZE = 65_536
USE_STEP = MINUTE


@dataclass(slots=True)
class _Known:
    principal: Principal
    expires_us: int | None
    noted_us: int | None  # when it was last noted that it is used

    def holds(self, now_us: int) -> bool:
        return self.expires_us is None or now_us < self.expires_us


class Authenticator:
    """Knows tokens and sessions by their digests. Tokens are remembered; every 5 s it is asked whether any was revoked
    meanwhile, so that one revoked by another process still works for as long; `forget` ends that at once in this
    process. Sessions are never remembered.

    When a token was last used is gathered in memory and written by a thread of its own, all tokens in one
    transaction, once a minute at most.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, _Known] = {}
        self._generation = 0
        self._asked_us: int | None = None
        self._asking = threading.Lock()
        self._revoked = 0
        self._lock = threading.Lock()
        self._uses: dict[int, int] = {}
        self._noted_us: int | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="token-uses")
        self.sign_in = SignIn(database)

    def of_bearer(self, header_value: str | None, now_us: int) -> Principal:
        """The principal of an `Authorization` header; Problem 401 says what is wrong with it. Reads the database
        where `remembered` would not answer."""
        digest = credentials.digest(_bearer(header_value))
        self._ask(now_us)
        known = self._known.get(digest)
        if known is not None and known.holds(now_us):
            self._note_use(known, now_us)
            return known.principal
        generation = self._generation
        with self._database.read() as connection:
            token = accounts.token_by_hash(connection, digest)
        if token is None:
            raise _refusal("this token is not known here; make one with `handlewatch token create`")
        if token.revoked_us is not None:
            raise _refusal(f"this token was revoked at {rfc3339(token.revoked_us)}")
        if not token.is_live(now_us):
            raise _refusal(f"this token expired at {rfc3339(token.expires_us or now_us)}")
        principal = _principal(token)
        known = _Known(principal, token.expires_us, token.last_used_us)
        self._note_use(known, now_us)
        self._remember(digest, known, generation)
        return principal

    def remembered(self, header_value: str | None, now_us: int) -> Principal | None:
        """As `of_bearer`, but from memory alone: None where the database must be asked, and nothing is raised."""
        scheme, _, token = (header_value or "").partition(" ")
        known = self._known.get(credentials.digest(token.strip())) if scheme.lower() == "bearer" else None
        if known is None or not known.holds(now_us) or self._is_due(now_us):
            return None
        self._note_use(known, now_us)
        return known.principal

    def of_session(self, cookie: str | None, now_us: int) -> Principal | None:
        """The person whose session's secret the cookie holds; None if there is none, or no longer."""
        if not cookie:
            return None
        with self._database.read() as connection:
            user = accounts.session_user(connection, credentials.digest(cookie), now_us)
        if user is None:
            return None
        return Principal(
            kind="session",
            name=user.name,
            scope=user.role,
            user_id=user.user_id,
            csrf_token=credentials.csrf_token(cookie),
        )

    def _is_due(self, now_us: int) -> bool:
        return self._asked_us is None or not 0 <= now_us - self._asked_us < CACHE_LIFE

    def _ask(self, now_us: int) -> None:
        """Forget all if a token was revoked since this was last asked. What is remembered later was read later."""
        with self._asking:
            if not self._is_due(now_us):
                return
            with self._database.read() as connection:
                revoked = accounts.count_revoked(connection)
            if revoked != self._revoked:
                self._revoked = revoked
                self.forget()
            self._asked_us = now_us

    def forget(self) -> None:
        """Ask the database anew about every token: call it when one was revoked, after the commit."""
        with self._lock:
            self._generation += 1
            self._known.clear()

    def write_uses(self) -> None:
        """Write when tokens were last used, as far as it is not written yet."""
        with self._lock:
            uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            with self._database.write() as connection:
                accounts.note_uses(connection, uses)
        except SQLAlchemyError as error:
            # it is told to people only; the next use writes it again
            _log.warning("could not write when %d tokens were last used: %s", len(uses), error)

    def close(self) -> None:
        """Write what is left to write and end the threads; call it before the database is closed."""
        self.sign_in.close()
        self._writer.shutdown()
        self.write_uses()

    def _remember(self, digest: str, known: _Known, generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return  # a revocation came between the reading and now
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[digest] = known

    def _note_use(self, known: _Known, now_us: int) -> None:
        token_id = known.principal.token_id
        if token_id is None or (known.noted_us is not None and now_us - known.noted_us < USE_STEP):
            return
        known.noted_us = now_us
        with self._lock:
            self._uses[token_id] = now_us
            if self._noted_us is None:
                self._noted_us = now_us  # gather for a while first
            due = now_us - self._noted_us >= USE_STEP
            if due:
                self._noted_us = now_us
        if due:
            self._writer.submit(self.write_uses)


def _bearer(header_value: str | None) -> str:
    if not header_value:
        raise Problem(
            401, "this needs a token: send `Authorization: Bearer TOKEN`", headers={"WWW-Authenticate": "Bearer"}
        )
    scheme, _, token = header_value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refusal("the Authorization header is not `Bearer TOKEN`")
    return token.strip()


def _refusal(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def _principal(token: Token) -> Principal:
    return Principal(kind="token", name=token.name, scope=token.scope, host_key=token.host_key, token_id=token.token_id)
