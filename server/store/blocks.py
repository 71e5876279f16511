"""How a frame is packed into the bytes of a block, and back: columns of integers, delta-coded over time, each as wide
as it needs to be, in sections that are compressed and so can be unpacked one by one.

A handle that does not move costs next to nothing: its row holds no deltas at all."""

import threading
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints, ProcessKey, Values, no_values

SECTIONS = frozenset({"handles", "types", "objects", "sums"})
COUNTS = "counts"  # in place of "handles": without the limits
_LEVEL = 1  # level 3 is slower and no smaller on deltas of handle counts
_WIDTHS = (np.uint8, np.uint16, np.uint32, np.uint64)
_SIGNED = dict(zip(_WIDTHS, (np.int8, np.int16, np.int32, np.int64), strict=True))


class _Threaded(threading.local):
    """Compressors are not to be shared between threads."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_threaded = _Threaded()


def compress(data: bytes) -> bytes:
    return _threaded.compressor.compress(data)


def decompress(data: bytes) -> bytes:
    return _threaded.decompressor.decompress(data)


def pack_times(times: Iterable[int]) -> bytes:
    """Ascending microseconds as bytes; see `unpack_times`."""
    return compress(_pack(np.array([sorted(times)], np.int64)))


def unpack_times(data: bytes) -> list[int]:
    times: list[int] = _unpack(decompress(data))[0].tolist()
    return times


def pack(frame: Frame) -> bytes:
    """The frame's bytes; `unpack` gives the same frame."""
    head = [
        frame.step_s,
        _pack(
            np.stack(
                [
                    frame.times,
                    frame.skews.clip(0),
                    (-frame.skews).clip(0),
                    frame.seen,
                    frame.denied,
                    frame.intervals,
                    frame.booted,
                    frame.partial.astype(np.int64),
                ]
            )
        ),
        [list(process) for process in frame.processes],
    ]
    sections = {
        "head": compress(msgspec.msgpack.encode(head)),
        "handles": _section(frame.handles, [frame.limits], []),
        "types": _section(frame.types, [], [list(row) for row in frame.type_rows]),
        "objects": _section(
            frame.objects,
            [frame.distinct, frame.estimated.astype(np.int64), frame.looked.astype(np.int64)],
            [list(row) for row in frame.object_rows],
        ),
        "sums": _section(frame.sums, [], [list(row) for row in frame.sum_rows]),
    }
    return msgspec.msgpack.encode(sections)


def unpack(data: bytes, sections: frozenset[str] = SECTIONS) -> Frame:
    """The frame with these sections; the others come empty (no rows; `looked` comes with objects)."""
    stored: dict[str, bytes] = msgspec.msgpack.decode(data)
    step_s, columns, processes = msgspec.msgpack.decode(decompress(stored["head"]))
    times, ahead, behind, seen, denied, *later = _unpack(columns)
    width = len(times)
    intervals, booted, partial = [
        *later,
        *np.full((3, width), UNKNOWN, np.int64)[len(later) :],
    ]  # older blocks lack them
    frame = Frame(
        step_s=step_s,
        times=times,
        skews=ahead - behind,
        seen=seen,
        denied=denied,
        intervals=intervals,
        booted=booted,
        partial=partial == 1,
        processes=[ProcessKey(*process) for process in processes],
        handles=Values.exact(_all_alike(ABSENT, len(processes), width)),
        limits=_all_alike(UNKNOWN, len(processes), width),
        type_rows=[],
        types=no_values(0, width),
        looked=np.zeros((len(processes), width), bool),
        object_rows=[],
        objects=no_values(0, width),
        distinct=np.zeros((0, width), np.int64),
        estimated=np.zeros((0, width), bool),
        sums=no_values(0, width),
    )
    if "handles" in sections:
        frame.handles, (frame.limits,), _ = _read(stored["handles"])
    elif COUNTS in sections:
        frame.handles, _, _ = _read(stored["handles"], more_too=False)
    if "types" in sections:
        frame.types, _, rows = _read(stored["types"])
        frame.type_rows = [(row, name) for row, name in rows]
    if "objects" in sections:
        frame.objects, (frame.distinct, estimated, looked), rows = _read(stored["objects"])
        frame.estimated, frame.looked = estimated.astype(bool), looked.astype(bool)
        frame.object_rows = [(row, kind, name) for row, kind, name in rows]
    if "sums" in sections:
        frame.sums, _, rows = _read(stored["sums"])
        frame.sum_rows = [(kind, name) for kind, name in rows]
    return frame


