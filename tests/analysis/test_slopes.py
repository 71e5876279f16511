"""What counts as growth over a day."""

from collections.abc import Sequence

from server.analysis.frames import Frame, from_readings
from server.analysis.instants import MINUTE, from_us
from server.analysis.readings import Process, Reading
from server.analysis.slopes import steepest


def frame_of(**counts: Sequence[int | None]) -> Frame:
    """A reading a minute of programs by name; None: not there."""
    width = len(next(iter(counts.values())))
    readings = []
    for minute in range(width):
        there = [
            Process(pid=pid, started_at=from_us(0), name=name, handles=of_program[minute])
            for pid, (name, of_program) in enumerate(counts.items())
            if of_program[minute] is not None
        ]
        readings.append((minute * MINUTE, 0, Reading(processes=there)))
    return from_readings(readings)


def test_a_program_grows_as_the_line_through_its_counts_does() -> None:
    found = steepest(frame_of(up=range(100, 220), down=range(500, 380, -1)), fold=False)
    assert [(one.program, one.rate_per_hour, one.handles) for one in found] == [("up", 60.0, 219)]


def test_what_ran_for_less_than_half_of_the_time_has_no_slope() -> None:
    brief = [*[None] * 70, *range(50)]
    assert steepest(frame_of(brief=brief, still=[5] * 120), fold=False) == []


def test_names_are_one_program_whatever_their_case_where_the_system_says_so() -> None:
    frame = frame_of(Svc=range(120), svc=range(120))
    assert [one.rate_per_hour for one in steepest(frame, fold=True)] == [120.0]
    assert [one.rate_per_hour for one in steepest(frame, fold=False)] == [60.0, 60.0]
