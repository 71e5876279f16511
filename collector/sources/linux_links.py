"""Looks at what a process's descriptors are: types and names from the links in /proc/PID/fd, within a time budget.

Reading a link is safe, whatever is behind it. Asking for the kind of a path goes through the link to the file system,
and that waits for ever on a dead NFS server; it is done only where `fdinfo` names a mount of a local file system.
"""

import os
import stat
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from collector.names import template
from collector.sources.linux_sockets import SocketTables, protocol_name
from collector.sources.procfs import Vanished, text
from collector.wire import NamedObject

ANONYMOUS = {
    "[eventfd]": "eventfd",
    "[eventpoll]": "eventpoll",
    "inotify": "inotify",
    "[timerfd]": "timerfd",
    "[signalfd]": "signalfd",
    "[pidfd]": "pidfd",
    "[io_uring]": "io_uring",
}
# fmt: off
LOCAL = frozenset({
    "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "zfs", "bcachefs", "erofs", "squashfs",
    "iso9660", "udf", "vfat", "exfat", "ntfs3", "overlay",
    "tmpfs", "ramfs", "rootfs", "devtmpfs", "devpts", "proc", "sysfs", "cgroup", "cgroup2", "mqueue",
    "hugetlbfs", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "pstore", "efivarfs", "nsfs",
})
# fmt: on
NOT_DEVICES = ("/dev/shm/", "/dev/mqueue/", "/dev/hugepages/")  # noqa: S108 - compared with, never written to
DELETED = " (deleted)"
MOST_OBJECTS = 20
LINKS_BETWEEN_CHECKS = 256
PROBES = 2000
SOCKETS_WORTH_A_TABLE = 8
UNLISTED_SOCKETS = 256


@dataclass(slots=True)
class Look:
    """What was seen. `types` None: too many links to read them all, so nothing is said about types."""

    types: dict[str, int] | None
    objects: list[NamedObject] | None


@dataclass(slots=True)
class _Link:
    """A target of descriptors: how many lead to it, and the number of one of them."""

    kind: str
    number: str
    count: int = 1


class TooLong(Exception):
    """The budget ended in the middle of a look."""