def _all_alike(value: int, height: int, width: int) -> Ints:
    """A matrix, not to be written to, that takes no room: most who read ask for less than there is."""
    return np.broadcast_to(np.int64(value), (height, width))


def names_any(data: bytes) -> bool:
    """Whether there are objects by name in this block."""
    stored: dict[str, bytes] = msgspec.msgpack.decode(data)
    _, _, rows = msgspec.msgpack.decode(decompress(stored["objects"]))
    return bool(rows)


def _section(values: Values, more: list[Ints], rows: list[list[Any]]) -> bytes:
    matrices = [values.last] if values.is_exact else [values.last, values.low, values.high]
    return compress(msgspec.msgpack.encode([[_pack(m) for m in matrices], [_pack(matrix) for matrix in more], rows]))


def _read(data: bytes, *, more_too: bool = True) -> tuple[Values, list[Ints], list[list[Any]]]:
    matrices, more, rows = msgspec.msgpack.decode(decompress(data))
    unpacked = [_unpack(matrix) for matrix in matrices]
    values = Values.exact(unpacked[0]) if len(unpacked) == 1 else Values(*unpacked)
    return values, [_unpack(matrix) for matrix in more] if more_too else [], rows


def _pack(matrix: Ints) -> bytes:
    """Rows x columns of integers. What is negative (unknown, absent) lies in a mask of its own, so that deltas stay
    small; a row's deltas are zigzag-coded in the narrowest of five widths, rows of a width side by side."""
    height, width = matrix.shape
    if not height or not width:
        return msgspec.msgpack.encode([height, width])
    mask = np.where(matrix < 0, -matrix, 0).astype(np.uint8)
    masked = np.flatnonzero(mask.any(axis=1)).astype(np.uint32)
    filled = _filled(matrix) if len(masked) else matrix
    deltas = np.diff(filled, axis=1)
    zigzag = ((deltas << 1) ^ (deltas >> 63)).view(np.uint64)
    widest = zigzag.max(axis=1, initial=0)
    kinds = np.searchsorted(np.array([1, 2**8, 2**16, 2**32], np.uint64), widest, side="right").astype(np.uint8)
    return msgspec.msgpack.encode(
        [
            height,
            width,
            kinds.tobytes(),
            filled[:, 0].tobytes(),
            [zigzag[kinds == kind].astype(kept).tobytes() for kind, kept in enumerate(_WIDTHS, start=1)],
            masked.tobytes(),
            np.diff(mask[masked], axis=1, prepend=np.uint8(0)).tobytes(),
        ]
    )


def _unpack(data: bytes) -> Ints:
    height, width, *rest = msgspec.msgpack.decode(data)
    if not rest:
        return np.zeros((height, width), np.int64)
    kinds_of, firsts, packed, masked_of, masks = rest
    kinds = np.frombuffer(kinds_of, np.uint8)
    matrix = np.zeros((height, width), np.int64)
    matrix[:, 0] = np.frombuffer(firsts, np.int64)
    for kind, (kept, part) in enumerate(zip(_WIDTHS, packed, strict=True), start=1):
        rows = np.flatnonzero(kinds == kind)
        if len(rows):
            zigzag: NDArray[Any] = np.frombuffer(part, kept).reshape(len(rows), width - 1)
            deltas = ((zigzag >> kept(1)) ^ (~(zigzag & kept(1)) + kept(1))).view(_SIGNED[kept])  # as narrow as it is
            matrix[rows, 1:] = np.cumsum(deltas, axis=1, dtype=np.int64)
    matrix[:, 1:] += matrix[:, :1]
    masked = np.frombuffer(masked_of, np.uint32)
    if len(masked):
        mask = np.cumsum(np.frombuffer(masks, np.uint8).reshape(len(masked), width), axis=1, dtype=np.uint8)
        matrix[masked] = np.where(mask > 0, -mask.astype(np.int64), matrix[masked])
    return matrix


def _filled(matrix: Ints) -> Ints:
    """The matrix with what is negative replaced by the row's value before it, or after it, or 0."""
    columns = np.arange(matrix.shape[1])
    known = matrix >= 0
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    first = np.argmax(known, axis=1)[:, np.newaxis]
    filled = np.take_along_axis(matrix, np.where(before >= 0, before, first), axis=1)
    return np.maximum(filled, 0)
