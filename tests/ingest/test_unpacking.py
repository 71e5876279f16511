"""Bodies arrive packed or not; what does not unpack is 400, what is too long unpacked is 413, found on the way."""

import gzip
import threading
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard

from server.ingest.body import MOST_UNPACKED, unpack_body, unpack_within
from server.problems import Problem

TEXT = b'{"host": "' + bytes(range(32, 127)) * 3_000 + b'"}'


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(data)


PACKERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd}


def status(data: bytes, encoding: str) -> int:
    with pytest.raises(Problem) as caught:
        unpack_body(data, encoding)
    return caught.value.status


@pytest.mark.parametrize("encoding", ["", "identity", " IDENTITY "])
def test_a_plain_body_stays(encoding: str) -> None:
    assert unpack_body(TEXT, encoding) == TEXT


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZip", "zstd", "Zstd "])
def test_a_packed_body_unpacks(encoding: str) -> None:
    pack = PACKERS["zstd" if "zstd" in encoding.lower() else "gzip"]
    assert unpack_body(pack(TEXT), encoding) == TEXT


@pytest.mark.parametrize("encoding", PACKERS)
def test_several_members_are_one_body(encoding: str) -> None:
    pack = PACKERS[encoding]
    assert unpack_body(pack(TEXT) + pack(b"") + pack(TEXT), encoding) == TEXT + TEXT


def test_zstd_with_and_without_its_size_and_with_a_checksum() -> None:
    sized = zstandard.ZstdCompressor(write_content_size=True, write_checksum=True).compress(TEXT)
    skippable = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    assert unpack_body(skippable + sized + zstd(TEXT), "zstd") == TEXT + TEXT


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("missing", [1, 5, 1_000])
def test_a_body_that_breaks_off_is_400(encoding: str, missing: int) -> None:
    packed = PACKERS[encoding](bytes(range(256)) * 100 + TEXT)
    assert status(packed[: max(len(packed) - missing, 12)], encoding) == 400


@pytest.mark.parametrize("encoding", PACKERS)
def test_garbage_is_400(encoding: str) -> None:
    assert status(b"garbage", encoding) == 400
    assert status(PACKERS[encoding](TEXT) + b"garbage", encoding) == 400
    assert status(TEXT, encoding) == 400


@pytest.mark.parametrize("encoding", PACKERS)
def test_damage_is_400(encoding: str) -> None:
    pack = (
        (lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data))
        if encoding == "zstd"
        else gzip.compress
    )
    packed = bytearray(pack(TEXT))
    packed[-3] ^= 0xFF
    assert status(bytes(packed), encoding) == 400


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 10_000])
def test_another_encoding_is_400(encoding: str) -> None:
    assert status(zlib.compress(TEXT), encoding) == 400


@pytest.mark.parametrize("encoding", PACKERS)
def test_the_bound_is_exact(encoding: str) -> None:
    pack = PACKERS[encoding]
    assert len(unpack_body(pack(bytes(MOST_UNPACKED)), encoding)) == MOST_UNPACKED
    assert status(pack(bytes(MOST_UNPACKED + 1)), encoding) == 413


def bomb(encoding: str) -> bytes:
    """Some 16 GiB of zeros in a body that may be sent."""
    piece = PACKERS[encoding](bytes(2**26))
    return piece * min(256, 8 * 2**20 // len(piece))


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_bomb_is_found_before_it_goes_off(encoding: str) -> None:
    packed = bomb(encoding)
    tracemalloc.start()
    try:
        assert status(packed, encoding) == 413
        assert tracemalloc.get_traced_memory()[1] < 2 * MOST_UNPACKED
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", PACKERS)
def test_very_many_members_take_time_in_proportion(encoding: str) -> None:
    empty = PACKERS[encoding](b"")
    done = threading.Event()

    def unpack() -> None:
        assert unpack_body(empty * (4 * 2**20 // len(empty)), encoding) == b""
        done.set()

    threading.Thread(target=unpack, daemon=True).start()
    assert done.wait(20)


def test_a_small_bound_can_be_asked_for() -> None:
    assert unpack_within(gzip.compress(b"x" * 100), "gzip", 100) == b"x" * 100
    assert unpack_within(gzip.compress(b"x" * 101), "gzip", 100) is None
    assert unpack_within(b"x" * 101, "", 100) is None
