"""What the files behind processes, services and drivers of a Windows machine say of themselves: version and maker."""

import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

VARIABLE = re.compile(r"%([^%]+)%")
# Of a command without quotes, up to the end of the program; its path may hold blanks.
UNQUOTED = re.compile(r"(.+?\.(?:exe|sys|dll))(?=\s|$)", re.IGNORECASE)
ON_A_DRIVE = re.compile(r"[a-z]:\\", re.IGNORECASE)
MOST_KEPT = 4096


class FileFacts(NamedTuple):
    vendor: str | None = None
    version: str | None = None


NOTHING = FileFacts()


class VersionReader(Protocol):
    def is_remote(self, drive: str) -> bool:
        r"""Whether the drive (`Z:\`) is that of another machine; told without asking that."""
        ...

    def file_facts(self, path: str) -> FileFacts:
        """What the version resource of the file says; empty where it has none or may not be read."""
        ...


class Files:
    """Each file is read once for as long as its time and size stay. Files of other machines are not looked at: those
    may be long in answering."""

    def __init__(self, reader: VersionReader, *, stat: Callable[[str], os.stat_result] = os.stat) -> None:
        self._reader = reader
        self._stat = stat
        self._known: dict[str, tuple[tuple[int, int], FileFacts]] = {}

    def of(self, path: str | None) -> FileFacts:
        if path is None or not ON_A_DRIVE.match(path) or self._reader.is_remote(path[:3]):
            return NOTHING
        try:
            status = self._stat(path)
        except (OSError, ValueError):
            return NOTHING
        mark = status.st_mtime_ns, status.st_size
        known = self._known.get(path.lower())
        if known is None or known[0] != mark:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            known = self._known[path.lower()] = mark, self._reader.file_facts(path)
        return known[1]


def path_of(command: str, variables: Mapping[str, str]) -> str | None:
    r"""The program of a service's `ImagePath`, as a path on a drive; None where it is none.

    It may be quoted, have arguments, name variables, or begin as the kernel writes paths (`\SystemRoot\…`, `\??\C:\…`,
    or nothing at all before `system32`). `variables`: names in capitals, among them SYSTEMROOT.
    """
    text = VARIABLE.sub(lambda found: variables.get(found[1].upper(), found[0]), command.strip())
    if text.startswith('"'):
        text = text[1:].partition('"')[0]
    elif found := UNQUOTED.match(text):
        text = found[1]
    text = text.removeprefix("\\??\\")
    root = variables.get("SYSTEMROOT", r"C:\Windows")
    if text.lower().startswith("\\systemroot\\"):
        text = root + text[len("\\systemroot") :]
    elif text.lower().startswith("system32\\"):
        text = f"{root}\\{text}"
    return text if ON_A_DRIVE.match(text) else None
