"""A series answer is bounded, whatever is asked for."""

import pytest

from server.analysis import series
from server.analysis.frames import from_readings
from server.analysis.instants import MINUTE, to_us
from server.analysis.readings import Process, Reading
from server.analysis.series import Query, chart
from tests.histories import START


def test_lines_beyond_the_bound_are_counted_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MOST_VALUES", 30)
    processes = [Process(pid=pid, started_at=START, name=f"p{pid}", handles=pid) for pid in range(8)]
    frame = from_readings([(to_us(START) + minute * MINUTE, 0, Reading(processes)) for minute in range(10)])
    drawn = chart([frame], Query(by="process"))
    assert ([line.key["pid"] for line in drawn.lines], drawn.left_out) == ([7, 6, 5], 5)
