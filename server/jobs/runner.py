"""The background worker of a server process: claims hosts one by one, judges and compacts them. Any number of processes
share the work: what one has claimed the others leave alone, until the claim runs out."""

import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from server.analysis.catalogue import Signature
from server.analysis.instants import MINUTE, SECOND
from server.jobs.compaction import PACK_EVERY, Retention, compact, is_due
from server.jobs.judging import judge_host
from server.store import judgements
from server.store.database import Database
from server.store.judgements import Waiting

CLAIM = 30 * SECOND  # a worker that dies holds its host no longer
RENEW_EVERY_S = 8.0  # so that one at work holds it as long as it takes
AFTER_FAILURE = MINUTE  # a host whose job raised is pushed ahead, so that it can't hold up the others
BATCH = 50
TOGETHER = 10  # hosts compacted in one transaction
COMPACT_EVERY_S = 20.0
COMPACT_ANYWAY_S = 300.0  # where nothing was pushed here and nothing judged
LOOK_EVERY_S = 10.0  # for work that other processes left
LOOK_ALONE_S = 60.0  # where there are none: for what was pushed ahead
PACE_S = 120.0  # between two judgements of a host that grows, while there are many
CALM_PACE_S = 300.0  # and of one that does not
MANY = 300  # hosts judged in that time
QUIET_S = 3.0  # without a push, after which nobody waits for the pace
PAUSE_S = 1.0  # while hosts wait for the pace: that something was pushed is then no reason to look
MOST_WAITING = 100_000  # hosts looked at in a round
MOST_SHARED = 500  # of which one of several processes takes so many, here and there, before it looks again

_LEAST_RISE = 10  # handles of a host, by which it grows
_OF_HELD = 0.001  # and so much of what it holds

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Claim:
    """The host at hand, and until when it is ours."""

    host_id: int
    until_us: int


