"""A push says what the wire format says, and holds no more of a snapshot than there is."""

import gzip
import json
from pathlib import Path

import pytest

from collector.wire import Coverage, Host, NamedObject, Process, Snapshot, body_parts, compact, gzip_body, rfc3339


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1795348800, "2026-11-22T12:00:00Z"),
        (1795348800.12, "2026-11-22T12:00:00.120Z"),
        (1795348799.9996, "2026-11-22T12:00:00Z"),
    ],
)
def test_times_are_rfc_3339_in_whole_seconds_or_milliseconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


def test_what_is_unknown_is_null_and_what_was_not_looked_at_is_left_out() -> None:
    assert Process(8, None, "csrss", None).to_json() == {
        "pid": 8,
        "started_at": None,
        "name": "csrss",
        "handles": None,
    }


def test_a_process_looked_at_has_types_and_objects() -> None:
    objects = [NamedObject("socket", "tcp CLOSE_WAIT", 7, 7), NamedObject("file", "/a", 900, estimated=True)]
    found = Process(187, "2026-11-22T01:00:00Z", "java", 907, 1024, {"socket": 7, "file": 900}, objects).to_json()
    assert found["types"] == {"socket": 7, "file": 900}
    assert found["objects"] == [
        {"type": "socket", "name": "tcp CLOSE_WAIT", "count": 7, "distinct": 7},
        {"type": "file", "name": "/a", "count": 900, "estimated": True},
    ]


def test_a_push_is_one_json_object_in_one_gzip_member() -> None:
    snapshots = [Snapshot(time, Coverage(1), [Process(1, None, "é", 3)]).encode() for time in (60, 120)]
    envelope = {"host": Host("web-07", {"family": "linux"}).to_json(), "sent_at": rfc3339(121)}
    packed = gzip_body(body_parts(envelope, snapshots))
    body = json.loads(gzip.decompress(packed))
    assert list(body) == ["host", "sent_at", "snapshots"]
    assert [snapshot["time"] for snapshot in body["snapshots"]] == ["1970-01-01T00:01:00Z", "1970-01-01T00:02:00Z"]
    assert body["snapshots"][0]["processes"][0]["name"] == "é"
    assert body["host"] == {"name": "web-07", "os": {"family": "linux"}}


def test_a_push_without_snapshots_is_whole_too() -> None:
    assert json.loads(b"".join(body_parts({"host": {}}, []))) == {"host": {}, "snapshots": []}


def test_a_name_that_is_no_unicode_still_makes_json() -> None:
    assert json.loads(compact({"name": "a\udcffb"})) == {"name": "a?b"}


def test_the_golden_push_is_what_these_parts_make() -> None:
    """What the collector adds to the golden file's coverage an older server lets pass; `limit` unknown is left out."""
    golden = json.loads((Path(__file__).resolve().parents[1] / "wire" / "push-1.json").read_text("utf-8"))
    named = NamedObject("Event", "\\BaseNamedObjects\\V3SOCKHOOK", 11950, 11950)
    types = {"Event": 12000, "File": 51, "Key": 60}
    processes = [
        Process(187, "2026-11-22T01:00:00Z", "ntbackup.exe", 12345, types=types, objects=[named]),
        Process(8, "2026-11-20T06:00:00Z", "csrss.exe", None),
    ]
    made = json.loads(Snapshot(1795341600, Coverage(31, 2), processes).encode())
    [expected] = golden["snapshots"]
    assert made["time"] == expected["time"]
    assert made["coverage"].items() >= expected["coverage"].items()
    del expected["processes"][0]["limit"]
    assert made["processes"] == expected["processes"]
    facts = golden["host"]
    assert Host(facts["name"], facts["os"], facts["booted_at"], facts["labels"]).to_json() == facts
