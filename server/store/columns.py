"""A snapshot as it is stored until it lies in a block: what seldom changes of its processes (the listing) apart from
their counts, so that who takes it in and who packs it can tell by its bytes that a listing is one they know. And frames
put together from many of them."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from operator import attrgetter
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from server.analysis.frames import ABSENT, UNKNOWN, Frame, Ints, ProcessKey, Values, no_values
from server.analysis.instants import to_us
from server.analysis.readings import Count, Coverage, Instant, ObjectCount, Process, Reading, Text
from server.store.blocks import compress, decompress

MOST_PROCESSES = 20_000
MOST_TYPES = 64  # a process
_SMALL = 512  # bytes that are not worth compressing
_ZSTD = 0x28  # the first byte of a frame
_ZLIB = 0x78  # and of a stream
_DTYPES: dict[int, np.dtype[Any]] = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}

Texts = list[Text | None] | None
Rows = NDArray[np.intp]


class Listing(Struct, omit_defaults=True):
    """The processes of a snapshot, by what seldom changes of them: lists of one length, null for null throughout."""

    pid: Annotated[list[Count], Meta(max_length=MOST_PROCESSES)]
    started_at: list[Instant | None]
    name: list[Text]
    limit: list[Count | None] | None = None
    instance: Texts = None
    exe: Texts = None
    user: Texts = None
    version: Texts = None


class Layout(Struct):
    """Whose types are counted: for each process that tells types, its place in the listing, and the places of its types
    in `names`."""

    names: list[Text]
    rows: list[tuple[int, Annotated[list[int], Meta(max_length=MOST_TYPES)]]]


class Held(Struct):
    """What objects the process at a place in the listing holds."""

    process: int
    objects: Annotated[list[ObjectCount], Meta(max_length=200)]


class Columns(Struct, array_like=True):
    """A stored snapshot. `listing`: a Listing's JSON; `handles`: of each process, one more than it holds, 0 where that
    could not be read; `layout`: a Layout's JSON, and `counts` the counts of its types one after the other; `objects`:
    a list of Held as JSON. These are parts (`pack_part`), and empty for nothing. UNKNOWN for what is not told."""

    listing: bytes
    handles: bytes
    layout: bytes = b""
    counts: bytes = b""
    objects: bytes = b""
    seen: int = UNKNOWN
    denied: int = UNKNOWN
    interval_s: int = UNKNOWN
    booted_us: int = UNKNOWN
    partial: bool = False

    def tell(self, coverage: Coverage | None, *, interval_s: int | None, booted_us: int | None, partial: bool) -> None:
        """Set what is not of a process; see `analysis.readings.Reading`."""
        self.seen = _told(None if coverage is None else coverage.processes)
        self.denied = _told(None if coverage is None else coverage.denied)
        self.interval_s, self.booted_us, self.partial = _told(interval_s), _told(booted_us), partial


class _Said(Struct):
    """A Listing as it is read: checked when it came, so its times stay text until a process is new."""

    pid: list[int]
    started_at: list[str | None]
    name: list[str]
    limit: list[int | None] | None = None
    instance: list[str | None] | None = None
    exe: list[str | None] | None = None
    user: list[str | None] | None = None
    version: list[str | None] | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Columns)
_reading_decoder = msgspec.msgpack.Decoder(Reading)
_said_decoder = msgspec.json.Decoder(_Said)
_layout_decoder = msgspec.json.Decoder(Layout)
_held_decoder = msgspec.json.Decoder(list[Held])
_instant_decoder = msgspec.json.Decoder(Instant)
_fields_of = attrgetter("pid", "started_at", "name", "limit", "instance", "exe", "user", "version")


def pack_part(data: bytes) -> bytes:
    """What is small as it is, behind a zero; what is not as a zstd frame, which begins with no zero."""
    return b"\0" + data if len(data) < _SMALL else compress(data)


def unpack_part(part: bytes) -> bytes:
    """Of a part as packed here, or by a collector with zlib."""
    if part[0] == _ZSTD:
        return decompress(part)
    return zlib.decompress(part) if part[0] == _ZLIB else part[1:]


def pack_counts(counts: Sequence[int]) -> bytes:
    """How wide each is in bytes, then all of them, little-endian."""
    most = max(counts, default=0)
    width = 1 if most < 2**8 else 2 if most < 2**16 else 4 if most < 2**32 else 8
    return width.to_bytes() + np.array(counts, _DTYPES[width]).tobytes()


def unpack_counts(data: bytes) -> NDArray[Any]:
    """Unsigned integers. Raises ValueError for what is no such thing."""
    if not data or data[0] not in _DTYPES:
        raise ValueError("does not begin with a width of 1, 2, 4 or 8")
    return np.frombuffer(data, _DTYPES[data[0]], offset=1)


def pack_columns(columns: Columns) -> bytes:
    return _encoder.encode(columns)


def unpack_columns(body: bytes) -> Columns:
    """Of a stored snapshot, one of an older version too."""
    if body[0] == _ZSTD:
        return columns_of_reading(_reading_decoder.decode(decompress(body)))
    return _decoder.decode(body)


def columns_of(processes: Sequence[Process]) -> Columns:
    handles = [0 if one.handles is None else one.handles + 1 for one in processes]
    layout, counts = _typed(processes)
    held = [Held(at, one.objects) for at, one in enumerate(processes) if one.objects is not None]
    return Columns(
        pack_part(list_processes(processes)),
        pack_part(pack_counts(handles)),
        layout,
        counts,
        pack_part(msgspec.json.encode(held)) if held else b"",
    )


def columns_of_reading(reading: Reading) -> Columns:
    found = columns_of(reading.processes)
    found.tell(reading.coverage, interval_s=reading.interval_s, booted_us=reading.booted_us, partial=reading.partial)
    return found


def list_processes(processes: Sequence[Process]) -> bytes:
    """Their Listing as JSON; the same bytes for the same processes."""
    fields = zip(*map(_fields_of, processes), strict=True) if processes else repeat((), 8)
    pids, started, names, *others = fields
    some = [None if column.count(None) == len(column) else column for column in others]
    return msgspec.json.encode(Listing(pids, started, names, *some))  # type: ignore[arg-type]  # tuples do as well


def _typed(processes: Sequence[Process]) -> tuple[bytes, bytes]:
    """The parts `layout` and `counts`."""
    typed = [(at, one.types) for at, one in enumerate(processes) if one.types]
    if not typed:
        return b"", b""
    names: dict[str, int] = {}
    rows = [(at, [names.setdefault(name, len(names)) for name in types]) for at, types in typed]
    counts = list(chain.from_iterable(types.values() for _, types in typed))
    return pack_part(msgspec.json.encode(Layout(list(names), rows))), pack_part(pack_counts(counts))


def _told(value: int | None) -> int:
    return UNKNOWN if value is None or value < 0 else value


@dataclass(slots=True)
class _Block:
    """Snapshots whose values lie in the same rows: the rows, and for each snapshot its column and its values."""

    rows: Rows
    columns: list[int]
    values: list[NDArray[Any]]

    def cells(self, rows: Rows | None = None) -> tuple[Rows, Rows]:
        """The index of these rows in its columns."""
        return (self.rows if rows is None else rows)[:, np.newaxis], np.array(self.columns, np.intp)

    def lay(self, matrix: Ints) -> None:
        matrix[self.cells()] = np.stack(self.values, axis=1)


class Assembly:
    """Puts a frame of full resolution together; snapshots are added in ascending order of time."""

    def __init__(self) -> None:
        self._keys: dict[ProcessKey, int] = {}
        self._known: dict[tuple[object, ...], int] = {}
        self._type_rows: dict[tuple[int, str], int] = {}
        self._object_rows: dict[tuple[int, str, str], int] = {}
        self._handles: dict[bytes, tuple[_Block, Ints]] = {}  # by listing; with the limits
        self._types: dict[tuple[bytes, bytes], tuple[_Block, Rows]] = {}  # by listing and layout; with whose they are
        self._looked: list[tuple[int, int]] = []
        self._objects: list[tuple[int, int, ObjectCount]] = []
        self._columns: list[tuple[int, ...]] = []  # of each snapshot, what is not of a process

    @property
    def cells(self) -> int:
        """Of the frame: what it takes in memory."""
        return len(self._columns) * (len(self._keys) + len(self._type_rows) + len(self._object_rows))

    def add(self, time_us: int, skew_s: int, said: Columns) -> None:
        column = len(self._columns)
        self._columns.append(
            (time_us, skew_s, said.seen, said.denied, said.interval_s, said.booted_us, int(said.partial))
        )
        if said.listing not in self._handles:
            self._handles[said.listing] = self._listed(said.listing)
        block, _ = self._handles[said.listing]
        block.columns.append(column)
        block.values.append(unpack_counts(unpack_part(said.handles)))
        if said.layout:
            self._add_types(column, block.rows, said)
        if said.objects:
            self._add_objects(column, block.rows, said)

    def _listed(self, part: bytes) -> tuple[_Block, Ints]:
        said = _said_decoder.decode(unpack_part(part))
        others = (said.instance, said.exe, said.user, said.version)
        columns = (said.pid, said.started_at, said.name, *(repeat(None) if one is None else one for one in others))
        listed = list(zip(*columns, strict=False))
        rows = list(map(self._known.get, listed))
        if None in rows:
            rows = [self._row(process) if row is None else row for process, row in zip(listed, rows, strict=True)]
        limits = [UNKNOWN if limit is None else limit for limit in said.limit or repeat(None, len(rows))]
        return _Block(np.array(rows, np.intp), [], []), np.array(limits, np.int64)

    def _row(self, process: tuple[Any, ...]) -> int:
        row = self._known.get(process)
        if row is None:
            pid, started, *names = process
            started_us = None if started is None else to_us(_instant_decoder.decode(f'"{started}"'))
            key = ProcessKey(pid, started_us, *names)
            row = self._known[process] = self._keys.setdefault(key, len(self._keys))
        return row

    def _add_types(self, column: int, rows: Rows, said: Columns) -> None:
        found = self._types.get((said.listing, said.layout))
        if found is None:
            layout = _layout_decoder.decode(unpack_part(said.layout))
            owners = rows[[at for at, _ in layout.rows]].tolist()
            keys = [
                (owner, layout.names[at])
                for owner, (_, places) in zip(owners, layout.rows, strict=True)
                for at in places
            ]
            of_keys = [self._type_rows.setdefault(key, len(self._type_rows)) for key in keys]
            found = _Block(np.array(of_keys, np.intp), [], []), np.array(owners, np.intp)
            self._types[said.listing, said.layout] = found
        found[0].columns.append(column)
        found[0].values.append(unpack_counts(unpack_part(said.counts)))

    def _add_objects(self, column: int, rows: Rows, said: Columns) -> None:
        for held in _held_decoder.decode(unpack_part(said.objects)):
            row = int(rows[held.process])
            self._looked.append((row, column))
            for item in held.objects:
                key = (row, item.type, item.name)
                self._objects.append((self._object_rows.setdefault(key, len(self._object_rows)), column, item))

    def frame(self) -> Frame:
        width, height = len(self._columns), len(self._keys)
        times, skews, seen, denied, intervals, booted, partial = np.array(self._columns, np.int64).T.copy()
        handles = np.zeros((height, width), np.int64)
        limits = np.full((height, width), UNKNOWN, np.int64)
        there = np.zeros((height, width), bool)
        for block, of_listing in self._handles.values():
            block.lay(handles)
            limits[block.cells()] = of_listing[:, np.newaxis]
            there[block.cells()] = True
        looked = np.zeros((height, width), bool)
        for row, column in self._looked:
            looked[row, column] = True
        objects = np.full((3, len(self._object_rows), width), UNKNOWN, np.int64)
        objects[2] = 0
        for row, column, item in self._objects:
            objects[:, row, column] = item.count, _told(item.distinct), item.estimated
        return Frame(
            step_s=0,
            times=times,
            skews=skews,
            seen=seen,
            denied=denied,
            intervals=intervals,
            booted=booted,
            partial=partial == 1,
            processes=list(self._keys),
            handles=Values.exact(np.where(there, handles - 1, ABSENT)),
            limits=limits,
            type_rows=list(self._type_rows),
            types=Values.exact(self._type_matrix(height, width)),
            looked=looked,
            object_rows=list(self._object_rows),
            objects=Values.exact(objects[0]),
            distinct=objects[1],
            estimated=objects[2] == 1,
            sums=no_values(0, width),
        )

    def _type_matrix(self, height: int, width: int) -> Ints:
        matrix = np.full((len(self._type_rows), width), UNKNOWN, np.int64)
        said = np.zeros((height, width), bool)
        for block, owners in self._types.values():
            block.lay(matrix)
            said[block.cells(owners)] = True
        of_rows = np.array([row for row, _ in self._type_rows], np.intp)
        matrix[(matrix == UNKNOWN) & said[of_rows]] = 0  # a type left out counts 0
        return matrix
