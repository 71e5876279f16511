"""When a Linux machine was booted: one answer for the whole life of one boot, so that `started_at` never changes."""

import contextlib
import json
from pathlib import Path

from collector.sources import procfs

FILE = "boot.json"


class BootTime:
    """`seconds` since the epoch, None where the kernel does not tell.

    The kernel's own answer moves whenever the clock is set (not while the machine sleeps: it counts that time, in this
    as in the start of a process). So the first answer for a boot id is kept in the state directory.
    """

    def __init__(self, proc: str, state: Path | None, *, keep: bool) -> None:
        self._boot_id = procfs.boot_id(proc)
        self._file = None if state is None or self._boot_id is None else state / FILE
        kept = self._kept()
        self.seconds = procfs.boot_time(proc) if kept is None else kept
        self._written: tuple[int, int, int] | None = None
        self._keep = keep and self._file is not None and self.seconds is not None
        self.keep()

    def keep(self) -> None:
        """Writes the answer down where it is not: the disk was full, or somebody has cleared the directory away."""
        if not self._keep or self._file is None or (self._written is not None and self._mark() == self._written):
            return
        if self._kept() != self.seconds:
            self._write(self._file)
        self._written = self._mark()

    def _write(self, file: Path) -> None:
        with contextlib.suppress(OSError):
            fresh = file.with_suffix(".tmp")
            fresh.write_text(json.dumps({"boot_id": self._boot_id, "booted_at": self.seconds}), "utf-8")
            fresh.replace(file)

    def _mark(self) -> tuple[int, int, int] | None:
        """Changes when somebody changes the file; None where it is not there."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                status = self._file.stat()
                return status.st_ino, status.st_mtime_ns, status.st_size
        return None

    def _kept(self) -> int | None:
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                kept = json.loads(self._file.read_text("utf-8"))
                if kept["boot_id"] == self._boot_id:
                    return int(kept["booted_at"])
        return None
