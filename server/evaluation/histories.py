"""Labelled histories on disk, as they would travel: `NAME.jsonl.zst` per host, a push body a line in the order in which
they were sent, and `labels.json`. Recorded histories of real programs may lie in the same form."""

import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from server.analysis.frames import ABSENT, UNKNOWN, Frame, from_readings
from server.analysis.instants import rfc3339, to_us
from server.analysis.readings import Reading
from server.evaluation.labels import Label, LabelledHost
from server.ingest.wire import Push, Snapshot, decode_push

A_BODY = 200  # snapshots
_json = msgspec.json.Encoder()


def write(folder: Path, hosts: Iterable[LabelledHost], *, told: Callable[[str], None] = lambda _: None) -> int:
    """How many hosts; `told` hears of each. What the folder holds under the same names is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[str, Any] = {}
    for host in hosts:
        with zstandard.open(folder / f"{host.name}.jsonl.zst", "wb", cctx=zstandard.ZstdCompressor(3)) as file:
            for body in bodies(host):
                file.write(body + b"\n")
        truth[host.name] = {
            "os_family": host.os_family,
            "zone_h": host.zone_h,
            "from": rfc3339(host.first_us),
            "to": rfc3339(host.last_us),
            "labels": [_label_out(label) for label in host.labels],
        }
        told(host.name)
    (folder / "labels.json").write_bytes(msgspec.json.format(_json.encode(truth), indent=1) + b"\n")
    return len(truth)


def read(folder: Path) -> Iterator[LabelledHost]:
    """The hosts of labels.json, one at a time, with their frames as a server would have them."""
    truth = msgspec.json.decode((folder / "labels.json").read_bytes())
    for name, said in truth.items():
        frame, order = _frame(read_bodies(folder / f"{name}.jsonl.zst"))
        labels = [_label_in(label) for label in said["labels"]]
        yield LabelledHost(name, said["os_family"], said.get("zone_h", 0.0), frame, labels, order)


def read_bodies(path: Path) -> Iterator[bytes]:
    with zstandard.open(path, "rb") as file:
        for line in io.BufferedReader(file, 1 << 20):
            if line.strip():
                yield line


def _label_out(label: Label) -> dict[str, Any]:
    times = {"onset_at": label.onset_us, "cured_at": label.cured_us, "at_limit_at": label.at_limit_us}
    return {
        "program": label.program,
        "behaviour": label.behaviour,
        "leaks": label.leaks,
        **{name: rfc3339(us) for name, us in times.items() if us is not None},
        **({"rate_per_hour": label.rate_per_hour, "type": label.type} if label.leaks else {}),
    }


def _label_in(said: dict[str, Any]) -> Label:
    def moment(name: str) -> int | None:
        return to_us(msgspec.convert(said[name], datetime)) if said.get(name) else None

    return Label(
        said["program"],
        said["behaviour"],
        said["leaks"],
        onset_us=moment("onset_at"),
        rate_per_hour=said.get("rate_per_hour"),
        type=said.get("type"),
        cured_us=moment("cured_at"),
        at_limit_us=moment("at_limit_at"),
    )


def bodies(host: LabelledHost) -> Iterator[bytes]:
    """The history as push bodies without `sent_at`, of at most 200 snapshots; a boot begins a new one."""
    frame, order = host.frame, host.order
    rows = _Rows(frame)
    cuts = np.flatnonzero(np.diff(frame.booted[order], prepend=frame.booted[order[0]]))
    for part in np.split(order, cuts):
        for start in range(0, len(part), A_BODY):
            columns = part[start : start + A_BODY]
            yield _json.encode(_body(host, rows, columns))


def _body(host: LabelledHost, rows: "_Rows", columns: NDArray[np.intp]) -> dict[str, Any]:
    frame, last = host.frame, int(columns[-1])
    machine: dict[str, Any] = {"name": host.name, "os": {"family": host.os_family}}
    if frame.booted[last] != UNKNOWN:
        machine["booted_at"] = rfc3339(int(frame.booted[last]))
    collector: dict[str, Any] = {"version": "1.0.0", "source": host.os_family}
    if frame.intervals[last] != UNKNOWN:
        collector["interval_s"] = int(frame.intervals[last])
    return {"host": machine, "collector": collector, "snapshots": [rows.snapshot(int(column)) for column in columns]}


class _Rows:
    """A frame's processes as they are sent; one that says what it said in the column before is encoded once."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._types: list[list[int]] = [[] for _ in frame.processes]
        self._objects: list[list[int]] = [[] for _ in frame.processes]
        for index, (row, _) in enumerate(frame.type_rows):
            self._types[row].append(index)
        for index, (row, _, _) in enumerate(frame.object_rows):
            self._objects[row].append(index)
        self._same = self._unchanged()
        self._encoded: dict[int, tuple[int, msgspec.Raw]] = {}

    def _unchanged(self) -> NDArray[np.bool_]:
        """Where a row says what it said one column before."""
        frame = self._frame
        same = np.zeros(frame.handles.last.shape, bool)
        same[:, 1:] = np.diff(frame.handles.last) == 0
        same[:, 1:] &= (np.diff(frame.limits) == 0) & (frame.looked[:, 1:] == frame.looked[:, :-1])
        for matrix, owners in (
            (frame.types.last, [row for row, _ in frame.type_rows]),
            (frame.objects.last, [row for row, _, _ in frame.object_rows]),
        ):
            if owners:
                np.logical_and.at(same[:, 1:], owners, np.diff(matrix) == 0)
        return same

    def snapshot(self, column: int) -> dict[str, Any]:
        frame = self._frame
        present = np.flatnonzero(frame.handles.last[:, column] != ABSENT).tolist()
        coverage = {"processes": int(frame.seen[column]), "denied": int(frame.denied[column])}
        return {
            "time": rfc3339(int(frame.times[column])),
            "coverage": {name: count for name, count in coverage.items() if count != UNKNOWN},
            "processes": [self._process(row, column) for row in present],
        }

    def _process(self, row: int, column: int) -> msgspec.Raw:
        before = self._encoded.get(row)
        if before is not None and before[0] == column - 1 and self._same[row, column]:
            encoded = before[1]
        else:
            encoded = msgspec.Raw(_json.encode(self._plain(row, column)))
        self._encoded[row] = (column, encoded)
        return encoded

    def _plain(self, row: int, column: int) -> dict[str, Any]:
        frame, key = self._frame, self._frame.processes[row]
        handles, limit = int(frame.handles.last[row, column]), int(frame.limits[row, column])
        said: dict[str, Any] = {
            "pid": key.pid,
            "started_at": None if key.started_us is None else rfc3339(key.started_us),
            "name": key.name,
            "handles": None if handles == UNKNOWN else handles,
        }
        optional = ("instance", key.instance), ("exe", key.exe), ("user", key.user), ("version", key.version)
        said |= {name: value for name, value in optional if value is not None}
        if limit != UNKNOWN:
            said["limit"] = limit
        types = {frame.type_rows[index][1]: int(frame.types.last[index, column]) for index in self._types[row]}
        if types := {kind: count for kind, count in types.items() if count > 0}:
            said["types"] = types
        if frame.looked[row, column]:
            listed = [(index, int(frame.objects.last[index, column])) for index in self._objects[row]]
            said["objects"] = [
                {"type": frame.object_rows[index][1], "name": frame.object_rows[index][2], "count": count}
                for index, count in listed
                if count >= 0
            ]
        return said


def _reading(push: Push, snapshot: Snapshot, time_us: int) -> Reading:
    booted = None if push.host.booted_at is None else to_us(push.host.booted_at)
    if booted is not None and booted > time_us:
        booted = None
    return Reading(snapshot.processes, snapshot.coverage, push.collector.interval_s, booted)


def _frame(lines: Iterable[bytes]) -> tuple[Frame, NDArray[np.intp]]:
    """The frame, and its columns in the order in which they were sent; the first content of a time stays."""
    readings: dict[int, Reading] = {}
    for line in lines:
        push = decode_push(line)
        for snapshot in push.snapshots:
            time = to_us(snapshot.time)
            readings.setdefault(time, _reading(push, snapshot, time))
    times = list(readings)
    frame = from_readings([(time, 0, readings[time]) for time in sorted(times)])
    return frame, np.searchsorted(frame.times, np.array(times, np.int64))
