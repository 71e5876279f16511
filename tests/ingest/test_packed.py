"""The packed form of a push: what our collector makes of it says the same as its JSON, and what is wrong is refused by
the field at fault."""

import contextlib
import json
import struct
import zlib
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collector.packed import packed_body
from server.analysis.readings import MOST, Process
from server.ingest.packed import Known, TooLarge, decode_packed
from server.ingest.prepare import prepare
from server.ingest.wire import decode_push
from server.problems import Problem
from server.store.columns import Assembly, unpack_columns
from server.store.pushes import NewPush
from tests.histories import START, contents, processes

HOST = {"name": "web-01", "os": {"family": "linux"}}
LATER = 10**18
MIB = 2**20

listed = st.lists(processes, max_size=6, unique_by=lambda one: (one.pid, one.started_at))
coverages = st.none() | st.fixed_dictionaries({"processes": st.integers(0, 9), "denied": st.integers(0, 9)})
texts = st.text(max_size=4) | st.sampled_from(["x" * 1030, "\0", "\\u0000"])


def said(processes: list[Process], minute: int = 0, **more: Any) -> dict[str, Any]:
    time = (START + timedelta(minutes=minute)).isoformat()
    return {"time": time, "processes": msgspec.to_builtins(processes), **more}


def envelope(**more: Any) -> dict[str, Any]:
    return {"host": HOST, **more}


def as_json(snapshots: list[dict[str, Any]], **more: Any) -> NewPush:
    return prepare(decode_push(json.dumps({**envelope(**more), "snapshots": snapshots}).encode()), LATER)


def as_packed(snapshots: list[dict[str, Any]], known: Known | None = None, **more: Any) -> NewPush:
    body = packed_body(envelope(**more), [json.dumps(one).encode() for one in snapshots])
    return prepare(decode_packed(body, known or Known(), 64 * MIB), LATER)


def frame_of(push: NewPush) -> object:
    assembly = Assembly()
    for one in push.snapshots:
        assembly.add(one.time_us, 0, unpack_columns(one.body))
    frame = assembly.frame()
    return contents(frame), frame.seen.tolist(), frame.denied.tolist(), frame.intervals.tolist(), frame.booted.tolist()


def shown(push: NewPush) -> object:
    return push.facts, [(one.time_us, one.handles, one.processes, one.denied, one.machine) for one in push.snapshots]


@given(st.lists(st.tuples(listed, coverages), min_size=1, max_size=4))
def test_packed_columns_store_what_the_json_stores(sent: list[tuple[list[Process], dict[str, int] | None]]) -> None:
    snapshots = [
        said(processes, minute, **({"coverage": coverage} if coverage else {}))
        for minute, (processes, coverage) in enumerate(sent)
    ]
    more: dict[str, Any] = {"collector": {"interval_s": 60, "cost": {"cpu_ms": 3}}}
    wanted, found = as_json(snapshots, **more), as_packed(snapshots, **more)
    assert frame_of(found) == frame_of(wanted)
    assert shown(found) == shown(wanted)


@given(name=texts, user=st.none() | texts, kind=texts, at=texts)
def test_strings_are_mended_as_in_json(name: str, user: str | None, kind: str, at: str) -> None:
    process: dict[str, Any] = {"pid": 1, "started_at": None, "name": name, "handles": 3, "user": user}
    process["types"] = {kind: 2}
    process["objects"] = [{"type": kind, "name": at, "count": 1}]
    snapshots = [{"time": START.isoformat(), "processes": [process]}]
    assert frame_of(as_packed(snapshots)) == frame_of(as_json(snapshots))


def test_lone_surrogates_are_mended() -> None:
    pushed = prepare(decode_packed(push_of({**LISTING, "name": ["a\ud800", "b"]}), Known(), MIB), LATER)
    assert b"a\\ud800" not in pushed.snapshots[0].body
    assert "a\ufffd".encode() in pushed.snapshots[0].body


def test_a_listing_that_is_known_is_stored_alike() -> None:
    known = Known()
    first, second = (as_packed([said([Process(1, START, "java", 5)], minute)], known) for minute in (0, 1))
    assert unpack_columns(first.snapshots[0].body) == unpack_columns(second.snapshots[0].body)


def test_what_is_listed_several_times_is_sent_once() -> None:
    many = [Process(pid, START, f"worker-{pid}", 5, types={"file": 5}) for pid in range(1, 200)]
    one, ten = (packed_body(envelope(), [json.dumps(said(many)).encode()] * times) for times in (1, 10))
    assert len(ten) < 2 * len(one)


def pack(*parts: bytes) -> bytes:
    return struct.pack(f"<{len(parts) + 1}I", len(parts), *map(len, parts)) + b"".join(parts)


def raw(value: object) -> bytes:
    return b"\0" + (value if isinstance(value, bytes) else json.dumps(value).encode())


LISTING = {"pid": [1, 2], "started_at": [None, None], "name": ["a", "b"]}


def push_of(processes: object = LISTING, handles: bytes = b"\x01\x02\x03", *more: bytes, **at: int) -> bytes:
    snapshot = {"time": START.isoformat(), "listing": 1, "handles": 2, **at}
    return pack(raw({**envelope(), "snapshots": [snapshot]}), raw(processes), raw(handles), *more)


