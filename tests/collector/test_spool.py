"""The spool keeps what the server has not answered for: in order, bounded, through kills, damage and full disks."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from collector.spool import BLOCK, IN_MEMORY, Entry, Spool


def spool_at(folder: Path, *, most_bytes: int = 1 << 20, most_age_s: float = 0) -> Spool:
    return Spool(folder, most_bytes=most_bytes, most_age_s=most_age_s)


def fill(spool: Spool, count: int, *, start: int = 0) -> None:
    for number in range(start, start + count):
        spool.append(1000 + number, f'{{"n":{number}}}'.encode())


def entries(spool: Spool, most: int = 10_000) -> list[Entry]:
    return spool.first(most=most, most_length=1 << 30)


def contents(spool: Spool) -> list[bytes | None]:
    return [spool.load(entry) for entry in entries(spool)]


def test_what_went_in_comes_out_in_order(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    fill(spool, 3)
    assert contents(spool) == [b'{"n":0}', b'{"n":1}', b'{"n":2}']


def test_it_survives_a_restart(tmp_path: Path) -> None:
    fill(spool_at(tmp_path), 12)
    again = spool_at(tmp_path)
    fill(again, 1, start=12)
    assert contents(again) == [f'{{"n":{number}}}'.encode() for number in range(13)]


def test_what_is_done_is_gone_for_good(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    fill(spool, 3)
    spool.done(entries(spool)[:2])
    assert contents(spool) == contents(spool_at(tmp_path)) == [b'{"n":2}']


def test_a_batch_is_bounded_by_number_and_by_length(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    fill(spool, 10)
    assert len(spool.first(most=4, most_length=1000)) == 4
    assert len(spool.first(most=10, most_length=21)) == 3
    assert len(spool.first(most=10, most_length=1)) == 1


def test_the_oldest_go_when_there_is_no_room(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, most_bytes=3 * BLOCK)
    fill(spool, 5)
    assert contents(spool) == [b'{"n":2}', b'{"n":3}', b'{"n":4}']
    assert (spool.counts.dropped, spool.size) == (2, 3 * BLOCK)


def test_the_oldest_go_when_they_are_too_old(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, most_age_s=5)
    fill(spool, 10)
    assert [entry.time for entry in entries(spool)] == [1004, 1005, 1006, 1007, 1008, 1009]
    assert spool.counts.dropped == 4


@pytest.mark.parametrize("damage", [b"", b"HWS1", b"\0" * 60])
def test_a_damaged_record_is_left_out_and_counted(tmp_path: Path, damage: bytes) -> None:
    spool = spool_at(tmp_path)
    fill(spool, 3)
    (tmp_path / "spool" / entries(spool)[1].file).write_bytes(damage)
    again = spool_at(tmp_path)
    assert contents(again) == [b'{"n":0}', None, b'{"n":2}']
    assert again.counts.damaged == 1
    assert len(again) == 2


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    fill(spool, 1)
    [entry] = entries(spool)
    path = tmp_path / "spool" / entry.file
    whole = path.read_bytes()
    for position in range(len(whole)):
        fill_again = spool_at(tmp_path)
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert fill_again.load(entry) is None
        path.write_bytes(whole)


def test_half_a_file_from_a_kill_is_cleared_away(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    fill(spool, 1)
    half = tmp_path / "spool" / "000000000001-1001-7.tmp"
    half.write_bytes(b"HW")
    (tmp_path / "spool" / "notes.txt").write_text("not ours")
    assert contents(spool_at(tmp_path)) == [b'{"n":0}']
    assert not half.exists()


def test_somebody_who_clears_the_directory_away_stops_nothing(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    fill(spool, 2)
    for file in (tmp_path / "spool").iterdir():
        file.unlink()
    (tmp_path / "spool").rmdir()
    fill(spool, 2, start=2)
    assert contents(spool)[2:] == [b'{"n":2}', b'{"n":3}']


class FullDisk:
    def __init__(self) -> None:
        self.full = True

    def write(self, path: Path, content: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(content)


def test_on_a_full_disk_the_newest_few_wait_in_memory(tmp_path: Path) -> None:
    disk = FullDisk()
    spool = Spool(tmp_path, most_bytes=1 << 20, write=disk.write)
    fill(spool, IN_MEMORY + 5)
    assert len(spool) == spool.in_memory == IN_MEMORY
    assert spool.counts.dropped == 5
    assert spool.disk_error == "No space left on device"
    assert contents(spool)[-1] == f'{{"n":{IN_MEMORY + 4}}}'.encode()


def test_when_there_is_room_again_what_waited_is_written_in_order(tmp_path: Path) -> None:
    disk = FullDisk()
    spool = Spool(tmp_path, most_bytes=1 << 20, write=disk.write)
    fill(spool, 3)
    disk.full = False
    fill(spool, 1, start=3)
    assert (spool.in_memory, spool.disk_error) == (0, None)
    assert contents(spool_at(tmp_path)) == [f'{{"n":{number}}}'.encode() for number in range(4)]


def test_what_waits_in_memory_can_be_done_with(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_bytes=1 << 20, write=FullDisk().write)
    fill(spool, 3)
    spool.done(entries(spool)[:2])
    assert contents(spool) == [b'{"n":2}']


FILL = """
import os, pathlib, resource, signal, sys
from collector.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
spool = Spool(pathlib.Path(sys.argv[1]), most_bytes=1 << 20)
spool.append(1, b"small")
spool.append(2, os.urandom(4000))
spool.append(3, b"small")
print(len(spool), spool.in_memory, spool.disk_error, spool.load(spool.first(most=9, most_length=9999)[1])[:0])
"""


def test_a_file_that_the_kernel_does_not_let_grow_is_kept_in_memory_and_leaves_no_half(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        timeout=30,
        check=True,
    )
    assert done.stdout == "3 2 File too large b''\n"
    assert [file.name for file in (tmp_path / "spool").iterdir()] == ["000000000000-1-5.snap"]


def test_a_refused_snapshot_is_put_aside_with_the_reason(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    fill(spool, 2)
    spool.reject(entries(spool)[0], b'{"n":0}', "answered 422")
    assert contents(spool) == [b'{"n":1}']
    assert spool.counts.rejected == 1
    kept = {file.suffix: file.read_text().strip() for file in (tmp_path / "rejected").iterdir()}
    assert kept == {".json": '{"n":0}', ".txt": "answered 422"}


def test_what_is_put_aside_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.spool.REJECTED_BYTES", 100)
    spool = spool_at(tmp_path)
    fill(spool, 20)
    for entry in entries(spool):
        spool.reject(entry, b"x" * 10, "no")
    left = list((tmp_path / "rejected").iterdir())
    assert sum(file.stat().st_size for file in left) <= 100
    assert any(file.name.startswith("1019-") for file in left)
