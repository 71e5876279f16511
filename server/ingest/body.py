"""Reading and unpacking a request body within bounds that are found while unpacking, not after."""

import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import zstandard

from server.problems import Problem

MOST_SENT = 8 * 2**20
MOST_UNPACKED = 64 * 2**20
MOST_DROPPED = 16 * 2**20  # of an over-long body, so that the client reads the answer instead of a reset

Receive = Callable[[], Awaitable[Any]]


async def read_body(receive: Receive) -> bytes:
    """The body as sent. Raises Problem 413 over 8 MiB, after dropping up to 16 MiB of it, and 400 if it breaks off."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "The connection was closed before the body was complete.")
        part = message.get("body", b"")
        size += len(part)
        more = message.get("more_body", False)
        if size <= MOST_SENT:
            parts.append(part)
        else:
            parts.clear()
            if size > MOST_DROPPED:
                break
    if size > MOST_SENT:
        raise too_long(8, "as sent", headers={"Connection": "close"})
    return b"".join(parts)


async def drop_body(receive: Receive) -> None:
    """Read and forget what the client still sends, up to 16 MiB, so that it sees the answer that follows."""
    size = 0
    more = True
    while more and size <= MOST_DROPPED:
        message = await receive()
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)


def unpack_body(data: bytes, encoding: str) -> bytes:
    """The body without its Content-Encoding. Raises Problem 400 if it does not unpack, 413 over 64 MiB unpacked."""
    unpacked = unpack_within(data, encoding, MOST_UNPACKED)
    if unpacked is None:
        raise too_long(64, "unpacked")
    return unpacked


def too_long(limit: int, what: str, *, headers: Mapping[str, str] | None = None) -> Problem:
    """`limit` in MiB."""
    detail = f"The body is over {limit} MiB {what}: send fewer snapshots a request."
    return Problem(413, detail, headers=headers or {})


def unpack_within(data: bytes, encoding: str, most: int) -> bytes | None:
    """The body without its Content-Encoding, None if that is more than `most` bytes. Raises Problem 400."""
    match encoding.strip().lower():
        case "" | "identity":
            return data if len(data) <= most else None
        case "gzip" | "x-gzip":
            return _joined(_gunzip(data, most), most)
        case "zstd":
            return _joined(_unzstd(data), most)
        case other:
            raise Problem(400, f"Content-Encoding {other!r} can't be unpacked; send gzip, zstd or none.")


def _joined(parts: Iterator[bytes], most: int) -> bytes | None:
    unpacked: list[bytes] = []
    size = 0
    try:
        for part in parts:
            size += len(part)
            if size > most:
                return None
            unpacked.append(part)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Problem(400, f"The body does not unpack: {error}.") from error
    return b"".join(unpacked)


# A KiB packed is at most 1 MiB unpacked with gzip and some 32 MiB with zstd, so that a bomb is found before it goes
# off; and what is left over at the end of one of very many members is no more than that KiB to copy.
_STEP = 1024
_AT_ONCE = 64 * 2**10  # so little that copying what is left over costs nothing


def _gunzip(data: bytes, most: int) -> Iterator[bytes]:
    """Each part that it yields is at most one byte more than `most`."""
    step = len(data) if len(data) <= _AT_ONCE else _STEP
    at = 0
    while at < len(data):
        stream = zlib.decompressobj(wbits=31)
        while not stream.eof:
            if at >= len(data):
                raise EOFError("it breaks off")
            piece = data[at : at + step]
            yield stream.decompress(piece, most + 1)  # more than there may be: who asks for it ends here
            at += len(piece) - len(stream.unused_data)


def _unzstd(data: bytes) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**27)
    at = 0
    while at < len(data):
        stream = decompressor.decompressobj()
        while not stream.eof:
            if at >= len(data):
                raise EOFError("it breaks off")
            piece = data[at : at + _STEP]
            yield stream.decompress(piece)
            at += len(piece) - len(stream.unused_data)
