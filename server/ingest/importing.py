"""Dump files as pushes: what a file says, together with what its sender says of it, fitted to the wire's bounds."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from server.analysis.instants import DAY, MINUTE, SECOND, to_us
from server.analysis.names import template
from server.analysis.readings import MOST, ObjectCount, Process
from server.dumps.dump import Damaged, Dump, Moment, NotUnderstood
from server.ingest.body import MOST_UNPACKED, unpack_within
from server.ingest.prepare import prepare
from server.ingest.wire import MOST_PROCESSES, MOST_SNAPSHOTS, decode_push
from server.problems import Fault, Problem
from server.store.pushes import Modest, NewPush

FAMILIES = ("windows", "linux", "macos", "other")
MOST_TYPES = 64
MOST_OBJECTS = 200
DUMPED_EVERY_S = DAY // SECOND  # nobody says how often dumps come: a host is silent after three days without one
_AHEAD = 5 * MINUTE
_TOO_LARGE = "The file is over 64 MiB: send it in parts."
_GZIP = b"\x1f\x8b\x08"

Read = Callable[[bytes, str | None], Dump]


@dataclass(frozen=True, slots=True)
class Said:
    """What a sender says beside the file; None: nothing. `host` wins over the file's, `time` is used where the file
    has none."""

    format: str | None = None
    host: str | None = None
    time: datetime | None = None
    os_family: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    service_pack: str | None = None


@dataclass(frozen=True, slots=True)
class Understood:
    """A file as read, and what it lacks: `missing` names the fields without which nothing can be stored. `moments` are
    in order of time, each time once. `interval_s`: within which the host was to report again, by its snapshot before;
    None: not looked up."""

    dump: Dump
    host: str | None
    moments: Sequence[Moment]
    missing: Sequence[Fault]
    interval_s: int | None = None

    @property
    def newest(self) -> Moment | None:
        return self.moments[-1] if self.moments else None


def understand(content: bytes, said: Said, *, read: Read) -> Understood:
    """Raises Problem 415 for what is no format we know, 422 for what is damaged or wrongly said, 413 for too much. A
    file packed with gzip is unpacked first."""
    if content.startswith(_GZIP):
        content = unpack_file(content, "gzip")
    if len(content) > MOST_UNPACKED:
        raise Problem(413, _TOO_LARGE)
    if not content.strip(b"\0 \t\r\n"):
        raise refused("body", "the file is empty", status=415)
    try:
        dump = read(content, said.format)
    except NotUnderstood as error:
        raise Problem(415, str(error)) from error
    except Damaged as error:
        raise refused("body", str(error)) from error
    if not dump.moments:
        raise refused("body", f"this {dump.format} file lists no process")
    moments = _timed(dump.moments, said.time)
    host = (said.host or dump.host or "").strip() or None
    return Understood(dump, host, moments, tuple(_missing(host, moments, dump.format)))


def unpack_file(data: bytes, encoding: str) -> bytes:
    """The file without its Content-Encoding. Raises Problem 400 if it does not unpack, 413 over 64 MiB."""
    unpacked = unpack_within(data, encoding, MOST_UNPACKED)
    if unpacked is None:
        raise Problem(413, _TOO_LARGE)
    return unpacked


def pushes(found: Understood, said: Said, *, received_us: int) -> list[NewPush]:
    """What is to be written, at most 1,000 snapshots each. Raises Problem 422 for what is missing or can't be."""
    if found.missing:
        details = "; ".join(f"{fault.path}: {fault.detail}" for fault in found.missing)
        raise Problem(422, f"{details}.", found.missing)
    for moment in found.moments:
        if moment.time is not None and to_us(moment.time) > received_us + _AHEAD:
            raise refused("time", f"{moment.time.isoformat()} lies more than 5 minutes ahead of the server's clock")
    moments = [moment for moment in found.moments if moment.time is not None]
    return [
        _push(found, moments[at : at + MOST_SNAPSHOTS], said, received_us)
        for at in range(0, len(moments), MOST_SNAPSHOTS)
    ]


def refused(path: str, detail: str, *, status: int = 422) -> Problem:
    return Problem(status, f"{path}: {detail}.", [Fault(path, detail)])


def _timed(moments: Sequence[Moment], time: datetime | None) -> list[Moment]:
    """The moments in order, those without a time of their own at the time given; the first of each time."""
    first: dict[int, Moment] = {}
    timeless: list[Moment] = []
    for moment in moments:
        at = moment.time or time
        if at is None:
            timeless.append(moment)
        else:
            first.setdefault(to_us(at), replace(moment, time=at))
    return [first[at_us] for at_us in sorted(first)] + timeless[:1]


def _missing(host: str | None, moments: Sequence[Moment], form: str) -> Iterator[Fault]:
    if host is None:
        yield Fault("host", f"{form} files do not say which machine they are from: give its name with host")
    if any(moment.time is None for moment in moments):
        yield Fault("time", "the file does not say when it was taken: say it with time, such as 2026-11-22T10:00:00Z")


def _push(found: Understood, moments: Sequence[Moment], said: Said, received_us: int) -> NewPush:
    family = found.dump.os_family
    body = {
        "host": {"name": found.host, "os": {"family": family if family in FAMILIES else "other"}},
        "collector": {"source": f"import:{found.dump.format}", "interval_s": found.interval_s or DUMPED_EVERY_S},
        "snapshots": [_snapshot(moment) for moment in moments],
    }
    # through the wire format, so that what holds for a push holds for a file
    ready = prepare(decode_push(msgspec.json.encode(body)), received_us, partial=found.dump.partial)
    return replace(ready, facts={}, modest=Modest(told=_told(said), otherwise=ready.facts))


def _told(said: Said) -> Mapping[str, Any]:
    told = {
        "os_family": said.os_family,
        "os_name": said.os_name,
        "os_version": said.os_version,
        "service_pack": said.service_pack,
    }
    return {name: value for name, value in told.items() if value}


def _snapshot(moment: Moment) -> Mapping[str, Any]:
    processes = moment.processes
    if len(processes) > MOST_PROCESSES:
        raise refused("body", f"a moment of it has {len(processes):,} processes; {MOST_PROCESSES:,} are taken at most")
    return {"time": moment.time, "processes": [fitted(process) for process in processes]}


def fitted(process: Process) -> Process:
    """The process within the wire's bounds: the most frequent types, and the most frequent names as templates."""
    types = process.types
    if len(types) > MOST_TYPES:
        types = dict(heapq.nlargest(MOST_TYPES, types.items(), key=lambda item: item[1]))
    objects = None if process.objects is None else _folded(process.objects)
    return msgspec.structs.replace(process, types=types, objects=objects)


def _folded(objects: Sequence[ObjectCount]) -> list[ObjectCount]:
    """Handles by type and name template, the most frequent first; distinct objects are added up while all are known."""
    found: dict[tuple[str, str], ObjectCount] = {}
    for one in objects:
        key = (one.type, template(one.name))
        known = found.get(key)
        if known is None:
            found[key] = msgspec.structs.replace(one, name=key[1])
            continue
        both = known.distinct is not None and one.distinct is not None
        found[key] = msgspec.structs.replace(
            known,
            count=min(known.count + one.count, MOST),
            distinct=min((known.distinct or 0) + (one.distinct or 0), MOST) if both else None,
            estimated=known.estimated or one.estimated,
        )
    return heapq.nlargest(MOST_OBJECTS, found.values(), key=lambda one: one.count)
