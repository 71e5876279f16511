"""The packed form of a push (docs/api.md): the same content, with what is long in columns that are parts of their own,
so that a listing of processes that is known already is not read again."""

import hashlib
import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from server.analysis.readings import MOST, Instant
from server.ingest.body import unpack_within
from server.ingest.wire import (
    MOST_SNAPSHOTS,
    Collector,
    CoverageSent,
    Host,
    Inventory,
    decode_json,
    refuse,
    require_plausible,
)
from server.problems import Problem
from server.store.columns import Columns, Held, Layout, Listing, pack_part, unpack_counts

MEDIA_TYPE = "application/vnd.handlewatch.snapshots.v1"
MOST_KNOWN = 60_000  # listings and layouts, of which each host that reports has one or two at a time
MOST_KEPT = 2**20  # bytes of a listing or layout that is kept as it was sent

Place = Annotated[int, Meta(ge=1)]  # of a part
T = TypeVar("T")


class SnapshotSent(Struct):
    """A snapshot whose processes lie in these parts."""

    time: Instant
    listing: Place
    handles: Place
    layout: Place | None = None
    counts: Place | None = None
    objects: Place | None = None
    coverage: CoverageSent | None = None
    machine: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class Envelope(Struct):
    """The first part: a push, with `SnapshotSent` for its snapshots."""

    host: Host
    snapshots: Annotated[list[SnapshotSent], Meta(max_length=MOST_SNAPSHOTS)] = []
    collector: Collector = msgspec.field(default_factory=Collector)
    sent_at: Instant | None = None
    inventory: Inventory | None = None


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """One that is checked. `counted`: how many processes it lists; `known`: of how many the count; `total`: of all."""

    time: datetime
    coverage: CoverageSent | None
    machine: msgspec.Raw
    columns: Columns
    counted: int
    known: int
    total: int


@dataclass(frozen=True, slots=True)
class PackedPush:
    """As `wire.Push`, but for its snapshots."""

    host: Host
    collector: Collector
    sent_at: datetime | None
    inventory: Inventory | None
    snapshots: Sequence[PackedSnapshot]


class TooLarge(Exception):
    """It is more than it may be, unpacked."""


class _StrictListing(Listing, forbid_unknown_fields=True):
    """One that can be kept as it was sent, since nothing else is in it."""


class _StrictLayout(Layout, forbid_unknown_fields=True):
    pass


_envelope_decoder = msgspec.json.Decoder(Envelope)
_listing_decoder = msgspec.json.Decoder(Listing)
_layout_decoder = msgspec.json.Decoder(Layout)
_held_decoder = msgspec.json.Decoder(list[Held])
_strict_listing_decoder = msgspec.json.Decoder(_StrictListing)
_strict_layout_decoder = msgspec.json.Decoder(_StrictLayout)


class Known:
    """Parts that were found to be sound, by their digests, and how much they hold; the oldest are forgotten."""

    def __init__(self) -> None:
        self._sizes: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def size(self, key: bytes) -> int | None:
        return self._sizes.get(key)

    def add(self, key: bytes, size: int) -> None:
        with self._lock:
            if len(self._sizes) >= MOST_KNOWN:
                del self._sizes[next(iter(self._sizes))]
            self._sizes[key] = size


def decode_packed(body: bytes, known: Known, most: int) -> PackedPush:
    """Raises TooLarge if it is more than `most` bytes unpacked, Problem 400 if it does not unpack, 422 with the path of
    the field at fault."""
    return _Packed(body, known, most).push()


