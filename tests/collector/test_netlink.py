"""TCP sockets by netlink: what the kernel answers, what it may answer instead, and the tables of /proc beside it."""

import os
import socket
import struct
from pathlib import Path

import pytest

from collector.sources import linux_netlink
from collector.sources.linux_netlink import Unavailable, request, take, tcp_states
from collector.sources.linux_sockets import SocketTables


def answer(state: int, inode: int, *, sequence: int = 1, kind: int = 20) -> bytes:
    """One socket as the kernel describes it: header, family, state, and the inode at the end of 72 bytes."""
    return struct.pack("=IHHIIBB66xI", 88, kind, 2, sequence, 0, socket.AF_INET, state, inode)


def finished(sequence: int = 1) -> bytes:
    return struct.pack("=IHHIIi", 20, 3, 2, sequence, 0, 0)


def test_a_question_has_the_length_that_it_says() -> None:
    asked = request(socket.AF_INET6, 7)
    assert struct.unpack_from("=IHHIIBB", asked) == (len(asked), 20, 0x301, 7, 0, 10, 6)
    assert len(asked) == 72
    [states] = struct.unpack_from("=I", asked, 20)
    assert states & 1 << 8
    assert not states & 1 << 6


def test_sockets_are_taken_up_to_the_end_that_the_kernel_says() -> None:
    found: dict[str, str] = {}
    assert not take(answer(8, 4711) + answer(1, 4712), 1, found)
    assert take(answer(10, 4713) + finished() + answer(8, 1), 1, found)
    assert found == {"4711": "tcp CLOSE_WAIT", "4712": "tcp ESTABLISHED", "4713": "tcp LISTEN"}


def test_sockets_of_no_descriptor_and_answers_to_other_questions_are_left_out() -> None:
    found: dict[str, str] = {}
    assert not take(answer(8, 0) + answer(8, 5, sequence=9) + finished(9) + answer(99, 6), 1, found)
    assert found == {"6": "tcp"}


@pytest.mark.parametrize(
    "received", [answer(8, 5, kind=2), answer(8, 5)[:60], struct.pack("=IHHII", 3, 20, 0, 1, 0)], ids=str
)
def test_a_refusal_or_half_a_message_is_no_answer(received: bytes) -> None:
    with pytest.raises(Unavailable):
        take(received, 1, {})


def close_wait(count: int) -> tuple[list[socket.socket], set[str]]:
    """Connections whose other end has gone, and their inodes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []
        for _ in range(count):
            held.append(socket.create_connection(listener.getsockname()))
            listener.accept()[0].close()
    return held, {str(os.fstat(found.fileno()).st_ino) for found in held}


def test_netlink_and_the_tables_of_proc_agree(tmp_path: Path) -> None:
    held, inodes = close_wait(300)
    by_netlink, by_tables = tcp_states(), SocketTables(str(tmp_path / "proc"))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "1").symlink_to("/proc/self")
    by_tables._netlink = False
    tables = by_tables.names("1", float("inf")) or {}
    assert {by_netlink[inode] for inode in inodes} == {tables[inode] for inode in inodes} == {"tcp CLOSE_WAIT"}
    for found in held:
        found.close()


def test_where_the_kernel_does_not_answer_the_tables_are_read_and_it_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def refuse() -> dict[str, str]:
        asked.append(1)
        raise Unavailable("no such module")

    monkeypatch.setattr(linux_netlink, "tcp_states", refuse)
    held, inodes = close_wait(9)
    tables = SocketTables("/proc")
    for _ in range(2):
        tables.forget()
        names = tables.names("self", float("inf")) or {}
        assert {names[inode] for inode in inodes} == {"tcp CLOSE_WAIT"}
    assert len(asked) == 1
    for found in held:
        found.close()


def test_a_kernel_without_netlink_is_unavailable_and_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux_netlink, "NETLINK_SOCK_DIAG", 31)
    with pytest.raises(Unavailable):
        tcp_states()


def test_another_network_namespace_is_read_from_its_own_tables(tmp_path: Path) -> None:
    process = tmp_path / "77"
    (process / "net").mkdir(parents=True)
    (process / "ns").mkdir()
    (process / "ns" / "net").symlink_to("net:[1]")
    line = "   0: 0100007F:1F90 00000000:0000 08 00000000:00000000 00:00000000 00000000  0  0 {} 1 0 20 4 30 10 -1"
    (process / "net" / "tcp").write_text("  sl  local_address ...\n" + line.format(4711) + "\n")
    names = SocketTables(str(tmp_path)).names("77", float("inf"))
    assert names == {"4711": "tcp CLOSE_WAIT"}
