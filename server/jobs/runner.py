"""The background worker of a server process: claims hosts one by one, judges and compacts them."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence

from sqlalchemy.exc import OperationalError

from server.analysis.catalogue import Signature
from server.analysis.instants import HOUR, MINUTE, SECOND
from server.jobs.compaction import SEAL_AFTER, Retention, compact, is_due
from server.jobs.judging import judge_host
from server.store import judgements
from server.store.database import Database

CLAIM = 5 * MINUTE  # a worker that dies holds its host no longer
AFTER_FAILURE = MINUTE  # a host whose job raised is pushed ahead, so that it can't hold up the others
BATCH = 50
COMPACT_EVERY_S = 20.0
LOOK_EVERY_S = 5.0  # for work that other processes left

log = logging.getLogger(__name__)


class Runner:
    """Runs until closed. `wake()` tells it that a host has something new to judge."""

    def __init__(self, database: Database, catalogue: Mapping[str, Signature], retention: Retention) -> None:
        self._database = database
        self._catalogue = catalogue
        self._retention = retention
        self._new = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        if self._database.dialect == "sqlite":  # one server process: what is claimed, one that was killed left behind
            with self._database.write() as connection:
                judgements.release_all(connection)
        self._thread.start()

    def wake(self) -> None:
        self._new.set()

    def close(self) -> None:
        """Finish the host at hand, then stop."""
        self._stop.set()
        self._new.set()
        self._thread.join()

    def _run(self) -> None:
        compacted = 0.0
        while not self._stop.is_set():
            self._new.clear()
            try:
                busy = self.judge_waiting()
                if time.monotonic() - compacted >= COMPACT_EVERY_S:
                    busy = self.compact_due() or busy
                    compacted = time.monotonic()
            except Exception:  # the outermost loop: a database that is away comes back
                log.exception("Background work failed; trying again")
                busy = False
                self._stop.wait(LOOK_EVERY_S)
            if not busy:
                self._new.wait(LOOK_EVERY_S)

    def judge_waiting(self) -> bool:
        """Judge the hosts that wait, a batch of them; whether there was anything to do."""
        with self._database.read() as connection:
            waiting = judgements.unjudged_hosts(connection, _now(), BATCH)
        return self._work_through(waiting, judging=True)

    def compact_due(self) -> bool:
        """Compact the hosts that have an hour or more to pack; whether there was anything to do."""
        with self._database.read() as connection:
            due = judgements.hosts_to_compact(connection, HOUR + SEAL_AFTER, _now(), BATCH)
        return self._work_through(due, judging=False)

    def _work_through(self, host_ids: Sequence[int], *, judging: bool) -> bool:
        """Do one job on each of these hosts. One that raises does not keep the others from their turn; the first such
        error is raised at the end."""
        done = 0
        failure: Exception | None = None
        for host_id in host_ids:
            if self._stop.is_set():
                break
            try:
                done += self._work(host_id, judging=judging)
            except OperationalError:  # the database is away, for the others too
                raise
            except Exception as error:  # the outermost loop of a host's job
                log.exception("Host %d can't be %s", host_id, "judged" if judging else "packed")
                failure = failure or error
        if failure is not None:
            raise failure
        return done > 0

    def _work(self, host_id: int, *, judging: bool) -> bool:
        """Claim a host, do the job, record. False if somebody else has it."""
        now = _now()
        with self._database.write() as connection:
            if not judgements.claim(connection, host_id, now, now + CLAIM):
                return False
        free_at = 0
        try:
            if not judging or self._is_behind(host_id):  # blocks are read faster than the rows of a backfill
                self._compact(host_id)
            if judging:
                judge_host(self._database, host_id, self._catalogue)
        except BaseException:
            free_at = _now() + AFTER_FAILURE
            log.error("Job on host %d failed; it is left alone for %d s", host_id, AFTER_FAILURE // SECOND)
            raise
        finally:
            with self._database.write() as connection:
                judgements.release(connection, host_id, free_at)
        return True

    def _is_behind(self, host_id: int) -> bool:
        with self._database.read() as connection:
            state = judgements.state_of(connection, host_id)
        return state is not None and is_due(state.recent_us, state.shown_us)

    def _compact(self, host_id: int) -> None:
        more = True
        while more and not self._stop.is_set():
            with self._database.write() as connection:
                more = compact(connection, host_id, self._retention)


def _now() -> int:
    return time.time_ns() // 1_000
