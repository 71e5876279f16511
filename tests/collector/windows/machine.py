"""A Windows machine that tests make up: it fills buffers as Windows does, and remembers what was asked of it."""

import gzip
import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from collector.sources.windows_buffers import ServiceEntry
from collector.sources.windows_files import NOTHING, FileFacts, Files

RECORDED = Path(__file__).parent / "recorded"
BASE = 0x10000
NOON = 134_398_224_000_000_000  # 2026-11-22T12:00:00Z as a FILETIME
# fmt: off
TYPES = (
    "Type", "Directory", "SymbolicLink", "Token", "Process", "Thread", "Event", "Mutant", "Section", "File", "Key",
    "ALPC Port",
)
# fmt: on
FIRST_INDEX = 2


@dataclass
class Object:
    """`open`: handles to it in all processes; 0 stands for as many as the table has of that name."""

    type: str
    name: str = ""
    open: int = 0


@dataclass
class FakeProcess:
    pid: int
    name: str
    created: int = NOON
    objects: list[Object] = field(default_factory=list)
    # What the process list says that it holds; None: what it does hold.
    told: int | None = None

    def value(self, position: int) -> int:
        return 4 * (position + 1)


class FakeWindows:
    """Plays `Kernel`. `closed`: (pid, value) that are gone when they are duplicated; `turned`: those that have become
    another object meanwhile; `denied`: pids that may not be opened."""

    def __init__(self, *processes: FakeProcess, wine: bool = False) -> None:
        self.running = list(processes)
        self.wine = wine
        self.own_handle = 0
        self.denied: set[int] = set()
        self.closed: set[tuple[int, int]] = set()
        self.turned: dict[tuple[int, int], Object] = {}
        self.installed: list[ServiceEntry] = []
        self.command_lines: dict[int, str] = {}
        self.image_paths: dict[int, str] = {}
        self.file_versions: dict[str, FileFacts] = {}
        self.files_read: list[str] = []
        self.told_version = (10, 0, 20348, "", 3)
        self.boot = NOON - 3600 * 10_000_000
        self.table_refused = False
        self.asked: list[str] = []
        self.open_handles: dict[int, tuple[int, Object | None]] = {}
        self._next = 0x1000

    def process(self, pid: int) -> FakeProcess:
        return next(one for one in self.running if one.pid == pid)

    def processes(self) -> tuple[memoryview, int]:
        return memoryview(process_list(self.running)), BASE

    def handles(self) -> memoryview:
        if self.table_refused:
            raise PermissionError
        return memoryview(handle_table(self.running))

    def types(self) -> memoryview:
        return memoryview(type_list(TYPES))

    def booted(self) -> int:
        return self.boot

    def open_process(self, pid: int) -> int:
        if pid in self.denied:
            raise PermissionError(pid)
        if all(one.pid != pid for one in self.running):
            raise ProcessLookupError(pid)
        return self._open(pid, None)

    def duplicate(self, process: int, value: int) -> int | None:
        pid, _ = self.open_handles[process]
        if (pid, value) in self.closed:
            return None
        found = self.turned.get((pid, value)) or self.process(pid).objects[value // 4 - 1]
        return self._open(pid, found)

    def close(self, handle: int) -> None:
        del self.open_handles[handle]

    def type_name(self, handle: int) -> str | None:
        return self._object(handle).type

    def object_name(self, handle: int) -> str | None:
        self.asked.append(self._object(handle).type)
        return self._object(handle).name

    def open_count(self, handle: int) -> int | None:
        found = self._object(handle)
        if found.open:
            return found.open + 1
        return 1 + sum(one == found for process in self.running for one in process.objects)

    def command_line(self, pid: int) -> str | None:
        return self.command_lines.get(pid)

    def image_path(self, pid: int) -> str | None:
        return self.image_paths.get(pid)

    def is_remote(self, drive: str) -> bool:
        return drive == "Z:\\"

    def file_facts(self, path: str) -> FileFacts:
        self.files_read.append(path)
        return self.file_versions.get(path, NOTHING)

    def services(self) -> list[ServiceEntry]:
        return self.installed

    def version(self) -> tuple[int, int, int, str, int]:
        return self.told_version

    def allow_debugging(self) -> None:
        pass

    def _open(self, pid: int, found: Object | None) -> int:
        self._next += 4
        self.open_handles[self._next] = pid, found
        return self._next

    def _object(self, handle: int) -> Object:
        found = self.open_handles[handle][1]
        assert found is not None
        return found


def files_of(windows: FakeWindows) -> Files:
    """Of a machine on which every path leads to a file that never changes."""
    return Files(windows, stat=lambda path: os.stat_result([0] * 10))


class FakeRegistry:
    """Plays `Registry`. Keys are (root, view, path)."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, int, str], dict[str, object]] = {}

    def put(self, path: str, *, root: str = "HKLM", view: int = 64, **values: object) -> None:
        self.content[root, view, path] = values

    def values(self, path: str, *, root: str = "HKLM", view: int = 64) -> dict[str, object]:
        return self.content.get((root, view, path), {})

    def keys(self, path: str, *, root: str = "HKLM", view: int = 64) -> list[str]:
        start = path + "\\"
        under = [found for where, width, found in self.content if (where, width) == (root, view)]
        return sorted({found[len(start) :].split("\\")[0] for found in under if found.startswith(start)})


def process_list(running: list[FakeProcess]) -> bytes:
    """SystemProcessInformation as if written to BASE: 256 bytes an entry, then its name."""
    content = b""
    for number, process in enumerate(running):
        name = process.name.encode("utf-16-le")
        entry = bytearray(256 + -(-len(name) // 8) * 8)
        last = number == len(running) - 1
        told = len(process.objects) if process.told is None else process.told
        struct.pack_into("<I", entry, 0, 0 if last else len(entry))
        struct.pack_into("<q", entry, 32, process.created)
        struct.pack_into("<HHxxxxQ", entry, 56, len(name), len(name), BASE + len(content) + 256 if name else 0)
        struct.pack_into("<QQII", entry, 80, process.pid, 0, told, 1)
        struct.pack_into("<Q", entry, 144, 30 << 20)
        entry[256 : 256 + len(name)] = name
        content += entry
    return content


def entries(running: list[FakeProcess]) -> Iterator[tuple[int, int, int]]:
    """Owner, value and index of type of every handle."""
    for process in running:
        for position, found in enumerate(process.objects):
            yield process.pid, process.value(position), FIRST_INDEX + TYPES.index(found.type)


def handle_table(running: list[FakeProcess]) -> bytes:
    return packed(entries(running))


def packed(listed: "Iterator[tuple[int, int, int]]") -> bytes:
    """SystemExtendedHandleInformation."""
    pack = struct.Struct("<QQQIHHII").pack
    content = b"".join(pack(0, pid, value, 0x1F0003, 0, index, 0, 0) for pid, value, index in listed)
    return struct.pack("<QQ", len(content) // 40, 0) + content


def type_list(names: tuple[str, ...], *, own_index: bool = True) -> bytes:
    """OBJECT_TYPES_INFORMATION; `own_index` False: as before Windows 8.1, which does not tell it."""
    content = struct.pack("<Q", len(names))
    for number, name in enumerate(names):
        text = name.encode("utf-16-le") + b"\0\0"
        entry = bytearray(104 + -(-len(text) // 8) * 8)
        struct.pack_into("<HH", entry, 0, len(text) - 2, len(text))
        entry[90] = FIRST_INDEX + number if own_index else 0
        entry[104 : 104 + len(text)] = text
        content += entry
    return content


def recorded(name: str) -> memoryview:
    return memoryview(gzip.decompress((RECORDED / f"{name}.gz").read_bytes()))


def recorded_facts() -> dict[str, int]:
    facts: dict[str, int] = json.loads((RECORDED / "facts.json").read_text())
    return facts
