"""The one writer of a server process: pushes that wait share a transaction, so that durability costs them little.

A push is answered when its transaction is committed, and not before."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from server.problems import Problem
from server.store.database import Database
from server.store.pushes import NewPush, Taken, take

MOST_WAITING = 2_000
MOST_TOGETHER = 64
MOST_SNAPSHOTS_TOGETHER = 2_000
MOST_BYTES_WAITING = 256 * 2**20

_UNBINDABLE = (ValueError, OverflowError)  # what a driver raises, unwrapped, for a value that it can't send

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    push: NewPush
    size: int
    answer: "Future[Taken]" = field(default_factory=Future)


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
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, push: NewPush) -> "Future[Taken]":
        """Queue a push. Raises Problem 503 when the server can't keep up or is stopping."""
        size = _size(push)
        with self._lock:
            if self._closed:
                raise Problem(503, "The server is stopping; send again.", headers={"Retry-After": "5"})
            waits = self._waiting.qsize()
            if waits >= MOST_WAITING or (waits and self._bytes + size > MOST_BYTES_WAITING):
                raise Problem(503, "More arrives than can be written; send again later.", headers={"Retry-After": "10"})
            self._bytes += size
            waiting = _Waiting(push, size)
            self._waiting.put(waiting)
        return waiting.answer

    def forget_host(self, name_key: str) -> None:
        self._hosts.pop(name_key, None)

    def close(self) -> None:
        """Write what is queued, then stop."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            # a client that went away in the queue is not written; from here on it can't take its push back
            wanted = [one for one in group if one.answer.set_running_or_notify_cancel()]
            try:
                if wanted:
                    self._write(wanted)
            except Exception:  # the outermost loop: whatever it is, the next group must still be written
                log.exception("Writing failed")
                for one in wanted:
                    if not one.answer.done():
                        one.answer.set_exception(_unwritten())
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
            if len(group) > 1 and not isinstance(error, OperationalError):  # which would refuse the others too
                for one in group:  # one bad apple must not refuse the others
                    self._write([one])
                return
            log.warning("%d pushes, the first of %r, could not be written: %s", len(group), group[0].push.host, error)
            for one in group:
                one.answer.set_exception(_unwritten())
            return
        for one, taken in zip(group, answers, strict=True):
            self._hosts[one.push.host_key] = taken.host_id
        self._on_taken({taken.host_id for taken in answers})
        for one, taken in zip(group, answers, strict=True):
            one.answer.set_result(taken)

    def _commit(self, group: Sequence[_Waiting]) -> list[Taken]:
        # in order of host, so that two server processes never lock the same hosts crosswise
        order = sorted(range(len(group)), key=lambda at: group[at].push.host_key)
        answers: dict[int, Taken] = {}
        with self._database.write() as connection:
            for at in order:
                answers[at] = take(connection, group[at].push, self._hosts)
        return [answers[at] for at in range(len(group))]


def _size(push: NewPush) -> int:
    """What the push holds in memory, roughly."""
    items = (item for items in push.inventory.values() for item in items)
    return sum(len(one.body) for one in push.snapshots) + sum(
        100 + len(item.name) + len(item.vendor or "") + len(item.version or "") for item in items
    )


def _unwritten() -> Problem:
    return Problem(503, "The snapshots could not be written; send them again.", headers={"Retry-After": "5"})
