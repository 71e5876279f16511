"""Frames hold what was sent, however it is cut, joined and made coarser."""

from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.analysis.frames import (
    ABSENT,
    UNKNOWN,
    Frame,
    carried_types,
    from_readings,
    rebucket,
    take,
    union,
    with_last_looks,
)
from server.analysis.instants import MINUTE, SECOND, to_us
from server.analysis.readings import ObjectCount, Process, Reading
from tests.histories import START, contents, histories, told

History = list[tuple[int, int, Reading]]


def reading(handles: int | None, *, pid: int = 1, types: dict[str, int] | None = None) -> Reading:
    return Reading([Process(pid=pid, started_at=START, name="a", handles=handles, types=types or {})])


def history(*steps: tuple[float, Reading]) -> History:
    return [(to_us(START + timedelta(minutes=minute)), 0, one) for minute, one in steps]


@given(histories)
def test_a_frame_says_what_was_sent(sent: History) -> None:
    assert contents(from_readings(sent)) == told(sent)


@given(histories, st.data())
def test_parts_joined_in_any_order_say_what_was_sent(sent: History, data: st.DataObject) -> None:
    owners = [data.draw(st.integers(0, 2)) for _ in sent]
    parts = [[one for one, owner in zip(sent, owners, strict=True) if owner == part] for part in range(3)]
    frames = [from_readings(part) for part in parts if part]
    assert contents(union(data.draw(st.permutations(frames)))) == told(sent)


@given(histories)
def test_the_first_content_of_a_time_stays(sent: History) -> None:
    other = [(time, skew, Reading([])) for time, skew, _ in sent]
    assert contents(union([from_readings(sent), from_readings(other)])) == told(sent)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=9), st.data())
def test_parts_that_follow_each_other_say_what_was_sent(counts: list[tuple[int, int]], data: st.DataObject) -> None:
    sent = history(*((at, reading(held, types={"file": files})) for at, (held, files) in enumerate(counts)))
    frame, cut = from_readings(sent), data.draw(st.integers(1, len(counts) - 1))
    parts = [take(frame, np.arange(cut)), take(frame, np.arange(cut, len(counts)))]
    assert contents(union(parts)) == told(sent)
    assert contents(union(parts)) == contents(union(parts[::-1]))


def totals(sent: History, step: int) -> dict[int, tuple[int, int, int]]:
    """Last, lowest and highest total of each bucket, straight from the readings; -1 where not known."""
    buckets: dict[int, list[int]] = {}
    for time, _, one in sent:
        known = [process.handles for process in one.processes if process.handles is not None]
        buckets.setdefault(time // step, []).append(sum(known) if known else UNKNOWN)
    known_of = {key: [total for total in sums if total >= 0] or [UNKNOWN] for key, sums in buckets.items()}
    return {key: (sums[-1], min(known_of[key]), max(known_of[key])) for key, sums in buckets.items()}


def total_row(frame: Frame, step: int) -> dict[int, tuple[int, int, int]]:
    row = frame.sum_rows.index(("total", ""))
    columns = zip(frame.times, frame.sums.last[row], frame.sums.low[row], frame.sums.high[row], strict=True)
    return {int(time) // step: (int(last), int(low), int(high)) for time, last, low, high in columns}


@given(histories)
def test_a_coarse_total_keeps_last_lowest_and_highest(sent: History) -> None:
    assert total_row(rebucket(from_readings(sent), 600), 10 * MINUTE) == totals(sent, 10 * MINUTE)


@given(histories, st.data())
def test_coarse_parts_merge_as_if_they_had_come_together(sent: History, data: st.DataObject) -> None:
    late = [data.draw(st.booleans()) for _ in sent]
    parts = [[one for one, is_late in zip(sent, late, strict=True) if is_late == part] for part in (False, True)]
    frames = [rebucket(from_readings(part), 3600) for part in parts if part]
    assert total_row(union(frames), 3600 * SECOND) == totals(sent, 3600 * SECOND)


def test_a_coarse_process_keeps_its_peak_and_that_it_ended() -> None:
    frame = from_readings(history((1, reading(5)), (2, reading(90)), (3, reading(7)), (4, Reading([]))))
    coarse = rebucket(frame, 600)
    assert [int(m[0, 0]) for m in (coarse.handles.last, coarse.handles.low, coarse.handles.high)] == [ABSENT, 5, 90]


def test_an_unreadable_process_stays_unknown_when_coarse() -> None:
    coarse = rebucket(from_readings(history((1, reading(None)), (2, reading(None)))), 600)
    assert int(coarse.handles.high[0, 0]) == UNKNOWN


def test_a_type_left_out_counts_zero_but_nothing_said_is_unknown() -> None:
    frame = from_readings(
        history((1, reading(2, types={"Event": 2})), (2, reading(2, types={"File": 2})), (3, reading(2)))
    )
    events = frame.types.last[frame.type_rows.index((0, "Event"))]
    assert events.tolist() == [2, 0, UNKNOWN]


def test_types_are_carried_while_a_process_lives() -> None:
    both = [
        Process(pid=1, started_at=START, name="a", handles=2, types={"Event": 2}),
        Process(pid=2, started_at=START, name="b", handles=3),
    ]
    other = [
        Process(pid=1, started_at=START, name="a", handles=2),
        Process(pid=2, started_at=START, name="b", handles=3, types={"Event": 3}),
    ]
    silent = Reading([Process(pid=1, started_at=START, name="a", handles=2)])
    frame = from_readings(history((1, Reading(both)), (2, Reading(other)), (3, silent)))
    carried = carried_types(frame).last
    assert np.where(carried >= 0, carried, 0).sum(axis=0).tolist() == [5, 5, 2]


def looked(minute: float, handles: int, **seen: Any) -> tuple[float, Reading]:
    return minute, Reading([Process(pid=1, started_at=START, name="a", handles=handles, **seen)])


def test_a_column_with_its_last_looks_has_the_newest_count_and_what_was_seen_before() -> None:
    first = looked(0, 9, types={"File": 9}, objects=[ObjectCount("File", "x", 9, 3, True)])
    second = looked(1, 10, types={"Event": 4}, objects=[ObjectCount("Event", "y", 4)])
    frame = with_last_looks(from_readings(history(first, second, looked(2, 11), looked(3, 12, types={"File": 1}))), 2)
    assert frame.handles.last.tolist() == [[11]]
    assert dict(zip(frame.type_rows, frame.types.last[:, 0].tolist(), strict=True)) == {(0, "File"): 0, (0, "Event"): 4}
    assert (frame.object_rows, frame.objects.last.tolist(), frame.looked.tolist()) == (
        [(0, "Event", "y")],
        [[4]],
        [[True]],
    )


def test_a_process_never_looked_at_stays_so() -> None:
    frame = with_last_looks(from_readings(history((0, reading(1)), (1, reading(2)))), 1)
    assert (frame.type_rows, frame.object_rows, frame.looked.tolist()) == ([], [], [[False]])


def test_an_estimate_stays_one_at_a_later_column() -> None:
    sent = history(looked(0, 9, objects=[ObjectCount("File", "x", 9, None, True)]), looked(1, 9))
    frame = with_last_looks(from_readings(sent), 1)
    assert (frame.estimated.tolist(), frame.distinct.tolist()) == ([[True]], [[UNKNOWN]])
