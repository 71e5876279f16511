"""Directories and files that are this collector's own: made for their owner alone, and looked at before they are used.

Others who may write to the state directory could lay links and tokens of their own there. On Windows, where a folder
such as ProgramData lets everybody read what is made in it, what is made here inherits nothing.
"""

import contextlib
import os
import re
import stat
import sys
from pathlib import Path

if sys.platform == "win32":
    from collector import private_windows

# Of Windows, in SDDL: who is everybody, who may own what is ours, and rights that let somebody lay files into a folder.
EVERYBODY = frozenset({"WD", "AU", "BU", "IU", "NU", "BG", "AN", "S-1-1-0", "S-1-5-11", "S-1-5-32-545", "S-1-5-4"})
TRUSTED_OWNERS = frozenset({"S-1-5-18", "S-1-5-32-544"})  # the system and the administrators
ENTRY = re.compile(r"\(([^;()]*);([^;()]*);([^;()]*);[^;()]*;[^;()]*;([^;()]*)\)")
WRITES = 0x2 | 0x4 | 0x40 | 0x40000 | 0x80000 | 0x10000000 | 0x40000000
WRITING_RIGHTS = frozenset({"DC", "LC", "DT", "WD", "WO", "GA", "GW", "FA", "FW"})


def make_directory(path: Path) -> None:
    """The directory, for its owner alone, and those above it as usual. One that is there stays as it is.

    Raises OSError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if sys.platform == "win32":
            private_windows.make_directory(path)
        else:
            path.mkdir(mode=0o700)
    except FileExistsError:
        os.listdir(path)  # raises where it is no directory


def create(path: Path) -> int:
    """A descriptor to write to of a new file, for its owner alone, in place of whatever had that name.

    Never opens what somebody else laid there, link or file. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    if sys.platform == "win32":
        return private_windows.create(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def put(path: Path, text: str) -> None:
    """The text under that name in place of what was there, whole or not at all, a power cut included.

    Raises OSError, and then leaves nothing behind.
    """
    fresh = path.with_suffix(".tmp")
    try:
        with open(create(fresh), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def why_not_ours(path: Path) -> str | None:
    """Why others may lay files into the directory, and what to do about it; None where they may not. Raises OSError."""
    if sys.platform == "win32":
        owner, sddl = private_windows.rights(path)
        if owner not in TRUSTED_OWNERS and owner != private_windows.own_sid():
            return f"it belongs to another user ({owner}); remove it"
        return "everybody may write to it; remove it, and it is made anew" if everybody_writes(sddl) else None
    status = path.stat()
    if status.st_mode & stat.S_IWOTH:
        return f"everybody may write to it; chmod o-w {path}"
    if status.st_uid not in (0, os.geteuid()):
        return f"it belongs to another user ({status.st_uid}); chown {os.geteuid()} {path}"
    return None


def everybody_writes(sddl: str) -> bool:
    """Whether a list of rights of a folder, as Windows writes it in SDDL, lets ordinary users lay files into it."""
    if not sddl.startswith("D:") or "NO_ACCESS_CONTROL" in sddl:
        return True  # no list at all: everybody may do everything
    for kind, flags, rights, who in ENTRY.findall(sddl):
        for_what_is_in_it_alone = "IO" in re.findall("..", flags)
        if kind == "A" and who in EVERYBODY and not for_what_is_in_it_alone and _writes(rights):
            return True
    return False


def _writes(rights: str) -> bool:
    if rights.startswith("0x"):
        return bool(int(rights, 16) & WRITES)
    return not WRITING_RIGHTS.isdisjoint(re.findall("..", rights))
