"""Reads every process of a Linux machine: counts always, types and names where that is worth its time.

A process that stays costs one `stat` a reading: the inode of its fd directory tells that it is still the same one.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from collector.sources import Machine, NoMachine, Reading, SourceOptions, asked_for, linux_limits, procfs
from collector.sources.boot import BootTime
from collector.sources.linux_instances import Instances
from collector.sources.linux_links import LinkReader, Look, TooLong
from collector.sources.linux_packages import Packages
from collector.sources.procfs import Broken, Vanished
from collector.wire import Coverage, Inventory, Process, rfc3339

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
SECOND_CHECK_S = 50.0
CHECK_EVERY_S = 600.0
LOOK_EVERY_S = 600.0
# A process that grows or is near its limit goes before one whose turn has merely come, but not for ever.
SUSPECT_HEAD_START_S = 600.0


@dataclass(slots=True)
class Known:
    """A process between readings. `looked_count` is what it held when its links were last read; `settled` that
    it has been checked since its start, when a launcher may not yet have moved it to where it belongs; `inotify` how
    many instances it held at its last look."""

    inode: int
    ticks: int
    started_at: str | None
    kernel_thread: bool
    check_at: float
    name: str = ""
    instance: str | None = None
    user: str | None = None
    exe: str | None = None
    limit: int | None = None
    settled: bool = False
    looked_at: float | None = None
    looked_count: int = 0
    due_since: float | None = None
    links_denied: bool = False
    inotify: int = 0


@dataclass(slots=True)
class Candidate:
    """A process whose links are due to be read in this reading."""

    pid: str
    known: Known
    process: Process
    handles: int
    suspect: bool


class LinuxSource:
    """Readings from /proc under `options.root`. `cpu` is the clock by which its own cost is counted and bounded."""

    name = "linux"

    def __init__(self, options: SourceOptions, *, cpu: Callable[[], float] = time.thread_time) -> None:
        self._root = str(options.root).rstrip("/")
        self._proc = f"{self._root}/proc"
        _look_for_processes(self._proc)
        self._options = options
        self._cpu = cpu
        self._known: dict[str, Known] = {}
        self._users: dict[int, str] = {}
        self._instances = Instances(self._root)
        self._packages = Packages(self._root, self._proc)
        self._links = LinkReader(self._proc, cpu=cpu)
        boot, booted = procfs.boot_id(self._proc), procfs.boot_time(self._proc)
        self._boot = BootTime(boot, booted, options.state, keep=options.keep)
        self._count_in_stat = _count_is_in_stat(f"{self._proc}/self/fd")

    def machine(self) -> Machine:
        release = procfs.os_release(self._root)
        facts = {
            "family": "linux",
            "name": release.get("NAME") or "Linux",
            "version": release.get("VERSION_ID") or release.get("BUILD_ID"),
            "kernel": procfs.kernel_release(self._proc),
        }
        return Machine(os=facts, booted_at=None if self._boot.seconds is None else rfc3339(self._boot.seconds))

    def inventory(self) -> Inventory | None:
        return self._packages.inventory()

    def memory_mb(self) -> float | None:
        sizes = procfs.text("/proc/self/statm").split()
        return round(int(sizes[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1) if len(sizes) > 1 else None

    def read(self, *, now: float, inspect: frozenset[str] = frozenset()) -> Reading:
        begun = self._cpu()
        self._boot.keep()
        reading = Reading(processes=[], coverage=Coverage())
        candidates = self._read_counts(reading, now, inspect)
        counted = self._cpu()
        if self._options.types_budget_s > 0:
            self._read_links(reading, candidates, now)
        reading.coverage.types_denied = sum(known.links_denied for known in self._known.values())
        reading.read_ms = (counted - begun) * 1000
        reading.types_ms = (self._cpu() - counted) * 1000
        reading.unseen = self._unseen(reading.coverage)
        watching = ((known.user or "", known.inotify) for known in self._known.values() if known.inotify)
        reading.machine = linux_limits.shared(self._proc, watching) or None
        return reading

    def _read_counts(self, reading: Reading, now: float, inspect: frozenset[str]) -> list[Candidate]:
        """Fills `reading` with every process and returns those whose links are due."""
        coverage, processes = reading.coverage, reading.processes
        candidates: list[Candidate] = []
        seen: dict[str, Known] = {}
        for pid in filter(str.isdigit, os.listdir(self._proc)):
            try:
                known, handles = self._one(pid, now)
            except Vanished:
                continue
            except PermissionError:
                coverage.processes += 1
                coverage.denied += 1
                continue
            except Broken:
                coverage.processes += 1
                coverage.broken += 1
                continue
            seen[pid] = known
            if known.kernel_thread:
                continue
            process = Process(int(pid), known.started_at, known.name, handles, known.limit)
            process.user, process.instance, process.exe = known.user, known.instance, known.exe
            processes.append(process)
            if handles is None:
                coverage.denied += 1
            elif handles:
                suspect = _is_due(known, handles, now, asked=asked_for(process, inspect))
                if suspect is not None:
                    candidates.append(Candidate(pid, known, process, handles, suspect))
        coverage.processes += len(processes)
        self._known = seen
        return candidates

    def _one(self, pid: str, now: float) -> tuple[Known, int | None]:
        """One process and its count; None for a count that may not be read."""
        known = self._known.get(pid)
        path = f"{self._proc}/{pid}"
        inode, handles = self._count(path)
        if known is None or known.inode != inode:
            known = self._identify(path, inode, now)
            known.instance = self._instances.of(path, known.name) if known.name else None
            inode, handles = self._count(path)
            if inode != known.inode:  # the pid changed hands in between: the next reading has it right
                raise Vanished(pid)
        elif now >= known.check_at:
            self._check_again(known, path, now)
        if handles is not None and known.limit is not None and 2 * handles >= known.limit:
            with contextlib.suppress(PermissionError, Broken):
                known.limit = procfs.soft_limit(path)
        return known, handles

    def _count(self, path: str) -> tuple[int, int | None]:
        try:
            status = os.stat(f"{path}/fd")
            if self._count_in_stat:
                return status.st_ino, status.st_size
            try:
                return status.st_ino, len(os.listdir(f"{path}/fd"))
            except PermissionError:
                return status.st_ino, None
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError) as gone:
            raise Vanished(path) from gone
        except PermissionError:
            raise
        except OSError as error:
            raise Broken(f"{path}/fd: {error.strerror}") from error

    def _identify(self, path: str, inode: int, now: float) -> Known:
        identity = procfs.identity(path)
        known = Known(
            inode=inode,
            ticks=identity.ticks,
            started_at=self._started_at(identity.ticks),
            kernel_thread=identity.kernel_thread,
            check_at=now + SECOND_CHECK_S,
        )
        if known.kernel_thread:
            known.check_at = math.inf  # it never becomes another program
        else:
            known.exe = procfs.executable(path)
            known.name = procfs.program_name(path, identity.comm, known.exe)
            known.user = self._user(procfs.owner(path))
            with contextlib.suppress(PermissionError, Broken):
                known.limit = procfs.soft_limit(path)
        return known

    def _started_at(self, ticks: int) -> str | None:
        return None if self._boot.seconds is None else rfc3339(self._boot.seconds + ticks / TICKS_PER_SECOND)

    def _user(self, uid: int) -> str:
        """The name; the number where this machine's own list of users has none."""
        if uid not in self._users:
            self._users |= procfs.user_names(self._root)
        return self._users.setdefault(uid, str(uid))

    def _check_again(self, known: Known, path: str, now: float) -> None:
        """exec() changes the name, setuid() the user, and a limit may be changed from outside; the inode stays."""
        fresh = self._identify(path, known.inode, now)
        if fresh.name and (fresh.name != known.name or not known.settled):
            known.instance, known.settled = self._instances.of(path, fresh.name), True
        known.name, known.user, known.limit = fresh.name, fresh.user, fresh.limit
        known.exe = fresh.exe or known.exe  # one that ends has none, and is the same program still
        known.check_at = now + CHECK_EVERY_S * (0.5 + known.ticks % 10 / 20)  # so that not all are due at once
        if fresh.ticks != known.ticks:
            known.ticks, known.started_at, known.kernel_thread = fresh.ticks, fresh.started_at, fresh.kernel_thread
            known.looked_at = known.due_since = None

    def _read_links(self, reading: Reading, candidates: list[Candidate], now: float) -> None:
        """Looks at candidates, those that waited longest first, until the budget is used up.

        One that does not fit what is left waits for the next reading. One that can fit no budget is sampled for its
        names if it is a suspect, and left alone for ten minutes otherwise.
        """

        def waiting_since(candidate: Candidate) -> float:
            since = candidate.known.due_since if candidate.known.due_since is not None else now
            return since - SUSPECT_HEAD_START_S if candidate.suspect else since

        self._links.begin()
        budget = self._options.types_budget_s
        deadline = self._cpu() + budget
        for candidate in sorted(candidates, key=waiting_since):
            left, estimate = deadline - self._cpu(), self._links.estimate(candidate.handles)
            if left <= 0 or left < estimate <= budget:
                reading.postponed += 1
                continue
            try:
                look = self._look(candidate, sampled=estimate > budget, deadline=deadline)
            except TooLong:
                reading.postponed += 1
                continue
            known = candidate.known
            known.looked_at, known.looked_count, known.due_since = now, candidate.handles, None
            if look is None:
                continue
            candidate.process.types, candidate.process.objects = look.types, look.objects
            if look.types is not None:
                reading.looked += 1
                known.inotify = look.types.get("inotify", 0)

    def _look(self, candidate: Candidate, *, sampled: bool, deadline: float) -> Look | None:
        """None where the links may not be read, the process has gone, or a sample would serve nobody."""
        named = candidate.suspect and self._options.names
        try:
            if not sampled:
                look = self._links.look(candidate.pid, named=named, deadline=deadline)
            elif named:
                look = self._links.sample(candidate.pid, handles=candidate.handles, deadline=deadline)
            else:
                return None
        except (Vanished, OSError) as error:
            candidate.known.links_denied = isinstance(error, PermissionError)
            return None
        candidate.known.links_denied = False
        return look

    def _unseen(self, coverage: Coverage) -> list[str]:
        root = os.geteuid() == 0
        missing = " and ".join(procfs.missing_capabilities())
        if not missing:
            more = "they hold more rights than this collector"
        elif root:
            more = f"root has no {missing} here, which would show the rest"
        else:
            more = f"run as root or with {missing} to see the rest"
        found = []
        if coverage.denied:
            hint = "run as root, or mount /proc without hidepid, to see the rest" if self._count_in_stat else more
            found.append(f"counts of {coverage.denied} of {coverage.processes} processes not readable; {hint}")
        if coverage.types_denied:
            found.append(f"types of {coverage.types_denied} of {coverage.processes} processes not readable; {more}")
        if coverage.broken:
            found.append(f"{coverage.broken} processes gave something in /proc that could not be understood")
        if procfs.hides_processes(self._proc):
            found.append("/proc is mounted with hidepid: processes of other users do not show at all")
        return found


