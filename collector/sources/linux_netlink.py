"""Asks the kernel for the TCP sockets of this network namespace and their states (NETLINK_SOCK_DIAG, no rights needed).

The tables in /proc/net say the same as text, which the kernel makes and Python takes apart at several times the cost.
"""

import socket
import struct
from collections.abc import Iterator

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301
FINISHED, FAILED = 3, 2
HEADER = struct.Struct("=IHHII")
# family, protocol, extensions, padding, states; then the socket asked for, all noughts: any.
REQUEST = struct.Struct("=BBBxI48x")
STATE_AT, INODE_AT = 17, 16 + 68
INODE = struct.Struct("=I")
RECEIVE_BYTES = 1 << 16
TIMEOUT_S = 1.0
MOST_MESSAGES = 1 << 16
STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSE",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "NEW_SYN_RECV",
}


# Those that only wait to be forgotten belong to no descriptor, and a busy machine has very many.
OF_NO_PROCESS = (6, 12)
WANTED = sum(1 << state for state in STATES if state not in OF_NO_PROCESS)


class Unavailable(Exception):
    """The kernel does not answer such questions, or not understandably: /proc is to be read instead."""


def tcp_states() -> dict[str, str]:
    """Name of the state by inode, of IPv4 and IPv6; sockets that belong to no descriptor any more are left out.

    Raises Unavailable.
    """
    found: dict[str, str] = {}
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(TIMEOUT_S)
            for sequence, family in enumerate((socket.AF_INET, socket.AF_INET6), 1):
                kernel.sendto(request(family, sequence), (0, 0))
                for received in _received(kernel):
                    if take(received, sequence, found):
                        break
    except OSError as error:
        raise Unavailable(str(error)) from error
    return found


def _received(kernel: socket.socket) -> Iterator[bytes]:
    for _ in range(MOST_MESSAGES):
        yield kernel.recv(RECEIVE_BYTES)
    raise Unavailable("an answer without an end")


def request(family: int, sequence: int) -> bytes:
    """All TCP sockets of that family that a descriptor may lead to."""
    header = HEADER.pack(HEADER.size + REQUEST.size, SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, sequence, 0)
    return header + REQUEST.pack(family, socket.IPPROTO_TCP, 0, WANTED)


def take(received: bytes, sequence: int, found: dict[str, str]) -> bool:
    """Puts the sockets of one datagram into `found`; whether it was the last. Raises Unavailable."""
    position = 0
    while position + HEADER.size <= len(received):
        length, kind, _, number, _ = HEADER.unpack_from(received, position)
        if length < HEADER.size or position + length > len(received):
            raise Unavailable(f"a message of {length} bytes in an answer of {len(received)}")
        if number == sequence:
            if kind == FINISHED:
                return True
            if kind == FAILED:
                raise Unavailable("the kernel knows no such question")
            if kind == SOCK_DIAG_BY_FAMILY and length >= INODE_AT + INODE.size:
                [inode] = INODE.unpack_from(received, position + INODE_AT)
                if inode:
                    found[str(inode)] = f"tcp {STATES.get(received[position + STATE_AT], '')}".rstrip()
        position += (length + 3) & ~3
    return False
