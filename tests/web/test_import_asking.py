"""Where only counts arrive and a backup program's count rises, the host's page asks for one `handle -a`."""

import pytest

from server.access.principals import Role
from server.analysis.instants import DAY
from tests.conftest import Clock
from tests.pushing import NT, START_US, body, hooked, process, snapshot, when
from tests.serving import Served
from tests.web.test_import_api import AT, HANDLE_A
from tests.web.test_pages import HTML, signed_in, text

ASKED = "take one handle -a on this machine and import it. Once only: handle monitors can hang NT 4.0"
PSLIST = """Process information for NTBK01:

Name         Pid Pri Thd  Hnd    Mem     User Time   Kernel Time   Elapsed Time
System         2   8  32  104    200   0:00:00.000   0:01:10.000    37:35:01.000
{name}     187   8   6 {handles:>5}   9484   0:05:02.412   0:06:00.000     6:12:44.031
"""


@pytest.fixture
def running(served: Served, clock: Clock) -> Served:
    clock.now_us = START_US + DAY
    return served


def counted(running: Served, *counts: int, name: str = "ntbackup") -> None:
    for hour, handles in enumerate(counts):
        content = PSLIST.format(name=name, handles=handles).encode()
        assert running.relay.post(f"{AT}?time={when(60 * hour)}", content=content).json()["accepted"] == 1


def said(running: Served) -> str:
    running.app.state.runner.judge_waiting()
    return text(signed_in(running, "Alice", Role.VIEWER).get("/hosts/NTBK01", headers=HTML).text)


def test_a_rise_is_asked_about_with_the_warning(running: Served) -> None:
    counted(running, 312, 2_650)
    page = said(running)
    assert "ntbackup.exe rose from 312 to 2,650 handles" in page
    assert ASKED in page


@pytest.mark.parametrize("counts", [(312,), (312, 330), (2_650, 312), (312, 2_650, 2_640), (312, 2_650, 313)])
def test_what_does_not_rise_is_not_asked_about(running: Served, counts: tuple[int, ...]) -> None:
    counted(running, *counts)
    assert ASKED not in said(running)


def test_a_program_that_no_signature_names_is_not_asked_about(running: Served) -> None:
    counted(running, 312, 2_650, name="explorer")
    assert ASKED not in said(running)


def test_once_names_are_there_nothing_is_asked(running: Served) -> None:
    counted(running, 312, 2_650)
    running.relay.post(f"{AT}?host=NTBK01&time={when(150)}", content=HANDLE_A)
    assert ASKED not in said(running)


def test_a_collector_that_looks_at_names_is_not_asked(running: Served) -> None:
    running.relay.push(body(hooked(0, 1), hooked(60, 1), host="NTBK01", os=NT))
    running.relay.push(body(snapshot(120, process("ntbackup.exe", pid=187, handles=9_000)), host="NTBK01", os=NT))
    assert ASKED not in said(running)


def test_an_nt_4_host_of_a_collector_elsewhere_is_asked(running: Served) -> None:
    for minute, handles in ((0, 312), (60, 2_650)):
        one = snapshot(minute, process("NTBACKUP.EXE", pid=187, handles=handles))
        running.relay.push(body(one, host="NTBK01", os=NT))
    assert ASKED in said(running)
