"""VictoriaMetrics and Prometheus of Debian's packages, fed with the same samples, and what they gave back."""

import json
import os
import shutil
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.fleet import TYPES, HostHistory
from bench.ingest.processes import free_port, started
from server.analysis.frames import ABSENT

HOW = "install them with: apt-get install --no-install-recommends victoria-metrics prometheus"
DEBIAN = {"victoria-metrics": "victoria-metrics", "prometheus": "prometheus"}


@dataclass(frozen=True, slots=True)
class Peer:
    port: int
    pid: int
    folder: Path


def require(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not there; {HOW}")
    return found


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[Peer]:
    port = free_port()
    command = [
        require("victoria-metrics"), f"-storageDataPath={folder / 'vm'}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y", "-search.maxUniqueTimeseries=10000000", "-search.latencyOffset=0s",
    ]  # fmt: skip
    log = folder / "vm.log"
    with started(command, log, f"http://127.0.0.1:{port}/health", os.environ) as pid:
        yield Peer(port, pid, folder / "vm")


@contextmanager
def prometheus(folder: Path) -> Iterator[Peer]:
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text("storage:\n  tsdb:\n    out_of_order_time_window: 1h\n")
    command = [
        require("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
        "--storage.tsdb.retention.time=100y", "--web.enable-admin-api",
    ]  # fmt: skip
    log = folder / "prometheus.log"
    with started(command, log, f"http://127.0.0.1:{port}/-/ready", os.environ) as pid:
        yield Peer(port, pid, folder / "prometheus")


class Series:
    """The series of a host as peers name them, and its samples in their formats. A row for each process, then one for
    each type of each process that tells types."""

    def __init__(self, one: HostHistory) -> None:
        self._one = one
        self._labels: list[dict[str, str]] = []
        for key in one.processes:
            labels = {"__name__": "handles", "host": one.name, "pid": str(key.pid), "name": key.name}
            self._labels.append({**labels, "started": str(key.started_us), "user": key.user or ""})
        for row in one.typed_rows:
            labels = {**self._labels[int(row)], "__name__": "handles_by_type"}
            self._labels += [{**labels, "type": kind} for kind in TYPES]
        self._text = [_text(labels) for labels in self._labels]
        self._proto = [_proto(labels) for labels in self._labels]

    def _values(self, column: int) -> Iterator[tuple[int, int]]:
        one = self._one
        for row, count in enumerate(one.handles[:, column].tolist()):
            if count != ABSENT:
                yield row, count
        at = len(one.processes)
        for counts in one.types[:, :, column].tolist():
            for offset, count in enumerate(counts):
                if count >= 0:
                    yield at + offset, count
            at += len(TYPES)

    def text(self, columns: Sequence[int]) -> bytes:
        """Prometheus' text format, with timestamps."""
        lines = []
        for column in columns:
            time = int(self._one.times[column]) // 1000
            lines += [f"{self._text[row]} {count} {time}" for row, count in self._values(column)]
        return ("\n".join(lines) + "\n").encode()

    def remote_write(self, columns: Sequence[int]) -> bytes:
        """A WriteRequest in snappy's framing of one block, whose literals are not compressed: cheaper to unpack."""
        parts = []
        for column in columns:
            time = _varint(int(self._one.times[column]) // 1000)
            for row, count in self._values(column):
                sample = b"\x09" + struct.pack("<d", count) + b"\x10" + time
                labels = self._proto[row]
                series = labels + b"\x12" + _varint(len(sample)) + sample
                parts.append(b"\x0a" + _varint(len(series)) + series)
        return _snappy(b"".join(parts))

    def json_lines(self) -> bytes:
        """VictoriaMetrics' own format for loading what is there: a line for each series, all of its samples in it."""
        one = self._one
        times = one.times // 1000
        matrix = [*one.handles, *one.types.reshape(-1, len(one.times))]
        lines = []
        for labels, counts in zip(self._labels, matrix, strict=True):
            there = counts >= 0
            said = {"metric": labels, "values": counts[there].tolist(), "timestamps": times[there].tolist()}
            lines.append(json.dumps(said, separators=(",", ":")))
        return ("\n".join(lines) + "\n").encode()


def stored(peer: Peer, until_us: int) -> tuple[int, int]:
    """How many samples there are, and their sum."""
    with httpx.Client(base_url=f"http://127.0.0.1:{peer.port}", timeout=120) as client:
        client.get("/internal/force_flush")  # which Prometheus does not know, nor need
        found = []
        for what in ("count_over_time", "sum_over_time"):
            query = f'sum({what}({{__name__=~"handles|handles_by_type"}}[30d]))'
            answer = client.get("/api/v1/query", params={"query": query, "time": until_us / 1e6})
            answer.raise_for_status()
            found.append(int(float(answer.json()["data"]["result"][0]["value"][1])))
    return found[0], found[1]


def _text(labels: dict[str, str]) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items() if key != "__name__")
    return f"{labels['__name__']}{{{inside}}}"


def _proto(labels: dict[str, str]) -> bytes:
    parts = []
    for key, value in sorted(labels.items()):
        pair = b"".join(
            bytes([field << 3 | 2]) + _varint(len(text)) + text
            for field, text in ((1, key.encode()), (2, value.encode()))
        )
        parts.append(b"\x0a" + _varint(len(pair)) + pair)
    return b"".join(parts)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _snappy(data: bytes) -> bytes:
    parts = [_varint(len(data))]
    for at in range(0, len(data), 65536):
        piece = data[at : at + 65536]
        parts += [b"\xf4" + struct.pack("<H", len(piece) - 1), piece]
    return b"".join(parts)
