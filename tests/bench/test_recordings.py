"""Recorded programs: the ledger says what was lost, the readings show it, and a slowed recording tells the same."""

import json
import os
import socket
import time
from pathlib import Path
from random import Random
from typing import cast

import numpy as np
import pytest

from bench.recordings.labelled import SLOWER, hosts, slowed
from bench.recordings.leaky import LEAKY
from bench.recordings.sound import COMPANIONS, SOUND
from bench.recordings.stage import Stage
from server.analysis.instants import HOUR, SECOND
from server.evaluation.histories import read
from server.evaluation.labels import LabelledHost

DATA = Path(__file__).parents[2] / "bench" / "recordings" / "data"
NOT_IN_ONE_COUNT = {"supervised", "one-of-three", "lost-by-job"}  # several processes; a job under way at first


@pytest.fixture
def recorded(tmp_path: Path) -> list[LabelledHost]:
    """Ten minutes of a program that loses a pipe a minute from the third minute on, and of one that does not move."""
    lines = []
    for second in range(0, 600, 2):
        lost = max(second - 120, 0) // 60
        processes = [
            {"pid": 7, "started_at": "2026-01-01T00:00:00Z", "name": "lost-pipes", "handles": 9 + lost, "limit": 1024,
             "types": {"file": 9, "pipe": lost}},
            {"pid": 8, "started_at": "2026-01-01T00:00:00Z", "name": "idle", "handles": 5},
        ]  # fmt: skip
        at = f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"
        lines.append(json.dumps({"time": at, "coverage": {"processes": 2, "denied": 0}, "processes": processes}))
    (tmp_path / "readings.jsonl").write_text("\n".join(lines) + '\n{"time": "2026-01-01T00:1')
    begun = 1_767_225_600
    ledger = [f"{begun + 60 * minute:.3f} lost 1" for minute in range(3, 10)]
    (tmp_path / "lost-pipes.ledger").write_text("\n".join([*ledger, f"{begun + 1000}.5 lost 90"]) + "\n")
    return list(hosts(tmp_path))


def test_a_label_tells_what_the_ledger_says_up_to_the_last_reading(recorded: list[LabelledHost]) -> None:
    labels = {label.program: label for label in recorded[0].labels}
    assert not labels["idle"].leaks
    leak = labels["lost-pipes"]
    assert leak.onset_us == recorded[0].first_us + 180 * SECOND
    assert leak.rate_per_hour == pytest.approx(7 / ((598 - 180) / 3600))
    assert leak.type == "pipe"


def test_a_slowed_recording_has_the_same_counts_at_later_times(recorded: list[LabelledHost]) -> None:
    host, slow = recorded
    assert (slow.frame.handles.last == host.frame.handles.last).all()
    assert np.diff(slow.frame.times).tolist() == [2 * SLOWER * SECOND] * 299
    rates = [[label.rate_per_hour for label in one.labels if label.rate_per_hour] for one in (host, slow)]
    assert rates[1][0] == pytest.approx(rates[0][0] / SLOWER)
    assert slowed(host, "x", 3).last_us - host.first_us == 3 * 598 * SECOND


def test_a_program_notes_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    ledger = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    stage = Stage("short", tmp_path, ledger, time.time(), time.time() + 1, Random(1))
    before = len(os.listdir("/proc/self/fd"))
    stage.fill(8)
    try:
        stage.note("lost", len(os.listdir("/proc/self/fd")) - before)
    finally:
        for one in [ledger, *stage.held]:
            one.close() if isinstance(one, socket.socket) else os.close(cast(int, one))
    at, word, count = path.read_text().split()
    assert (word, count) == ("lost", "10")
    assert float(at) == pytest.approx(time.time(), abs=60)


def test_every_recorded_program_has_a_label_and_leaks_as_it_says() -> None:
    """A type is looked at when it grows, so that its last count may be some readings old."""
    for host in read(DATA):
        labels = {label.program: label for label in host.labels}
        assert set(labels) == {*LEAKY, *SOUND, *COMPANIONS}
        assert {name for name, label in labels.items() if label.leaks} == set(LEAKY)
        for label in host.labels:
            if label.leaks and label.program not in NOT_IN_ONE_COUNT:
                assert _grown(host, label.program, str(label.type)) == pytest.approx(
                    _lost(host, label.program), rel=0.12, abs=3
                )


def _lost(host: LabelledHost, program: str) -> float:
    label = next(label for label in host.labels if label.program == program)
    assert label.onset_us is not None
    assert label.rate_per_hour is not None
    until = min(moment for moment in (label.cured_us, label.at_limit_us, host.last_us) if moment is not None)
    return label.rate_per_hour * (until - label.onset_us) / HOUR


def _grown(host: LabelledHost, program: str, kind: str) -> int:
    """From the first to the most of the process that holds the most of it."""
    rows = [
        index
        for index, (row, name) in enumerate(host.frame.type_rows)
        if name == kind and host.frame.processes[row].program == program
    ]
    counts = [host.frame.types.last[index] for index in rows]
    known = [one[one >= 0] for one in counts]
    return max(int(one.max() - one[0]) for one in known if len(one))
