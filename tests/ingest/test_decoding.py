"""What a push must say and may say: every field, its type, its bounds, and the path of what is wrong."""

import json
from typing import Any

import pytest

from server.analysis.readings import MOST
from server.ingest.wire import Push, decode_push
from server.problems import Problem
from tests.pushing import Wire, body, process, snapshot

OBJECT = {"type": "Event", "name": "x", "count": 1, "distinct": 1}
NUMBERS = ["1.0", "1.5", "1e3", "1E2", "-0.0", "-1", str(MOST + 1), "9" * 30, "9" * 5_000, "true", '"1"', "[]", "{}"]


def full() -> Wire:
    """A body with everything in it."""
    one = process(
        handles=5, limit=1024, types={"Event": 3}, objects=[{**OBJECT}], instance="i", exe="/x", user="u", version="1"
    )
    return body(
        snapshot(0, process(pid=7), process(pid=8), one, coverage={"processes": 9, "denied": 1}),
        snapshot(1),
        about={"booted_at": "2025-06-01T00:00:00Z", "labels": {"site": "x"}},
        collector={"version": "1", "source": "linux", "interval_s": 60},
        sent_at="2025-06-02T00:00:02Z",
        inventory={
            "time": "2025-06-02T00:00:00Z",
            "software": [{"name": "a", "vendor": "b", "version": "c"}],
            "services": [{"name": "s"}],
            "drivers": [],
        },
    )


def decoded(sent: Any) -> Push:
    return decode_push(sent if isinstance(sent, bytes) else json.dumps(sent).encode())


def refusal(sent: Any) -> tuple[int, list[str]]:
    with pytest.raises(Problem) as caught:
        decoded(sent)
    return caught.value.status, [fault.path for fault in caught.value.errors]


def parts(path: str) -> list[str | int]:
    steps = path.replace("[", ".[").split(".")
    return [int(step[1:-1]) if step.startswith("[") else step for step in steps]


def at(sent: Wire, path: str) -> tuple[Any, str | int]:
    *way, last = parts(path)
    inside: Any = sent
    for step in way:
        inside = inside[step]
    return inside, last


def with_value(path: str, value: Any) -> Wire:
    sent = full()
    inside, last = at(sent, path)
    inside[last] = value
    return sent


def without(path: str) -> Wire:
    sent = full()
    inside, last = at(sent, path)
    del inside[last]
    return sent


REQUIRED = [
    "host",
    "host.name",
    "host.os",
    "host.os.family",
    "snapshots[1].time",
    "snapshots[1].processes",
    *(f"snapshots[0].processes[2].{name}" for name in ("pid", "started_at", "name", "handles")),
    *(f"snapshots[0].processes[2].objects[0].{name}" for name in ("type", "name", "count")),
    "inventory.software[0].name",
]
NUMERIC = [
    "snapshots[0].processes[2].pid",
    "snapshots[0].processes[2].handles",
    "snapshots[0].processes[2].limit",
    "snapshots[0].processes[2].types.Event",
    "snapshots[0].processes[2].objects[0].count",
    "snapshots[0].processes[2].objects[0].distinct",
    "snapshots[0].coverage.processes",
    "snapshots[0].coverage.denied",
    "collector.interval_s",
]
TEXTS = [
    "host.name",
    "host.os.name",
    "host.os.version",
    "host.os.service_pack",
    "host.labels.site",
    "snapshots[0].processes[2].name",
    *(f"snapshots[0].processes[2].{name}" for name in ("instance", "exe", "user", "version")),
    "snapshots[0].processes[2].objects[0].name",
    "inventory.software[0].vendor",
    "collector.version",
]
TIMES = [
    "host.booted_at",
    "sent_at",
    "snapshots[1].time",
    "snapshots[0].processes[2].started_at",
    "inventory.time",
]
NEVER_NULL = [path for path in REQUIRED if not path.endswith(("handles", "started_at"))] + [
    "snapshots",
    "host.labels.site",
    "snapshots[0].processes[2].types",
    "snapshots[0].processes[2].types.Event",
]
CONTAINERS = ["host", "host.os", "host.labels", "snapshots", "snapshots[0]", "snapshots[0].processes", "inventory"]


def test_a_full_body_is_taken() -> None:
    push = decoded(full())
    assert push.snapshots[0].processes[2].types == {"Event": 3}
    assert push.inventory is not None
    assert push.inventory.drivers == []


def test_the_least_body_is_taken() -> None:
    push = decoded({"host": {"name": "a", "os": {"family": "other"}}})
    assert (push.host.name, push.snapshots, push.inventory) == ("a", [], None)


@pytest.mark.parametrize("path", REQUIRED)
def test_a_required_field_left_out_is_named(path: str) -> None:
    assert refusal(without(path)) == (422, [path])


@pytest.mark.parametrize("path", NEVER_NULL)
def test_null_is_refused_where_it_means_nothing(path: str) -> None:
    assert refusal(with_value(path, None)) == (422, [path])


@pytest.mark.parametrize("path", ["snapshots[0].processes[2].handles", "snapshots[0].processes[2].started_at"])
def test_null_is_taken_where_it_means_not_known(path: str) -> None:
    decoded(with_value(path, None))


@pytest.mark.parametrize("path", NUMERIC)
@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
def test_a_number_that_is_no_count_is_refused(path: str, number: str) -> None:
    text = json.dumps(with_value(path, "@")).replace('"@"', number)
    assert refusal(text.encode()) == (422, [path])


@pytest.mark.parametrize("path", NUMERIC)
@pytest.mark.parametrize("number", ["0", "-0", str(MOST)])
def test_a_count_at_its_bounds_is_taken(path: str, number: str) -> None:
    decoded(json.dumps(with_value(path, "@")).replace('"@"', number).encode())


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}])
def test_a_text_is_a_string(path: str, value: Any) -> None:
    assert refusal(with_value(path, value)) == (422, [path])


