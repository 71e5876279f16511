"""The machine's table of open files and inotify instances: from a push to REST and the host's page."""

import pytest

from tests.pushing import Wire, body, snapshot
from tests.serving import Served

FULL: Wire = {
    "open_files": {"used": 950, "limit": 1_000},
    "inotify": {"limit": 128, "users": [{"user": "ann", "instances": 3}, {"user": "<b>app", "instances": 127}]},
}


def shared(served: Served) -> object:
    return served.reader.get("/api/v1/hosts/web-01").json()["machine"]


def page(served: Served) -> str:
    return served.reader.get("/hosts/web-01").text


def test_what_the_newest_snapshot_says_is_answered(served: Served) -> None:
    served.relay.push(body(snapshot(1, machine=FULL)))
    served.relay.push(body(snapshot(0, machine={"open_files": {"used": 1, "limit": None}})))
    assert shared(served) == FULL
    served.relay.push(body(snapshot(2)))
    assert shared(served) is None


def test_a_share_that_is_nearly_used_up_is_a_finding(served: Served) -> None:
    served.relay.push(body(snapshot(0, machine=FULL)))
    assert "All processes together have 950 of the 1,000 files open that this machine allows, 95 %" in page(served)
    assert "User &lt;b&gt;app has 127 of the 128 inotify instances a user may have, 99 %" in page(served)


def test_a_share_without_a_limit_is_shown_and_is_no_finding(served: Served) -> None:
    served.relay.push(body(snapshot(0, machine={"open_files": {"used": 4_832, "limit": None}})))
    assert "Open files, whole machine</dt><dd>4,832</dd>" in page(served)
    assert "that this machine allows" not in page(served)


@pytest.mark.parametrize("odd", [3, [], {"open_files": {"used": -1}}, {"inotify": {"limit": "x"}}, {"new": 1}, None])
def test_anything_else_in_the_field_is_let_pass(served: Served, odd: object) -> None:
    assert served.relay.push(body(snapshot(0, machine=odd))).json()["accepted"] == 1
    assert shared(served) is None
    assert "Open files, whole machine" not in page(served)
