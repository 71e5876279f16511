"""The block codec gives back exactly what went in, and is small where nothing moves."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.analysis.frames import UNKNOWN, Frame, from_readings, rebucket, union
from server.analysis.instants import MINUTE, to_us
from server.analysis.readings import MOST, Process, Reading
from server.store.blocks import _pack, compress, pack, pack_times, unpack, unpack_times
from tests.histories import START, contents, histories, told

History = list[tuple[int, int, Reading]]


def same(one: Frame, other: Frame) -> bool:
    plain = ("step_s", "processes", "type_rows", "object_rows", "sum_rows")
    arrays = (
        "times",
        "skews",
        "seen",
        "denied",
        "intervals",
        "booted",
        "partial",
        "limits",
        "looked",
        "distinct",
        "estimated",
    )
    return all(getattr(one, name) == getattr(other, name) for name in plain) and all(
        np.array_equal(left, right)
        for left, right in [(getattr(one, name), getattr(other, name)) for name in arrays]
        + [
            (getattr(getattr(one, name), part), getattr(getattr(other, name), part))
            for name in ("handles", "types", "objects", "sums")
            for part in ("last", "low", "high")
        ]
    )


@given(histories)
def test_a_full_block_round_trips(sent: History) -> None:
    frame = unpack(pack(from_readings(sent)))
    assert same(frame, from_readings(sent))
    assert contents(frame) == told(sent)


@given(histories, st.sampled_from([600, 3600]))
def test_a_coarse_block_round_trips(sent: History, step_s: int) -> None:
    frame = rebucket(from_readings(sent), step_s)
    assert same(unpack(pack(frame)), frame)


@given(histories, histories)
def test_a_merged_block_round_trips(sent: History, late: History) -> None:
    frame = union([from_readings(sent), from_readings(late)])
    assert same(unpack(pack(frame)), frame)
    assert contents(frame) == told(sent + late)


@given(st.sets(st.integers(0, MOST * 16), max_size=50))
def test_times_round_trip(times: set[int]) -> None:
    assert unpack_times(pack_times(times)) == sorted(times)


def test_sections_are_read_alone() -> None:
    sent = [(to_us(START), 0, Reading([Process(pid=1, started_at=None, name="a", handles=7, types={"Event": 3})]))]
    frame = unpack(pack(from_readings(sent)), frozenset({"handles"}))
    assert frame.handles.last.tolist() == [[7]]
    assert frame.type_rows == []


def test_an_hour_in_which_nothing_moves_is_small() -> None:
    def reading() -> Reading:
        return Reading([Process(pid=pid, started_at=START, name=f"p{pid}", handles=100 + pid) for pid in range(200)])

    block = pack(from_readings([(to_us(START) + minute * MINUTE, 0, reading()) for minute in range(60)]))
    assert len(block) < 0.3 * 200 * 60


def test_a_block_from_before_intervals_were_kept_is_read() -> None:
    sent = [(to_us(START), 0, Reading([Process(pid=1, started_at=None, name="a", handles=7)], interval_s=60))]
    frame = from_readings(sent)
    stored = msgspec.msgpack.decode(pack(frame))
    head = [
        frame.step_s,
        _pack(np.stack([frame.times, *[frame.skews] * 2, frame.seen, frame.denied])),
        [[1, None, "a"]],
    ]
    old = unpack(msgspec.msgpack.encode({**stored, "head": compress(msgspec.msgpack.encode(head))}))
    assert (old.intervals.tolist(), old.booted.tolist()) == ([UNKNOWN], [UNKNOWN])
    assert old.handles.last.tolist() == [[7]]


def test_intervals_and_boots_round_trip() -> None:
    sent = [(to_us(START) + i, 0, Reading([], interval_s=told, booted_us=told)) for i, told in enumerate((None, 60, 9))]
    frame = unpack(pack(from_readings(sent)))
    assert frame.intervals.tolist() == frame.booted.tolist() == [UNKNOWN, 60, 9]
