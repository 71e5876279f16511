"""Assembles the collector as one file, from the packages installed here, for machines that only collect.

It reads the collector's files without importing them: the server never runs collector code. The result depends on the
installed files alone, so two servers of one release offer the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path, PurePosixPath
from typing import Final

COLLECTOR_ZIPAPP: Final = "handlewatch-collector.pyz"
COLLECTOR_WINDOWS: Final = "handlewatch-collector-windows.zip"

_LIBRARY: Final = "httpx"
# The collector only uses httpx's synchronous side, which does without anyio and all that anyio brings along.
_LEFT_OUT: Final = frozenset({"anyio"})
_SHEBANG: Final = b"#!/usr/bin/env python3\n"
_OLDEST_TIME: Final = (1980, 1, 1, 0, 0, 0)
# Understood by every Python since 2.6, so that an old one is told what it lacks.
_MAIN: Final = b"""\
import sys

if sys.version_info < (3, 10):
    sys.exit("handlewatch-collector needs Python 3.10 or newer, this is %d.%d" % sys.version_info[:2])

from collector.cli import main

sys.exit(main())
"""


class DownloadError(RuntimeError):
    """A download can't be assembled from this installation; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file to be served under /downloads."""

    name: str
    content: bytes
    sha256: str

    @property
    def checksum_line(self) -> str:
        """What is served beside it as `.sha256`, as `sha256sum --check` reads it."""
        return f"{self.sha256}  {self.name}\n"


def collector_zipapp() -> Download:
    """The collector, httpx and what httpx needs, in one file that any Python 3.10 or newer runs. Takes about 0.2 s."""
    content = _zipapp(
        {
            "__main__.py": _MAIN,
            **dict(_package_files("collector")),
            **dict(_licences("handlewatch")),
            **{name: data for library in _with_requirements(_LIBRARY) for name, data in _distribution_files(library)},
        }
    )
    return Download(name=COLLECTOR_ZIPAPP, content=content, sha256=hashlib.sha256(content).hexdigest())


def _zipapp(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO(_SHEBANG)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _OLDEST_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is built: part of the bytes
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name], compresslevel=9)
    return buffer.getvalue()


def _with_requirements(name: str) -> list[str]:
    """A distribution and all it requires, extras aside; what only another Python would need is not installed here."""
    found: list[str] = []
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in found or current in _LEFT_OUT:
            continue
        try:
            required = metadata.requires(current) or []
        except metadata.PackageNotFoundError:
            if current == name:
                raise DownloadError(f"{name} is not installed, so no collector can be assembled") from None
            continue
        found.append(current)
        waiting += [_requirement_name(text) for text in required if not re.search(r";.*\bextra\b", text)]
    return sorted(found)


def _requirement_name(requirement: str) -> str:
    """`anyio<5.0,>=4.0; python_version < "3.15"` is about `anyio`."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    if match is None:
        raise DownloadError(f"a requirement that can't be read: {requirement!r}")
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def _distribution_files(name: str) -> Iterator[tuple[str, bytes]]:
    yield from _package_files(name.replace("-", "_"))
    yield from _licences(name)


def _licences(name: str) -> Iterator[tuple[str, bytes]]:
    """A distribution's licences have to travel with its code."""
    for file in metadata.files(name) or []:
        inside = PurePosixPath(file.as_posix())
        if inside.parts[0].endswith(".dist-info") and re.match(r"(licen[cs]e|notice|copying)", inside.name, re.I):
            yield inside.as_posix(), Path(str(file.locate())).read_bytes()


def _package_files(name: str) -> Iterator[tuple[str, bytes]]:
    """Path in the archive and content of every file of an installed package or single module."""
    spec = util.find_spec(name)
    if spec is None or spec.origin is None:
        raise DownloadError(f"{name} is not installed, so no collector can be assembled")
    origin = Path(spec.origin)
    if not spec.submodule_search_locations:
        yield origin.name, origin.read_bytes()
        return
    for path in origin.parent.rglob("*"):
        inside = path.relative_to(origin.parent)
        if not path.is_file() or "__pycache__" in inside.parts:
            continue
        if path.suffix in {".so", ".pyd", ".dylib"}:
            raise DownloadError(f"{name} is not pure Python ({inside}); the collector has to run on any machine")
        yield (PurePosixPath(name) / inside.as_posix()).as_posix(), path.read_bytes()
