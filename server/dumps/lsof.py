"""`lsof -F`: one field a line (or parted by NULs, `-F0`), descriptors typed and named as a collector's are.

Only numbered descriptors count: `cwd`, `txt`, `mem` and their like hold no place in a process's table. A process
without its `cwd` was listed only in part (`-i`, a path, `-d`); one with `NOFD` could not be read.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from server.analysis.readings import Process
from server.dumps.dump import Dump, Moment
from server.dumps.listing import Listing, Runs, by_type, named, number
from server.dumps.names import clean
from server.dumps.text import Text

NAME = "lsof"
_PROCESS = re.compile(r"^p\d{1,10}$|^p\d{1,10}\ufffd", re.MULTILINE)
_DESCRIPTOR = re.compile(r"(?:^|\ufffd)f(?:\d|cwd|rtd|txt|mem|NOFD)", re.MULTILINE)
_SOCKETS = frozenset({"IPv4", "IPv6", "unix", "sock", "netlink", "pack", "raw", "raw6", "inet", "ax25", "ipx", "systm"})
_TYPES = {
    "REG": "file", "VREG": "file", "DIR": "directory", "VDIR": "directory", "CHR": "device", "VCHR": "device",
    "BLK": "device", "VBLK": "device", "FIFO": "pipe", "VFIFO": "pipe", "PIPE": "pipe",
}  # fmt: skip
_ANONYMOUS = {
    "eventfd": "eventfd", "eventpoll": "eventpoll", "inotify": "inotify", "timerfd": "timerfd",
    "signalfd": "signalfd", "pidfd": "pidfd", "io_uring": "io_uring",
}  # fmt: skip
_LINUX = frozenset({"a_inode", "netlink", "pack"})
_MACOS = ("/System/Library/", "/usr/lib/dyld", "/private/var/")
_NOT_EVERY_FD = "Of some processes only some descriptors are listed (no cwd among them): their totals are not known."


def recognises(head: str) -> bool:
    return _PROCESS.search(head) is not None and _DESCRIPTOR.search(head) is not None


@dataclass(slots=True)
class _Process:
    listing: Listing
    whole: bool = False
    typed: bool = True
    seen: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))

    def reading(self) -> Process:
        known = self.whole and self.listing.opened
        counts = self.listing.counts
        distinct = {name: len(seen) for name, seen in self.seen.items() if "" not in seen}
        return Process(
            pid=self.listing.pid,
            started_at=None,
            name=self.listing.name,
            handles=counts.total() if known else None,
            types=by_type(counts) if known and self.typed else {},
            objects=named(counts, distinct) if counts else None,
            user=self.listing.user,
        )


def read(text: Text) -> Dump:
    reader = _Reader(text)
    for offset, line in text.lines():
        for part in line.split("\ufffd") if reader.by_nuls or "\ufffd" in line[:12] else (line,):
            if part:
                reader.take(offset, part)
    return reader.dump()


class _Reader:
    """`open` is the process whose fields come; it counts once its first descriptor shows that it is no thread."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._processes: Runs[_Process] = Runs(text)
        self._open: _Process | None = None
        self._opened_at = 0
        self._thread = False
        self._descriptor: dict[str, str] = {}
        self._family: str | None = None
        self.by_nuls = False

    def take(self, offset: int, part: str) -> None:
        kind, value = part[0], part[1:].rstrip()
        if kind == "p" and number(value) is not None:
            self._close()
            self._open, self._opened_at = _Process(Listing(int(value), "")), offset
            self.by_nuls = self.by_nuls or self._text.content[offset : offset + 16].find("\ufffd") > 0
        elif kind == "m" or part.startswith("====="):
            self._close()
            self._processes.start()
        elif self._open is None:
            if not part.startswith((" ", "lsof")):
                raise self._text.damaged(offset, "a process first, as in p1234")
        elif not ("a" <= kind.lower() <= "z" or kind == " "):
            raise self._text.damaged(offset, "a field of lsof -F, a letter and its value")
        elif kind == "f":
            self._end_descriptor()
            self._descriptor = {"f": value}
        elif self._descriptor:
            if kind == "T":
                self._descriptor.setdefault(part[:3], part[4:])
            else:
                self._descriptor.setdefault(kind, value)
        elif kind == "c":
            self._open.listing.name = clean(value)
        elif kind == "L":
            self._open.listing.user = clean(value)
        elif kind == "K":
            self._thread = True

    def _end_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, {}
        if not descriptor or self._open is None:
            return
        number_or_word, name = descriptor["f"], descriptor.get("n", "")
        self._family = self._family or _family(number_or_word, descriptor.get("t", ""), name)
        if number_or_word in ("cwd", "rtd"):
            self._open.whole = True
        elif number_or_word == "NOFD":
            self._open.listing.opened = False
        elif number(number_or_word) is not None:
            key = _type_and_name(descriptor)
            self._open.typed = self._open.typed and "t" in descriptor
            self._open.listing.counts[key] += 1
            self._open.seen[key].add("" if key[1].startswith("anon_inode:") else _identity(descriptor))

    def _close(self) -> None:
        self._end_descriptor()
        process, self._open = self._open, None
        thread, self._thread = self._thread, False
        if process is None or thread:
            return
        process.listing.name = process.listing.name or "(unknown)"
        self._processes.add(process.listing.pid, process, offset=self._opened_at)

    def dump(self) -> Dump:
        self._close()
        found = list(self._processes.items.values())
        if not found:
            raise self._text.damaged(len(self._text.content), "a process, as in p1234")
        notes = list(self._processes.notes)
        whole = 1 in self._processes.items
        if not whole:
            notes.append("The file lists only some of the machine's processes; nothing is said about the others.")
        part = any(not process.whole and process.listing.opened for process in found)
        if part:
            notes.append(_NOT_EVERY_FD)
        unread = sum(not process.listing.opened for process in found)
        if unread:
            notes.append(f"lsof could not read {unread:,} of the processes: run it as root.")
        return Dump(
            NAME,
            [Moment(None, [process.reading() for process in found])],
            os_family=self._family,
            partial=part or not whole,
            notes=tuple(notes),
        )


