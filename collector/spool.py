"""Snapshots that no server has answered for yet: on disk, bounded, in order, oldest dropped first.

One file a snapshot, written beside and renamed into place, so that being killed leaves no half of one; what a power
cut or a bad disk does to a file is found by its checksum. Nothing is synced: where the server answers, a file is gone
before the disk has seen it, which is kind to small flash disks; a power cut may cost the last half minute.
When the disk is full, the newest few wait in memory.
"""

import contextlib
import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HEADER = struct.Struct("<4sII")  # magic, checksum of the packed bytes, length unpacked
MAGIC = b"HWS1"
SUFFIX = ".snap"
# Level 1: a third of the CPU of the default for files that seldom live longer than a second.
PACK_LEVEL = 1
BLOCK = 4096
IN_MEMORY = 60
REJECTED_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One snapshot in the spool. `size` is what it takes on disk, `length` that of its JSON."""

    number: int
    time: int
    length: int
    size: int

    @property
    def file(self) -> str:
        return f"{self.number:012d}-{self.time}-{self.length}{SUFFIX}"


@dataclass(slots=True)
class SpoolCounts:
    """What happened since the start. `dropped` to stay within bounds, `damaged` on disk, `rejected` by the server."""

    dropped: int = 0
    damaged: int = 0
    rejected: int = 0


class Spool:
    """A queue of snapshots under `directory`, at most `most_bytes` on disk and, if `most_age_s`, no older than that.

    Safe for one thread that appends and one that takes. `write` stands for the one place where the disk may refuse.
    """

    def __init__(
        self,
        directory: Path,
        *,
        most_bytes: int,
        most_age_s: float = 0,
        write: Callable[[Path, bytes], None] | None = None,
    ) -> None:
        self._directory = directory / "spool"
        self._rejected = directory / "rejected"
        self._most_bytes = most_bytes
        self._most_age_s = most_age_s
        self._write = write or _write_whole
        self._lock = threading.Lock()
        self._on_disk: deque[Entry] = deque()
        self._in_memory: deque[tuple[Entry, bytes]] = deque()
        self._bytes = 0
        self.counts = SpoolCounts()
        self.disk_error: str | None = None
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, exist_ok=True)
        self._on_disk.extend(self._found())
        self._bytes = sum(entry.size for entry in self._on_disk)
        self._next = self._on_disk[-1].number + 1 if self._on_disk else 0

    def __len__(self) -> int:
        with self._lock:
            return len(self._on_disk) + len(self._in_memory)

    @property
    def size(self) -> int:
        """What the spool takes on disk, in whole blocks."""
        return self._bytes

    @property
    def in_memory(self) -> int:
        return len(self._in_memory)

    def append(self, time: int, snapshot: bytes) -> None:
        """Takes a snapshot in. Never fails: what finds no room on disk waits in memory, what finds none there goes."""
        packed = zlib.compress(snapshot, PACK_LEVEL)
        record = HEADER.pack(MAGIC, zlib.crc32(packed), len(snapshot)) + packed
        with self._lock:
            entry = Entry(self._next, time, len(snapshot), -(-len(record) // BLOCK) * BLOCK)
            self._next += 1
            self._in_memory.append((entry, record))
            self._drop_old(time)
            self._to_disk()
            while len(self._in_memory) > IN_MEMORY:
                self._in_memory.popleft()
                self.counts.dropped += 1

    def first(self, *, most: int, most_length: int) -> list[Entry]:
        """The oldest entries, in order: at most `most`, and at most `most_length` of JSON unless one alone is more."""
        chosen: list[Entry] = []
        length = 0
        with self._lock:
            for entry in self._entries():
                length += entry.length
                if chosen and (len(chosen) >= most or length > most_length):
                    break
                chosen.append(entry)
        return chosen

    def load(self, entry: Entry) -> bytes | None:
        """The snapshot's JSON; None where it is damaged or gone, and then it is no longer in the spool."""
        with self._lock:
            record = next((record for waiting, record in self._in_memory if waiting == entry), None)
        if record is None:
            try:
                record = (self._directory / entry.file).read_bytes()
            except OSError:
                record = b""
        snapshot = _unpack(record)
        if snapshot is None:
            with self._lock:
                # Dropped to make room since it was chosen: that is counted already.
                if entry in self._on_disk:
                    self._remove(entry)
                    self.counts.damaged += 1
        return snapshot

    def done(self, entries: list[Entry]) -> None:
        """These are the server's now."""
        with self._lock:
            for entry in entries:
                self._remove(entry)
            self._to_disk()

    def reject(self, entry: Entry, snapshot: bytes, reason: str) -> None:
        """Puts a snapshot that the server refuses aside, under `rejected/`, for a person to look at."""
        with self._lock:
            self._remove(entry)
            self.counts.rejected += 1
        with contextlib.suppress(OSError):
            self._rejected.mkdir(mode=0o700, exist_ok=True)
            stem = f"{entry.time}-{entry.number}"
            (self._rejected / f"{stem}.txt").write_text(f"{reason}\n", "utf-8")
            (self._rejected / f"{stem}.json").write_bytes(snapshot)
            _bound(self._rejected, REJECTED_BYTES)

    def _entries(self) -> Iterator[Entry]:
        yield from self._on_disk
        for entry, _ in self._in_memory:
            yield entry

    def _to_disk(self) -> None:
        """Writes what waits in memory, oldest first, as far as the disk takes it."""
        while self._in_memory:
            entry, record = self._in_memory[0]
            while self._on_disk and self._bytes + entry.size > self._most_bytes:
                self._remove(self._on_disk[0])
                self.counts.dropped += 1
            try:
                self._write(self._directory / entry.file, record)
            except OSError as error:
                self.disk_error = error.strerror or str(error)
                return
            self.disk_error = None
            self._in_memory.popleft()
            self._on_disk.append(entry)
            self._bytes += entry.size

    def _drop_old(self, now: int) -> None:
        while self._most_age_s and self._on_disk and now - self._on_disk[0].time > self._most_age_s:
            self._remove(self._on_disk[0])
            self.counts.dropped += 1

    def _remove(self, entry: Entry) -> None:
        """Out of the spool, whether its file can be removed or not: one sent twice is counted once by the server."""
        if self._on_disk and self._on_disk[0] == entry:
            self._on_disk.popleft()
        elif entry in self._on_disk:
            self._on_disk.remove(entry)
        else:
            for waiting in self._in_memory:
                if waiting[0] == entry:
                    self._in_memory.remove(waiting)
                    return
            return
        self._bytes -= entry.size
        with contextlib.suppress(OSError):
            (self._directory / entry.file).unlink()

    def _found(self) -> list[Entry]:
        """What an earlier run left, in order; halves of files that were being written are removed."""
        found = []
        try:
            with os.scandir(self._directory) as files:
                for file in files:
                    entry = _entry(file)
                    if entry is not None:
                        found.append(entry)
                    elif file.name.endswith(".tmp"):
                        with contextlib.suppress(OSError):
                            os.unlink(file.path)
        except OSError as error:
            self.disk_error = error.strerror or str(error)
        return sorted(found, key=lambda entry: entry.number)


