"""A seeded fleet as it is at work, for every measurement: hosts of about 200 processes and a reading a minute. Mostly
still, some noisy, few leaking; with restarts, late and lost snapshots. No I/O, no clock; a host comes out the same
whatever others there are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.analysis.frames import ABSENT, UNKNOWN, Frame, ProcessKey, Values, no_values
from server.analysis.instants import DAY, MINUTE, rfc3339

Ints = NDArray[np.int64]

START_US = 20_400 * DAY
TYPES = ("file", "socket", "pipe", "eventfd", "eventpoll", "device")
_STEMS = (
    "nginx", "postgres", "java", "node", "python3", "redis-server", "sshd", "systemd", "cron", "php-fpm", "beam.smp",
    "mysqld", "containerd", "dockerd", "haproxy", "rabbitmq", "rsyslogd", "chronyd", "dbus-daemon", "agent",
)  # fmt: skip
_SHARES = np.array([0.35, 0.3, 0.15, 0.12, 0.05, 0.03])  # of a process's handles, by type
_STILL, _NOISY, _DAILY, _STEPPING, _LEAKING = range(5)
_KINDS = (0.58, 0.25, 0.06, 0.095, 0.015)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a fleet is like. `typed`: the share of processes that tell six types; `named`: the share of these that tell
    names too; `jitter_ms`: by how much at most a reading is later than its minute; `late`: the share of snapshots that
    come up to 20 minutes later; `lost`: the share that never come."""

    hosts: int = 50
    minutes: int = 180
    seed: int = 1
    processes: int = 200
    typed: float = 0.0
    named: float = 0.0
    jitter_ms: int = 0
    late: float = 0.005
    lost: float = 0.002
    start_us: int = START_US


@dataclass(frozen=True, slots=True)
class HostHistory:
    """One host: a row for each process that ever ran, a column for each snapshot that was not lost.

    handles: rows x columns, ABSENT where the process is not there. types: typed rows x 6 x columns, which add up to
    `handles`; `typed_rows` says whose they are. `named_rows`: who tells names. arrival: the minute in which a snapshot
    is sent.
    """

    name: str
    times: Ints
    arrival: Ints
    processes: Sequence[ProcessKey]
    handles: Ints
    limits: Ints  # of each row
    typed_rows: NDArray[np.intp]
    types: Ints
    named_rows: frozenset[int]

    @property
    def samples(self) -> int:
        """Values in all: of totals and of types."""
        there = self.handles != ABSENT
        return int(there.sum()) + len(TYPES) * int(there[self.typed_rows].sum())


def host(shape: Shape, number: int) -> HostHistory:
    """The history of one host, `number` from 0."""
    random = np.random.default_rng([shape.seed, number])
    lives = _lives(shape, random)
    rows = np.array([row for row, _, _ in lives], np.intp)
    slots = _counts(shape, random)
    minutes = np.arange(shape.minutes)
    begin = np.array([begin for _, begin, _ in lives])[:, np.newaxis]
    end = np.array([end for _, _, end in lives])[:, np.newaxis]
    handles = np.where((minutes >= begin) & (minutes < end), _grown(slots, rows, begin, random, shape), ABSENT)
    kept = np.flatnonzero(random.random(shape.minutes) >= shape.lost)
    jitter = random.integers(0, shape.jitter_ms + 1, shape.minutes) * 1_000 if shape.jitter_ms else 0
    times = shape.start_us + minutes * MINUTE + jitter
    late = random.random(shape.minutes) < shape.late
    arrival = minutes + np.where(late, random.integers(1, 21, shape.minutes), 0)
    typed = np.flatnonzero(rows < round(shape.typed * shape.processes))
    named = round(shape.typed * shape.named * shape.processes)
    return HostHistory(
        name=f"host-{number:05d}",
        times=times[kept],
        arrival=arrival[kept],
        processes=_keys(shape, lives, random),
        handles=handles[:, kept],
        limits=np.where(rows % 10 == 0, UNKNOWN, 1024 << (rows % 7)),
        typed_rows=typed,
        types=_types(handles[typed][:, kept]),
        named_rows=frozenset(row for row, (slot, _, _) in enumerate(lives) if slot < named),
    )


