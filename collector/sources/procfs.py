"""Reads single files of /proc and understands them. Vanished, denied and broken stay three things.

A process that has gone raises `Vanished`, one that may not be read `PermissionError` (left as Python raises it), and
text that cannot be understood `Broken`.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

COMM_BYTES = 15
KERNEL_THREAD = 0x00200000
# What runtimes call their main thread; as a program's name it says nothing.
MAIN_THREADS = frozenset({"MainThread", "node-MainThread"})
UNNAMED = "unnamed"
PLAIN_NAME = re.compile(r"[\w.+@:-]{1,64}")

FOR_LINKS = {"CAP_SYS_PTRACE": 19, "CAP_DAC_READ_SEARCH": 2}


class Vanished(Exception):
    """The process was gone when it was read."""


class Broken(Exception):
    """/proc said something that could not be understood."""


@dataclass(slots=True)
class Identity:
    """Of one process: `ticks` since boot at its start, `comm` as the kernel cut it."""

    ticks: int
    comm: str
    kernel_thread: bool


def read(path: str, most: int = 1 << 20) -> bytes:
    """The file's content, up to `most` bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # To the end: tables come by the page, cut after a line, so a short read does not mean the last one.
            content = chunk = os.read(descriptor, 65536)
            while chunk and len(content) < most:
                chunk = os.read(descriptor, 65536)
                content += chunk
            return content
        finally:
            os.close(descriptor)
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError) as gone:
        raise Vanished(path) from gone
    except PermissionError:
        raise
    except OSError as error:
        raise Broken(f"{path}: {error.strerror}") from error


def text(path: str, most: int = 1 << 20) -> str:
    """For what is as good as empty where it is missing, denied or not understood."""
    try:
        return read(path, most).decode("utf-8", "replace")
    except (Vanished, Broken, PermissionError):
        return ""


def identity(process: str) -> Identity:
    """From /proc/PID/stat; `process` is the path of /proc/PID. A name may hold blanks and parentheses itself."""
    content = read(f"{process}/stat")
    head, parenthesis, tail = content.rpartition(b")")
    fields = tail.split()
    try:
        ticks, flags = int(fields[19]), int(fields[6])
    except (IndexError, ValueError) as error:
        raise Broken(f"{process}/stat: {content[:80]!r}") from error
    if not parenthesis or b"(" not in head:
        raise Broken(f"{process}/stat: {content[:80]!r}")
    comm = head.partition(b"(")[2].decode("utf-8", "replace")
    return Identity(ticks=ticks, comm=comm, kernel_thread=bool(flags & KERNEL_THREAD))


def executable(process: str) -> str | None:
    """The path that it runs, as it sees it; None where that may not be seen, or there is none (a zombie)."""
    try:
        return os.readlink(f"{process}/exe").removesuffix(" (deleted)")
    except OSError:
        return None


def program_name(process: str, comm: str, exe: str | None) -> str:
    """What to call a process: `comm`, or, where the kernel cut that at 15 bytes, the whole name that it begins.

    The whole name is the base name of the executable or, without the right to see that, of the command or of the
    script it runs. Only a base name that `comm` begins is taken, so nothing else of a command line gets out.
    """
    generic = comm in MAIN_THREADS or not comm
    if not generic and len(comm.encode("utf-8", "replace")) < COMM_BYTES:
        return comm
    for candidate in _candidates(process, exe):
        if PLAIN_NAME.fullmatch(candidate) and (generic or candidate.startswith(comm)):
            return candidate
    return comm or UNNAMED


def _candidates(process: str, exe: str | None) -> Iterator[str]:
    """Base names that may be the whole name, the surest first; one at a time, because the command line is read only
    at need: for that the kernel waits until the process lets go of its memory map, which one that is stuck does not."""
    if exe is not None:
        yield os.path.basename(exe)
    for word in text(f"{process}/cmdline", most=4096).split("\0")[:2]:
        yield os.path.basename(word)


def owner(process: str) -> int:
    """The effective user's number: the kernel makes that one the owner of /proc/PID, whatever else it hides."""
    try:
        return os.stat(process).st_uid
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError) as gone:
        raise Vanished(process) from gone


def soft_limit(process: str) -> int | None:
    """The soft RLIMIT_NOFILE; None where it is unlimited."""
    content = read(f"{process}/limits")
    start = content.find(b"Max open files")
    fields = content[start : start + 80].split()
    if start < 0 or len(fields) < 5:
        raise Broken(f"{process}/limits: no line for open files")
    if fields[3] == b"unlimited":
        return None
    try:
        return int(fields[3])
    except ValueError as error:
        raise Broken(f"{process}/limits: {fields[3]!r}") from error


def boot_id(proc: str) -> str | None:
    return text(f"{proc}/sys/kernel/random/boot_id").strip() or None


def kernel_release(proc: str) -> str | None:
    return text(f"{proc}/sys/kernel/osrelease").strip() or None


def boot_time(proc: str) -> int | None:
    """Seconds since the epoch at boot, by the clock as it is set now: it moves when the clock is set."""
    found = re.search(r"^btime (\d+)", text(f"{proc}/stat", most=1 << 22), re.MULTILINE | re.ASCII)
    return int(found[1]) if found else None


def hides_processes(proc: str) -> bool:
    """Whether /proc is mounted so that processes of others cannot even be seen (hidepid=2), and does so to us: by a
    capability or the group that `gid=` names one may see them all the same."""
    if "CAP_SYS_PTRACE" not in missing_capabilities() or os.path.exists(f"{proc}/1"):
        return False
    lines = text(f"{proc}/self/mountinfo").splitlines()
    return any(" - proc " in line and re.search(r"hidepid=(2|4|invisible|ptraceable)", line) for line in lines)


def missing_capabilities() -> list[str]:
    """Those of the two that reading others' links takes which this collector does not have."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", text("/proc/self/status"), re.MULTILINE)
    held = int(found[1], 16) if found else 0
    return [name for name, bit in FOR_LINKS.items() if not held >> bit & 1]


def user_names(root: str) -> dict[int, str]:
    """Names by number from /etc/passwd alone: asking a directory service could wait for a network that is down."""
    fields = [line.split(":") for line in text(f"{root}/etc/passwd", most=16 << 20).splitlines()]
    return {int(found[2]): found[0] for found in reversed(fields) if len(found) > 2 and found[2].isdecimal()}


def os_release(root: str) -> dict[str, str]:
    """The pairs of /etc/os-release, quotes taken off; empty where there is none."""
    content = text(f"{root}/etc/os-release") or text(f"{root}/usr/lib/os-release")
    pairs = (line.partition("=") for line in content.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
