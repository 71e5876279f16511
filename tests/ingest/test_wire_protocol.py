"""The bodies of protocol 1 that collectors in the field send, and what they mean. The files are never edited."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.ingest.wire import Push, decode_push

WIRE = Path(__file__).resolve().parents[1] / "wire"
FILES = sorted(path.name for path in WIRE.glob("push-1*.json"))


def read(name: str) -> Push:
    return decode_push((WIRE / name).read_bytes())


@pytest.mark.parametrize("name", FILES)
def test_every_golden_body_is_taken(name: str) -> None:
    assert len(read(name).snapshots) >= 1


def test_the_nt_4_example() -> None:
    push = read("push-1.json")
    first, second = push.snapshots[0].processes
    assert (push.host.name, push.host.os.version, push.host.os.service_pack) == ("NTBK01", "4.0.1381", "6a")
    assert (first.handles, first.limit, first.types["Event"]) == (12_345, None, 12_000)
    assert first.objects is not None
    assert (first.objects[0].name, first.objects[0].distinct) == ("\\BaseNamedObjects\\V3SOCKHOOK", 11_950)
    assert (second.handles, second.objects) == (None, None)


def test_the_linux_body() -> None:
    push = read("push-1-linux.json")
    first, last = push.snapshots
    assert push.sent_at == datetime(2026, 11, 22, 10, 1, 2, 250_000, UTC)
    assert first.processes[0].started_at == datetime(2026, 11, 20, 6, 0, 0, 130_000, UTC)
    assert first.processes[0].objects is not None
    assert (first.processes[0].objects[0].estimated, first.processes[0].objects[0].distinct) == (True, None)
    assert (last.coverage, last.processes[0].types, last.processes[0].objects) == (None, {}, [])
    assert push.inventory is not None
    assert (push.inventory.software, push.inventory.drivers) == ([], None)


def test_the_odd_body() -> None:
    push = read("push-1-odd.json")
    one, other = push.snapshots[0].processes
    assert push.host.name == "Büro\ufffd<1>"
    assert push.snapshots[0].time == datetime(2026, 11, 22, 10, 0, 0, 1, UTC)
    assert (one.name, one.handles, one.types) == ("\ufffd \\ud800 😀", 2**53 - 1, {"ALPC Port": 0, "": 1})
    assert (other.name, other.instance, other.handles) == ("", "a[b]", 0)
