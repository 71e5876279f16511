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
from collector.sources.procfs import Broken, Vanished, read
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
            links = self._links(directory, deadline)
            if pid == str(os.getpid()):  # the descriptor that this look itself needs is not one of the process
                links = [(number, link) for number, link in links if number != str(directory)]
            kinds = _Kinds(self, pid, directory, deadline)
            typed = [(kinds.of(link, number), link, number) for number, link in links]
        finally:
            os.close(directory)
        if links:
            spent = (self._cpu() - begun) / len(links)
            self._per_link += (spent - self._per_link) * min(1.0, len(links) / 1000)
        types = dict(Counter(kind for kind, _, _ in typed))
        objects = self._objects(pid, typed, scale=None, deadline=deadline) if named else None
        return Look(types=types, objects=objects)

    def sample(self, pid: str, *, handles: int, deadline: float) -> Look:
        """The names alone, from links spread evenly over the numbers that `handles` descriptors take up.

        Numbers are given out lowest first, so twice the count covers nearly all of them.
        """
        step = max(1, 2 * handles // PROBES)
        links = []
        for number in range(0, 2 * handles, step):
            try:
                links.append((str(number), os.readlink(f"{self._proc}/{pid}/fd/{number}")))
            except (FileNotFoundError, ProcessLookupError):
                continue
            if number % (LINKS_BETWEEN_CHECKS * step) == 0 and self._cpu() > deadline:
                raise TooLong(pid)
        if not links:
            raise Vanished(pid)
        kinds = _Kinds(self, pid, None, deadline)
        typed = [(kinds.of(link, number), link, number) for number, link in links]
        return Look(types=None, objects=self._objects(pid, typed, scale=handles / len(links), deadline=deadline))

    def _links(self, directory: int, deadline: float) -> list[tuple[str, str]]:
        links = []
        denied = None
        for position, number in enumerate(os.listdir(directory)):
            try:
                links.append((number, os.readlink(number, dir_fd=directory)))
            except (FileNotFoundError, ProcessLookupError):
                continue  # closed since it was listed
            except PermissionError as error:
                denied = error
                break
            if position % LINKS_BETWEEN_CHECKS == LINKS_BETWEEN_CHECKS - 1 and self._cpu() > deadline:
                self._per_link *= 1.5
                raise TooLong
        if denied is not None:
            raise denied
        return links

    def _objects(
        self, pid: str, typed: list[tuple[str, str, str]], *, scale: float | None, deadline: float
    ) -> list[NamedObject]:
        sockets = self._socket_names(pid, typed, deadline)
        counts: Counter[tuple[str, str]] = Counter()
        distinct: dict[tuple[str, str], set[str]] = {}
        templates: dict[str, str] = {}
        for kind, link, _ in typed:
            name = sockets.get(link)
            if name is None:
                name = templates.get(link)
            if name is None:
                name = templates[link] = template(link.removesuffix(DELETED))
            counts[kind, name] += 1
            distinct.setdefault((kind, name), set()).add(link)
        return [
            NamedObject(
                type=kind,
                name=name,
                count=count if scale is None else round(count * scale),
                distinct=None if scale is not None or name.startswith("anon_inode:") else len(distinct[kind, name]),
                estimated=scale is not None,
            )
            for (kind, name), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_OBJECTS]
        ]

    def _socket_names(self, pid: str, typed: list[tuple[str, str, str]], deadline: float) -> dict[str, str]:
        """Link to name, for processes with enough sockets to be worth reading the tables."""
        sockets = [(link, number) for kind, link, number in typed if kind == "socket"]
        if len(sockets) < SOCKETS_WORTH_A_TABLE:
            return {}
        table = self._sockets.names(pid, deadline)
        if table is None:
            return {}
        named: dict[str, str] = {}
        unlisted = 0
        for link, number in sockets:
            name = table.get(link[8:-1])
            if name is None and unlisted < UNLISTED_SOCKETS:
                unlisted += 1
                protocol = protocol_name(f"{self._proc}/{pid}/fd/{number}")
                name = None if protocol is None else f"{protocol} unconnected"
            if name is not None:
                named[link] = template(name)
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
        try:
            lines = read(f"{self._proc}/{pid}/mountinfo", most=4 << 20).decode("utf-8", "replace").splitlines()
        except (Vanished, Broken, PermissionError):
            return
        for line in lines:
            fields = line.split(" ")
            if "-" in fields[6:]:
                kind = fields[fields.index("-", 6) + 1]
                self._local_mounts[fields[0]] = kind in LOCAL
                self._mount_points.add(fields[4])


class _Kinds:
    """Types of links of one process; what was asked of the file system once is not asked again."""

    def __init__(self, reader: LinkReader, pid: str, directory: int | None, deadline: float) -> None:
        self._reader = reader
        self._pid = pid
        self._directory = directory
        self._deadline = deadline
        self._paths: dict[str, str] = {}
        self._local_folders: dict[str, bool] = {}

    def of(self, link: str, number: str) -> str:
        if not link.startswith("/"):
            return _without_path(link)
        kind = self._paths.get(link)
        if kind is None:
            kind = self._paths[link] = self._path(link, number)
            if len(self._paths) % LINKS_BETWEEN_CHECKS == 0 and self._reader._cpu() > self._deadline:
                raise TooLong
        return kind

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
            try:
                content = read(f"{self._reader._proc}/{self._pid}/fdinfo/{number}")
            except (Vanished, Broken, PermissionError):
                return False
            _, found, rest = content.partition(b"mnt_id:")
            mount = rest.split(None, 1)[0].decode("ascii", "replace") if found and rest.strip() else ""
            local = self._reader.mount_is_local(self._pid, mount)
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
