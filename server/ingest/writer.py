"""The one writer of a server process: pushes that wait share a transaction, so that durability costs them little.

A push is answered when its transaction is committed, and not before."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from server.problems import Problem
from server.store.database import Database
from server.store.newest import Expected, facts_key, take_newest
from server.store.pushes import NewPush, Taken, known_ids, take

MOST_WAITING = 2_000
MOST_TOGETHER = 64
MOST_SNAPSHOTS_TOGETHER = 2_000
MOST_BYTES_WAITING = 256 * 2**20
MOST_KNOWN = 100_000  # hosts remembered, at half a KiB each

_UNBINDABLE = (ValueError, OverflowError)  # what a driver raises, unwrapped, for a value that it can't send

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """A push in the queue. `taken`: what became of it, once that is durable."""

    push: NewPush
    size: int
    answer: "Future[Taken] | asyncio.Future[Taken]"
    taken: Taken | None = None

    def start(self) -> bool:
        """Whether somebody still waits; one who does can't take the push back from here on."""
        if isinstance(self.answer, Future):
            return self.answer.set_running_or_notify_cancel()
        return not self.answer.cancelled()


class Writer:
    """Takes pushes from any thread. `on_taken` is called with the ids of the hosts that have something new."""

    def __init__(self, database: Database, on_taken: Callable[[set[int]], None]) -> None:
        self._database = database
        self._on_taken = on_taken
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._bytes = 0
        self._closed = False
        self._hosts: dict[str, int] = {}
        self._expected: dict[str, Expected] = {}
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, push: NewPush) -> "Future[Taken]":
        """Queue a push. Raises Problem 503 when the server can't keep up or is stopping."""
        answer: Future[Taken] = Future()
        self._put(push, answer)
        return answer

    async def take(self, push: NewPush) -> Taken:
        """`submit`, and wait for the answer, which costs less than a future that threads share."""
        answer: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._put(push, answer)
        return await answer

    def _put(self, push: NewPush, answer: "Future[Taken] | asyncio.Future[Taken]") -> None:
        size = _size(push)
        with self._lock:
            if self._closed:
                raise Problem(503, "The server is stopping; send again.", headers={"Retry-After": "5"})
            waits = self._waiting.qsize()
            if waits >= MOST_WAITING or (waits and self._bytes + size > MOST_BYTES_WAITING):
                raise Problem(503, "More arrives than can be written; send again later.", headers={"Retry-After": "10"})
            self._bytes += size
            self._waiting.put(_Waiting(push, size, answer))

    def forget_host(self, name_key: str) -> None:
        self._hosts.pop(name_key, None)
        self._expected.pop(name_key, None)

    def close(self) -> None:
        """Write what is queued, then stop."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            if len(self._hosts) > MOST_KNOWN:  # what is forgotten is read again when it is needed
                self._hosts.clear()
                self._expected.clear()
            # a client that went away in the queue is not written; from here on it can't take its push back
            wanted = [one for one in group if one.start()]
            try:
                if wanted:
                    self._write(wanted)
            except Exception:  # the outermost loop: whatever it is, the next group must still be written
                log.exception("Writing failed")
                _answer([one for one in wanted if not one.answer.done()])
            with self._lock:
                self._bytes -= sum(one.size for one in group)

    def _next_group(self) -> list[_Waiting]:
        """All that waits, up to what one transaction should hold; empty at the end."""
        first = self._waiting.get()
        if first is None:
            return []
        group = [first]
        snapshots = len(first.push.snapshots)
        with contextlib.suppress(queue.Empty):
            while len(group) < MOST_TOGETHER and snapshots < MOST_SNAPSHOTS_TOGETHER:
                one = self._waiting.get_nowait()
                if one is None:
                    self._waiting.put(None)
                    break
                group.append(one)
                snapshots += len(one.push.snapshots)
        return group

    def _write(self, group: Sequence[_Waiting]) -> None:
        try:
            answers = self._commit(group)
        except (SQLAlchemyError, LookupError, *_UNBINDABLE) as error:
            left = [one for one in group if one.taken is None]
            self._done([one for one in group if one.taken is not None])
            if len(group) > 1 and not isinstance(error, OperationalError):  # which would refuse the others too
                for one in left:  # one bad apple must not refuse the others
                    self._write([one])
                return
            log.warning("%d pushes, the first of %r, could not be written: %s", len(left), left[0].push.host, error)
            _answer(left)
            return
        for one, taken in zip(group, answers, strict=True):
            one.taken = taken
        self._done(group)

    def _done(self, group: Sequence[_Waiting]) -> None:
        taken = {one.push.host_key: one.taken.host_id for one in group if one.taken is not None}
        self._hosts.update(taken)
        if taken:
            self._on_taken(set(taken.values()))
        _answer(group)

    def _commit(self, group: Sequence[_Waiting]) -> list[Taken]:
        ids = self._ids([one.push for one in group])
        # in order of host, so that two server processes never lock the same hosts crosswise
        order = sorted(range(len(group)), key=lambda at: ids[group[at].push.host_key])
        answers = self._commit_newest(group, order)
        for at, taken in answers.items():
            group[at].taken = taken
        left = [at for at in order if at not in answers]
        if left:
            with self._database.write() as connection:
                for at in left:
                    answers[at] = take(connection, group[at].push, ids)
            for at in left:
                self._expect(group[at].push, answers[at])
        return [answers[at] for at in range(len(group))]

    def _ids(self, pushes: Sequence[NewPush]) -> dict[str, int]:
        """Of their hosts, by name key; a host is given one before the transaction in which its pushes are taken."""
        ids = {push.host_key: host_id for push in pushes if (host_id := self._hosts.get(push.host_key)) is not None}
        unknown = [push for push in pushes if push.host_key not in ids]
        if unknown:
            with self._database.write() as connection:
                ids |= known_ids(connection, unknown)
        return ids

    def _commit_newest(self, group: Sequence[_Waiting], order: Sequence[int]) -> dict[int, Taken]:
        """Those that are just the next snapshot of a host, each host's first of the group."""
        first: dict[str, int] = {}
        for at in order:
            first.setdefault(group[at].push.host_key, at)
        tried = [(at, expected) for key, at in first.items() if (expected := self._expected.get(key))]
        answers: dict[int, Taken] = {}
        if not tried:
            return answers
        with self._database.write() as connection:
            found = take_newest(connection, [(group[at].push, expected) for at, expected in tried])
        for (at, _), one in zip(tried, found, strict=True):
            if one is not None:
                answers[at], self._expected[group[at].push.host_key] = one
        return answers

    def _expect(self, push: NewPush, taken: Taken) -> None:
        if taken.info_us is None or push.modest is not None:
            self._expected.pop(push.host_key, None)
        else:
            facts = facts_key(push.facts)
            self._expected[push.host_key] = Expected(taken.host_id, facts, taken.info_us, taken.held_skew_s)


def _size(push: NewPush) -> int:
    """What the push holds in memory, roughly."""
    items = (item for items in push.inventory.values() for item in items)
    return sum(len(one.body) for one in push.snapshots) + sum(
        100 + len(item.name) + len(item.vendor or "") + len(item.version or "") for item in items
    )


def _answer(group: Sequence[_Waiting]) -> None:
    """Tell all who wait what became of their pushes; those of one event loop in one go."""
    of_loops: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
    for one in group:
        if isinstance(one.answer, Future):
            _resolve([one])
        else:
            of_loops.setdefault(one.answer.get_loop(), []).append(one)
    for loop, waiting in of_loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(_resolve, waiting)


def _resolve(group: Sequence[_Waiting]) -> None:
    for one in group:
        if one.answer.done():
            continue
        if one.taken is None:
            one.answer.set_exception(_unwritten())
        else:
            one.answer.set_result(one.taken)


def _unwritten() -> Problem:
    return Problem(503, "The snapshots could not be written; send them again.", headers={"Retry-After": "5"})