class Runner:
    """Runs until closed. `wake()` tells it that a host has something new to judge."""

    def __init__(self, database: Database, catalogue: Mapping[str, Signature], retention: Retention) -> None:
        self._database = database
        self._catalogue = catalogue
        self._retention = retention
        self._shared = database.dialect != "sqlite"  # SQLite has one server process
        self._new = threading.Event()
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._pushed = 0.0  # when a push came last, here or as far as can be seen elsewhere
        self._seen = 0  # pushes to hosts that wait
        self._round: list[Waiting] = []  # hosts yet to be judged in this round
        self._left = False  # whether some wait for the pace
        self._judged: dict[int, float] = {}  # when hosts were judged here
        self._active = True  # whether anything happened since there was nothing to compact
        self._claim: _Claim | None = None
        self._claiming = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._keeper = threading.Thread(target=self._keep, name="claims", daemon=True)

    def start(self) -> None:
        if self._shared:
            self._keeper.start()
        else:  # what is claimed, one that was killed left behind
            with self._database.write() as connection:
                judgements.release_all(connection)
        self._thread.start()

    def wake(self) -> None:
        self._pushed = time.monotonic()
        self._active = True
        self._new.set()

    def close(self) -> None:
        """Finish the host at hand, then stop."""
        self._stop.set()
        self._new.set()
        self._thread.join()
        if self._shared:
            self._keeper.join()

    def _run(self) -> None:
        compacted = 0.0
        while not self._stop.is_set():
            self._new.clear()
            try:
                busy = self.judge_waiting()
                since = time.monotonic() - compacted
                if since >= COMPACT_ANYWAY_S or (since >= COMPACT_EVERY_S and (self._active or busy)):
                    self._active = busy
                    packed = self.compact_due()
                    self._active, busy = self._active or packed, busy or packed
                    compacted = 0.0 if packed else time.monotonic()  # there may be more
            except Exception:  # the outermost loop: a database that is away comes back
                log.exception("Background work failed; trying again")
                busy = False
                self._stop.wait(LOOK_EVERY_S)
            if not busy and self._left:
                self._stop.wait(PAUSE_S)
            elif not busy:
                self._new.wait(self._rest_s(compacted))
        self._ended.set()

    def _rest_s(self, compacted: float) -> float:
        """How long to wait for a push: until there may be something to do all the same."""
        look_s = LOOK_EVERY_S if self._shared else LOOK_ALONE_S
        return min(look_s, max(0.0, compacted + COMPACT_EVERY_S - time.monotonic())) if self._active else look_s

    def judge_waiting(self) -> bool:
        """Judge hosts that wait, a batch of them; whether there was anything to do.

        Of few hosts each push is judged at once. While there are many, each has its turn in a round, and one that was
        judged a short while ago none, so that several of its pushes are judged in one go. Once pushes stop, all are."""
        if not self._round:
            self._round = self._next_round(time.monotonic())
        batch, self._round = self._round[:BATCH], self._round[BATCH:]
        self._judged.update((one.host_id, time.monotonic()) for one in batch)
        return self._work_through({one.host_id: one.handles for one in batch}, judging=True)

    def _next_round(self, now_s: float) -> list[Waiting]:
        now_us = _now()
        with self._database.read() as connection:
            waiting = judgements.unjudged_hosts(connection, now_us, MOST_WAITING)
        self._judged = {one: judged for one, judged in self._judged.items() if judged + CALM_PACE_S > now_s}
        pushes = sum(one.pushed_seq for one in waiting)
        if self._shared and pushes != self._seen:
            self._seen, self._pushed = pushes, now_s
        few = len(waiting) <= BATCH and len(self._judged) <= MANY
        due = list(waiting)
        if not few and now_s - self._pushed < QUIET_S:
            due = [one for one in waiting if _is_due_to_judge(one, now_us)]
        self._left = len(due) < len(waiting)
        if self._shared and len(due) > 1:  # others look at the same: each begins elsewhere, and looks again soon
            random.shuffle(due)
            del due[MOST_SHARED:]
        return due

    def compact_due(self) -> bool:
        """Compact the hosts that have enough to pack; whether there was anything to do."""
        most = MOST_SHARED if self._shared else BATCH
        with self._database.read() as connection:
            due = list(judgements.hosts_to_compact(connection, PACK_EVERY, _now(), most))
        if self._shared:
            random.shuffle(due)
            return self._work_through(dict.fromkeys(due[:BATCH], 0), judging=False)
        for at in range(0, len(due), TOGETHER):
            if not self._stop.is_set():
                self._compact_together(due[at : at + TOGETHER])
        return len(due) > 0

    def _compact_together(self, host_ids: Sequence[int]) -> None:
        """In one transaction, and without claims: nobody else is there. One by one if one of them raises."""
        try:
            with self._database.write() as connection:
                left = [host_id for host_id in host_ids if compact(connection, host_id, self._retention)]
        except OperationalError:  # the database is away, for the others too
            raise
        except Exception:  # the outermost loop of these hosts' job
            log.warning("Hosts are packed one by one, as one of them can't be", exc_info=True)
            left = list(host_ids)
        self._work_through(dict.fromkeys(left, 0), judging=False)

    def _work_through(self, hosts: Mapping[int, int], *, judging: bool) -> bool:
        """Do one job on each of these hosts, by id with what they hold. One that raises does not keep the others from
        their turn; the first such error is raised at the end."""
        done = 0
        failure: Exception | None = None
        for host_id, handles in hosts.items():
            if self._stop.is_set():
                break
            try:
                done += self._work(host_id, handles, judging=judging)
            except OperationalError:  # the database is away, for the others too
                raise
            except Exception as error:  # the outermost loop of a host's job
                log.exception("Host %d can't be %s", host_id, "judged" if judging else "packed")
                failure = failure or error
        if failure is not None:
            raise failure
        return done > 0

    def _work(self, host_id: int, handles: int, *, judging: bool) -> bool:
        """Claim a host, do the job, record. False if somebody else has it."""
        now = _now()
        with self._database.write() as connection:
            if not judgements.claim(connection, host_id, now, now + CLAIM, unjudged=judging):
                return False
        claim = _Claim(host_id, now + CLAIM)
        with self._claiming:
            self._claim = claim
        free_at, judged = 0, None
        try:
            packing = not judging or self._is_behind(host_id)  # blocks are read faster than the rows of a backfill
            if packing:
                self._compact(host_id)
            if judging:
                judge_host(self._database, host_id, self._catalogue)
                judged = now, handles
                if packing:  # what was judged may get coarser
                    self._compact(host_id)
        except BaseException:
            free_at = _now() + AFTER_FAILURE
            log.error("Job on host %d failed; it is left alone for %d s", host_id, AFTER_FAILURE // SECOND)
            raise
        finally:
            with self._claiming:
                if self._claim is claim:
                    self._claim = None
            with self._database.write() as connection:
                judgements.release(connection, host_id, claim.until_us, free_at, judged)
        return True

    def _keep(self) -> None:
        """Renew the claim on the host at hand, for as long as the job takes."""
        while not self._ended.wait(RENEW_EVERY_S):
            try:
                self.renew_claim()
            except SQLAlchemyError as error:
                log.warning("A claim could not be renewed: %s", error)

    def renew_claim(self) -> None:
        """Hold the host at hand for longer, where it is held for a while already."""
        with self._claiming:
            claim, until_us = self._claim, _now() + CLAIM
            if claim is None or until_us - claim.until_us < RENEW_EVERY_S * SECOND / 2:
                return
            with self._database.write() as connection:
                renewed = judgements.renew(connection, claim.host_id, claim.until_us, until_us)
            if renewed:
                claim.until_us = until_us
            else:
                log.warning("Host %d was taken over by another process", claim.host_id)

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


def _is_due_to_judge(one: Waiting, now_us: int) -> bool:
    """Whether it was judged so long ago that it has its turn again, by whichever process."""
    if one.judged_us is None or not 0 <= now_us - one.judged_us < CALM_PACE_S * SECOND:
        return True
    held = one.judged_handles or 0
    return now_us - one.judged_us >= PACE_S * SECOND and one.handles - held >= _LEAST_RISE + _OF_HELD * held