def _identity(descriptor: dict[str, str]) -> str:
    if "i" in descriptor:
        return f"{descriptor.get('D', '')} {descriptor['i']}"
    return descriptor.get("d", "")


def _type_and_name(descriptor: dict[str, str]) -> tuple[str, str]:
    kind, name = descriptor.get("t", ""), descriptor.get("n", "")
    if name.startswith("/memfd:"):
        return "memfd", clean(name)
    if kind == "a_inode":
        bare = name.strip("[]").partition(":")[0]
        shown = bare if bare == "inotify" else f"[{bare}]"
        return _ANONYMOUS.get(bare, "other"), clean(f"anon_inode:{shown}")
    if kind in _SOCKETS:
        return "socket", clean(_socket(kind, name, descriptor))
    found = _TYPES.get(kind, "other")
    if found == "file" and name.endswith(" (deleted)"):
        found = "deleted"
    return found, clean(name)


def _socket(kind: str, name: str, descriptor: dict[str, str]) -> str:
    """As a collector names them: `tcp CLOSE_WAIT`, `udp`, `unix /run/x`."""
    if kind == "unix":
        path = name.partition(" type=")[0]
        return f"unix {path}" if path.startswith(("/", "@")) else "unix"
    protocol = descriptor.get("P", "").casefold()
    if kind in ("IPv4", "IPv6") and protocol:
        state = descriptor.get("TST", "")
        return f"{protocol} {state}" if state else protocol
    return name or kind


def _family(descriptor: str, kind: str, name: str) -> str | None:
    if descriptor in ("mem", "NOFD") or kind in _LINUX or name.startswith("/proc/"):
        return "linux"
    return "macos" if kind in ("NPOLICY", "NEXUS") or name.startswith(_MACOS) else None
