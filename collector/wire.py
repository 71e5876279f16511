"""What travels: snapshots, processes and host facts, and the JSON of a push. No I/O, no clock."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

JsonObject = dict[str, Any]

# Level 1 on purpose: the bodies are a few kilobytes, level 6 saves a tenth of them for three times the CPU.
GZIP_LEVEL = 1
GZIP_WBITS = 31
MOST_ITEMS = 20_000
MOST_TOKEN = 4096


def rfc3339(seconds: float) -> str:
    """A moment in UTC; whole seconds are written without a fraction, all others with three digits."""
    millis = round(seconds * 1000)
    moment = datetime.fromtimestamp(millis // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}Z" if millis % 1000 == 0 else f"{moment}.{millis % 1000:03d}Z"


@dataclass(slots=True)
class NamedObject:
    """Handles of one type in one process that share a name template. `distinct` None: not known."""

    type: str
    name: str
    count: int
    distinct: int | None = None
    estimated: bool = False

    def to_json(self) -> JsonObject:
        found: JsonObject = {"type": self.type, "name": self.name, "count": self.count}
        if self.distinct is not None:
            found["distinct"] = self.distinct
        if self.estimated:
            found["estimated"] = True
        return found


@dataclass(slots=True)
class Process:
    """One process in one reading. `handles` None: could not be read. `types` and `objects` None: not looked at.
    `unnamed`: its names were wanted and may not be read."""

    pid: int
    started_at: str | None
    name: str
    handles: int | None
    limit: int | None = None
    types: dict[str, int] | None = None
    objects: list[NamedObject] | None = None
    user: str | None = None
    instance: str | None = None
    exe: str | None = None
    version: str | None = None
    unnamed: bool = False

    @property
    def program(self) -> str:
        """What the server will call it: the name, and the instance where one image runs many services."""
        return self.name if self.instance is None else f"{self.name}[{self.instance}]"

    def to_json(self) -> JsonObject:
        found: JsonObject = {
            "pid": self.pid,
            "started_at": self.started_at,
            "name": self.name,
            "handles": self.handles,
        }
        if self.instance is not None:
            found["instance"] = self.instance
        if self.user is not None:
            found["user"] = self.user
        if self.exe is not None:
            found["exe"] = self.exe
        if self.version is not None:
            found["version"] = self.version
        if self.limit is not None:
            found["limit"] = self.limit
        if self.types is not None:
            found["types"] = self.types
        if self.objects is not None:
            found["objects"] = [item.to_json() for item in self.objects]
        if self.unnamed:
            found["unnamed"] = True
        return found


@dataclass(slots=True)
class Coverage:
    """What a reading could see: of `processes`, `denied` did not give their count, and `types_denied` of those that
    were looked at did not give their types; `broken` gave something that could not be understood. `unnamed`: those
    whose counts are known but whose names may not be read, None where the source does not tell them apart."""

    processes: int = 0
    denied: int = 0
    types_denied: int = 0
    broken: int = 0
    unnamed: int | None = None

    def to_json(self) -> JsonObject:
        found: JsonObject = {
            "processes": self.processes,
            "denied": self.denied,
            "types_denied": self.types_denied,
            "broken": self.broken,
        }
        if self.unnamed is not None:
            found["unnamed"] = self.unnamed
        return found


@dataclass(slots=True)
class Snapshot:
    """One reading of every process; `time` in whole seconds since the epoch. `machine`: what is counted for the whole
    machine and shared by its processes, as docs/collector.md describes; None where the source does not count it."""

    time: int
    coverage: Coverage
    processes: list[Process]
    machine: JsonObject | None = None

    def to_json(self) -> JsonObject:
        found: JsonObject = {
            "time": rfc3339(self.time),
            "coverage": self.coverage.to_json(),
            "processes": [process.to_json() for process in self.processes],
        }
        if self.machine is not None:
            found["machine"] = self.machine
        return found

    def encode(self) -> bytes:
        return compact(self.to_json())


@dataclass(frozen=True, slots=True)
class Item:
    """One installed program, service or driver."""

    name: str
    vendor: str | None = None
    version: str | None = None

    def to_json(self) -> JsonObject:
        found: JsonObject = {"name": self.name}
        if self.vendor is not None:
            found["vendor"] = self.vendor
        if self.version is not None:
            found["version"] = self.version
        return found


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is installed; a list that is None is not looked at, and the server keeps the one it has."""

    software: list[Item] | None = None
    services: list[Item] | None = None
    drivers: list[Item] | None = None

    def to_json(self) -> JsonObject:
        lists = {"software": self.software, "services": self.services, "drivers": self.drivers}
        return {
            name: [item.to_json() for item in items[:MOST_ITEMS]] for name, items in lists.items() if items is not None
        }


@dataclass(slots=True)
class Host:
    """The machine: `os` as DESIGN says (family, name, version, and what else is known), `booted_at` as sent."""

    name: str
    os: dict[str, str | None]
    booted_at: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        found: JsonObject = {"name": self.name, "os": self.os}
        if self.booted_at is not None:
            found["booted_at"] = self.booted_at
        if self.labels:
            found["labels"] = dict(self.labels)
        return found


def is_token(text: str) -> bool:
    """Whether it can stand in a header. What cannot would show up in the error about it, in the log."""
    return 0 < len(text) <= MOST_TOKEN and text.isascii() and text.isprintable() and " " not in text


def compact(value: JsonObject | list[JsonObject]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def body_parts(envelope: JsonObject, snapshots: Iterable[bytes]) -> Iterator[bytes]:
    """A push in pieces: `envelope` (host, collector, sent_at) and snapshots that are JSON already."""
    yield compact(envelope)[:-1] + b',"snapshots":['
    for number, snapshot in enumerate(snapshots):
        if number:
            yield b","
        yield snapshot
    yield b"]}"


def gzip_body(parts: Iterable[bytes]) -> bytes:
    """The parts as one gzip member, never held unpacked as a whole."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WBITS)
    packed = [packer.compress(part) for part in parts]
    packed.append(packer.flush())
    return b"".join(packed)
