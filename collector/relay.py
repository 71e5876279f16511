"""`relay`: uploads dump files as they are dropped into a folder, by machines that can run no collector.

A file is sent once it has stopped growing, and moved into `done/` after the server has stored it, or into `rejected/`
with the reason beside it. Nothing is kept in memory that a restart would need: a file that is still there is sent
again, and the server stores a (host, time) once."""

import contextlib
import logging
import os
import queue
import random
import re
import stat
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from collector.answers import Backoff
from collector.config import ConfigError
from collector.dumps import (
    MOST_LENGTH,
    Delivery,
    Outcome,
    add_delivery_arguments,
    add_system_arguments,
    deliver,
    read_file,
)
from collector.wire import rfc3339

if TYPE_CHECKING:
    from collector.sender import Http

log = logging.getLogger("handlewatch")

POLL_S = 10.0
EMPTY_SETTLES_S = 120.0  # a program may open its file long before it writes to it
MOST_AT_A_TIME = 1000
MOST_KEPT = 1000  # in done/ and in rejected/, each; the oldest go
LONGEST_WAIT_S = 1.0  # on Windows a wait sees no signal before its end
NOT_YET = (".tmp", ".part", ".partial", ".crdownload")

_TIMED = re.compile(
    r"(?P<host>.+?)_(?P<year>\d{4})-?(?P<month>\d\d)-?(?P<day>\d\d)[T_-](?P<hour>\d\d)[-.:]?(?P<minute>\d\d)"
    r"(?:[-.:]?(?P<second>\d\d))?(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?P<host>[^~]+)~[^~]{1,64}")


class BadName(Exception):
    """A file's name says what can't be; the text says what a good one looks like."""


def add_relay_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="where files are dropped: HOST_TIME.ext or HOST.ext"
    )
    parser.add_argument(
        "--every", type=_seconds, default=POLL_S, metavar="S", help=f"seconds between looks (default {POLL_S:g})"
    )
    parser.add_argument("--once", action="store_true", help="send what is there, then exit")
    add_system_arguments(parser)
    add_delivery_arguments(parser)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.05 <= value <= 3600:
        raise ValueError
    return value


def parse_name(name: str, *, modified: float) -> tuple[str, str]:
    """Host and time (RFC 3339) of a dropped file. A time without a zone is this machine's local time; a name without a
    time means when the file was last written. Raises BadName."""
    for stem in _stems(name):
        match = _TIMED.fullmatch(stem)
        if match is not None:
            return match["host"], rfc3339(_moment(match, name).timestamp())
    stem = list(_stems(name))[-1]
    numbered = _NUMBERED.fullmatch(stem)
    host = numbered["host"] if numbered else stem
    if not host.strip("_~. "):
        raise BadName(f"{name!r} has no host in it: call it HOST_TIME.txt, such as NTBK01_20261122T100000Z.txt")
    return host, rfc3339(int(modified))


def _stems(name: str) -> Iterator[str]:
    """The name as it is, then without its extensions: `.gz` and one before it."""
    yield name
    stem = name.removesuffix(".gz")
    yield stem
    head, dot, _ = stem.rpartition(".")
    if dot and head:
        yield head


