"""Looks at what a process's descriptors are: types and names from the links in /proc/PID/fd, within a time budget.

Reading a link is safe, whatever is behind it.
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from collector.names import template
from collector.sources.linux_kinds import Kinds, Mounts
from collector.sources.linux_sockets import SocketTables, protocol_name
from collector.sources.procfs import Vanished
from collector.wire import NamedObject

MOST_OBJECTS = 20
LINKS_BETWEEN_CHECKS = 256
PROBES = 2000
SOCKETS_WORTH_A_TABLE = 8
UNLISTED_SOCKETS = 256


@dataclass(slots=True)
class Look:
    """What was seen. `types` None: too many links to read them all, so nothing is said about types."""

    types: dict[str, int] | None
    objects: list[NamedObject] | None


@dataclass(slots=True)
class _Link:
    """A target of descriptors: how many lead to it, and the number of one of them."""

    kind: str
    number: str
    count: int = 1


class TooLong(Exception):
    """The budget ended in the middle of a look."""


class LinkReader:
    """Looks at one process at a time. `cpu` is the clock that budgets are kept by."""

    def __init__(self, proc: str, *, cpu: Callable[[], float] = time.thread_time) -> None:
        self._proc = proc
        self._cpu = cpu
        self._per_link = 8e-6
        self._sockets = SocketTables(proc, cpu=cpu)
        self._mounts = Mounts(proc)

    def begin(self) -> None:
        """A new reading: tables of sockets and mounts are read anew."""
        self._sockets.forget()
        self._mounts.forget()

    def estimate(self, handles: int) -> float:
        """CPU seconds that a full look at so many links will take, going by those before."""
        return 1e-4 + handles * self._per_link

    def look(self, pid: str, *, named: bool, deadline: float) -> Look:
        """All links of a process, with names if `named`.

        Raises Vanished, PermissionError, or TooLong when `deadline` (on the `cpu` clock) passes.
        """
        begun = self._cpu()
        try:
            directory = os.open(f"{self._proc}/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError) as gone:
            raise Vanished(pid) from gone
        try:
            numbers = os.listdir(directory)
            if pid == str(os.getpid()):  # the descriptor that this look itself needs is not one of the process
                numbers.remove(str(directory))
            links = self._tally(pid, numbers, directory=directory, deadline=deadline)
        finally:
            os.close(directory)
        if numbers:
            spent = (self._cpu() - begun) / len(numbers)
            self._per_link += (spent - self._per_link) * min(1.0, len(numbers) / 1000)
        types: Counter[str] = Counter()
        for link in links.values():
            types[link.kind] += link.count
        objects = self._objects(pid, links, scale=None, deadline=deadline) if named else None
        return Look(types=dict(types), objects=objects)

    def sample(self, pid: str, *, handles: int, deadline: float) -> Look:
        """The names alone, from links spread evenly over the numbers that `handles` descriptors take up.

        Numbers are given out lowest first, so twice the count covers nearly all of them.
        """
        numbers = [str(number) for number in range(0, 2 * handles, max(1, 2 * handles // PROBES))]
        links = self._tally(pid, numbers, directory=None, deadline=deadline)
        seen = sum(link.count for link in links.values())
        if not seen:
            raise Vanished(pid)
        return Look(types=None, objects=self._objects(pid, links, scale=handles / seen, deadline=deadline))

    def _tally(self, pid: str, numbers: list[str], *, directory: int | None, deadline: float) -> "dict[str, _Link]":
        """What the descriptors of these numbers lead to, each target once. `directory`: that of the process, open, so
        that nothing of another process under its pid is seen; None goes by path, which takes no listing."""
        kinds = Kinds(self._mounts, self._proc, pid, directory=directory)
        place = f"{self._proc}/{pid}/fd/" if directory is None else ""
        links: dict[str, _Link] = {}
        for position, number in enumerate(numbers, 1):
            try:
                target = os.readlink(place + number, dir_fd=directory)
            except (FileNotFoundError, ProcessLookupError):
                continue  # closed since it was listed
            link = links.get(target)
            if link is None:
                links[target] = _Link(kinds.of(target, number), number)
            else:
                link.count += 1
            if position % LINKS_BETWEEN_CHECKS == 0 and self._cpu() > deadline:
                self._per_link *= 1.5
                raise TooLong
        return links

    def _objects(
        self, pid: str, links: "dict[str, _Link]", *, scale: float | None, deadline: float
    ) -> list[NamedObject]:
        sockets = self._socket_names(pid, links, deadline)
        counts: Counter[tuple[str, str]] = Counter()
        distinct: Counter[tuple[str, str]] = Counter()
        for target, link in links.items():
            name = sockets.get(target) or template(target)
            counts[link.kind, name] += link.count
            distinct[link.kind, name] += 1
        return [
            NamedObject(
                type=kind,
                name=name,
                count=count if scale is None else round(count * scale),
                distinct=None if scale is not None or name.startswith("anon_inode:") else distinct[kind, name],
                estimated=scale is not None,
            )
            for (kind, name), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_OBJECTS]
        ]

    def _socket_names(self, pid: str, links: "dict[str, _Link]", deadline: float) -> dict[str, str]:
        """Link to name, for processes with enough sockets to be worth reading the tables."""
        sockets = [(target, link.number) for target, link in links.items() if link.kind == "socket"]
        if len(sockets) < SOCKETS_WORTH_A_TABLE:
            return {}
        table = self._sockets.names(pid, deadline)
        if table is None:
            return {}
        named: dict[str, str] = {}
        unlisted = 0
        for target, number in sockets:
            name = table.get(target[8:-1])
            if name is None and unlisted < UNLISTED_SOCKETS:
                unlisted += 1
                protocol = protocol_name(f"{self._proc}/{pid}/fd/{number}")
                name = None if protocol is None else f"{protocol} unconnected"
            if name is not None:
                named[target] = template(name)
        return named
