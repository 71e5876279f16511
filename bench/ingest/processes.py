"""Starting what is measured, and the CPU time that it has used."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def started(command: Sequence[str], log: Path, ready: str, environment: Mapping[str, str]) -> Iterator[int]:
    """A process that answers 200 at the address `ready`, until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=dict(environment))
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended at once:\n{log.read_text()[-2000:]}")
            try:
                if httpx.get(ready).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def cpu_s(*pids: int) -> float:
    """Seconds that these processes and their children have used so far, those that have ended included."""
    parents: dict[int, list[int]] = {}
    ended: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid = int(stat.parent.name)
        parents.setdefault(int(fields[1]), []).append(pid)
        ended[pid] = int(fields[13]) + int(fields[14])
    spent, waiting = 0.0, list(pids)
    while waiting:
        one = waiting.pop()
        waiting += parents.get(one, [])
        spent += ended.get(one, 0) / 100 + _running_s(one)
    return spent


def _running_s(pid: int) -> float:
    """Of the threads of a process, to the nanosecond."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = (int(fields[11]) + int(fields[12])) / 100
    exact = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        exact += int(task.read_text().split()[0])
    return max(ticks, exact / 1e9)  # threads that ended are in the ticks alone


def settle(spent: Callable[[], float], *, most_s: float = 20.0) -> None:
    """Wait until what goes on in the background is done."""
    until = time.monotonic() + most_s
    calm = 0
    while calm < 3 and time.monotonic() < until:
        before = spent()
        time.sleep(0.5)
        calm = calm + 1 if spent() - before < 0.02 else 0


def peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