class _Packed:
    def __init__(self, body: bytes, known: Known, most: int) -> None:
        self._known = known
        self._left = most - len(body)
        self._parts = _split(body)

    def push(self) -> PackedPush:
        envelope = decode_json(self._unpacked(0), _envelope_decoder)
        times = [snapshot.time for snapshot in envelope.snapshots]
        require_plausible(envelope.host, envelope.sent_at, envelope.inventory, times)
        snapshots = [self._snapshot(f"snapshots[{i}]", one) for i, one in enumerate(envelope.snapshots)]
        return PackedPush(envelope.host, envelope.collector, envelope.sent_at, envelope.inventory, snapshots)

    def _snapshot(self, path: str, sent: SnapshotSent) -> PackedSnapshot:
        listing, counted = self._listing(f"{path}.listing", sent.listing)
        handles = self._counts(f"{path}.handles", sent.handles, counted, most=MOST + 1)
        known = int(np.count_nonzero(handles))
        columns = Columns(listing, self._parts[sent.handles])
        if sent.layout is not None:
            columns.layout, size = self._layout(f"{path}.layout", sent.layout, counted)
            if sent.counts is None:
                raise refuse(f"{path}.counts", "is required beside a layout")
            self._counts(f"{path}.counts", sent.counts, size, most=MOST)
            columns.counts = self._parts[sent.counts]
            if not size:
                columns.layout = columns.counts = b""
        if sent.objects is not None:
            columns.objects = self._objects(f"{path}.objects", sent.objects, counted)
        return PackedSnapshot(sent.time, sent.coverage, sent.machine, columns, counted, known, _total(handles) - known)

    def _listing(self, path: str, place: int) -> tuple[bytes, int]:
        """The part as it is to be stored, and how many processes it lists."""
        part = self._part(path, place)
        key = hashlib.blake2b(part, digest_size=16).digest()
        size = self._known.size(key)
        if size is not None:
            return part, size
        data = self._unpacked(place)
        plain = _as_sent(data, _strict_listing_decoder)
        listing = plain or _decode(path, data, _listing_decoder)
        size = len(listing.pid)
        for name in ("started_at", "name", "limit", "instance", "exe", "user", "version"):
            column = getattr(listing, name)
            if column is not None and len(column) != size:
                raise refuse(f"{path}.{name}", f"has {len(column):,} values where pid has {size:,}")
        if len(set(listing.pid)) < size:
            _refuse_twins(path, listing)
        if plain is not None:
            self._known.add(key, size)
            return part, size
        return pack_part(msgspec.json.encode(listing)), size

    def _layout(self, path: str, place: int, processes: int) -> tuple[bytes, int]:
        """The part as it is to be stored, and how many types it lays out."""
        part = self._part(path, place)
        key = hashlib.blake2b(part, digest_size=16, key=processes.to_bytes(4)).digest()
        size = self._known.size(key)
        if size is not None:
            return part, size
        data = self._unpacked(place)
        plain = _as_sent(data, _strict_layout_decoder)
        layout = plain or _decode(path, data, _layout_decoder)
        _check_layout(path, layout, processes)
        size = sum(len(places) for _, places in layout.rows)
        if plain is not None:
            self._known.add(key, size)
            return part, size
        return pack_part(msgspec.json.encode(layout)), size

    def _objects(self, path: str, place: int, processes: int) -> bytes:
        self._part(path, place)
        held = _decode(path, self._unpacked(place), _held_decoder)
        _refuse_places(path, [one.process for one in held], processes, within="process")
        return pack_part(msgspec.json.encode(held))

    def _counts(self, path: str, place: int, size: int, *, most: int) -> NDArray[Any]:
        self._part(path, place)
        try:
            counts = unpack_counts(self._unpacked(place))
        except ValueError as error:
            raise refuse(path, f"holds no counts: {error}") from error
        if len(counts) != size:
            raise refuse(path, f"holds {len(counts):,} counts where {size:,} are expected")
        if counts.itemsize == 8 and size and int(counts.max()) > most:
            raise refuse(f"{path}[{int(counts.argmax())}]", f"expected int <= {MOST}")
        return counts

    def _part(self, path: str, place: int) -> bytes:
        if place >= len(self._parts):
            raise refuse(path, f"there is no part {place}; there are {len(self._parts)}")
        return self._parts[place]

    def _unpacked(self, place: int) -> bytes:
        """Raises TooLarge, found while unpacking, and Problem 400."""
        part = self._parts[place]
        if part[:1] == b"\0":
            return part[1:]
        if part[:1] == b"\x28":
            data = unpack_within(part, "zstd", self._left)
        elif part[:1] == b"\x78":
            data = _inflate(part, place, self._left)
        else:
            raise Problem(400, f"Part {place} begins with none of 0x00 (as it is), 0x28 (zstd) and 0x78 (zlib).")
        if data is None:
            raise TooLarge
        self._left -= len(data)
        return data