def _entry(file: os.DirEntry[str]) -> Entry | None:
    if not file.name.endswith(SUFFIX):
        return None
    try:
        number, time, length = (int(part) for part in file.name.removesuffix(SUFFIX).split("-"))
        size = file.stat().st_size
    except (ValueError, OSError):
        return None
    return Entry(number, time, length, -(-size // BLOCK) * BLOCK)


def _unpack(record: bytes) -> bytes | None:
    if len(record) < HEADER.size:
        return None
    magic, checksum, length = HEADER.unpack_from(record)
    packed = memoryview(record)[HEADER.size :]
    if magic != MAGIC or zlib.crc32(packed) != checksum:
        return None
    try:
        snapshot = zlib.decompress(packed)
    except zlib.error:
        return None
    return snapshot if len(snapshot) == length else None


def _write_whole(path: Path, content: bytes) -> None:
    """The file with its whole content, or no file and an OSError."""
    fresh = path.with_suffix(".tmp")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, exist_ok=True)  # somebody has cleared the directory away: the next one fits
        raise
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def _bound(directory: Path, most_bytes: int) -> None:
    """Removes the oldest files until what is left fits."""
    files = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    total = sum(path.stat().st_size for path in files)
    for path in files:
        if total <= most_bytes:
            return
        total -= path.stat().st_size
        path.unlink()
