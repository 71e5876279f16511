"""The state directory: who may use it, and the small facts kept in it between runs."""

import contextlib
import json
import os
import sys
from pathlib import Path

from collector import private
from collector.wire import JsonObject

NO_LINKS: int = getattr(os, "O_NOFOLLOW", 0)  # Windows has none; there links are for administrators to make
NOTE_BYTES = 256  # filled up with blanks, so that a shorter note covers a longer one


class StateError(Exception):
    """The state directory cannot be used; the message says why and what to do."""


class StateDirectory:
    """A directory of one collector's own, locked while it is open, so that a second collector cannot use it too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            private.make_directory(path)
            fault = private.why_not_ours(path)
            if fault is not None:
                raise StateError(f"will not use the state directory {path}: {fault}, or name another one with --state")
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | NO_LINKS, 0o600)
        except OSError as error:
            raise StateError(
                f"cannot use the state directory {path}: {error.strerror}; name one that can be written to with --state"
            ) from error
        try:
            _lock(self._lock)
        except OSError as error:
            os.close(self._lock)
            raise StateError(
                f"another collector already uses the state directory {path}; "
                "stop it, or give this one a directory of its own with --state"
            ) from error

    def close(self) -> None:
        os.close(self._lock)

    def load(self, name: str) -> JsonObject:
        """The facts kept under that name; empty where there are none or they are damaged."""
        with contextlib.suppress(OSError, ValueError, RecursionError):
            kept = json.loads((self.path / f"{name}.json").read_text("utf-8"))
            if isinstance(kept, dict):
                return kept
        return {}

    def keep(self, name: str, facts: JsonObject) -> bool:
        """Replaces the facts under that name, whole or not at all, a power cut included; readable by the owner alone.
        False: no room."""
        try:
            private.put(self.path / f"{name}.json", json.dumps(facts))
        except OSError:
            return False
        return True

    def note(self, name: str, facts: JsonObject) -> bool:
        """Like `keep`, for a few facts that change with every reading: written in place, which costs a tenth and makes
        no disk write at once. A kill leaves them whole; after a power cut they may be damaged, which is like none."""
        content = json.dumps(facts).encode().ljust(NOTE_BYTES)
        try:
            descriptor = os.open(self.path / f"{name}.json", os.O_WRONLY | os.O_CREAT | NO_LINKS, 0o600)
            try:
                return os.write(descriptor, content) == len(content)
            finally:
                os.close(descriptor)
        except OSError:
            return False

    def forget(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self.path / f"{name}.json").unlink()


def _lock(descriptor: int) -> None:
    """Until it is closed, or its process ends in whatever way. Raises OSError where another process holds it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