def beside(*more: bytes, **at: int) -> bytes:
    return push_of(LISTING, b"\x01\x02\x03", *more, **at)


def refused(body: bytes) -> Problem:
    with pytest.raises(Problem) as problem:
        decode_packed(body, Known(), 64 * MIB)
    return problem.value


LAYOUT = raw({"names": ["file"], "rows": [[0, [0]]]})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (push_of(handles=b"\x01\x02"), "snapshots[0].handles"),
        (push_of(handles=b"\x03\x02\x02"), "snapshots[0].handles"),
        (push_of(handles=b"\x08" + struct.pack("<2Q", 1, MOST + 2)), "snapshots[0].handles[1]"),
        (push_of({**LISTING, "name": ["a"]}), "snapshots[0].listing.name"),
        (push_of({**LISTING, "pid": [1, 1]}), "snapshots[0].listing.pid[1]"),
        (push_of({**LISTING, "pid": [1, -1]}), "snapshots[0].listing.pid[1]"),
        (push_of({**LISTING, "started_at": [None, "now"]}), "snapshots[0].listing.started_at[1]"),
        (push_of({**LISTING, "user": ["root"]}), "snapshots[0].listing.user"),
        (push_of({"pid": [1], "name": ["a"]}), "snapshots[0].listing.started_at"),
        (push_of(listing=7), "snapshots[0].listing"),
        (push_of(layout=3), "snapshots[0].layout"),
        (beside(LAYOUT, layout=3), "snapshots[0].counts"),
        (beside(LAYOUT, raw(b"\x01"), layout=3, counts=4), "snapshots[0].counts"),
        (beside(raw({"names": [], "rows": [[0, [0]]]}), layout=3), "snapshots[0].layout.rows[0][1]"),
        (beside(raw({"names": ["f"], "rows": [[2, [0]]]}), layout=3), "snapshots[0].layout.rows[0][0]"),
        (beside(raw({"names": ["f"], "rows": [[0, [0, 0]]]}), layout=3), "snapshots[0].layout.rows[0][1]"),
        (beside(raw({"names": ["f", "f"], "rows": []}), layout=3), "snapshots[0].layout.names"),
        (beside(raw([{"process": 2, "objects": []}]), objects=3), "snapshots[0].objects[0].process"),
        (pack(raw({"host": {"name": "a"}})), "host.os"),
        (pack(raw({"host": HOST, "snapshots": [{"time": START.isoformat(), "listing": 1}]})), "snapshots[0].handles"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_its_path(body: bytes, path: str) -> None:
    problem = refused(body)
    assert (problem.status, [fault.path for fault in problem.errors]) == (422, [path])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0\0",
        b"{}",
        pack(raw({"host": HOST}))[:-1],
        pack(raw({"host": HOST})) + b"x",
        pack(b""),
        pack(b"\x01{}"),
        pack(b"\0{"),
        pack(b"\0\xff"),
        pack(zlib.compress(b"{}")[:-1]),
        pack(zlib.compress(b"{}") + b"x"),
        pack(zstandard.compress(b"{}")[:-1]),
        struct.pack("<2I", 2**31, 1),
    ],
)
def test_what_does_not_unpack_is_refused(body: bytes) -> None:
    assert refused(body).status == 400


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_understood(data: bytes) -> None:
    for body in (data, pack(raw({"host": HOST}), data or b"\0"), push_of(handles=data)):
        with contextlib.suppress(Problem):
            decode_packed(body, Known(), MIB)


@pytest.mark.parametrize("compress", [zlib.compress, zstandard.compress])
def test_a_part_that_is_too_large_is_found_while_unpacking(compress: Any) -> None:
    with pytest.raises(TooLarge):
        decode_packed(pack(compress(b" " * 3 * MIB)), Known(), MIB)


def test_parts_are_bounded_together() -> None:
    listing = compress_listing()
    body = pack(
        raw({**envelope(), "snapshots": [{"time": START.isoformat(), "listing": 1, "handles": 2}]}), listing, listing
    )
    with pytest.raises(TooLarge):
        decode_packed(body, Known(), 400_000)


def compress_listing() -> bytes:
    return zlib.compress(json.dumps({**LISTING, "more": " " * 500_000}).encode())


def test_what_a_listing_holds_beside_is_not_stored() -> None:
    body = push_of({**LISTING, "colour": "x" * 5_000})
    stored = unpack_columns(prepare(decode_packed(body, Known(), MIB), LATER).snapshots[0].body)
    assert len(stored.listing) < 200


def test_a_layout_is_known_for_as_many_processes_alone() -> None:
    known = Known()
    counts = raw(b"\x01\x05")
    layout = raw({"names": ["file"], "rows": [[1, [0]]]})
    decode_packed(beside(layout, counts, layout=3, counts=4), known, MIB)
    one = {"pid": [1], "started_at": [None], "name": ["a"]}
    with pytest.raises(Problem):
        decode_packed(push_of(one, b"\x01\x02", layout, counts, layout=3, counts=4), known, MIB)


def test_few_listings_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.ingest.packed.MOST_KNOWN", 2)
    known = Known()
    for pid in range(1, 6):
        decode_packed(push_of({**LISTING, "pid": [pid, 9]}), known, MIB)
    assert len(known._sizes) == 2