def _moment(match: "re.Match[str]", name: str) -> datetime:
    parts = [int(match[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")]
    zone = match["zone"]
    try:
        moment = datetime(*parts)  # type: ignore[arg-type]  # six whole numbers
        if zone is None:
            return moment.astimezone()
        if zone.upper() == "Z":
            return moment.replace(tzinfo=timezone.utc)
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        return moment.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset))
    except (ValueError, OverflowError, OSError) as error:
        raise BadName(
            f"{name!r} has a time that can't be ({error}): write it like 20261122T100000Z, with its zone"
        ) from error


@dataclass(frozen=True, slots=True)
class Look:
    """A file as it was when looked at; the same look again means that nobody has written to it."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Look":
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class Relay:
    """One drop folder. `clock` is the wall clock, `steady` one that is never set."""

    def __init__(
        self,
        directory: Path,
        http: "Http",
        *,
        token: str,
        about: Mapping[str, str],
        every_s: float = POLL_S,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._http = http
        self._token = token
        self._about = about
        self._every_s = every_s
        self._clock = clock
        self._steady = steady
        self._seen: dict[str, tuple[Look, float]] = {}
        self._sent: dict[str, Look] = {}
        self._held: dict[str, str] = {}
        self._backoff = Backoff(random.Random())  # noqa: S311 - spreads load, guards nothing
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopping = False
        self._last_failure: str | None = None
        for folder in (directory / "done", directory / "rejected"):
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                raise ConfigError(f"cannot use the drop folder {directory}: {error.strerror}") from error

    def stop(self) -> None:
        """Ends `run` soon; may be called from a signal handler."""
        self._stopping = True
        self._asked.put(None)
        self._http.abort()

    def run(self, *, once: bool = False) -> str | None:
        """Until stopped; with `once` until nothing is left to send, or a sentence that says why it could not be."""
        while not self._stopping:
            wait_s, failure = self.step()
            if once and failure is not None:
                return failure
            if once and self._seen.keys() <= self._held.keys():
                return "; ".join(self._held.values()) or None
            self._wait(wait_s)
        return "stopped" if once else None

    def step(self) -> tuple[float, str | None]:
        """One look at the folder: sends what has settled. Seconds until the next look, and why something waits."""
        for name in self._settled():
            if self._stopping:
                break
            delivery = self._handle(name)
            if delivery is not None:
                return self._failed(delivery), delivery.said
        else:
            self._backoff.reset()
            if self._last_failure is not None:
                self._last_failure = None
                log.info("the server takes files again")
        return self._every_s, None

    def _failed(self, delivery: Delivery) -> float:
        if self._stopping:
            return 0.0
        if delivery.said != self._last_failure:
            self._last_failure = delivery.said
            log.warning("%s; files wait in %s", delivery.said, self._directory)
        if delivery.outcome is Outcome.STUCK:
            return self._backoff.slowly()
        return max(self._backoff.next(delivery.retry_after_s), self._every_s)

    def _settled(self) -> list[str]:
        """Names of files that nobody has written to since the look before, oldest first."""
        try:
            found = self._files()
        except OSError as error:
            log.warning("cannot look into %s: %s", self._directory, error.strerror)
            return []
        now = self._steady()
        known = self._seen
        self._seen = {
            name: known[name] if name in known and known[name][0] == look else (look, now) for name, look in found
        }
        self._sent = {name: look for name, look in self._sent.items() if name in self._seen}
        self._held = {name: why for name, why in self._held.items() if name in self._seen}
        return [
            name
            for name, (look, since) in self._seen.items()
            if now - since >= (self._every_s * 0.5 if look.size else max(EMPTY_SETTLES_S, self._every_s))
        ]

    def _files(self) -> list[tuple[str, Look]]:
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower().endswith(NOT_YET):
                    continue
                with contextlib.suppress(OSError):
                    said = os.stat(entry.path, follow_symlinks=False)  # an entry's own is out of date on Windows
                    if stat.S_ISREG(said.st_mode):
                        found.append((entry.name, Look.of(said)))
        found.sort(key=lambda one: (one[1].modified_ns, one[0]))
        return found[:MOST_AT_A_TIME]

    def _handle(self, name: str) -> Delivery | None:
        """Sends a file and moves it aside; what the server said where the file has to wait."""
        path, look = self._directory / name, self._seen[name][0]
        if self._sent.get(name) == look:  # stored, but somebody still had it open
            self._put_aside(path, "done", look)
            return None
        try:
            host, when = parse_name(name, modified=look.modified_ns / 1e9)
            content = read_file(path)
        except BadName as error:
            self._reject(path, look, str(error))
            return None
        except FileNotFoundError:
            return None
        except OSError as error:
            self._hold(name, f"cannot read {name} yet: {error.strerror}")
            return None
        if content is None:
            self._reject(path, look, f"it is over {MOST_LENGTH >> 20} MiB: drop it in parts")
            return None
        said = {**self._about, "host": host, "time": when}
        delivery = deliver(self._http, content, said, token=self._token, now=self._clock())
        if delivery.outcome is Outcome.STORED:
            log.info("%s: %s", name, "; ".join(delivery.said.splitlines()))
            self._sent[name] = look
            self._put_aside(path, "done", look)
            return None
        if delivery.outcome is Outcome.REFUSED:
            self._reject(path, look, delivery.said)
            return None
        return delivery

    def _reject(self, path: Path, look: Look, reason: str) -> None:
        log.warning("%s is put into rejected/: %s", path.name, reason)
        moved = self._put_aside(path, "rejected", look)
        if moved is not None:
            try:
                moved.with_name(f"{moved.name}.reason.txt").write_text(reason + "\n", "utf-8")
            except OSError as error:
                log.warning("cannot write the reason beside %s: %s", moved, error.strerror)

    def _put_aside(self, path: Path, folder: str, look: Look) -> Path | None:
        """Moved without covering anything; None where it has changed in the meantime, or is still open: then it stays
        for the next look."""
        try:
            if Look.of(os.stat(path, follow_symlinks=False)) != look:
                return None
            target = _free(self._directory / folder / path.name)
            path.rename(target)
        except FileNotFoundError:
            self._seen.pop(path.name, None)
            return None
        except OSError as error:
            self._hold(path.name, f"cannot move {path.name} into {folder} yet: {error.strerror}")
            return None
        self._seen.pop(path.name, None)
        self._sent.pop(path.name, None)
        _keep_newest(target.parent)
        return target

    def _hold(self, name: str, why: str) -> None:
        """It stays where it is; said once."""
        if self._held.get(name) != why:
            self._held[name] = why
            log.warning(why)

    def _wait(self, seconds: float) -> None:
        end = self._steady() + seconds
        while not self._stopping and (left := end - self._steady()) > 0:
            with contextlib.suppress(queue.Empty):
                self._asked.get(timeout=min(left, LONGEST_WAIT_S))


def _free(path: Path) -> Path:
    """The path, or with a number where something is there already."""
    if not path.exists():
        return path
    numbers = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(2, 1_000_000))
    return next(found for found in numbers if not found.exists())


def _keep_newest(folder: Path) -> None:
    with contextlib.suppress(OSError):
        kept = [entry for entry in os.scandir(folder) if not entry.name.endswith(".reason.txt")]
        if len(kept) <= MOST_KEPT:
            return
        kept.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_ctime_ns)
        for entry in kept[: len(kept) - MOST_KEPT]:
            os.unlink(entry.path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{entry.path}.reason.txt")
