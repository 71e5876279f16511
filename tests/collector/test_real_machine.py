"""The Linux source on this machine: what real processes do is what a reading says."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.sources import Reading, SourceOptions
from collector.sources.linux import LinuxSource
from collector.wire import Process

CODE = Path(__file__).resolve().parents[2]
OBEYS = """
import os, sys, select, socket, ctypes, tempfile
held = []
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Helper:
    """A program that runs the lines of Python it is given, and holds on to what they put into `held`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OBEYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid
        self._hear("ready")

    def do(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self._hear("done")

    def _hear(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start() -> Iterator[Callable[[], Helper]]:
    helpers: list[Helper] = []

    def make() -> Helper:
        helpers.append(Helper())
        return helpers[-1]

    yield make
    for helper in helpers:
        helper.end()


def process(reading: Reading, pid: int) -> Process:
    return next(found for found in reading.processes if found.pid == pid)


def real_source(budget: float = 30) -> LinuxSource:
    return LinuxSource(SourceOptions(types_budget_s=budget))


def test_a_program_that_leaks_eventfds_is_seen_by_type_with_a_rising_count(start: Callable[[], Helper]) -> None:
    helper, source = start(), real_source()
    counts, types = [], []
    for number in range(6):
        if number:
            helper.do("held += [ctypes.CDLL(None).eventfd(0, 0) for _ in range(100)]")
        found = process(source.read(now=60.0 * number), helper.pid)
        counts.append(found.handles or 0)
        types.append((found.types or {}).get("eventfd", 0))
    assert types == [0, 100, 200, 300, 400, 500]
    assert [count - counts[0] for count in counts] == types
    most = (found.objects or [])[0]
    assert (most.type, most.name, most.count) == ("eventfd", "anon_inode:[eventfd]", 500)


def test_every_kind_of_descriptor_has_its_type(start: Callable[[], Helper], tmp_path: Path) -> None:
    helper, source = start(), real_source()
    before = process(source.read(now=0), helper.pid).types or {}
    for line in (
        "held += [ctypes.CDLL(None).eventfd(0, 0), select.epoll(), ctypes.CDLL(None).inotify_init()]",
        "held += [ctypes.CDLL(None).timerfd_create(0, 0), ctypes.CDLL(None).signalfd(-1, bytes(128), 0)]",
        "held += [os.pidfd_open(os.getpid()), os.memfd_create('x'), *os.pipe(), socket.socket()]",
        f"held += [os.open({str(tmp_path)!r}, os.O_RDONLY), os.open('/dev/null', os.O_RDONLY)]",
        f"held += [open({str(tmp_path / 'file')!r}, 'w'), tempfile.TemporaryFile(dir={str(tmp_path)!r})]",
    ):
        helper.do(line)
    after = process(source.read(now=60), helper.pid).types or {}
    gained = {name: after.get(name, 0) - before.get(name, 0) for name in after}
    assert {name: count for name, count in gained.items() if count} == {
        **dict.fromkeys(["eventfd", "eventpoll", "inotify", "timerfd", "signalfd", "pidfd", "memfd"], 1),
        **dict.fromkeys(["socket", "directory", "device", "file", "deleted"], 1),
        "pipe": 2,
    }


def test_connections_nobody_closes_are_named_close_wait(start: Callable[[], Helper]) -> None:
    helper, source = start(), real_source()
    source.read(now=0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        helper.do(f"held += [socket.create_connection(('127.0.0.1', {port})) for _ in range(9)]")
        helper.do("held += [socket.socket(), socket.socket(socket.AF_UNIX)]")
        for _ in range(9):
            listener.accept()[0].close()
        found = process(source.read(now=60), helper.pid)
    names = {item.name: item.count for item in found.objects or [] if item.type == "socket"}
    assert names == {"tcp CLOSE_WAIT": 9, "tcp unconnected": 1, "unix": 1}


def test_a_process_that_ends_is_gone_and_a_new_one_is_another(start: Callable[[], Helper]) -> None:
    first, source = start(), real_source(0)
    before = process(source.read(now=0), first.pid)
    first.end()
    second = start()
    reading = source.read(now=60)
    assert first.pid not in {found.pid for found in reading.processes} or process(reading, first.pid) != before
    assert (process(reading, second.pid).started_at or "") >= (before.started_at or "")


def test_exec_is_seen_at_the_next_check(start: Callable[[], Helper]) -> None:
    source = real_source(0)
    sleeper = subprocess.Popen(["bash", "-c", "read; exec sleep 60"], stdin=subprocess.PIPE)
    try:
        before = process(source.read(now=0), sleeper.pid)
        assert sleeper.stdin is not None
        sleeper.stdin.write(b"\n")
        sleeper.stdin.close()
        for _ in range(500):
            if Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n":
                break
            os.sched_yield()
        after = process(source.read(now=60), sleeper.pid)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert before.name in ("bash", "python3", "python")
    assert (after.name, after.started_at) == ("sleep", before.started_at)
    assert after.exe != before.exe
    assert after.exe is not None


AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from collector.sources import SourceOptions
from collector.sources.linux import LinuxSource
options = SourceOptions(root=Path(sys.argv[2]), types_budget_s=5)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
source = LinuxSource(options)
reading = source.read(now=0)
coverage = reading.coverage
print(len(reading.processes), sum(found.handles is None for found in reading.processes), coverage.denied)
print(coverage.types_denied, sum(found.types is not None for found in reading.processes), source._count_in_stat)
print("; ".join(reading.unseen))
"""


