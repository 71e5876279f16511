"""A recording as labelled histories: as it was, and slowed down, so that rules that look at days have some."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from bench.recordings.leaky import LEAKY
from bench.recordings.sound import COMPANIONS, SOUND
from server.analysis.frames import Frame, from_readings
from server.analysis.instants import HOUR, SECOND, to_us
from server.analysis.readings import Reading
from server.evaluation.labels import Label, LabelledHost
from server.ingest.wire import decode_push

SLOWER = 150  # a reading every 2 s becomes one every 5 minutes, a minute 2.5 hours, a recorded day of 576 s a day


def hosts(folder: Path) -> Iterator[LabelledHost]:
    """Of what `record` left in a folder: `recorded`, and `recorded-slowly`."""
    frame = _frame(folder / "readings.jsonl")
    there = {key.program for key in frame.processes}
    labels = [Label(name, name, False) for name in [*SOUND, *COMPANIONS] if name in there]
    labels += [label for name in LEAKY if name in there for label in [_label(folder, name, int(frame.times[-1]))]]
    host = LabelledHost("recorded", "linux", 0.0, frame, labels, np.arange(len(frame.times)))
    yield host
    yield slowed(host, "recorded-slowly")


def _frame(path: Path) -> Frame:
    lines = [line for line in path.read_bytes().splitlines() if line.endswith(b"}")]
    readings = []
    for line in lines:
        body = msgspec.json.encode(
            {"host": {"name": "recorded", "os": {"family": "linux"}}, "snapshots": [msgspec.Raw(line)]}
        )
        (snapshot,) = decode_push(body).snapshots
        readings.append((to_us(snapshot.time), 0, Reading(snapshot.processes, snapshot.coverage, None, None)))
    frame = from_readings(readings)
    return replace(frame, intervals=np.full(len(lines), int(np.median(np.diff(frame.times))) // SECOND))


def _label(folder: Path, name: str, end_us: int) -> Label:
    """From the ledger, up to the last reading."""
    onset = cured = limit = None
    net = 0
    for line in (folder / f"{name}.ledger").read_text().splitlines():
        at, word, count = line.split()
        moment = int(float(at) * SECOND)
        if moment > end_us:
            break
        onset = moment if onset is None and word == "lost" else onset
        cured = moment if cured is None and word == "cured" else cured
        limit = moment if limit is None and word == "limit" else limit
        net += int(count) * {"lost": 1, "back": -1}.get(word, 0)
    if onset is None:
        return Label(name, name, False)
    until = min(moment for moment in (cured, limit, end_us) if moment is not None)
    rate = net * HOUR / max(until - onset, SECOND)
    kind = LEAKY[name][1]
    return Label(name, name, True, onset_us=onset, rate_per_hour=rate, type=kind, cured_us=cured, at_limit_us=limit)


def slowed(host: LabelledHost, name: str, by: int = SLOWER) -> LabelledHost:
    """The same counts, with so much more time between them."""
    first = host.first_us

    def later(moment: int | None) -> int | None:
        return None if moment is None else first + (moment - first) * by

    frame = replace(
        host.frame,
        times=first + (host.frame.times - first) * by,
        intervals=host.frame.intervals * by,
        processes=[key._replace(started_us=later(key.started_us)) for key in host.frame.processes],
    )
    labels = [
        replace(
            label,
            onset_us=later(label.onset_us),
            cured_us=later(label.cured_us),
            at_limit_us=later(label.at_limit_us),
            rate_per_hour=None if label.rate_per_hour is None else label.rate_per_hour / by,
        )
        for label in host.labels
    ]
    return replace(host, name=name, frame=frame, labels=labels)