def fleet(shape: Shape) -> Iterator[HostHistory]:
    """All hosts, one after the other."""
    return (host(shape, number) for number in range(shape.hosts))


def live_order(histories: Sequence[HostHistory]) -> Iterator[tuple[int, int, list[int]]]:
    """(minute, host, columns) in the order in which a server sees them: all that a host sends in a minute is one push,
    oldest first, as a collector empties its spool."""
    pushes: dict[tuple[int, int], list[int]] = {}
    for number, one in enumerate(histories):
        for column, minute in enumerate(one.arrival.tolist()):
            pushes.setdefault((minute, number), []).append(column)
    for minute, number in sorted(pushes):
        yield minute, number, pushes[minute, number]


def frame_of(one: HostHistory, columns: slice = slice(None)) -> Frame:
    """The history, without names, as a frame of full resolution."""
    handles, types = one.handles[:, columns], one.types[:, :, columns]
    height, width = handles.shape
    return Frame(
        step_s=0,
        times=one.times[columns],
        skews=np.zeros(width, np.int64),
        seen=(handles != ABSENT).sum(axis=0),
        denied=np.zeros(width, np.int64),
        intervals=np.full(width, 60, np.int64),
        booted=np.full(width, UNKNOWN, np.int64),
        partial=np.zeros(width, bool),
        processes=list(one.processes),
        handles=Values.exact(handles),
        limits=np.where(handles == ABSENT, UNKNOWN, one.limits[:, np.newaxis]),
        type_rows=[(int(row), kind) for row in one.typed_rows for kind in TYPES],
        types=Values.exact(types.reshape(-1, width)),
        looked=np.zeros((height, width), bool),
        object_rows=[],
        objects=no_values(0, width),
        distinct=np.zeros((0, width), np.int64),
        estimated=np.zeros((0, width), bool),
        sums=no_values(0, width),
    )


def snapshot(one: HostHistory, column: int) -> dict[str, Any]:
    """A snapshot as the wire format has it."""
    handles = one.handles[:, column].tolist()
    typed = dict(zip(one.typed_rows.tolist(), one.types[:, :, column].tolist(), strict=True))
    found = []
    for row, key in enumerate(one.processes):
        if handles[row] == ABSENT:
            continue
        process: dict[str, Any] = {
            "pid": key.pid,
            "started_at": None if key.started_us is None else _rfc3339(key.started_us),
            "name": key.name,
            "handles": handles[row],
            "user": key.user,
        }
        if one.limits[row] != UNKNOWN:
            process["limit"] = int(one.limits[row])
        if row in typed:
            process["types"] = {kind: count for kind, count in zip(TYPES, typed[row], strict=True) if count}
        if row in one.named_rows:
            process["objects"] = _objects(key, typed[row])
        found.append(process)
    coverage = {"processes": len(found), "denied": 0, "types_denied": 0, "broken": 0}
    return {"time": _rfc3339(int(one.times[column])), "coverage": coverage, "processes": found}


def envelope(one: HostHistory, sent_us: int | None = None) -> dict[str, Any]:
    """What goes round snapshots in a push."""
    said: dict[str, Any] = {
        "host": {
            "name": one.name,
            "os": {"family": "linux", "name": "Debian GNU/Linux 12 (bookworm)", "version": "6.1.0"},
            "labels": {"site": "seoul", "role": "web"},
        },
        "collector": {"version": "1.0.0", "source": "linux", "interval_s": 60},
    }
    return said if sent_us is None else {**said, "sent_at": rfc3339(sent_us)}


