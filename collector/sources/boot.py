"""When a machine was booted: one answer for the whole life of one boot, whatever happens to the clock meanwhile."""

import contextlib
import json
from pathlib import Path

from collector import private

FILE = "boot.json"


class BootTime:
    """`seconds` since the epoch, None where the system does not tell.

    `measured` is the system's own answer, which moves whenever the clock is set (not while the machine sleeps: systems
    count that time, in this as in the start of a process). So the first answer for a boot, known by `boot`, is kept in
    the state directory. `boot` None: boots cannot be told apart, so nothing is kept.
    """

    def __init__(self, boot: str | int | None, measured: int | None, state: Path | None, *, keep: bool) -> None:
        self._boot = boot
        self._file = None if state is None or boot is None else state / FILE
        kept = self._kept()
        self.seconds = measured if kept is None else kept
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
            private.put(file, json.dumps({"boot_id": self._boot, "booted_at": self.seconds}))

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
                if kept["boot_id"] == self._boot:
                    return int(kept["booted_at"])
        return None
