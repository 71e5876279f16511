"""Pushes what the spool holds and enrols with the server. The only module that needs httpx, loaded when it pushes."""

import hashlib
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from collector import __version__
from collector.answers import Answer, Backoff, Meaning, Verdict, judge
from collector.packed import MEDIA_TYPE, packed_body
from collector.spool import Entry, Spool
from collector.state import StateDirectory
from collector.wire import JsonObject, body_parts, compact, gzip_body, is_token, rfc3339

if TYPE_CHECKING:
    import httpx

CONNECT_S = 5.0
TOTAL_S = 30.0
MOST_SNAPSHOTS = 100
MOST_LENGTH = 4 << 20
MOST_ANSWER = 1 << 20
PATH = "/api/v1/snapshots"
# Of packed columns: by a server that takes JSON alone, or by something on the way.
NOT_UNDERSTOOD = (400, 406, 415, 422)
# Servers close a connection that is not used: uvicorn after 5 s. A push that meets that moment fails for nothing, so
# ours is given up clearly before; and so a collector with the usual interval connects for each push.
KEPT_OPEN_S = 3.0
# How OpenSSL says that what answered is not TLS.
NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "record layer failure", "HTTP_REQUEST")


class Http:
    """Posts to one server. A request ends after `total_s` whatever the server does, or at once by `abort`."""

    def __init__(self, server: str, *, connect_s: float = CONNECT_S, total_s: float = TOTAL_S) -> None:
        self._server = server.rstrip("/")
        self._connect_s = connect_s
        self._total_s = total_s
        self._client: httpx.Client | None = None
        self._sockets: list[socket.socket] = []
        self._aborted = False
        self._late = False

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def abort(self) -> None:
        """From another thread: ends the request that is under way, and lets none begin."""
        self._aborted = True
        self._cut()

    def post(self, path: str, *, token: str, body: bytes, packed: bool, kind: str = "application/json") -> Answer:
        """`packed`: with gzip. Never raises for what network, server or proxy settings do: an answer without a status
        says what happened."""
        _load_httpx()
        import httpx

        if self._aborted:
            return Answer(None, b"stopping")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        if packed:
            headers["Content-Encoding"] = "gzip"
        self._late = False
        watchdog = threading.Timer(self._total_s, self._too_late)
        watchdog.daemon = True
        watchdog.start()
        try:
            client = self._client = self._client or self._connect()
            with client.stream(
                "POST", self._server + path, content=body, headers=headers, extensions={"trace": self._trace}
            ) as response:
                return self._answer(response)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
            if self._late or isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout)):
                return Answer(None, f"no answer within {self._total_s:g} s".encode())
            return Answer(None, f"cannot reach {self._server}: {_why(error)}".encode())
        finally:
            watchdog.cancel()

    def _connect(self) -> "httpx.Client":
        from http.cookiejar import CookieJar, DefaultCookiePolicy

        import httpx

        return httpx.Client(
            timeout=httpx.Timeout(self._total_s, connect=self._connect_s),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # of no use, and a server could send any number
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_OPEN_S),
            headers={
                "User-Agent": f"handlewatch-collector/{__version__}",
                "Accept-Encoding": "identity",  # answers are small, and a packed one could unpack to anything
            },
        )

    def _answer(self, response: "httpx.Response") -> Answer:
        body = b""
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > MOST_ANSWER:
                body = b""
                break
        headers = response.headers
        return Answer(
            response.status_code,
            body,
            headers.get("retry-after"),
            headers.get("location"),
            headers.get("accept-post", "")[:1024],
        )

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """httpcore tells of each new connection: its socket is what a watchdog can cut."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            found = info["return_value"].get_extra_info("socket")
            if event.startswith("connection.connect"):
                self._sockets.clear()
            if found is not None:
                self._sockets.append(found)
        if self._aborted or self._late:  # the time may have run out over the name of the server, with nothing to cut
            self._cut()

    def _too_late(self) -> None:
        self._late = True
        self._cut()

    def _cut(self) -> None:
        for connection in list(self._sockets):
            try:
                # Not the TLS socket's own shutdown, which would first talk to a server that does not answer.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                continue


@dataclass(frozen=True, slots=True)
class Step:
    """After one step of the sender: `wait_s` until the next (0: there may be more to send, None: nothing to send).

    `failure` is None or a sentence that says why nothing could be sent. `refused_inventory`: why the server took the
    push without its inventory alone, None where it did not come to that.
    """

    wait_s: float | None
    failure: str | None = None
    verdict: Verdict | None = None
    note: str | None = None
    refused_inventory: str | None = None


class Sender:
    """Takes snapshots from the spool, oldest first, until the server has answered for each. One thread uses it.

    `envelope` gives `host` and `collector` of a push. `advised` is called with each acknowledgement.
    """

    def __init__(
        self,
        http: Http,
        spool: Spool,
        state: StateDirectory,
        *,
        server: str,
        token: str,
        host: str,
        envelope: Callable[[], JsonObject],
        jitter: random.Random | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._spool = spool
        self._state = state
        self._server = server.rstrip("/")
        self._given = token
        self._host = host
        self._envelope = envelope
        self._clock = clock
        self._backoff = Backoff(jitter or random.Random())  # noqa: S311 - spreads load, guards nothing
        self._most = MOST_SNAPSHOTS
        self._rejected_in_a_row = 0
        self._token: str | None = None
        self._in_doubt = False
        self._unkept: JsonObject | None = None
        self._with_inventory = False
        self._refused_inventory: str | None = None
        self._packs: bool | None = False  # None: not again

    def step(self) -> Step:
        """Finds its token if it has none, then sends one batch."""
        if self._unkept is not None:
            self._keep(self._unkept)
        entries = self._spool.first(most=self._most, most_length=MOST_LENGTH)
        if not entries:
            return Step(None)
        if self._token is None or self._in_doubt:
            failed = self._find_token()
            if failed is not None:
                return failed
        sent: list[Entry] = []
        verdict = self._push(entries, sent)
        if not sent:
            return Step(0, note="damaged files in the spool were left out")
        return self._act(verdict, sent)

    def _push(self, entries: list[Entry], sent: list[Entry]) -> Verdict:
        """Sends those of `entries` that are whole, and puts them into `sent`."""

        def snapshots() -> Iterator[bytes]:
            for entry in entries:
                snapshot = self._spool.load(entry)
                if snapshot is not None:
                    sent.append(entry)
                    yield snapshot

        envelope = self._envelope() | {"sent_at": rfc3339(self._clock())}
        if self._refused_inventory is not None:
            envelope.pop("inventory", None)
        self._with_inventory = "inventory" in envelope
        if self._packs:
            return self._push_columns(envelope, list(snapshots()))
        body = gzip_body(body_parts(envelope, snapshots()))
        if not sent:
            return Verdict(Meaning.LATER)
        return self._sent(self._http.post(PATH, token=self._token or "", body=body, packed=True))

    def _push_columns(self, envelope: JsonObject, snapshots: list[bytes]) -> Verdict:
        """In packed columns; as JSON if they can't be made or are not understood, and from then on."""
        if not snapshots:
            return Verdict(Meaning.LATER)
        token = self._token or ""
        try:
            body = packed_body(envelope, snapshots)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            answer = Answer(415)
        else:
            answer = self._http.post(PATH, token=token, body=body, packed=False, kind=MEDIA_TYPE)
        if answer.status in NOT_UNDERSTOOD:
            self._packs = None
            body = gzip_body(body_parts(envelope, snapshots))
            answer = self._http.post(PATH, token=token, body=body, packed=True)
        return self._sent(answer)

    def _sent(self, answer: Answer) -> Verdict:
        verdict = judge(answer, now=self._clock())
        if verdict.meaning is Meaning.ACCEPTED and self._packs is not None:
            self._packs = MEDIA_TYPE in answer.takes
        return verdict

    def _act(self, verdict: Verdict, sent: list[Entry]) -> Step:
        if verdict.meaning is Meaning.ACCEPTED:
            self._spool.done(sent)
            self._backoff.reset()
            self._rejected_in_a_row = 0
            self._most = min(MOST_SNAPSHOTS, self._most * 2)
            refused, self._refused_inventory = self._refused_inventory, None
            return Step(0, verdict=verdict, refused_inventory=refused)
        if verdict.meaning is Meaning.REFUSED and self._with_inventory and (verdict.envelope or len(sent) == 1):
            # What is installed may be what makes it too large or cannot be understood: no snapshot is to suffer for it.
            self._refused_inventory = verdict.reason
            return Step(0)
        if verdict.meaning is Meaning.REFUSED and not verdict.envelope:
            return self._refused(verdict, sent)
        if verdict.meaning is Meaning.LATER:
            return Step(self._backoff.next(verdict.retry_after_s), verdict.reason)
        if verdict.meaning is Meaning.MISPLACED:
            return Step(self._backoff.slowly(), self._misplaced(verdict))
        # Before the next try the token is looked into: it may have been revoked, or the machine renamed.
        self._in_doubt = verdict.meaning is Meaning.FORBIDDEN
        return Step(self._backoff.slowly(), verdict.reason)

    def _misplaced(self, verdict: Verdict) -> str:
        return f"{verdict.reason}; {_without_secrets(self._server)} is probably not the address of a Handlewatch server"

    def _refused(self, verdict: Verdict, sent: list[Entry]) -> Step:
        if len(sent) > 1:
            self._most = len(sent) // 2
            return Step(0)
        snapshot = self._spool.load(sent[0])
        if snapshot is None:
            return Step(0)
        self._spool.reject(sent[0], snapshot, verdict.reason)
        self._rejected_in_a_row += 1
        self._refused_inventory = None  # it was the snapshot
        note = f"put the snapshot of {rfc3339(sent[0].time)} into rejected/: {verdict.reason}"
        # A server, or a proxy before it, that refuses everything must not drain the spool at full speed.
        return Step(0 if self._rejected_in_a_row == 1 else self._backoff.next(), note=note)

    def abort(self) -> None:
        """From another thread: ends the push that is under way, and lets none begin."""
        self._http.abort()

    def _find_token(self) -> Step | None:
        """Sets the token to push with: our own from an earlier enrolment, a new one, or the one given.

        A token in doubt is replaced only by a new one of our own, since a refusal may be a proxy's and pass.
        """
        given = hashlib.sha256(self._given.encode()).hexdigest()
        kept = self._state.load("token") if not self._in_doubt else {}
        if kept.get("server") == self._server and kept.get("host") == self._host:
            self._token = _usable(kept.get("token"))
            if self._token is None and kept.get("pushes_itself") == given:
                self._token = self._given
        if self._token is not None and not self._in_doubt:
            return None
        answer = self._http.post("/api/v1/enroll", token=self._given, body=compact({"host": self._host}), packed=False)
        facts: JsonObject = {"server": self._server, "host": self._host}
        if answer.status == 200 and (own := _own_token(answer.body)):
            # Kept before it is used: it is told only once.
            self._token, self._in_doubt = own, False
            self._keep(facts | {"token": own})
            return None
        if self._in_doubt and self._token is not None:
            self._in_doubt = False
            return None
        if answer.status in (403, 404, 405):
            self._token = self._given
            self._keep(facts | {"pushes_itself": given})
            return None
        return self._not_enrolled(answer)

    def _keep(self, facts: JsonObject) -> None:
        """A full disk must not lose a token: what could not be kept is kept at a later step."""
        self._unkept = None if self._state.keep("token", facts) else facts

    def _not_enrolled(self, answer: Answer) -> Step:
        verdict = judge(answer, now=self._clock())
        if answer.status == 409:
            return Step(
                self._backoff.slowly(),
                f"the server already has a host {self._host!r} with a token of its own ({verdict.reason}); "
                "if that is another machine, give this one a name of its own with --host-name; if it is this one, "
                "an admin must allow it to enrol anew on the server (docs/access.md, Tokens)",
            )
        if answer.status == 401:
            return Step(self._backoff.slowly(), f"the server does not know this token ({verdict.reason})")
        if verdict.meaning is Meaning.LATER:
            return Step(self._backoff.next(verdict.retry_after_s), verdict.reason)
        reason = self._misplaced(verdict) if verdict.meaning is Meaning.MISPLACED else verdict.reason
        return Step(self._backoff.slowly(), f"enrolment was refused: {reason}")


def _load_httpx() -> None:
    """httpx without its command line, which on a machine that has rich costs 5 MB and 50 ms for nothing."""
    modules: dict[str, Any] = sys.modules
    command_line = "httpx._main"
    spare = "httpx" not in modules and command_line not in modules
    if spare:
        modules[command_line] = None  # importing it now fails, which httpx takes as not installed
    import httpx  # noqa: F401

    if spare:
        del modules[command_line]


def _why(error: Exception) -> str:
    """As the middle of a sentence."""
    text = str(error)
    if any(sign in text for sign in NOT_TLS):
        return f"what answers there does not speak https; if that is meant, the address begins with http:// ({text})"
    return text.rstrip(". ") or type(error).__name__


def _without_secrets(address: str) -> str:
    """Without what may stand before the host and behind the path."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _own_token(body: bytes) -> str | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    token = answer.get("token") if isinstance(answer, dict) else None
    return _usable(token)


def _usable(token: object) -> str | None:
    return token if isinstance(token, str) and is_token(token) else None