@pytest.mark.parametrize("path", TIMES)
@pytest.mark.parametrize("value", [1, "", "yesterday", "2025-06-02", "2025-06-02T00:00:00", "2025-13-02T00:00:00Z"])
def test_a_time_is_rfc_3339_with_its_zone(path: str, value: Any) -> None:
    assert refusal(with_value(path, value)) == (422, [path])


@pytest.mark.parametrize("path", [path for path in TIMES if "started_at" not in path])
def test_a_time_before_1970_is_refused(path: str) -> None:
    assert refusal(with_value(path, "1969-12-31T23:59:59Z")) == (422, [path])


@pytest.mark.parametrize("path", CONTAINERS)
@pytest.mark.parametrize("value", [1, "x", True, 1.5])
def test_a_container_is_one(path: str, value: Any) -> None:
    assert refusal(with_value(path, value)) == (422, [path])


@pytest.mark.parametrize("family", ["Windows", "", "bsd", "x" * 5_000])
def test_an_os_family_is_one_of_four(family: str) -> None:
    assert refusal(with_value("host.os.family", family)) == (422, ["host.os.family"])


@pytest.mark.parametrize("name", ["", " ", "\t", ".", "..", "ΐ" * 700])
def test_a_host_name_that_can_not_be_addressed_or_kept_is_refused(name: str) -> None:
    assert refusal(with_value("host.name", name)) == (422, ["host.name"])


def test_snapshots_are_bounded() -> None:
    decoded(body(*[snapshot(i) for i in range(1_000)]))
    assert refusal(body(*[snapshot(i) for i in range(1_001)])) == (422, ["snapshots"])


def test_processes_are_bounded() -> None:
    many = [process(pid=pid) for pid in range(20_001)]
    decoded(body(snapshot(0, *many[:-1])))
    assert refusal(body(snapshot(0, *many))) == (422, ["snapshots[0].processes"])


def test_types_are_bounded() -> None:
    types = {f"type {i}": 1 for i in range(65)}
    decoded(with_value("snapshots[0].processes[2].types", dict(list(types.items())[:-1])))
    path = "snapshots[0].processes[2].types"
    assert refusal(with_value(path, types)) == (422, [path])


def test_objects_are_bounded() -> None:
    path = "snapshots[0].processes[2].objects"
    decoded(with_value(path, [OBJECT] * 200))
    assert refusal(with_value(path, [OBJECT] * 201)) == (422, [path])


@pytest.mark.parametrize("started_at", [None, "2025-06-01T00:00:00Z"])
def test_a_process_twice_in_a_snapshot_is_refused(started_at: str | None) -> None:
    twice = [{"pid": 4, "started_at": started_at, "name": name, "handles": 1} for name in "ab"]
    sent = body(snapshot(0, process(), *twice))
    assert refusal(sent) == (422, ["snapshots[0].processes[2]"])


def test_a_process_twice_is_found_across_zones() -> None:
    starts = ("2025-06-01T00:00:00Z", "2025-06-01T02:00:00+02:00")
    twice = [{"pid": 4, "started_at": start, "name": "a", "handles": 1} for start in starts]
    assert refusal(body(snapshot(0, *twice))) == (422, ["snapshots[0].processes[1]"])


def test_a_pid_used_again_is_another_process() -> None:
    starts = (None, "2025-06-01T00:00:00Z", "2025-06-01T00:00:00.000001Z")
    decoded(body(snapshot(0, *[{"pid": 4, "started_at": start, "name": "a", "handles": 1} for start in starts])))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf" + json.dumps(full()).encode(),
        json.dumps(full()).encode() + b" x",
        json.dumps(full()).encode() * 2,
        json.dumps(full()).encode()[:-1],
        json.dumps(full()).replace("web-01", "a\x01b").encode(),
        json.dumps(full()).replace("1024", "01024").encode(),
        json.dumps(full()).replace("1024", "NaN").encode(),
        json.dumps(full()).encode("utf-16"),
        b'{"a":' * 100_000,
    ],
    ids=range(11),
)
def test_what_is_not_json_is_400(sent: bytes) -> None:
    assert refusal(sent) == (400, [])


@pytest.mark.parametrize("sent", [b"[]", b"null", b"1", b'"x"'])
def test_json_of_another_shape_is_422(sent: bytes) -> None:
    assert refusal(sent) == (422, [""])


@pytest.mark.parametrize("where", ["web-01", "Event", '"x"', "java"])
@pytest.mark.parametrize("byte", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"])
def test_invalid_utf_8_is_400_anywhere(where: str, byte: bytes) -> None:
    sent = json.dumps(full()).encode().replace(where.encode(), where.encode()[:-1] + byte + where.encode()[-1:], 1)
    assert refusal(sent)[0] == 400


def test_invalid_utf_8_is_400_in_an_unknown_field() -> None:
    assert refusal(b'{"host": {"name": "a", "os": {"family": "linux"}}, "new": "\xff"}')[0] == 400


def test_a_wrong_count_is_named_though_the_rest_is_no_json() -> None:
    wrong = json.dumps(with_value("snapshots[0].processes[2].types.Event", "x")).encode()
    assert refusal(wrong + b" rest") == (422, ["snapshots[0].processes[2].types"])


def test_a_wrong_count_is_named_though_a_later_key_hides_it() -> None:
    wrong = json.dumps(with_value("snapshots[0].processes[2].types.Event", "x"))
    assert refusal(wrong[:-1].encode() + b', "snapshots": []}') == (422, ["snapshots[0].processes[2].types"])
