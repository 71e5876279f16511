"""What a host's page says of a reading that was stored while the server's own clock was wrong."""

import pytest

from server.access.principals import Role
from server.analysis.instants import DAY, HOUR, MINUTE
from tests.conftest import Clock
from tests.pushing import START_US, body, host_row, judged, process, snapshot
from tests.serving import Served
from tests.web.test_leak_page import HTML, signed_in, text

PATH = "/hosts/web-01"


def page(served: Served, clock: Clock, *, ahead: int) -> str:
    """The server's clock stood `ahead` microseconds too far, and is right now."""
    clock.now_us = START_US + ahead + MINUTE
    minutes = ahead // MINUTE
    assert served.relay.push(body(snapshot(minutes, process(handles=10)))).status_code == 200
    clock.now_us = START_US + HOUR
    assert served.relay.push(body(*[snapshot(at, process(handles=at)) for at in range(60)])).status_code == 200
    judged(served.database)
    return text(signed_in(served, "Bob", Role.VIEWER).get(PATH, headers=HTML).text)


def test_one_far_ahead_says_until_when_nothing_is_judged_and_what_to_do(served: Served, clock: Clock) -> None:
    said = page(served, clock, ahead=40 * DAY)
    assert "Its newest reading is stamped 39 d ahead of this server's clock" in said
    assert "not judged for leaks before 2025-06-28 00:00 UTC" in said
    assert "forget the host through DELETE /api/v1/hosts" in said


def test_one_a_little_ahead_says_that_judging_goes_on(served: Served, clock: Clock) -> None:
    said = page(served, clock, ahead=3 * DAY)
    assert "Its newest reading is stamped 2 d 23 h ahead of this server's clock; readings of now count as late" in said


def test_a_forgotten_host_reports_anew(served: Served, clock: Clock) -> None:
    page(served, clock, ahead=40 * DAY)
    assert served.admin.request("DELETE", "/api/v1/hosts/web-01").status_code == 204
    served.relay.push(body(snapshot(59, process(handles=10))))
    judged(served.database)
    assert host_row(served.database).shown_us == START_US + 59 * MINUTE


@pytest.mark.parametrize("ahead", [0, 4 * MINUTE])
def test_clocks_that_differ_a_little_are_not_spoken_of(served: Served, clock: Clock, ahead: int) -> None:
    clock.now_us = START_US
    served.relay.push(body(snapshot(ahead // MINUTE, process(handles=10))))
    judged(served.database)
    assert "ahead of this server" not in text(signed_in(served, "Bob", Role.VIEWER).get(PATH, headers=HTML).text)