def _lives(shape: Shape, random: np.random.Generator) -> list[tuple[int, int, int]]:
    """(slot, from minute, to minute) of each process: most run through, some are replaced now and then, a few often."""
    a_day = np.where(random.random(shape.processes) < 0.03, 24.0, np.where(random.random(shape.processes) < 0.2, 2, 0))
    lives = []
    for slot in range(shape.processes):
        ends = np.sort(
            random.integers(1, shape.minutes + 1, random.poisson(a_day[slot] * shape.minutes * MINUTE / DAY))
        )
        edges = [0, *sorted({int(end) for end in ends if end < shape.minutes}), shape.minutes]
        lives += [(slot, begin, end) for begin, end in pairwise(edges)]
    return lives


def _counts(shape: Shape, random: np.random.Generator) -> Ints:
    """What each slot holds in each minute, but for what it leaks: slots x minutes."""
    size = (shape.processes, shape.minutes)
    kinds = random.choice(5, shape.processes, p=_KINDS)
    level = np.exp(random.normal(3.4, 1.1, shape.processes)).astype(np.int64)[:, np.newaxis] + 3
    noise = np.where((kinds == _NOISY)[:, np.newaxis], random.poisson(np.sqrt(level) / 2 + 1, size), 0)
    hours = np.arange(shape.minutes) / 60
    wave = (np.sin(hours / 24 * 2 * np.pi) + 1) * level / 3 + random.poisson(2, size)
    daily = np.where((kinds == _DAILY)[:, np.newaxis], wave.astype(np.int64), 0)
    often = np.where(kinds == _STEPPING, 0.05, 0.002)[:, np.newaxis]
    steps = np.where(random.random(size) < often, random.integers(-2, 3, size), 0).cumsum(axis=1)
    slots: Ints = np.maximum(level + noise + daily + steps, 1)
    slots[kinds == _LEAKING] += 1_000_000_000  # a mark, taken off where the growth since the start is put on
    return slots


def _grown(slots: Ints, rows: NDArray[np.intp], begin: Ints, random: np.random.Generator, shape: Shape) -> Ints:
    rates = random.uniform(2, 120, shape.processes)
    of_lives = slots[rows]
    leaks = of_lives >= 1_000_000_000
    age = np.maximum(np.arange(shape.minutes) - begin, 0)
    grown: Ints = of_lives + np.where(
        leaks, (age * rates[rows][:, np.newaxis] / 60).astype(np.int64) - 1_000_000_000, 0
    )
    return grown


def _keys(shape: Shape, lives: Sequence[tuple[int, int, int]], random: np.random.Generator) -> list[ProcessKey]:
    pids = random.permutation(4_194_000)[: len(lives)] + 300
    booted = shape.start_us - random.integers(1, 40) * DAY
    offsets = random.integers(0, 6_000, len(lives)) * 10_000  # in clock ticks, as Linux tells it
    found = []
    for at, (slot, begin, _) in enumerate(lives):
        started = booted + offsets[at] if begin == 0 else shape.start_us + begin * MINUTE - offsets[at]
        stem = _STEMS[slot % len(_STEMS)]
        name = stem if slot % 3 else f"{stem}-{slot}"
        found.append(ProcessKey(int(pids[at]), int(started), name, user="root" if slot % 2 else "www-data"))
    return found


def _types(handles: Ints) -> Ints:
    """Shares of what each row holds: rows x 6 x columns. What changes within a minute is the first."""
    calm = np.where(handles == ABSENT, 0, handles // 8 * 8)[:, np.newaxis, :]
    types = (calm * _SHARES[:, np.newaxis]).astype(np.int64)
    types[:, 0] += np.where(handles == ABSENT, 0, handles - types.sum(axis=1))
    return np.where((handles == ABSENT)[:, np.newaxis, :], UNKNOWN, types)


def _objects(key: ProcessKey, types: Sequence[int]) -> list[dict[str, Any]]:
    files = max(types[0], 1)
    parts = [(f"/var/log/{key.name}/#.log", files - files // 2), (f"/var/lib/{key.name}/data", files // 2)]
    return [{"type": "file", "name": name, "count": count, "distinct": count} for name, count in parts if count]


def _rfc3339(moment: int) -> str:
    """As our collector writes it: to the millisecond."""
    written = rfc3339(moment)
    return written.replace("000Z", "Z") if "." in written else written