class LinkReader:
    """Looks at one process at a time. `cpu` is the clock that budgets are kept by."""

    def __init__(self, proc: str, *, cpu: Callable[[], float] = time.thread_time) -> None:
        self._proc = proc
        self._cpu = cpu
        self._per_link = 8e-6
        self._sockets = SocketTables(proc, cpu=cpu)
        self._local_mounts: dict[str, bool] = {}
        self._mount_points: set[str] = set()
        self._namespaces: set[str] = set()

    def begin(self) -> None:
        """A new reading: tables of sockets and mounts are read anew."""
        self._sockets.forget()
        self._local_mounts.clear()
        self._mount_points.clear()
        self._namespaces.clear()

    def estimate(self, handles: int) -> float:
        """CPU seconds that a full look at so many links will take, going by those before."""
        return 1e-4 + handles * self._per_link

    def look(self, pid: str, *, named: bool, deadline: float) -> Look:
        """All links of a process, with names if `named`.

        Raises Vanished, PermissionError, or TooLong when `deadline` (on the `cpu` clock) passes.
        """
        begun = self._cpu()
        try:
            directory = os.open(f"{self._proc}/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError) as gone:
            raise Vanished(pid) from gone
        try:
            numbers = os.listdir(directory)
            if pid == str(os.getpid()):  # the descriptor that this look itself needs is not one of the process
                numbers.remove(str(directory))
            kinds = _Kinds(self, pid, directory)
            links = self._tally(numbers, lambda number: os.readlink(number, dir_fd=directory), kinds, deadline)
        finally:
            os.close(directory)
        if numbers:
            spent = (self._cpu() - begun) / len(numbers)
            self._per_link += (spent - self._per_link) * min(1.0, len(numbers) / 1000)
        types: Counter[str] = Counter()
        for link in links.values():
            types[link.kind] += link.count
        objects = self._objects(pid, links, scale=None, deadline=deadline) if named else None
        return Look(types=dict(types), objects=objects)

    def sample(self, pid: str, *, handles: int, deadline: float) -> Look:
        """The names alone, from links spread evenly over the numbers that `handles` descriptors take up.

        Numbers are given out lowest first, so twice the count covers nearly all of them.
        """
        numbers = [str(number) for number in range(0, 2 * handles, max(1, 2 * handles // PROBES))]
        folder = f"{self._proc}/{pid}/fd/"
        links = self._tally(numbers, lambda number: os.readlink(folder + number), _Kinds(self, pid, None), deadline)
        seen = sum(link.count for link in links.values())
        if not seen:
            raise Vanished(pid)
        return Look(types=None, objects=self._objects(pid, links, scale=handles / seen, deadline=deadline))

    def _tally(
        self, numbers: list[str], readlink: Callable[[str], str], kinds: "_Kinds", deadline: float
    ) -> "dict[str, _Link]":
        """What the descriptors of these numbers lead to, each target once."""
        links: dict[str, _Link] = {}
        for position, number in enumerate(numbers, 1):
            try:
                target = readlink(number)
            except (FileNotFoundError, ProcessLookupError):
                continue  # closed since it was listed
            link = links.get(target)
            if link is None:
                links[target] = _Link(kinds.of(target, number), number)
            else:
                link.count += 1
            if position % LINKS_BETWEEN_CHECKS == 0 and self._cpu() > deadline:
                self._per_link *= 1.5
                raise TooLong
        return links

    def _objects(
        self, pid: str, links: "dict[str, _Link]", *, scale: float | None, deadline: float
    ) -> list[NamedObject]:
        sockets = self._socket_names(pid, links, deadline)
        counts: Counter[tuple[str, str]] = Counter()
        distinct: Counter[tuple[str, str]] = Counter()
        for target, link in links.items():
            name = sockets.get(target) or template(target)
            counts[link.kind, name] += link.count
            distinct[link.kind, name] += 1
        return [
            NamedObject(
                type=kind,
                name=name,
                count=count if scale is None else round(count * scale),
                distinct=None if scale is not None or name.startswith("anon_inode:") else distinct[kind, name],
                estimated=scale is not None,
            )
            for (kind, name), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_OBJECTS]
        ]

    def _socket_names(self, pid: str, links: "dict[str, _Link]", deadline: float) -> dict[str, str]:
        """Link to name, for processes with enough sockets to be worth reading the tables."""
        sockets = [(target, link.number) for target, link in links.items() if link.kind == "socket"]
        if len(sockets) < SOCKETS_WORTH_A_TABLE:
            return {}
        table = self._sockets.names(pid, deadline)
        if table is None:
            return {}
        named: dict[str, str] = {}
        unlisted = 0
        for target, number in sockets:
            name = table.get(target[8:-1])
            if name is None and unlisted < UNLISTED_SOCKETS:
                unlisted += 1
                protocol = protocol_name(f"{self._proc}/{pid}/fd/{number}")
                name = None if protocol is None else f"{protocol} unconnected"
            if name is not None:
                named[target] = template(name)
        return named

    def mount_is_local(self, pid: str, mount: str) -> bool:
        """Whether that mount id belongs to a file system that answers without asking another machine."""
        if mount not in self._local_mounts:
            try:
                namespace = os.readlink(f"{self._proc}/{pid}/ns/mnt")
            except OSError:
                namespace = pid
            if namespace not in self._namespaces:
                self._namespaces.add(namespace)
                self._read_mounts(pid)
        return self._local_mounts.get(mount, False)

    def is_mount_point(self, path: str) -> bool:
        return path in self._mount_points

    def _read_mounts(self, pid: str) -> None:
        for line in text(f"{self._proc}/{pid}/mountinfo", most=4 << 20).splitlines():
            fields = line.split(" ")
            if "-" in fields[6:]:
                kind = fields[fields.index("-", 6) + 1]
                self._local_mounts[fields[0]] = kind in LOCAL
                self._mount_points.add(fields[4])


class _Kinds:
    """Types of the targets of one process; `directory` is its open fd directory, None to go by path."""

    def __init__(self, reader: LinkReader, pid: str, directory: int | None) -> None:
        self._reader = reader
        self._pid = pid
        self._directory = directory
        self._local_folders: dict[str, bool] = {}

    def of(self, target: str, number: str) -> str:
        return self._path(target, number) if target.startswith("/") else _without_path(target)

    def _path(self, link: str, number: str) -> str:
        if link.startswith("/memfd:"):
            return "memfd"
        if link.endswith(DELETED) and not link.startswith("/dev/pts/"):
            return "deleted"
        guess = "device" if link.startswith("/dev/") and not link.startswith(NOT_DEVICES) else "file"
        if not self._may_ask(link, number):
            return guess
        try:
            if self._directory is None:
                mode = os.stat(f"{self._reader._proc}/{self._pid}/fd/{number}").st_mode
            else:
                mode = os.stat(number, dir_fd=self._directory).st_mode
        except OSError:
            return guess
        return _by_mode(mode)

    def _may_ask(self, link: str, number: str) -> bool:
        """By the mount of this descriptor, or of one beside it in the same folder; a mount point is on its own."""
        folder = link if self._reader.is_mount_point(link) else os.path.dirname(link)
        local = self._local_folders.get(folder)
        if local is None:
            mount = text(f"{self._reader._proc}/{self._pid}/fdinfo/{number}").partition("mnt_id:")[2].split(None, 1)
            if not mount:
                return False
            local = self._reader.mount_is_local(self._pid, mount[0])
            if not self._reader.is_mount_point(link):
                self._local_folders[folder] = local
        return local


def _without_path(link: str) -> str:
    prefix, _, rest = link.partition(":")
    if prefix in ("socket", "pipe"):
        return prefix
    if prefix == "anon_inode":
        return ANONYMOUS.get(rest, "other")
    return "other"


def _by_mode(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return "device"
    if stat.S_ISFIFO(mode):
        return "pipe"
    return "socket" if stat.S_ISSOCK(mode) else "other"