def _look_for_processes(proc: str) -> None:
    """Raises NoMachine where there are none, as in a root that is mistyped or whose /proc is not mounted."""
    try:
        fault = None if any(map(str.isdigit, os.listdir(proc))) else "it holds no processes; is /proc mounted there?"
    except OSError as error:
        fault = error.strerror or type(error).__name__
    if fault is not None:
        raise NoMachine(f"cannot read {proc}: {fault}; --root names the directory that this machine's /proc is in")


def _is_due(known: Known, handles: int, now: float, *, asked: bool) -> bool | None:
    """Whether a process is a suspect, if its links are due to be read; None where they are not.

    Due are those never looked at, those whose last look is ten minutes ago and, whenever their count has moved,
    those that grow, are near their limit or were asked for. The last three are suspects and get names as well.
    """
    growing = known.looked_at is not None and handles > known.looked_count
    near = known.limit is not None and 2 * handles >= known.limit
    suspect = growing or near or asked
    moved = suspect and handles != known.looked_count
    if known.looked_at is None or moved or now - known.looked_at >= LOOK_EVERY_S:
        if known.due_since is None:
            known.due_since = now
        return suspect
    return None


def _count_is_in_stat(own: str) -> bool:
    """Whether the size of an fd directory is the count (Linux 6.2 and newer), tried on this process itself.

    Listing needs a descriptor of its own, and another thread may open or close one meanwhile.
    """
    for _ in range(3):
        try:
            size, listed = os.stat(own).st_size, len(os.listdir(own))
        except OSError:
            return False
        if size > 0 and abs(size - listed) <= 1:
            return True
    return False
