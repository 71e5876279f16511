"""No body of any bytes gives anything but a push or a refusal that the wire format knows."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from server.ingest.body import unpack_body
from server.ingest.prepare import prepare
from server.ingest.wire import decode_push
from server.problems import Problem
from tests.ingest.test_decoding import CONTAINERS, NUMERIC, TEXTS, TIMES, at, full
from tests.pushing import START_US

KNOWN = {400, 413, 422}
PATHS = [*NUMERIC, *TEXTS, *TIMES, *CONTAINERS]
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)


def outcome(data: bytes, encoding: str = "") -> int:
    try:
        prepare(decode_push(unpack_body(data, encoding)), START_US * 2)
    except Problem as problem:
        json.dumps(problem.body())
        return problem.status
    return 200


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "zstd", "br", "identity"]))
def test_any_bytes(data: bytes, encoding: str) -> None:
    assert outcome(data, encoding) in KNOWN


@given(values)
@example({"host": {"name": "a", "os": {"family": "linux"}}, "collector": {"cost": float("inf")}})
def test_any_json(value: Any) -> None:
    assert outcome(json.dumps(value).encode()) in KNOWN


@given(st.sampled_from(PATHS), values)
def test_any_value_in_any_field(path: str, value: Any) -> None:
    sent = full()
    inside, last = at(sent, path)
    inside[last] = value
    assert outcome(json.dumps(sent).encode()) in {200, *KNOWN}


@given(st.integers(0, 2_000), st.binary(min_size=1, max_size=4), st.booleans())
def test_any_damage(where: int, damage: bytes, inserted: bool) -> None:
    data = json.dumps(full()).encode()
    where %= len(data)
    damaged = data[:where] + damage + data[where + (0 if inserted else len(damage)) :]
    assert outcome(damaged) in {200, *KNOWN}
