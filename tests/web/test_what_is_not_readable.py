"""Types and names that a collector may not read: from a push to REST and the host's page."""

from typing import Any

import pytest

from tests.pushing import body, process, snapshot
from tests.serving import Served


def coverage(served: Served) -> Any:
    detail, listed = (served.reader.get(f"/api/v1/hosts{one}").json() for one in ("/web-01", ""))
    assert detail["coverage"] == listed["items"][0]["coverage"]
    return detail["coverage"]


def page(served: Served) -> str:
    text = served.reader.get("/hosts/web-01").text
    return text.replace('<span class="warn-text">', "").replace("</span>", "")


def test_types_that_may_not_be_read_are_told_from_those_not_looked_at(served: Served) -> None:
    served.relay.push(body(snapshot(0, process(), coverage={"processes": 14, "denied": 0, "types_denied": 0})))
    assert "14, all readable</dd>" in page(served)
    assert "not looked at" in page(served)
    said = {"processes": 14, "denied": 0, "types_denied": 12, "broken": 1}
    served.relay.push(body(snapshot(1, process(), coverage=said)))
    assert coverage(served) == {**said, "unnamed": None}
    assert "14, all counted; types of 12 not readable</dd>" in page(served)
    assert "not looked at" not in page(served)


def test_names_that_may_not_be_read_are_said_beside_counts_that_are_missing(served: Served) -> None:
    said = {"processes": 31, "denied": 2, "types_denied": 0, "broken": 0, "unnamed": 7}
    machine = {"open_files": {"used": 1, "limit": None}, "inotify": None}
    served.relay.push(body(snapshot(0, process(unnamed=True), coverage=said, machine=machine)))
    assert coverage(served) == said
    assert served.reader.get("/api/v1/hosts/web-01").json()["machine"] == machine
    assert "29 of 31 readable; names of 7 not readable</dd>" in page(served)


@pytest.mark.parametrize("odd", [-1, 2**60, 1.5, "x", None, [1], {"a": 1}, True])
def test_anything_but_a_count_is_let_pass(served: Served, odd: object) -> None:
    said = {"processes": 1, "denied": 0, "types_denied": odd, "unnamed": odd, "broken": odd}
    assert served.relay.push(body(snapshot(0, process(), coverage=said))).json()["accepted"] == 1
    assert coverage(served) == {"processes": 1, "denied": 0, "types_denied": None, "unnamed": None, "broken": None}
    assert "1, all readable</dd>" in page(served)
