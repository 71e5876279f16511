"""What is installed on a Linux machine: its kernel, packages of dpkg from its database, those of rpm by its command.

A database that did not change since the last look costs one `stat`.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator

from collector.sources.procfs import kernel_release
from collector.wire import Inventory, Item

MOST_PACKAGES = 19_000  # below the bound of the wire format
DPKG = "var/lib/dpkg/status"
DPKG_PARTS = "var/lib/dpkg/status.d"
RPM_FOLDERS = ("usr/lib/sysimage/rpm", "var/lib/rpm")
RPM_FILES = ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
RPM_PLACES = "/usr/bin:/bin:/usr/local/bin"
RPM_FORMAT = r"%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%|VENDOR?{%{VENDOR}}:{}|\n"
RPM_TIMEOUT_S = 20.0
# Keys of repositories, which rpm lists as if they were programs.
NOT_SOFTWARE = frozenset({"gpg-pubkey"})
INSTALLED = b"installed"

Marks = tuple[tuple[str, int, int], ...]


class Packages:
    """Of the machine seen under `root`."""

    def __init__(self, root: str, proc: str) -> None:
        self._root = root or "/"
        self._proc = proc
        self._marks: tuple[Marks, str | None] | None = None
        self._inventory = Inventory()

    def inventory(self) -> Inventory:
        """The same object as before while nothing changed."""
        marks = self._databases(), kernel_release(self._proc)
        if marks != self._marks:
            self._marks = marks
            found = set(self._dpkg()) | set(self._rpm())
            software = sorted(found, key=lambda item: (item.name, item.version or ""))[:MOST_PACKAGES]
            if marks[1] is not None:
                software.insert(0, Item("Linux kernel", version=marks[1]))
            self._inventory = Inventory(software=software)
        return self._inventory

    def _databases(self) -> Marks:
        """Time and size of each database that is there."""
        names = [DPKG, DPKG_PARTS, *(f"{folder}/{file}" for folder in RPM_FOLDERS for file in RPM_FILES)]
        marks = []
        for name in names:
            with contextlib.suppress(OSError):
                status = os.stat(os.path.join(self._root, name))
                marks.append((name, status.st_mtime_ns, status.st_size))
        return tuple(marks)

    def _dpkg(self) -> Iterator[Item]:
        with contextlib.suppress(OSError), open(os.path.join(self._root, DPKG), "rb") as lines:
            yield from dpkg_packages(lines)
        # Images without a shell have no database but a file for each package, without a word on its state.
        folder = os.path.join(self._root, DPKG_PARTS)
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder)):
                if not name.endswith((".md5sums", ".list", ".preinst", ".postinst")):
                    with contextlib.suppress(OSError), open(os.path.join(folder, name), "rb") as lines:
                        yield from dpkg_packages(lines)

    def _rpm(self) -> Iterable[Item]:
        """Nothing where rpm is not there, has no database, or does not answer in time."""
        # Most machines have no rpm, and these two would take their share of the little memory.
        import shutil
        import subprocess

        folder = next((name for name in RPM_FOLDERS if self._holds_rpm(name)), None)
        command = shutil.which("rpm", path=RPM_PLACES)
        if folder is None or command is None:
            return []
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command
                [command, "--dbpath", os.path.join(self._root, folder), "-qa", "--queryformat", RPM_FORMAT],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=RPM_TIMEOUT_S,
                env={"PATH": RPM_PLACES, "LC_ALL": "C.UTF-8"},
                cwd="/",
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return []
        return rpm_packages(done.stdout)

    def _holds_rpm(self, folder: str) -> bool:
        return any(os.path.exists(os.path.join(self._root, folder, file)) for file in RPM_FILES)


def dpkg_packages(lines: Iterable[bytes]) -> Iterator[Item]:
    """What is installed, from paragraphs of fields; removed packages of which settings are left are not."""
    name = version = b""
    installed = True
    for line in lines:
        if line.startswith(b"Package:"):
            name = line[8:].strip()
        elif line.startswith(b"Version:"):
            version = line[8:].strip()
        elif line.startswith(b"Status:"):
            installed = line.split()[-1:] == [INSTALLED]
        elif line in (b"\n", b"\r\n"):
            if name and installed:
                yield _item(name, version)
            name, version, installed = b"", b"", True
    if name and installed:
        yield _item(name, version)


def rpm_packages(content: bytes) -> Iterator[Item]:
    for line in content.split(b"\n"):
        name, _, rest = line.partition(b"\t")
        version, _, vendor = rest.partition(b"\t")
        if re.fullmatch(rb"[\w.+-]+", name) and name.decode("ascii", "replace") not in NOT_SOFTWARE:
            yield _item(name, version, vendor)


def _item(name: bytes, version: bytes, vendor: bytes = b"") -> Item:
    texts = [text.decode("utf-8", "replace").strip() for text in (name, version, vendor)]
    return Item(texts[0], version=texts[1] or None, vendor=texts[2] or None)
