"""Turns simulated hosts and a stretch of time into requests as the wire format has them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.demo.hosts import Inventory, SimulatedHost
from server.demo.programs import Program, resting_types
from server.demo.shapes import STEP, Ints, Moment, geometric, uniform

Wire = dict[str, Any]

COLLECTOR = {"version": "demo", "source": "simulated", "interval_s": STEP}

# First pid after start, pids stand apart by, and how many turns of the slots until a pid comes back.
_PIDS = {"nt4": (2, 1, 12), "windows": (4, 4, 120), "linux": (1, 1, 500), "macos": (1, 1, 900)}


def requests(host: SimulatedHost, *, since: datetime, until: datetime, batch: int = 288) -> Iterator[Wire]:
    """The requests a collector on `host` would have sent, in order of time, for all steps in [since, until).

    Each holds at most `batch` snapshots. Snapshots are a function of their time alone, so stretches join without a seam
    wherever they are cut. The inventory goes with the first request and with the first one after each change. Entries
    that did not change are shared between snapshots: encode them, do not alter them.
    """
    slots = [_Slot.of(host, index) for index in range(len(host.programs))]
    t = host.steps(since, until)
    changes = {int(np.searchsorted(t, inventory.since)) for inventory in host.inventories}
    for start, end in pairwise(sorted({0, *changes, len(t)})):
        for low in range(start, end, batch):
            part = t[low : min(low + batch, end)]
            yield _request(host, slots, part, with_inventory=low == start)


def _request(host: SimulatedHost, slots: list["_Slot"], t: Ints, *, with_inventory: bool) -> Wire:
    newest = int(t[-1])
    request: Wire = {
        "host": {
            "name": host.name,
            "os": host.os,
            "booted_at": stamp(max((boot for boot in host.boots if boot <= newest), default=host.boots[0])),
            "labels": host.labels,
        },
        "collector": COLLECTOR,
        "snapshots": _snapshots(host, slots, t),
    }
    if with_inventory:
        held = [inventory for inventory in host.inventories if inventory.since <= int(t[0])]
        request["inventory"] = _inventory((held or host.inventories)[-1 if held else 0], int(t[0]))
    return request


def _inventory(inventory: Inventory, seen: int) -> Wire:
    lists = {"software": inventory.software, "services": inventory.services, "drivers": inventory.drivers}
    return {"time": stamp(seen)} | {name: list(rows) for name, rows in lists.items() if rows or name == "software"}


def _snapshots(host: SimulatedHost, slots: list["_Slot"], t: Ints) -> list[Wire]:
    processes: list[list[Wire]] = [[] for _ in range(len(t))]
    denied = [0] * len(t)
    booted = host.machine(0).booted(t)
    # A collector on Windows reads all types at once, and now and then lacks the time for it.
    read = uniform(host.key("types"), t // STEP) < 0.93
    for slot in slots:
        for step, entry in slot.entries(t, booted, read):
            processes[step].append(entry)
            if entry["handles"] is None:
                denied[step] += 1
    return [
        {
            "time": stamp(time),
            "coverage": {"processes": len(entries), "denied": hidden},
            "processes": entries,
        }
        for time, entries, hidden in zip(t.tolist(), processes, denied, strict=True)
    ]


def stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class _Slot:
    """One program's place in a host's process list, with all that does not change in time worked out."""

    host: SimulatedHost
    program: Program
    index: int
    resting: Wire
    facts: Wire
    boot_pid: int
    later_pids: tuple[int, int, int]

    @classmethod
    def of(cls, host: SimulatedHost, index: int) -> "_Slot":
        program = host.programs[index]
        first, apart, turns = _PIDS["nt4" if program.kind == "nt4" else program.kind]
        gaps = uniform(host.key("pids"), np.arange(len(host.programs), dtype=np.int64))
        pids = first + apart * np.concatenate(([0], np.cumsum(1 + (gaps * 9).astype(np.int64))))
        facts = {name: getattr(program, name) for name in ("instance", "exe", "user", "version")}
        return cls(
            host=host,
            program=program,
            index=index,
            resting=resting_types(program),
            facts={name: value for name, value in facts.items() if value is not None},
            boot_pid=int(pids[index]),
            later_pids=(int(pids[-1]), apart, turns),
        )

    def entries(self, t: Ints, booted: Ints, read: NDArray[np.bool_]) -> Iterator[tuple[int, Wire]]:
        """(step, entry) for every step at which a process of this program runs."""
        born = self.program.life.born(t, self.host.machine(self.index))
        running = np.flatnonzero(born >= 0)
        if not len(running):
            return
        t, born, booted = t[running], born[running], booted[running]
        heads = self._heads(born, booted)
        if not self.program.readable:
            yield from zip(running.tolist(), heads, strict=True)
            return
        typed = self._typed(t, read[running])
        if self.program.motions:
            yield from zip(running.tolist(), self._moving(t, born, heads, typed), strict=True)
        else:
            yield from zip(running.tolist(), self._still(heads, typed), strict=True)

    def _heads(self, born: Ints, booted: Ints) -> list[Wire]:
        """What identifies the process, per step; one dict for all steps of one process."""
        turns = np.flatnonzero(np.diff(born, prepend=-1)).tolist()
        heads: list[Wire] = []
        for start, end in zip(turns, [*turns[1:], len(born)], strict=True):
            head = {
                "pid": self._pid(int(born[start]), int(booted[start])),
                "started_at": stamp(int(born[start])),
                "name": self.program.name,
                "handles": None,
                "limit": self.program.limit,
                **self.facts,
            }
            heads += [head] * (end - start)
        return heads

    def _pid(self, born: int, booted: int) -> int:
        if self.program.pid is not None:
            return self.program.pid
        if born - booted < 600:
            return self.boot_pid
        first, apart, turns = self.later_pids
        turn = int(uniform(self.host.key("pid", self.index), np.array([born]))[0] * turns)
        return first + apart * (1 + turn * len(self.host.programs) + self.index)

    def _typed(self, t: Ints, read: NDArray[np.bool_]) -> list[bool]:
        """Whether the types of this process were read, per step."""
        every = self.program.look_every
        if not every or not self.resting:
            return [False] * len(t)
        if every == 1:
            return [bool(known) for known in read.tolist()]
        return [bool(turn == 0) for turn in ((t // STEP + self.index) % every).tolist()]

    def _still(self, heads: list[Wire], typed: list[bool]) -> Iterator[Wire]:
        plain: Wire = {}
        full: Wire = {}
        seen: Wire | None = None
        for head, known in zip(heads, typed, strict=True):
            if head is not seen:
                seen = head
                plain = head | {"handles": self.program.total}
                full = plain | {"types": self.resting}
                if self.program.suspect:
                    full["objects"] = self._objects(())
            yield full if known else plain

    def _moving(self, t: Ints, born: Ints, heads: list[Wire], typed: list[bool]) -> Iterator[Wire]:
        extras = self._extras(t, born)
        handles = (extras.sum(axis=0) + self.program.total).tolist()
        kinds = list(dict.fromkeys(motion.type for motion in self.program.motions))
        by_kind = np.stack([
            extras[[motion.type == kind for motion in self.program.motions]].sum(axis=0) + self.resting.get(kind, 0)
            for kind in kinds
        ])  # fmt: skip
        rows = by_kind.T.tolist()
        taken = extras.T.tolist()
        for step, (head, total, known) in enumerate(zip(heads, handles, typed, strict=True)):
            entry = head.copy()
            entry["handles"] = total
            if known:
                types = self.resting.copy()
                types.update(zip(kinds, rows[step], strict=True))
                entry["types"] = types
                if self.program.suspect:
                    entry["objects"] = self._objects(taken[step])
            yield entry

    def _extras(self, t: Ints, born: Ints) -> Ints:
        """(motions, steps): what each motion adds; the last one is cut where the limit of the process is reached."""
        zone = self.host.machine(self.index).zone
        keys = [self.host.key("motion", self.index, order) for order in range(len(self.program.motions))]
        extras = np.stack([
            motion.shape(Moment(t, born, key, zone)) for motion, key in zip(self.program.motions, keys, strict=True)
        ])  # fmt: skip
        if self.program.limit is not None:
            # At its limit a program gives a few back now and then, and takes them again at once.
            dips = np.minimum(geometric(uniform(keys[-1] + 7, t // STEP), 0.4), 3)
            over = extras.sum(axis=0) + self.program.total + dips - self.program.limit
            extras[-1] -= np.clip(over, 0, extras[-1])
        return extras

    def _objects(self, taken: tuple[int, ...] | list[int]) -> list[Wire]:
        """The named objects, most handles first."""
        rows = [
            {"type": motion.type, "name": motion.name, "count": count, "distinct": count if motion.each else 1}
            for motion, count in zip(self.program.motions if taken else (), taken, strict=True)
            if motion.name is not None and count
        ]
        rows += [
            {"type": held.type, "name": held.name, "count": held.count, "distinct": held.distinct}
            for held in self.program.named
        ]
        return sorted(rows, key=lambda row: -int(str(row["count"])))
