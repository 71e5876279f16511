"""The loop: read, spool, push. Readings keep their rhythm in this thread while another one talks to the server."""

import hashlib
import heapq
import logging
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable

from collector import __version__
from collector.config import Settings
from collector.names import template
from collector.schedule import Schedule
from collector.sender import Sender, Step
from collector.sources import Reading, Source
from collector.spool import Spool
from collector.state import StateDirectory
from collector.wire import Host, JsonObject, Snapshot, compact, rfc3339

log = logging.getLogger("handlewatch")

LET_FINISH_S = 2.5
CUT_OFF_S = 1.5
ASKED_TO_STOP_EVERY_S = 0.25
AFTER_A_FAULT_S = 60.0
LONGEST_WAIT_ON_WINDOWS_S = 1.0
SKEW_WORTH_SAYING_S = 30.0
MOST_PROCESSES = 20_000  # as the wire format bounds a snapshot; beyond it those with the most handles are sent
INVENTORY_LOOKED_AT_EVERY_S = 900.0
INVENTORY_SENT_EVERY_S = 86_400.0
KEPT_OF_CLOCK = ("last", "shift", "highest")
LATEST_CLOCK = 1 << 38  # beyond the last second that a date can have


class Announcements:
    """One line for each change of state, not for each reading. What differs only in numbers is no change."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def say(self, topic: str, text: str | None, *, well: str | None = None) -> None:
        """`text` None: all is well with the topic again, which `well` puts into words."""
        if text is None:
            if self._said.pop(topic, None) is not None and well is not None:
                log.info(well)
        elif self._said.get(topic) != template(text):
            self._said[topic] = template(text)
            log.warning(text)


class InventoryNews:
    """What is installed, for as long as the server has not been told: when it has changed, and once a day."""

    def __init__(self, source: Source, state: StateDirectory) -> None:
        self._source = source
        self._state = state
        self._told = state.load("inventory")
        self._looked_at: float | None = None
        self._found: tuple[str, JsonObject] | None = None
        self._offered: tuple[str, float] | None = None

    def look(self, *, now: float, steady: float) -> None:
        """Asks the source every few minutes; `now` by the wall clock, `steady` by one that is never set.

        Looking may take long (a package manager that does not answer), so never in the thread that reads."""
        if self._looked_at is not None and steady - self._looked_at < INVENTORY_LOOKED_AT_EVERY_S:
            return
        self._looked_at = steady
        inventory = self._source.inventory()
        if inventory is not None:
            lists = inventory.to_json()
            self._found = hashlib.sha256(compact(lists)).hexdigest(), {"time": rfc3339(int(now)), **lists}

    def offer(self, now: float) -> JsonObject:
        """What a push carries: `inventory`, or nothing where the server knows."""
        if self._found is None:
            return {}
        digest, found = self._found
        told_at = self._told.get("told_at")
        fresh = isinstance(told_at, (int, float)) and 0 <= now - told_at < INVENTORY_SENT_EVERY_S
        if fresh and self._told.get("digest") == digest:
            return {}
        self._offered = digest, now
        return {"inventory": found}

    def accepted(self) -> None:
        """The server has taken what was last offered."""
        if self._offered is not None:
            digest, told_at = self._offered
            self._offered = None
            self._told = {"digest": digest, "told_at": told_at}
            self._state.keep("inventory", self._told)

    def refused(self) -> None:
        """The server takes pushes without what was last offered alone: it is offered again in a day, by the next run,
        or when it has changed."""
        if self._offered is not None:
            digest, told_at = self._offered
            self._offered = None
            self._told = {"digest": digest, "told_at": told_at}


class Service:
    """One collector at work. `clock` is the wall clock, `steady` one that is never set.

    `connect` makes the sender, which asks back for the envelope of each push.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        source: Source,
        spool: Spool,
        state: StateDirectory,
        connect: Callable[[Callable[[], JsonObject]], Sender],
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._source = source
        self._spool = spool
        self._state = state
        self._clock = clock
        self._steady = steady
        self._sender = connect(self.envelope)
        kept = state.load("clock")
        self._schedule = Schedule(
            settings.host_name,
            settings.interval,
            **{name: kept[name] for name in KEPT_OF_CLOCK if _is_of_a_clock(kept.get(name))},
        )
        machine = source.machine()
        self._host = Host(settings.host_name, machine.os, machine.booted_at, settings.labels).to_json()
        self._inventory = InventoryNews(source, state)
        self._cost: JsonObject = {}
        self._cpu = time.process_time()
        self._inspect: frozenset[str] = frozenset()
        self._announcements = Announcements()
        # A signal handler may interrupt anything, a wait for an Event included, whose lock it would then wait for for
        # ever: it only puts something here, and the loop does the rest.
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._new = threading.Event()
        self._waiting_before = 0

    def envelope(self) -> JsonObject:
        """What a push says beside its snapshots: the machine, and this collector with its own cost."""
        counts = self._spool.counts
        collector: JsonObject = {
            "version": __version__,
            "source": self._source.name,
            "interval_s": self._schedule.interval,
            "cost": self._cost
            | {
                "spool_snapshots": len(self._spool),
                "spool_bytes": self._spool.size,
                "dropped": counts.dropped,
                "damaged": counts.damaged,
                "rejected": counts.rejected,
            },
        }
        return {"host": self._host, "collector": collector} | self._inventory.offer(self._clock())

    def read(self) -> bool:
        """Takes one reading into the spool; False where it is too early for one."""
        now = self._clock()
        previous = self._schedule.last
        time_of_reading = self._schedule.stamp(now)
        if time_of_reading is None:
            if self._schedule.last < previous:
                self._announcements.say("clock", f"the clock was set back, from {rfc3339(previous)} to {rfc3339(now)}")
            return False
        self._state.note("clock", {name: getattr(self._schedule, name) for name in KEPT_OF_CLOCK})
        reading = self._source.read(now=self._steady(), inspect=self._inspect)
        processes = reading.processes
        if len(processes) > MOST_PROCESSES:
            processes = heapq.nlargest(MOST_PROCESSES, processes, key=lambda process: process.handles or 0)
        snapshot = Snapshot(time_of_reading, reading.coverage, processes, reading.machine)
        self._spool.append(time_of_reading, snapshot.encode())
        self._count_cost(reading)
        self._say_what_is_missing(reading)
        return True

    def until_next(self) -> float:
        """Seconds until the next reading is due."""
        return self._schedule.wait(self._clock())

    def once(self) -> str | None:
        """One reading, then all that the spool holds is pushed; None, or a sentence that says why not all was."""
        while not self.read():
            if self._asked_to_stop(min(self.until_next(), 1.0)):
                return "stopped"
        # Aside, since it may take long: a signal then ends it as it ends a push.
        looking = threading.Thread(target=self._look_at_what_is_installed, name="look", daemon=True)
        looking.start()
        while looking.is_alive():
            looking.join(ASKED_TO_STOP_EVERY_S)
            if self._asked_to_stop(0):
                return "stopped"
        notes = []
        wait_s = 0.0
        while not self._asked_to_stop(wait_s):
            step = self._sender.step()
            self._told(step)
            if step.note is not None:
                notes.append(step.note)
            if step.wait_s is None:
                return "; ".join(notes) or None
            if step.failure is not None:
                return step.failure
            wait_s = step.wait_s
        return "stopped"

    def run(self) -> None:
        """Reads and pushes until `stop` is called."""
        pusher = threading.Thread(target=self._push_for_ever, name="push", daemon=True)
        pusher.start()
        asked = self._asked_to_stop(0)
        while not asked:
            try:
                if self.read():
                    self._new.set()
            except Exception:
                log.exception("a reading failed; the next one is tried all the same")
            asked = self._asked_to_stop(self.until_next())
        self._stop.set()
        self._new.set()
        pusher.join(LET_FINISH_S)
        if pusher.is_alive():
            self._sender.abort()
            pusher.join(CUT_OFF_S)
        waiting = len(self._spool)
        log.info("stopped%s", f"; {waiting} snapshots wait for the server" if waiting else "")

    def stop(self) -> None:
        """Ends `run` and `once` soon; may be called from a signal handler."""
        self._asked.put(None)

    def _asked_to_stop(self, seconds: float) -> bool:
        """Waits for `stop`, at most so long. On Windows a wait sees no signal before its end: hence short ones."""
        longest = LONGEST_WAIT_ON_WINDOWS_S if sys.platform == "win32" else math.inf
        end = time.monotonic() + seconds
        while True:
            left = max(end - time.monotonic(), 0.0)
            try:
                self._asked.get(timeout=min(left, longest))
            except queue.Empty:
                if left <= longest:
                    return False
            else:
                return True

    def _push_for_ever(self) -> None:
        while not self._stop.is_set():
            self._new.clear()
            self._look_at_what_is_installed()
            try:
                step = self._sender.step()
            except Exception:
                log.exception("a push failed; it is tried again")
                self._stop.wait(AFTER_A_FAULT_S)
                continue
            self._follow(step)
            if step.wait_s is None:
                self._new.wait()
            elif step.wait_s > 0:
                self._stop.wait(step.wait_s)

    def _look_at_what_is_installed(self) -> None:
        try:
            self._inventory.look(now=self._clock(), steady=self._steady())
        except Exception:
            log.exception("what is installed could not be read; it is tried again later")

    def _told(self, step: Step) -> None:
        """After a push that was taken, what is installed was taken with it, or is what the server refuses."""
        if step.verdict is None:
            return
        if step.refused_inventory is None:
            self._inventory.accepted()
        else:
            self._inventory.refused()
            log.warning("sent without what is installed, which the server refuses: %s", step.refused_inventory)

    def _follow(self, step: Step) -> None:
        """Does what the server advises, and says what has changed."""
        if step.note is not None:
            log.warning(step.note)
        if step.failure is not None and not self._stop.is_set():  # cut off by ourselves is no failure
            self._announcements.say("push", f"{step.failure}; snapshots wait in the spool")
        verdict = step.verdict
        if verdict is None:
            return
        self._told(step)
        self._announcements.say("push", None, well="the server takes snapshots again")
        self._inspect = verdict.inspect
        interval = verdict.interval_s or self._settings.interval
        if interval != self._schedule.interval:
            log.info("reading every %d s from now on, as the server advises", interval)
            self._schedule.interval = interval
        skewed = abs(verdict.skew_s) >= SKEW_WORTH_SAYING_S
        text = f"this machine's clock differs from the server's by {verdict.skew_s:.0f} s" if skewed else None
        self._announcements.say("skew", text, well="this machine's clock agrees with the server's again")

    def _count_cost(self, reading: Reading) -> None:
        cpu, own = time.process_time(), os.getpid()
        self._cost = {
            "read_ms": round(reading.read_ms, 2),
            "types_ms": round(reading.types_ms, 2),
            "cpu_ms": round((cpu - self._cpu) * 1000, 1),
            "rss_mb": self._source.memory_mb(),
            "handles": next((process.handles for process in reading.processes if process.pid == own), None),
            "looked": reading.looked,
            "postponed": reading.postponed,
        }
        self._cpu = cpu

    def _say_what_is_missing(self, reading: Reading) -> None:
        self._announcements.say("coverage", "; ".join(reading.unseen) or None, well="all processes can be read now")
        error = self._spool.disk_error
        text = None
        if error is not None:
            text = f"cannot write to the spool ({error}): the newest snapshots wait in memory, older ones are lost"
        self._announcements.say("disk", text, well="the spool is written to disk again")
        dropped = self._spool.counts.dropped
        if dropped > self._waiting_before:
            self._announcements.say("dropped", "the spool is full: its oldest snapshots are dropped")
        else:
            self._announcements.say("dropped", None)
        self._waiting_before = dropped


def _is_of_a_clock(kept: object) -> bool:
    """What a damaged file says may be any number."""
    return isinstance(kept, int) and 0 <= kept < LATEST_CLOCK
