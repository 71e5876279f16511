"""Plays all programs side by side and records them: a snapshot a line as the collector reads them, and a ledger per
program of what it really lost."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec

from bench.recordings.leaky import LEAKY, Play
from bench.recordings.sound import COMPANIONS, SOUND
from bench.recordings.stage import Stage
from collector.sources import SourceOptions
from collector.sources.linux import LinuxSource
from collector.wire import Snapshot, rfc3339

TYPES_BUDGET_S = 0.04  # of CPU a reading
_json = msgspec.json.Encoder()


def record(folder: Path, *, minutes: float, every_s: int, told: Callable[[str], None] = lambda _: None) -> None:
    """Into `folder`: readings.jsonl, and NAME.ledger of each leaking program. Takes as long as it says."""
    folder.mkdir(parents=True, exist_ok=True)
    plays: dict[str, Play] = {**{name: play for name, (play, _) in LEAKY.items()}, **SOUND}
    begun = time.time()
    with tempfile.TemporaryDirectory() as work:
        pids = [_start(name, play, folder, Path(work), begun, begun + minutes * 60) for name, play in plays.items()]
        try:
            _read(folder / "readings.jsonl", {*plays, *COMPANIONS}, begun=begun, minutes=minutes, every_s=every_s)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)  # their children end with them
            ends = [os.waitpid(pid, 0)[1] for pid in pids]
    for name, status in zip(plays, ends, strict=True):
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            told(f"{name} ended by itself")


def _start(name: str, play: Play, folder: Path, work: Path, begun: float, ends: float) -> int:
    own = work / name
    own.mkdir()
    ledger = os.open(folder / f"{name}.ledger", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.set_inheritable(ledger, True)
    stage = Stage(name, own, ledger, begun, ends, Random(name))
    pid = stage.child(play)
    os.close(ledger)
    return pid


def _read(path: Path, names: set[str], *, begun: float, minutes: float, every_s: int) -> None:
    source = LinuxSource(SourceOptions(keep=False, types_budget_s=TYPES_BUDGET_S, names=False))
    since = rfc3339(begun - 2)
    with path.open("wb") as file:
        at = (int(begun) // every_s + 2) * every_s
        while at < begun + minutes * 60:
            time.sleep(max(at - time.time(), 0))
            reading = source.read(now=time.monotonic())
            kept = [one for one in reading.processes if one.name in names and (one.started_at or "") >= since]
            for process in kept:
                process.user = process.exe = process.instance = None
            file.write(_json.encode(Snapshot(at, reading.coverage, kept).to_json()) + b"\n")
            file.flush()
            at += every_s * max(int((time.time() - at) // every_s), 1)


def machine() -> str:
    """What it was recorded on, for the record."""
    return subprocess.run(["uname", "-sr"], check=True, capture_output=True, text=True).stdout.strip()
