"""A push in packed columns: the same content as its JSON, for servers that say that they take it. No I/O, no clock."""

import json
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from struct import pack

from collector.wire import GZIP_LEVEL, JsonObject, compact

MEDIA_TYPE = "application/vnd.handlewatch.snapshots.v1"
SMALL = 512  # bytes that are not worth compressing
_WIDTHS = ((2**8, "B"), (2**16, "H"), (2**32, "I"), (2**64, "Q"))
_LISTED = ("limit", "instance", "exe", "user", "version")


def packed_body(envelope: JsonObject, snapshots: Iterable[bytes]) -> bytes:
    """A push: `envelope` (host, collector, sent_at) and snapshots that are JSON already. A list of processes or a
    layout of types that several share is there once. Raises ValueError, KeyError or TypeError for what is no snapshot
    of ours."""
    parts = _Parts()
    told = [_snapshot(json.loads(snapshot), parts) for snapshot in snapshots]
    parts.found[0] = _packed(compact({**envelope, "snapshots": told}))
    lengths = [len(part) for part in parts.found]
    return b"".join([pack(f"<{len(lengths) + 1}I", len(lengths), *lengths), *parts.found])


class _Parts:
    def __init__(self) -> None:
        self.found: list[bytes] = [b""]  # the first is the envelope
        self._places: dict[bytes, int] = {}

    def place(self, data: bytes) -> int:
        """Where this part is; the same for the same data."""
        place = self._places.get(data)
        if place is None:
            place = self._places[data] = len(self.found)
            self.found.append(_packed(data))
        return place


def _snapshot(snapshot: JsonObject, parts: _Parts) -> JsonObject:
    processes: list[JsonObject] = snapshot.pop("processes")
    listing: JsonObject = {name: [one[name] for one in processes] for name in ("pid", "started_at", "name")}
    for name in _LISTED:
        column = [one.get(name) for one in processes]
        if any(value is not None for value in column):
            listing[name] = column
    handles = [0 if one["handles"] is None else one["handles"] + 1 for one in processes]
    told = {**snapshot, "listing": parts.place(compact(listing)), "handles": parts.place(_counts(handles))}
    typed = [(at, one["types"]) for at, one in enumerate(processes) if one.get("types")]
    if typed:
        names: dict[str, int] = {}
        rows = [[at, [names.setdefault(name, len(names)) for name in types]] for at, types in typed]
        told["layout"] = parts.place(compact({"names": list(names), "rows": rows}))
        told["counts"] = parts.place(_counts([count for _, types in typed for count in types.values()]))
    held = [{"process": at, "objects": one["objects"]} for at, one in enumerate(processes) if _looked(one)]
    if held:
        told["objects"] = parts.place(compact(held))
    return told


def _looked(process: JsonObject) -> bool:
    return process.get("objects") is not None


def _counts(counts: Sequence[int]) -> bytes:
    """How wide each is in bytes, then all of them, little-endian."""
    most = max(counts, default=0)
    code = next((code for limit, code in _WIDTHS if most < limit), "Q")
    found = array(code, counts)
    if sys.byteorder == "big":
        found.byteswap()
    return bytes([found.itemsize]) + found.tobytes()


def _packed(data: bytes) -> bytes:
    """What is small as it is, behind a zero; what is not as zlib makes it, which begins with no zero."""
    return b"\0" + data if len(data) < SMALL else zlib.compress(data, GZIP_LEVEL)
