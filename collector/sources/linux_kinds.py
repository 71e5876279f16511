"""Says of what type a descriptor is, by its link and, where that is safe, by what the file system says.

Asking for the kind of a path goes through the link to the file system, and that waits for ever on a dead NFS server; it
is done only where `fdinfo` names a mount of a local file system.
"""

import os
import stat

from collector.sources.procfs import text

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


class Mounts:
    """Mounts of the namespaces that were asked about. Forgets all at `forget`."""

    def __init__(self, proc: str) -> None:
        self._proc = proc
        self._local: dict[str, bool] = {}
        self._points: set[str] = set()
        self._namespaces: set[str] = set()

    def forget(self) -> None:
        self._local.clear()
        self._points.clear()
        self._namespaces.clear()

    def is_local(self, pid: str, mount: str) -> bool:
        """Whether that mount id belongs to a file system that answers without asking another machine."""
        if mount not in self._local:
            try:
                namespace = os.readlink(f"{self._proc}/{pid}/ns/mnt")
            except OSError:
                namespace = pid
            if namespace not in self._namespaces:
                self._namespaces.add(namespace)
                self._read(pid)
        return self._local.get(mount, False)

    def is_point(self, path: str) -> bool:
        return path in self._points

    def _read(self, pid: str) -> None:
        for line in text(f"{self._proc}/{pid}/mountinfo", most=4 << 20).splitlines():
            fields = line.split(" ")
            if "-" in fields[6:]:
                self._local[fields[0]] = fields[fields.index("-", 6) + 1] in LOCAL
                self._points.add(fields[4])


class Kinds:
    """Types of the targets of one process; `directory` is its open fd directory, None to go by path."""

    def __init__(self, mounts: Mounts, proc: str, pid: str, *, directory: int | None) -> None:
        self._mounts = mounts
        self._pid = pid
        self._process = f"{proc}/{pid}"
        self._directory = directory
        self._place = f"{self._process}/fd/" if directory is None else ""
        self._local_folders: dict[str, bool] = {}

    def of(self, target: str, number: str) -> str:
        """Of the descriptor `number`, whose link says `target`."""
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
            return _by_mode(os.stat(self._place + number, dir_fd=self._directory).st_mode)
        except OSError:
            return guess

    def _may_ask(self, link: str, number: str) -> bool:
        """By the mount of this descriptor, or of one beside it in the same folder; a mount point is on its own."""
        folder = link if self._mounts.is_point(link) else os.path.dirname(link)
        local = self._local_folders.get(folder)
        if local is None:
            mount = text(f"{self._process}/fdinfo/{number}").partition("mnt_id:")[2].split(None, 1)
            if not mount:
                return False
            local = self._mounts.is_local(self._pid, mount[0])
            if not self._mounts.is_point(link):
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