def _split(body: bytes) -> list[bytes]:
    """A number of parts, the length of each, and the parts: numbers of four bytes, little-endian."""
    try:
        (number,) = struct.unpack_from("<I", body)
        lengths = struct.unpack_from(f"<{number}I", body, 4)
    except struct.error as error:
        raise Problem(400, "The body does not begin with the number of its parts and their lengths.") from error
    at = 4 + 4 * number
    if not number or at + sum(lengths) != len(body) or not all(lengths):
        raise Problem(400, "The body is not as long as its parts are said to be.")
    parts = []
    for length in lengths:
        parts.append(body[at : at + length])
        at += length
    return parts


def _inflate(part: bytes, place: int, most: int) -> bytes | None:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(part, most + 1) if most >= 0 else b""
    except zlib.error as error:
        raise Problem(400, f"Part {place} does not unpack: {error}.") from error
    if len(data) > most:
        return None
    if not stream.eof or stream.unused_data:
        raise Problem(400, f"Part {place} does not unpack: it breaks off, or goes on after its end.")
    return data


def _decode(path: str, data: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        return decode_json(data, decoder)
    except Problem as problem:
        if problem.status != 422:
            raise Problem(problem.status, f"{path}: {problem.detail}") from problem
        fault = problem.errors[0]
        between = "" if not fault.path or fault.path.startswith("[") else "."
        raise refuse(f"{path}{between}{fault.path}", fault.detail) from problem


def _as_sent(data: bytes, strict: "msgspec.json.Decoder[T]") -> T | None:
    """What can be stored as it was sent: nothing has to be mended, and next to nothing else is in it. Otherwise None,
    and `_decode` is to look at it."""
    if len(data) > MOST_KEPT or b"\\u" in data:
        return None
    try:
        data.decode()
        return strict.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _refuse_twins(path: str, listing: Listing) -> None:
    seen: dict[object, int] = {}
    for j, one in enumerate(zip(listing.pid, listing.started_at, strict=True)):
        first = seen.setdefault(one, j)
        if first != j:
            raise refuse(f"{path}.pid[{j}]", f"has the same pid and started_at as pid[{first}]")


def _check_layout(path: str, layout: Layout, processes: int) -> None:
    if len(set(layout.names)) < len(layout.names):
        raise refuse(f"{path}.names", "has a name twice")
    _refuse_places(f"{path}.rows", [process for process, _ in layout.rows], processes, within="[0]")
    for j, (_, places) in enumerate(layout.rows):
        if len(set(places)) < len(places):
            raise refuse(f"{path}.rows[{j}][1]", "has a type twice")
        if places and not 0 <= min(places) <= max(places) < len(layout.names):
            raise refuse(f"{path}.rows[{j}][1]", f"a type lies beyond the {len(layout.names)} names")


def _refuse_places(path: str, places: Sequence[int], processes: int, *, within: str) -> None:
    """Problem 422 unless these are ascending places in a listing."""
    before = -1
    for j, place in enumerate(places):
        if not before < place < processes:
            at = f"{path}[{j}]{within if within.startswith('[') else f'.{within}'}"
            raise refuse(at, f"is not an ascending place in a listing of {processes:,}")
        before = place


def _total(counts: NDArray[Any]) -> int:
    return int(counts.sum(dtype=np.uint64)) if counts.itemsize < 8 else sum(counts.tolist())
