"""`handlewatch-collector install` and `uninstall`: the collector as a service that starts with the machine.

What both systems share is here: what is asked for on the command line, the file that is to be installed, and the steps,
which a dry run only tells.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collector import install_settings, private
from collector.config import READING, RUNNING, ConfigError, Setting, given_in, labels_in

FILE = "handlewatch-collector.pyz"
# What an installed collector is told. Where its state lies, and which root it sees, is the service's own affair.
ASKED = (*RUNNING, *(setting for setting in READING if setting.name == "host_name"))
LABELS = "HANDLEWATCH_LABELS"
RIGHTS = ("all", "counts")
PATIENCE_S = 120
MOST_BYTES = 64 << 20


class InstallError(Exception):
    """Something stands in the way of installing; the message says what to do about it."""


@dataclass(frozen=True)
class Wanted:
    """What the command line and the environment ask for. `settings`: variable to text, without the token."""

    settings: Mapping[str, str]
    token: str | None
    rights: str | None
    root: Path
    dry_run: bool
    environment: Mapping[str, str]


@dataclass
class Steps:
    """Does one thing after the other and says what; a dry run only says."""

    dry_run: bool
    said: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        print(("would " if self.dry_run else "") + text, flush=True)

    def write(self, path: Path, content: bytes, *, mode: int) -> None:
        """Whole or not at all. A file that nobody but its owner may read never can be, not even while it is written."""
        self.say(f"write {path}")
        if self.dry_run:
            return
        fresh = path.with_name(path.name + ".new")
        with open(private.create(fresh), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if os.name != "nt":
            fresh.chmod(mode)
        fresh.replace(path)

    def folder(self, path: Path, *, mode: int) -> None:
        if not self.dry_run:
            path.mkdir(parents=True, exist_ok=True)
            if os.name != "nt":
                path.chmod(mode)

    def remove(self, path: Path) -> None:
        """A file, or a folder with all in it; a link alone, not what it leads to."""
        if not path.is_symlink() and not path.exists():
            return
        self.say(f"remove {path}")
        if self.dry_run:
            return
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def run(self, *command: str, may_fail: bool = False) -> None:
        """Raises InstallError with what the program says, unless it may fail."""
        self.say(f"run {subprocess.list2cmdline(command)}")
        if self.dry_run:
            return
        try:
            done = subprocess.run(  # noqa: S603 - programs of the system, by fixed commands
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            if may_fail:
                return
            raise InstallError(f"{command[0]} could not be run: {error}") from error
        if done.returncode and not may_fail:
            told = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise InstallError(f"{subprocess.list2cmdline(command)} failed: {told or f'code {done.returncode}'}")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    install = commands.add_parser(
        "install",
        help="as a service that starts with the machine; again: upgrade or change settings",
        epilog="What is left out stays as it was at the last install.",
    )
    for setting in ASKED:
        install.add_argument(
            setting.flag, dest=setting.name, metavar=setting.metavar, help=f"{setting.help} [{setting.env}]"
        )
    install.add_argument("--label", action="append", metavar="K=V", help="a label of this machine; may be repeated")
    if os.name != "nt":
        install.add_argument(
            "--rights",
            choices=RIGHTS,
            help="all (the default): counts, types and names, by the two capabilities that this takes; counts: none",
        )
    uninstall = commands.add_parser("uninstall", help="stop it and remove all that install has put there")
    uninstall.add_argument("--keep-state", action="store_true", help="keep its own token and what waits to be sent")
    for command in (install, uninstall):
        command.add_argument("--dry-run", action="store_true", help="only say what would be done")
        if os.name != "nt":
            command.add_argument(
                "--root", metavar="DIR", help="put it into the system that lies there, such as an image; starts nothing"
            )


def perform(parsed: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Raises ConfigError and InstallError."""
    wanted = _wanted(parsed, environment)
    if sys.platform == "win32":
        from collector import install_windows as system
    else:
        from collector import install_linux as system
    steps = Steps(wanted.dry_run)
    try:
        if parsed.command == "install":
            system.install(wanted, steps)
        else:
            system.uninstall(wanted, steps, keep_state=parsed.keep_state)
    except OSError as error:
        hint = "; run it as root" if os.name != "nt" else "; run it as administrator"
        raise InstallError(f"{error}{hint if isinstance(error, PermissionError) else ''}") from error
    return 0


