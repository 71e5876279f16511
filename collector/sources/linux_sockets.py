"""Says what a process's sockets are: protocol and TCP state, once per reading and network namespace.

TCP of this collector's own namespace is asked of the kernel by netlink, all else is read from /proc/PID/net.
"""

import os
import time
from collections.abc import Callable

from collector.sources import linux_netlink
from collector.sources.procfs import text

STATES_IN_TABLES = {f"{number:02X}": name for number, name in linux_netlink.STATES.items()}
# The kernel walks its whole hash table for tcp and for tcp6: some 10 ms each before the first socket.
TCP_TABLES = ("tcp", "tcp6")
OTHER_TABLES = ("udp", "udp6", "unix")
TABLE_BYTES = 16 << 20


class SocketTables:
    """Names of sockets by inode, as `tcp CLOSE_WAIT`, `udp` or `unix /run/x`. Forgets all at `forget`."""

    def __init__(self, proc: str, *, cpu: Callable[[], float] = time.thread_time) -> None:
        self._proc = proc
        self._cpu = cpu
        self._cost = 0.03
        self._netlink = True
        self._known: dict[str, dict[str, str]] = {}

    def forget(self) -> None:
        self._known.clear()

    def names(self, pid: str, deadline: float) -> dict[str, str] | None:
        """Inode to name for the network namespace of `pid`; None if there is no time for it before `deadline`."""
        try:
            namespace = os.readlink(f"{self._proc}/{pid}/ns/net")
        except OSError:
            namespace = pid
        if namespace not in self._known:
            begun = self._cpu()
            if begun + self._cost > deadline:
                self._cost *= 0.98  # a guess that was too high once must not keep the tables shut for ever
                return None
            self._known[namespace] = self._read(pid, namespace)
            self._cost = (self._cost + self._cpu() - begun) / 2
        return self._known[namespace]

    def _read(self, pid: str, namespace: str) -> dict[str, str]:
        found = self._asked(namespace)
        for table in OTHER_TABLES if found else TCP_TABLES + OTHER_TABLES:
            lines = text(f"{self._proc}/{pid}/net/{table}", most=TABLE_BYTES).split("\n")[1:]
            if table == "unix":
                _unix(lines, found)
            else:
                _internet(table.rstrip("6"), lines, found)
        return found

    def _asked(self, namespace: str) -> dict[str, str]:
        """By netlink; empty for another namespace, and where the kernel does not answer, which is not tried again."""
        if not self._netlink:
            return {}
        try:
            return linux_netlink.tcp_states() if namespace == os.readlink("/proc/self/ns/net") else {}
        except linux_netlink.Unavailable:
            self._netlink = False
        except OSError:
            pass
        return {}


def _internet(protocol: str, lines: list[str], found: dict[str, str]) -> None:
    for line in lines:
        fields = line.split(None, 10)
        if len(fields) < 10:
            continue
        state = STATES_IN_TABLES.get(fields[3], "") if protocol == "tcp" else ""
        found[fields[9]] = f"{protocol} {state}".rstrip()


def _unix(lines: list[str], found: dict[str, str]) -> None:
    for line in lines:
        fields = line.split(None, 7)
        if len(fields) < 7:
            continue
        path = fields[7] if len(fields) > 7 else ""
        found[fields[6]] = f"unix {path}".rstrip()


def protocol_name(link_path: str) -> str | None:
    """The protocol of a socket that no table lists (never bound, never connected), as the kernel names it."""
    try:
        name = os.getxattr(link_path, "system.sockprotoname")
    except OSError:
        return None
    return name.rstrip(b"\0").decode("ascii", "replace").lower() or None
