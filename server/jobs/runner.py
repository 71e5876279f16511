"""The background worker of a server process: claims hosts one by one, judges and compacts them."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence

from sqlalchemy.exc import OperationalError

from server.analysis.catalogue import Signature
from server.analysis.instants import MINUTE, SECOND
from server.jobs.compaction import PACK_EVERY, Retention, compact, is_due
from server.jobs.judging import judge_host
from server.store import judgements
from server.store.database import Database

CLAIM = 5 * MINUTE  # a worker that dies holds its host no longer
AFTER_FAILURE = MINUTE  # a host whose job raised is pushed ahead, so that it can't hold up the others
BATCH = 50
COMPACT_EVERY_S = 20.0
LOOK_EVERY_S = 5.0  # for work that other processes left
PACE_S = 120.0  # between two judgements of a host that grows, while there are many
CALM_PACE_S = 300.0  # and of one that does not
MANY = 300  # hosts judged in that time
QUIET_S = 3.0  # without a push, after which nobody waits for the pace
PAUSE_S = 1.0  # while hosts wait for the pace: that something was pushed is then no reason to look
MOST_WAITING = 100_000  # hosts looked at in a round

_LEAST_RISE = 10  # handles of a host, by which it grows
_OF_HELD = 0.001  # and so much of what it holds

log = logging.getLogger(__name__)


class Runner:
    """Runs until closed. `wake()` tells it that a host has something new to judge."""

    def __init__(self, database: Database, catalogue: Mapping[str, Signature], retention: Retention) -> None:
        self._database = database
        self._catalogue = catalogue
        self._retention = retention
        self._new = threading.Event()
        self._stop = threading.Event()
        self._pushed = 0.0  # when a push came last
        self._round: list[tuple[int, int]] = []  # hosts yet to be judged in this round, and what each holds
        self._left = False  # whether some wait for the pace
        self._judged: dict[int, tuple[float, int]] = {}  # when hosts were judged, and what they held
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        if self._database.dialect == "sqlite":  # one server process: what is claimed, one that was killed left behind
            with self._database.write() as connection:
                judgements.release_all(connection)
        self._thread.start()

    def wake(self) -> None:
        self._pushed = time.monotonic()
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
            if not busy and self._left:
                self._stop.wait(PAUSE_S)
            elif not busy:
                self._new.wait(LOOK_EVERY_S)

    def judge_waiting(self) -> bool:
        """Judge hosts that wait, a batch of them; whether there was anything to do.

        Of few hosts each push is judged at once. While there are many, each has its turn in a round, and one that was
        judged a short while ago none, so that several of its pushes are judged in one go. Once pushes stop, all are."""
        if not self._round:
            self._round = self._next_round(time.monotonic())
        batch, self._round = self._round[:BATCH], self._round[BATCH:]
        self._judged.update((host_id, (time.monotonic(), handles)) for host_id, handles in batch)
        return self._work_through([host_id for host_id, _ in batch], judging=True)

    def _next_round(self, now_s: float) -> list[tuple[int, int]]:
        with self._database.read() as connection:
            waiting = judgements.unjudged_hosts(connection, _now(), MOST_WAITING)
        self._judged = {one: known for one, known in self._judged.items() if known[0] + CALM_PACE_S > now_s}
        few = len(waiting) <= BATCH and len(self._judged) <= MANY
        self._left = False
        if few or now_s - self._pushed >= QUIET_S:
            return list(waiting)
        due = [(host_id, handles) for host_id, handles in waiting if self._is_due(host_id, handles, now_s)]
        self._left = len(due) < len(waiting)
        return due

    def _is_due(self, host_id: int, handles: int, now_s: float) -> bool:
        if host_id not in self._judged:
            return True
        judged, held = self._judged[host_id]
        return now_s - judged >= PACE_S and handles - held >= _LEAST_RISE + _OF_HELD * held

    def compact_due(self) -> bool:
        """Compact the hosts that have enough to pack; whether there was anything to do."""
        with self._database.read() as connection:
            due = judgements.hosts_to_compact(connection, PACK_EVERY, _now(), BATCH)
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
            if not judgements.claim(connection, host_id, now, now + CLAIM, unjudged=judging):
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