def _wanted(parsed: argparse.Namespace, environment: Mapping[str, str]) -> Wanted:
    settings, token = {}, None
    if parsed.command == "install":
        for setting in ASKED:
            text = getattr(parsed, setting.name) or given_in(setting, environment)
            if text:
                _require_good(setting, text)
                if setting.name == "token":
                    token = text.strip()
                else:
                    settings[setting.env] = text
        labels = ",".join(parsed.label or ()) or environment.get(LABELS, "")
        labels_in([], {LABELS: labels})  # raises for one that the service could not use
        if labels:
            settings[LABELS] = labels
    return Wanted(
        settings=settings,
        token=token,
        rights=getattr(parsed, "rights", None),
        root=Path(getattr(parsed, "root", None) or "/"),
        dry_run=parsed.dry_run,
        environment=environment,
    )


def _require_good(setting: Setting, text: str) -> None:
    try:
        setting.parse(text)
    except ValueError as error:
        shown = "" if setting.name in ("token", "server") else f" {text!r}"
        raise ConfigError(f"{setting.name}{shown} is not {error}") from error


def merged(wanted: Wanted, kept_in: Path) -> dict[str, str]:
    """The settings of before, with what is asked for now in their place. Raises ConfigError without a server."""
    settings = {**install_settings.read(kept_in), **wanted.settings}
    if not settings.get("HANDLEWATCH_SERVER"):
        raise ConfigError("server is missing: give --server URL or set HANDLEWATCH_SERVER")
    return settings


def require_token(wanted: Wanted, kept_in: Path) -> None:
    if wanted.token is None and not kept_in.exists():
        raise ConfigError(
            "token is missing: set HANDLEWATCH_TOKEN to an enrolment token; the page /hosts/add of the server shows one"
        )


def zipapp(server: str) -> bytes:
    """The one file of this collector: what runs now, else, for one that is installed as a package, the server's own."""
    running = Path(sys.argv[0])
    if zipfile.is_zipfile(running):
        return running.read_bytes()
    address = f"{server}/downloads/{FILE}"
    content = _fetched(address)
    if (
        hashlib.sha256(content).hexdigest()
        != _fetched(f"{address}.sha256").decode("ascii", "replace").partition(" ")[0]
    ):
        raise InstallError(f"{address} is not what its SHA-256 says; try again")
    return content


def _fetched(address: str) -> bytes:
    import urllib.request

    try:
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - http or https, as config requires
            content: bytes = answer.read(MOST_BYTES)
    except (OSError, ValueError) as error:
        raise InstallError(f"cannot fetch {address}, which is needed to install: {error}") from error
    return content


def own_python(homes: Sequence[Path], others: Sequence[str] = ()) -> str:
    """The Python that the service is to run with: this one, or that below it where it is a virtual environment's.

    A service may not see one that lies in a home, and its owner could change it: then it is one of `others`.

    Raises InstallError where there is none.
    """
    found = sys.executable
    if sys.prefix != sys.base_prefix:
        found = str(Path(sys.base_prefix) / "python.exe") if os.name == "nt" else os.path.realpath(found)
    for python in (found, *others):
        if not _is_below(python, homes) and (python == found or _is_good(python)):
            return python
    raise InstallError(
        f"{found} lies in a home directory; install Python 3.10 or newer for everybody, and run it again"
    )


def _is_below(path: str, folders: Sequence[Path]) -> bool:
    where = Path(os.path.realpath(path))
    return any(where.is_relative_to(folder) for folder in folders)


def _is_good(python: str) -> bool:
    try:
        command = [python, "-I", "-c", "import sys; sys.exit(sys.version_info < (3, 10))"]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