def read_as_nobody(root: Path) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(CODE), str(root)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_an_ordinary_user_sees_all_counts_and_few_types(start: Callable[[], Helper]) -> None:
    """On a kernel that gives counts with `stat`; on an older one the counts of others are unknown, never nought."""
    start()
    [processes, unknown, denied], [types_denied, typed, in_stat], unseen = read_as_nobody(Path("/"))
    assert int(processes) >= 3
    assert unknown == denied
    assert (int(denied) == 0) == (in_stat == "True")
    assert int(typed) >= 1, "its own process"
    if os.geteuid() == 0:
        assert int(types_denied) >= 2
        assert "CAP_SYS_PTRACE" in unseen


def test_where_counts_must_be_listed_those_of_others_are_unknown_and_never_nought() -> None:
    """On a fake machine, as an older kernel is: its fd directories have no count as their size."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "machine"
        shutil.copytree(CODE / "tests" / "procfs" / "machine", root)
        Path(folder).chmod(0o755)
        for pid, mode in ((1, 0), (187, 0o755)):
            (root / "proc" / str(pid) / "fd").mkdir()
            (root / "proc" / str(pid) / "fd").chmod(mode)
        [processes, unknown, denied], [_, _, in_stat], unseen = read_as_nobody(root)
    assert (processes, unknown, denied, in_stat) == ("2", "1", "1", "False")
    assert "CAP_DAC_READ_SEARCH" in unseen


def test_the_collector_itself_is_in_the_reading_with_its_own_count() -> None:
    source = real_source()
    source.read(now=0)
    held = len(os.listdir("/proc/self/fd")) - 1
    own = process(source.read(now=600), os.getpid())
    assert own.handles == held
    assert sum((own.types or {}).values()) == held


def test_its_own_handles_do_not_grow_with_readings() -> None:
    source = real_source()
    for now in range(0, 3000, 60):
        source.read(now=now)
    before = os.stat("/proc/self/fd").st_size
    for now in range(3000, 60_000, 300):  # the hours and the days that bring inventories pass as well
        source.read(now=now)
    assert os.stat("/proc/self/fd").st_size == before


def test_a_table_of_many_pages_is_read_to_its_end(start: Callable[[], Helper]) -> None:
    helper, source = start(), real_source()
    source.read(now=0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for _ in range(100):
            helper.do(f"held.append(socket.create_connection(('127.0.0.1', {port})))")
            listener.accept()[0].close()
        found = process(source.read(now=60), helper.pid)
    names = {item.name: item.count for item in found.objects or [] if item.type == "socket"}
    assert names == {"tcp CLOSE_WAIT": 100}
