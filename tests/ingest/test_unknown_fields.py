"""An older server serves a newer collector: what it does not know is ignored, at every level, whatever it holds."""

import json
from typing import Any

import pytest

from server.ingest.prepare import prepare
from server.ingest.wire import decode_push
from tests.ingest.test_decoding import full
from tests.pushing import START_US, Wire


def nested(depth: int) -> Any:
    inside: Any = 1.5
    for _ in range(depth):
        inside = [inside] if depth % 2 else {"in": inside}
    return inside


VALUES = [
    None,
    1.5,
    1e300,
    -1,
    10**30,
    "x",
    "\0",
    "x" * 3_000,
    [],
    {},
    [1.0, {"a": None}],
    True,
    nested(51),
    nested(90),
]


def levels(sent: Wire) -> list[Wire]:
    one = sent["snapshots"][0]
    return [
        sent,
        sent["host"],
        sent["host"]["os"],
        sent["collector"],
        sent["inventory"],
        sent["inventory"]["software"][0],
        one,
        one["coverage"],
        one["processes"][2],
        one["processes"][2]["objects"][0],
    ]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_unknown_fields_are_ignored_at_every_level(value: Any) -> None:
    sent = full()
    for level in levels(sent):
        level["new"] = value
    assert decode_push(json.dumps(sent).encode()).snapshots == decode_push(json.dumps(full()).encode()).snapshots


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_what_is_said_of_cost_never_refuses_a_push(value: Any) -> None:
    """`collector.cost` is no part of the wire format, so anything may stand there."""
    sent = full()
    sent["collector"]["cost"] = value
    cost = prepare(decode_push(json.dumps(sent).encode()), START_US + 10**9).facts["collector"]["cost"]
    assert cost in (None, {})


def test_the_cost_that_our_collector_tells_is_kept() -> None:
    sent = full()
    sent["collector"]["cost"] = {"cpu_s": 0.5, "handles": 9, "note": "x", "big": 10**25}
    facts = prepare(decode_push(json.dumps(sent).encode()), START_US + 10**9).facts
    assert facts["collector"]["cost"] == sent["collector"]["cost"]
